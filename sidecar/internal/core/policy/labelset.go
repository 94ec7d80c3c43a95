package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"stoker/sidecar/internal/core/demand"
)

// label is one label as written on the container.
type label struct {
	key, value string
}

func (w label) problem(message string) Problem {
	value := shown(w.value)
	switch name := strings.TrimSpace(w.key); {
	case strings.EqualFold(name, labelDemand):
		value = demand.Shown(w.value)
	case strings.EqualFold(name, labelProbe):
		value = ShownProbe(w.value)
	}
	return Problem{Label: w.key, Value: value, Message: message}
}

// shown returns a value for display: a URL may contain a password.
func shown(value string) string {
	if strings.Contains(value, "://") {
		return hidden
	}
	return value
}

// hidden replaces a value that is not displayed.
const hidden = "…"

// labelSet is the labels of a container that are meant for Stoker. Docker distinguishes keys that differ only in case, so a label may occur more
// than once.
type labelSet struct {
	known   map[string][]label // by documented name
	unknown []label
}

func collect(labels map[string]string) labelSet {
	set := labelSet{}
	for key := range labels {
		if ours(key) || suggestPrefix(key) != "" { // most containers have none
			set.known = make(map[string][]label)
			break
		}
	}
	if set.known == nil {
		return set
	}
	names := names()
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		name, w := strings.ToLower(strings.TrimSpace(key)), label{key, labels[key]}
		switch {
		case slices.Contains(names, name):
			set.known[name] = append(set.known[name], w)
		case ours(key), suggestPrefix(key) != "":
			set.unknown = append(set.unknown, w)
		}
	}
	return set
}

func ours(key string) bool {
	key = strings.TrimSpace(key)
	return len(key) >= len(prefix) && strings.EqualFold(key[:len(prefix)], prefix)
}

// suggestPrefix returns the label that a key would be without one mistake before the label's name: a letter of stoker (stocker.enable), or the
// dot after it (stoker-enable). Without this, such a worker would count as unlabelled, and would not be restarted when it exits. The rest must be
// the exact name of a label: that distinguishes a mistake from another tool's label.
func suggestPrefix(key string) string {
	key = strings.TrimSpace(key)
	end := strings.IndexAny(key, ".-_:/")
	if end < len(prefix)-2 || end > len(prefix) || ours(key) {
		return ""
	}
	key = strings.ToLower(key)
	name := prefix + key[end+1:]
	if distance([]rune(key[:end]), []rune(prefix[:len(prefix)-1])) > 1 || !slices.Contains(names(), name) {
		return ""
	}
	return name
}

func names() []string {
	labels := Labels()
	names := make([]string, len(labels))
	for i, label := range labels {
		names[i] = label.Name
	}
	return names
}

func (s labelSet) nothing() bool { return len(s.known) == 0 && len(s.unknown) == 0 }

// once returns a label that occurs exactly once.
func (s labelSet) once(name string) (label, bool) {
	if all := s.known[name]; len(all) == 1 {
		return all[0], true
	}
	return label{}, false
}

// either returns the first of the labels that occurs exactly once.
func (s labelSet) either(names ...string) (label, bool) {
	for _, name := range names {
		if w, ok := s.once(name); ok {
			return w, true
		}
	}
	return label{}, false
}

// problems returns the problems of the keys, independent of their values.
func (s labelSet) problems() []Problem {
	var problems []Problem
	for _, all := range s.known {
		for _, w := range all[1:] {
			problems = append(problems, w.problem(fmt.Sprintf("set twice, the other time as %.80q; keep one", all[0].key)))
		}
	}
	for _, w := range s.unknown {
		p := w.problem("not a label of Stoker")
		if name := beforeColon(w.key, names()...); name != "" {
			p.Nearest, p.Message = name, colonMessage(w.key, name)
		} else if near := suggestLabel(w.key); near != "" {
			p.Nearest, p.Message = near, p.Message+"; did you mean "+near+"?"
		}
		problems = append(problems, p)
	}
	return problems
}

// beforeColon returns the label before the colon of a key: in Compose's list form, "- stoker.enable:true" is a label of that whole name, with no
// value. Empty when it is none of names.
func beforeColon(key string, names ...string) string {
	name, _, found := strings.Cut(strings.ToLower(strings.TrimSpace(key)), ":")
	if found && slices.Contains(names, name) {
		return name
	}
	return ""
}

// colonMessage is the message for such a key.
func colonMessage(key, name string) string {
	_, value, _ := strings.Cut(strings.TrimSpace(key), ":")
	return fmt.Sprintf("a colon does not separate name and value in a list; write %s=%.40s", name, value)
}

func suggestLabel(key string) string {
	if label := suggestPrefix(key); label != "" {
		return label
	}
	if label := beforeColon(key, names()...); label != "" {
		return label
	}
	known := names()
	for i := range known {
		known[i] = known[i][len(prefix):]
	}
	if near := Suggest(strings.TrimSpace(key)[len(prefix):], known); near != "" {
		return prefix + near
	}
	return ""
}
