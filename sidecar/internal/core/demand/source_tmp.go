package demand

import (
	"errors"
	"strings"
)

// Source is TEMPORARY until engine/queue lands.
type Source struct{ text string }

func (s Source) String() string { return s.text }

func Resolve(label string, named map[string][]Source) ([]Source, error) {
	var all []Source
	for _, w := range strings.Fields(label) {
		if strings.Contains(w, "://") {
			all = append(all, Source{w})
			continue
		}
		s, ok := named[strings.ToLower(w)]
		if !ok {
			return nil, errors.New("no source named " + w)
		}
		all = append(all, s...)
	}
	return all, nil
}
