package config

import (
	"errors"
	"slices"
	"strings"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/policy"
)

// readSecrets sets values to the content of the files that _FILE variables name.
func (l Loader) readSecrets(values map[string]string) []Problem {
	var problems []Problem
	for _, v := range Variables() {
		path := values[v.Name+fileSuffix]
		if !v.Secret || path == "" {
			continue
		}
		content, message := l.readSecret(path, values[v.Name] != "", v.Name)
		if message != "" {
			problems = append(problems, Problem{Variable: v.Name + fileSuffix, Value: path, Message: message})
			continue
		}
		values[v.Name] = content
	}
	return problems
}

// readSecret returns the secret in a file, or an error message.
func (l Loader) readSecret(path string, alreadySet bool, name string) (secret, message string) {
	if alreadySet {
		return "", name + " is set too; keep one of them"
	}
	content, err := l.ReadFile(path)
	if err != nil {
		return "", "cannot be read: " + cause(err)
	}
	secret = strings.TrimSpace(string(content))
	if secret == "" {
		return "", "the file is empty"
	}
	return secret, ""
}

// cause removes the path that errors of the os package repeat.
func cause(err error) string {
	if inner := errors.Unwrap(err); inner != nil {
		return inner.Error()
	}
	return err.Error()
}

// hidden reports whether a value must not be shown: secrets, sources of work, and addresses with a password.
func hidden(name, value string) bool {
	switch {
	case name == "DOCKER_HOST", name == "STOKER_PEERS":
		return strings.Contains(value, "@")
	case name == variableProbe:
		return policy.ShownProbe(value) != value
	case strings.HasPrefix(name, "STOKER_DEMAND") && slices.Contains(names(), name):
		return demand.Shown(value) != strings.Join(strings.Fields(value), " ")
	}
	return IsSource(name) || slices.ContainsFunc(Variables(), func(v Variable) bool { return v.Name == name && v.Secret })
}
