package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// written is one label as it stands on the container.
type written struct {
	key, value string
}

func (w written) problem(message string) Problem {
	return Problem{Label: w.key, Value: w.value, Message: message}
}

// sayings is what a container's labels say to Stoker. Docker keeps keys that differ only in case apart, so that one
// label may be said more than once.
type sayings struct {
	known   map[string][]written // by documented name
	unknown []written
}

func collect(labels map[string]string) sayings {
	said := sayings{}
	for key := range labels {
		if ours(key) || meant(key) != "" {
			said.known = make(map[string][]written)
			break
		}
	}
	if said.known == nil {
		return said
	}
	names := names()
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		name, w := strings.ToLower(strings.TrimSpace(key)), written{key, labels[key]}
		switch {
		case slices.Contains(names, name):
			said.known[name] = append(said.known[name], w)
		case ours(key), meant(key) != "":
			said.unknown = append(said.unknown, w)
		}
	}
	return said
}

func ours(key string) bool {
	key = strings.TrimSpace(key)
	return len(key) >= len(prefix) && strings.EqualFold(key[:len(prefix)], prefix)
}

// meant is the label that a key would be but for one slip before its own name: a letter of stoker (stocker.enable), or the
// dot after it (stoker-enable). Such a worker would otherwise pass for one that says nothing, and be missed the day it stays
// dead. The rest has to be a label's name as it is: that is what tells a slip from somebody else's label.
func meant(key string) string {
	key = strings.ToLower(strings.TrimSpace(key))
	end := strings.IndexAny(key, ".-_:/")
	if end < len(prefix)-2 || end > len(prefix) || ours(key) {
		return ""
	}
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

func (s sayings) nothing() bool { return len(s.known) == 0 && len(s.unknown) == 0 }

// once is a label that was said, and said only once.
func (s sayings) once(name string) (written, bool) {
	if all := s.known[name]; len(all) == 1 {
		return all[0], true
	}
	return written{}, false
}

// either is the first of the labels that was said once.
func (s sayings) either(names ...string) (written, bool) {
	for _, name := range names {
		if w, ok := s.once(name); ok {
			return w, true
		}
	}
	return written{}, false
}

// problems is what is wrong with the keys, whatever their values.
func (s sayings) problems() []Problem {
	var problems []Problem
	for _, all := range s.known {
		for _, w := range all[1:] {
			problems = append(problems, w.problem(fmt.Sprintf("said twice, the other time as %.80q; keep one", all[0].key)))
		}
	}
	for _, w := range s.unknown {
		p := w.problem("not a label that Stoker knows")
		if near := nearestLabel(w.key); near != "" {
			p.Nearest, p.Message = near, p.Message+"; did you mean "+near+"?"
		}
		problems = append(problems, p)
	}
	return problems
}

func nearestLabel(key string) string {
	if label := meant(key); label != "" {
		return label
	}
	known := names()
	for i := range known {
		known[i] = known[i][len(prefix):]
	}
	if near := Nearest(strings.TrimSpace(key)[len(prefix):], known); near != "" {
		return prefix + near
	}
	return ""
}
