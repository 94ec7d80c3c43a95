package config

import (
	"errors"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v10"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/policy"
)

// Loader loads a configuration. Tests may replace its function to read files.
type Loader struct {
	ReadFile func(path string) ([]byte, error)
}

// Load reads an environment in the form of os.Environ, and the files that its _FILE variables name. It reports all problems at once, by
// variable. An empty variable counts as absent, except STOKER_LISTEN. Variables other than STOKER_* and the engine's DOCKER_* are ignored.
func Load(environ []string) (Config, []Problem) {
	return Loader{ReadFile: os.ReadFile}.Load(environ)
}

// Load is the function Load with this loader's function to read files.
func (l Loader) Load(environ []string) (Config, []Problem) {
	values := trimmed(environ)
	problems := unknown(values)
	problems = append(problems, l.readSecrets(values)...)
	sources, bad := l.sources(values)
	problems = append(problems, bad...)
	defaults, bad := labelDefaults(values, sources)
	problems = append(problems, bad...)
	parsed, bad := parse(values)
	problems = append(problems, bad...)
	problems = append(problems, quoted(values, problems)...)
	config := parsed.config(defaults)
	config.Sources = sources
	config.given = givenDefaults(values)
	problems = append(problems, contradictions(config, problems)...)
	return config, sorted(problems)
}

// trimmed returns the variables of the environment that Stoker reads.
func trimmed(environ []string) map[string]string {
	values := env.ToMap(environ)
	known := names()
	maps.DeleteFunc(values, func(name, _ string) bool { return !ours(name) && !slices.Contains(known, name) })
	for name, value := range values {
		values[name] = strings.TrimSpace(value)
	}
	return values
}

func ours(name string) bool {
	return len(name) >= len(prefix) && strings.EqualFold(name[:len(prefix)], prefix)
}

const prefix = "STOKER_"

// names returns the names of all variables with a fixed name.
func names() []string {
	var names []string
	for _, v := range Variables() {
		if !strings.Contains(v.Name, placeholder) {
			names = append(names, v.Name)
		}
	}
	return names
}

// unknown never repeats a value: STOKER_NOTIFI may hold STOKER_NOTIFY's secret.
func unknown(values map[string]string) []Problem {
	known := names()
	var problems []Problem
	for name := range values {
		if slices.Contains(known, name) || IsSource(name) {
			continue
		}
		p := Problem{Variable: name, Message: "not a variable of Stoker"}
		if base, found := strings.CutSuffix(name, fileSuffix); found && slices.Contains(known, base) {
			p.Nearest, p.Message = base, "only a secret can be given in a file; write "+base
		} else if p.Nearest = suggest(name, known); p.Nearest != "" {
			p.Message += "; did you mean " + p.Nearest + "?"
		}
		problems = append(problems, p)
	}
	return problems
}

func suggest(name string, known []string) string {
	var bare []string
	for _, k := range known {
		if own, found := strings.CutPrefix(k, prefix); found {
			bare = append(bare, own)
		}
	}
	if near := policy.Suggest(name[len(prefix):], bare); near != "" {
		return prefix + near
	}
	return ""
}

// labelDefaults reads the variables that are defaults of labels.
func labelDefaults(values map[string]string, sources map[string][]demand.Source) (policy.Defaults, []Problem) {
	given, variable := map[string]string{}, map[string]string{}
	for _, label := range policy.Labels() {
		if value := values[label.Env]; label.Env != "" && value != "" {
			given[label.Name], variable[label.Name] = value, label.Env
		}
	}
	defaults, bad := policy.ParseDefaults(given, sources)
	var problems []Problem
	for _, p := range bad {
		name := variable[p.Label]
		if hidden(name, values[name]) {
			p.Value = ""
		}
		problems = append(problems, Problem{Variable: name, Value: p.Value, Message: p.Message})
	}
	return defaults, problems
}

// givenDefaults returns the defaults of labels that are set, as written except for secrets.
func givenDefaults(values map[string]string) []string {
	var given []string
	for _, label := range policy.Labels() {
		if value := values[label.Env]; label.Env != "" && value != "" {
			if hidden(label.Env, value) {
				value = shown(label.Env, value)
			}
			given = append(given, label.Env+"="+value)
		}
	}
	return given
}

func parse(values map[string]string) (variables, []Problem) {
	var parsed variables
	err := env.ParseWithOptions(&parsed, env.Options{Environment: values, FuncMap: parsers()})
	if value, set := values[variableListen]; set && value == "" {
		parsed.Listen = ""
	}
	all := env.AggregateError{}
	if err == nil || !errors.As(err, &all) {
		return parsed, nil
	}
	var problems []Problem
	for _, err := range all.Errors {
		problems = append(problems, problemOf(err, values))
	}
	return parsed, problems
}

// shown returns the part of a hidden value that may be repeated.
func shown(name, value string) string {
	if name == variableProbe {
		return policy.ShownProbe(value)
	}
	return demand.Shown(value)
}

// problemOf returns the problem of the variable behind an error of the env package, which names the field.
func problemOf(err error, values map[string]string) Problem {
	parseError := env.ParseError{}
	if !errors.As(err, &parseError) {
		return Problem{Variable: "environment", Message: err.Error()}
	}
	name := variableOf(parseError)
	p := Problem{Variable: name, Value: values[name], Message: policy.Explain(values[name], parseError.Err)}
	if hidden(name, p.Value) {
		p.Value = ""
	}
	return p
}

// variableOf returns the name of the variable in whose field the env package found an error. No two fields have both name and type in
// common.
func variableOf(err env.ParseError) string {
	for _, field := range leaves(reflect.TypeFor[variables]()) {
		if field.Name == err.Name && field.Type == err.Type {
			return field.Tag.Get("env")
		}
	}
	return err.Name
}

// quoted finds values in literal quotes, which an env file keeps: STOKER_SCOPE="prod" is then a scope with quotes in its name, which no
// container has.
func quoted(values map[string]string, known []Problem) []Problem {
	var problems []Problem
	for name, value := range values {
		const mark = "quoted"
		message := policy.Explain(value, errors.New(mark))
		if _, hint, found := strings.Cut(message, mark+"; "); found && !hasProblem(known, name) {
			if hidden(name, value) {
				value = ""
			}
			problems = append(problems, Problem{Variable: name, Value: value, Message: hint})
		}
	}
	return problems
}

// contradictions returns conflicts between values that are valid alone. Values with a known problem are not reported twice.
func contradictions(c Config, known []Problem) []Problem {
	var problems []Problem
	if c.Limits.RequireQuota == RequireQuotaApply && c.Rules.Policy.CPUs == 0 && !hasProblem(known, "STOKER_CPUS") {
		problems = append(problems, Problem{Variable: "STOKER_REQUIRE_QUOTA", Value: string(c.Limits.RequireQuota),
			Message: "STOKER_CPUS is not set; set it to the quota to apply"})
	}
	if c.Docker.TLSVerify && c.Docker.CertPath == "" {
		problems = append(problems, Problem{Variable: "DOCKER_TLS_VERIFY",
			Message: "DOCKER_CERT_PATH is not set; set it to the folder of ca.pem, cert.pem and key.pem"})
	}
	return problems
}

func hasProblem(problems []Problem, variable string) bool {
	return slices.ContainsFunc(problems, func(p Problem) bool { return p.Variable == variable })
}
