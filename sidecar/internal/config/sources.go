package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/policy"
)

// sourceVariables returns the rows of the documentation for all variables that name sources of work.
func sourceVariables() []Variable {
	name := demand.SourceVariable + placeholder
	return []Variable{
		{Name: name, Default: policy.NoDefault, Secret: true, Meaning: "where work is, under a name that `stoker.demand` can hold: URLs, separated by spaces. " +
			"In the name case does not count, and `_` stands for `-` and dot"},
		{Name: name + fileSuffix, Default: policy.NoDefault, Meaning: "path of a file that holds `" + name + "`"},
	}
}

// placeholder stands for the part of a variable's name that users choose.
const placeholder = "<NAME>"

// taken returns the suffixes of STOKER_DEMAND_ that have another meaning, so no source can have them as its name.
func taken() []string { return []string{"target", "activation", "poll", "fallback", "file"} }

// IsSource reports whether a variable names a source of work, even if the name is invalid.
func IsSource(variable string) bool {
	return strings.HasPrefix(variable, demand.SourceVariable) && !slices.Contains(names(), variable)
}

// sources reads the variables that name sources, and the files that they name. No problem repeats a value.
func (l Loader) sources(values map[string]string) (map[string][]demand.Source, []Problem) {
	var all map[string][]demand.Source
	var problems []Problem
	from := map[string]string{}
	for _, variable := range slices.Sorted(maps.Keys(values)) {
		if !IsSource(variable) || values[variable] == "" {
			continue
		}
		name, err := sourceName(variable)
		if err == nil && from[name] != "" {
			err = fmt.Errorf("%s is set too; keep one of them", from[name])
		}
		var found []demand.Source
		if err == nil {
			from[name] = variable
			found, err = l.source(variable, values[variable])
		}
		if err != nil {
			problems = append(problems, Problem{Variable: variable, Message: err.Error()})
			continue
		}
		if all == nil {
			all = map[string][]demand.Source{}
		}
		all[name] = found
	}
	return all, problems
}

// sourceName returns the source's name in a variable's name.
func sourceName(variable string) (string, error) {
	name, ok := demand.SourceName(strings.TrimSuffix(strings.TrimPrefix(variable, demand.SourceVariable), fileSuffix))
	switch {
	case !ok:
		return "", errors.New("the name of a source has letters, digits and _, 64 at most")
	case slices.Contains(taken(), name):
		return "", fmt.Errorf("%q has a meaning of its own there, so no source can have it as its name; choose another name", name)
	}
	return name, nil
}

// source reads the value of a variable, or the file at that path.
func (l Loader) source(variable, value string) ([]demand.Source, error) {
	text := value
	if strings.HasSuffix(variable, fileSuffix) {
		content, message := l.readSecret(value, false, variable)
		if message != "" {
			return nil, errors.New(message)
		}
		text = content
	}
	found, err := demand.ParseSources(text)
	if err == nil {
		return found, nil
	}
	message := policy.Explain(text, err)
	if near := policy.Suggest(strings.TrimPrefix(variable, demand.SourceVariable), taken()); near != "" && !strings.Contains(text, "://") {
		message += "; did you mean " + demand.SourceVariable + strings.ToUpper(near) + "?"
	}
	return nil, errors.New(message)
}

// namedSources returns the sources for Summary: sources print themselves without secrets.
func namedSources(all map[string][]demand.Source) []string {
	var named []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		text := name + "="
		for i, s := range all[name] {
			if i > 0 {
				text += " "
			}
			text += s.String()
		}
		named = append(named, text)
	}
	return named
}
