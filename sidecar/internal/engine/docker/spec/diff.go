package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Difference is one field in which the new container differs from the old one.
type Difference struct {
	Field string // "HostConfig.NanoCpus", "Mounts[/data].Name"
	// Old and New are the values, as JSON. For a field that may hold a secret (environment, labels, commands, options) they only show
	// whether it was set.
	Old, New string
}

func (d Difference) String() string { return fmt.Sprintf("%s: was %s, is %s", d.Field, d.Old, d.New) }

// Diff compares the inspects of a container and of its replacement, field by field. It returns the differences that are not on the list of
// Known, sorted by field. It works on the bytes and not on the Docker client's types, so a field that this client does not have is compared
// too.
//
// The new container need not run: Diff gives the same result right after create and connect, while the old one still runs, as later. names
// is as in Input. It must hold both the old and the new ID of each recreated container that this one refers to.
func Diff(old, recreated []byte, names map[string]string) ([]Difference, error) {
	was, err := readDocument(old, names)
	if err != nil {
		return nil, fmt.Errorf("the old container: %w", err)
	}
	is, err := readDocument(recreated, names)
	if err != nil {
		return nil, fmt.Errorf("the new container: %w", err)
	}
	d := &differ{was: was, is: is}
	d.walk(nil, was.tree, is.tree)
	slices.SortFunc(d.found, func(a, b Difference) int { return strings.Compare(a.Field, b.Field) })
	return d.found, nil
}

// absent is a missing key, as opposed to one that is null: an engine of another version omits the fields that it does not have.
type absent struct{}

type differ struct {
	was, is *document
	found   []Difference
}

func (d *differ) walk(field []string, old, recreated any) {
	if isKnown(field) {
		return
	}
	oldMap, oldIsMap := old.(map[string]any)
	newMap, newIsMap := recreated.(map[string]any)
	if (oldIsMap || isNothing(old)) && (newIsMap || isNothing(recreated)) && (oldIsMap || newIsMap) {
		for _, key := range keysOf(oldMap, newMap) {
			part := append(slices.Clip(field), key)
			if was, is := lookUp(oldMap, key), lookUp(newMap, key); isTable(field) && (was == absent{}) != (is == absent{}) {
				d.report(part, was, is) // the presence of an entry has a meaning
			} else {
				d.walk(part, was, is)
			}
		}
		return
	}
	oldList, oldIsList := old.([]any)
	newList, newIsList := recreated.([]any)
	if oldIsList && newIsList && len(oldList) == len(newList) {
		for i := range oldList {
			d.walk(append(slices.Clip(field), strconv.Itoa(i)), oldList[i], newList[i])
		}
		return
	}
	if !isSame(field, old, recreated) {
		d.report(field, old, recreated)
	}
}

func (d *differ) report(field []string, old, recreated any) {
	if !d.isExcused(field, old, recreated) {
		d.found = append(d.found, Difference{Field: fieldName(field), Old: show(field, old), New: show(field, recreated)})
	}
}

// isTable reports whether the keys of an object are names that users chose, and not fields.
func isTable(field []string) bool {
	return slices.ContainsFunc([]string{
		"Config.ExposedPorts", "Config.Labels", "Config.Volumes", "HostConfig.Annotations", "HostConfig.LogConfig.Config", "HostConfig.Mounts",
		"HostConfig.PortBindings", "HostConfig.StorageOpt", "HostConfig.Sysctls", "HostConfig.Tmpfs", "HostConfig.Ulimits", "Mounts",
		"NetworkSettings.Networks", "NetworkSettings.Networks.*.DriverOpts",
	}, func(table string) bool { return matches(table, field) })
}

// isExcused reports whether the difference is on the list of those that depend on both values.
func (d *differ) isExcused(field []string, old, recreated any) bool {
	return slices.ContainsFunc(conditions(), func(c condition) bool {
		return matches(c.field, field) && c.holds(change{was: d.was, is: d.is, old: old, recreated: recreated})
	})
}

// isSame compares two values of which at most one is an object. All forms of an empty value are equal: null, no key, an empty list, an
// empty text. So are zero and no key, except where an unset field has a meaning of its own.
func isSame(field []string, old, recreated any) bool {
	if isNothing(old) && isNothing(recreated) {
		return true
	}
	if !hasUnset(field) && (isAbsentZero(old, recreated) || isAbsentZero(recreated, old)) {
		return true
	}
	oldText, _ := json.Marshal(old)
	newText, _ := json.Marshal(recreated)
	return !isNothing(old) && !isNothing(recreated) && bytes.Equal(oldText, newText)
}

func isNothing(value any) bool {
	switch v := value.(type) {
	case nil, absent:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

func isAbsentZero(one, other any) bool {
	if _, ok := one.(absent); !ok {
		return false
	}
	return other == false || other == json.Number("0")
}

// hasUnset reports whether an engine omits the field when it is not set, and its zero value has a meaning.
func hasUnset(field []string) bool {
	return slices.Contains([]string{"Config.StopTimeout", "HostConfig.Init", "HostConfig.Umask"}, strings.Join(field, "."))
}

func keysOf(a, b map[string]any) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}

func lookUp(m map[string]any, key string) any {
	if value, ok := m[key]; ok {
		return value
	}
	return absent{}
}

var plainName = regexp.MustCompile(`^[A-Za-z_]\w*$`)

// fieldName writes fields with dots and everything else, numbers and users' names, in brackets.
func fieldName(field []string) string {
	var name strings.Builder
	for i, part := range field {
		switch {
		case i == 0:
			name.WriteString(part)
		case plainName.MatchString(part) && !isTable(field[:i]):
			name.WriteString("." + part)
		default:
			name.WriteString("[" + part + "]")
		}
	}
	return name.String()
}

// shown returns the fields whose texts hold no secrets; numbers and booleans never do.
func shown() []string {
	return []string{
		"Image", "Platform", "Driver", "Config.Image", "Config.Hostname", "Config.User", "Config.WorkingDir", "Config.StopSignal",
		"Config.MacAddress", "HostConfig.NetworkMode", "HostConfig.PidMode", "HostConfig.IpcMode", "HostConfig.UTSMode",
		"HostConfig.CgroupnsMode", "HostConfig.CgroupParent", "HostConfig.RestartPolicy", "HostConfig.Runtime",
		"HostConfig.PortBindings", "HostConfig.CapAdd", "HostConfig.CapDrop", "HostConfig.VolumesFrom", "HostConfig.Links",
		"HostConfig.CpusetCpus", "HostConfig.CpusetMems", "HostConfig.Ulimits", "HostConfig.LogConfig.Type", "Mounts",
		"NetworkSettings.Networks.*.IPAMConfig", "NetworkSettings.Networks.*.Aliases", "NetworkSettings.Networks.*.Links",
	}
}

func show(field []string, value any) string {
	switch value.(type) {
	case absent, nil:
		return "not set"
	case bool, json.Number:
	default:
		if !slices.ContainsFunc(shown(), func(p string) bool { return isUnder(p, field) }) {
			return "set (not shown)"
		}
	}
	text, _ := json.Marshal(value)
	return string(text)
}
