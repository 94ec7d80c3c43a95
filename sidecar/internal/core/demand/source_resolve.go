package demand

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// SourceVariable is the prefix of the variables that name sources: STOKER_DEMAND_TASKS holds the URLs of tasks.
const SourceVariable = "STOKER_DEMAND_"

// SourceName normalizes a name for comparison: lower case, with _ for - and dot. It reports false for an invalid name.
func SourceName(text string) (name string, ok bool) {
	name = strings.NewReplacer("-", "_", ".", "_").Replace(strings.ToLower(text))
	return name, regexp.MustCompile(`^[a-z0-9_]{1,64}$`).MatchString(name)
}

// ParseSources parses the URLs of one or more sources, separated by white space. Duplicates are dropped.
func ParseSources(text string) ([]Source, error) {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return nil, errors.New("no URL; write one such as " + schemes()["amqp"].example)
	}
	var all []Source
	for i, field := range fields {
		s, err := ParseSource(field)
		if err != nil {
			return nil, nth(i, len(fields), err)
		}
		all = add(all, s)
	}
	return all, nil
}

// Resolve parses the value of label stoker.demand: URLs, and names of sources in named (by SourceName), separated by white space. Its error
// contains the unknown name and the variable that would define it.
func Resolve(label string, named map[string][]Source) ([]Source, error) {
	fields := strings.Fields(label)
	if len(fields) == 0 {
		return nil, errors.New("no source; write a URL, or the name of a source")
	}
	var all []Source
	for i, field := range fields {
		if strings.Contains(field, "://") {
			s, err := ParseSource(field)
			if err != nil {
				return nil, nth(i, len(fields), err)
			}
			all = add(all, s)
			continue
		}
		sources, err := lookUp(field, named)
		if err != nil {
			return nil, nth(i, len(fields), err)
		}
		all = add(all, sources...)
	}
	return all, nil
}

func lookUp(field string, named map[string][]Source) ([]Source, error) {
	name, ok := SourceName(field)
	if !ok { // it may be part of a URL, including a password
		return nil, errors.New("neither a URL nor the name of a source; write one such as " + schemes()["amqp"].example)
	}
	sources := named[name]
	if len(sources) == 0 {
		variable := SourceVariable + strings.ToUpper(name)
		return nil, fmt.Errorf("no source is called %q; set %s or %s_FILE of Stoker to its URL", name, variable, variable)
	}
	return sources, nil
}

// Shown returns a label's value for display: names, and URLs without their secrets. It is … if a part is neither.
func Shown(label string) string {
	const hidden = "…"
	fields := strings.Fields(label)
	for i, field := range fields {
		if _, ok := SourceName(field); ok {
			continue
		}
		s, err := ParseSource(field)
		if err != nil { // this field, or one after it, may be part of a password
			return hidden
		}
		fields[i] = s.String()
	}
	return strings.Join(fields, " ")
}

func nth(i, of int, err error) error {
	if of == 1 {
		return err
	}
	return fmt.Errorf("source %d of %d: %w", i+1, of, err)
}

func add(all []Source, more ...Source) []Source {
	for _, s := range more {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}
