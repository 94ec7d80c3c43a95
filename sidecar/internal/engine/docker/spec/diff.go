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

// Difference is one field in which the new container is not as the old one was.
type Difference struct {
	Field string // "HostConfig.NanoCpus", "Mounts[/data].Name"
	// Old and New are the values, as JSON. Where a field may hold a secret (environment, labels, commands, options) they
	// only say whether it was set.
	Old, New string
}

func (d Difference) String() string { return fmt.Sprintf("%s: was %s, is %s", d.Field, d.Old, d.New) }

// Diff compares the inspects of a container and of the one that was made to replace it, field by field, and gives what
// differs without being on the list of Known, sorted by field. It works on the bytes and not on the Docker client's
// types, so that a field that this client does not know is compared too.
//
// The new container need not run: asked right after create and connect, Diff tells everything that it would tell later,
// while the old one still runs. names is as in Input, and must hold both the old and the new ID of whatever the
// container refers to and was itself recreated.
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

// absent is a key that is not there, as opposed to one that is null: an engine of another version leaves out a field that
// it does not know.
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
				d.report(part, was, is) // an entry says something by being there
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

// isTable knows the objects whose keys are not fields but names that people gave.
func isTable(field []string) bool {
	return slices.ContainsFunc([]string{
		"Config.ExposedPorts", "Config.Labels", "Config.Volumes", "HostConfig.Annotations", "HostConfig.LogConfig.Config", "HostConfig.Mounts",
		"HostConfig.PortBindings", "HostConfig.StorageOpt", "HostConfig.Sysctls", "HostConfig.Tmpfs", "HostConfig.Ulimits", "Mounts",
		"NetworkSettings.Networks", "NetworkSettings.Networks.*.DriverOpts",
	}, func(table string) bool { return matches(table, field) })
}

// isExcused asks the list of differences that depend on both values.
func (d *differ) isExcused(field []string, old, recreated any) bool {
	return slices.ContainsFunc(conditions(), func(c condition) bool {
		return matches(c.field, field) && c.holds(change{was: d.was, is: d.is, old: old, recreated: recreated})
	})
}

// isSame compares two values of which at most one is an object. Nothing is nothing, however it is written: null, no key,
// an empty list, an empty text. Zero and no key are one too, except where no value is an answer of its own.
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

// hasUnset are fields that an engine leaves out when they are not set, and that mean something at zero.
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

// fieldName writes fields with dots and everything else, numbers and people's names, in brackets.
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

// shown are the fields whose texts hold no secrets; numbers and booleans never do.
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
