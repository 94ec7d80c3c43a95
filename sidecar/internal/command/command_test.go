package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// result is what a command printed and how it ended.
type result struct {
	code     int
	out, err string
}

// play runs a command in-process. An Env that is not complete gets what no command should need.
func play(t *testing.T, env Env, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	env.Args, env.Stdout, env.Stderr = args, &out, &errs
	if env.Run == nil {
		env.Run = func(context.Context, config.Config, *logrus.Logger, Build) error { return errors.New("must not run") }
	}
	if env.Connect == nil {
		env.Connect = func(config.Config, Build) (Engine, error) { return nil, errors.New("must not connect") }
	}
	if env.Explain == nil {
		env.Explain = func(err error) string { return "explained: " + err.Error() }
	}
	if env.Self == nil {
		env.Self = func() string { return "" }
	}
	if env.Hostname == nil {
		env.Hostname = func() (string, error) { return "host", nil }
	}
	code := Execute(t.Context(), env)
	return result{code, out.String(), errs.String()}
}

func TestUsage(t *testing.T) {
	tests := map[string]struct {
		args []string
		code int
		out  string
		err  string
	}{
		"unknown command":     {[]string{"burn"}, 2, "", "unknown command"},
		"hostile command":     {[]string{"\x1b[2J"}, 2, "", `\x1b[2J`},
		"unknown flag":        {[]string{"check", "--colour"}, 2, "", "unknown flag"},
		"argument too many":   {[]string{"version", "now"}, 2, "", "unknown command"},
		"json for no table":   {[]string{"run", "--json"}, 2, "", "unknown flag"},
		"bad value of a flag": {[]string{"check", "--json=perhaps"}, 2, "", "invalid argument"},
		"help":                {[]string{"help"}, 0, "healthcheck", ""},
		"help of a command":   {[]string{"check", "-h"}, 0, "Exit code 0", ""},
		"version by flag":     {[]string{"--version"}, 0, "stoker 1.2.3", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := play(t, Env{Build: Build{Version: "1.2.3"}}, tt.args...)
			require.Equal(t, tt.code, got.code)
			require.Contains(t, got.out, tt.out)
			require.Contains(t, got.err, tt.err)
			require.Equal(t, tt.err == "", got.err == "")
			require.LessOrEqual(t, strings.Count(got.err, "\n"), 1)
		})
	}
}

func TestBadEnvironment(t *testing.T) {
	for _, command := range []string{"", "run", "check", "healthcheck"} {
		t.Run(command, func(t *testing.T) {
			got := play(t, Env{Process: Process{Environ: []string{"STOKER_RESYNC=soon", "STOKER_PARALLEL=-1", "STOKER_LITSEN=:1", "PATH=/bin"}}},
				strings.Fields(command)...)
			require.Equal(t, 2, got.code)
			require.Empty(t, got.out)
			require.Equal(t, 3, strings.Count(got.err, "\n"), got.err)
			for _, variable := range []string{"STOKER_RESYNC", "STOKER_PARALLEL", "STOKER_LITSEN"} {
				require.Contains(t, got.err, variable)
			}
		})
	}
	require.Equal(t, 0, play(t, Env{Process: Process{Environ: []string{"STOKER_RESYNC=soon"}}}, "version").code, "version needs no configuration")
}

func TestRun(t *testing.T) {
	tests := map[string]struct {
		args []string
		end  error
		code int
		err  string
	}{
		"by name":           {[]string{"run"}, nil, 0, ""},
		"by default":        {nil, nil, 0, ""},
		"fails":             {[]string{"run"}, errors.New("the boiler burst"), 1, "stoker: the boiler burst\n"},
		"bad configuration": {[]string{"run"}, BadConfiguration(errors.New("DOCKER_HOST is odd")), 2, "stoker: DOCKER_HOST is odd\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ran := 0
			got := play(t, Env{
				Process: Process{Environ: []string{"STOKER_LOG_LEVEL=warn", "STOKER_SCOPE=blue"}},
				Build:   Build{Version: "1.2.3"},
				Run: func(_ context.Context, c config.Config, log *logrus.Logger, b Build) error {
					ran++
					require.Equal(t, "blue", c.Rules.Scope)
					require.Equal(t, "1.2.3", b.Version)
					require.Equal(t, logrus.WarnLevel, log.GetLevel())
					return tt.end
				},
			}, tt.args...)
			require.Equal(t, result{tt.code, "", tt.err}, got)
			require.Equal(t, 1, ran)
		})
	}
}

func TestLogger(t *testing.T) {
	for format, parse := range map[string]func(t *testing.T, line string){
		"json": func(t *testing.T, line string) {
			var fields map[string]string
			require.NoError(t, json.Unmarshal([]byte(line), &fields))
			require.Equal(t, "\x1b[31m\nred", fields["output"])
			require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)$`, fields["time"])
		},
		"text": func(t *testing.T, line string) {
			require.NotContains(t, line, "\x1b")
			require.Equal(t, 1, strings.Count(line, "\n"))
			require.Regexp(t, `^time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d\d:\d\d)"`, line)
		},
	} {
		t.Run(format, func(t *testing.T) {
			var b bytes.Buffer
			log := newLogger(&b, config.Config{Log: config.Log{Format: format, Level: "info"}})
			log.Debug("below the level")
			log.WithField("output", "\x1b[31m\nred").Info("logged")
			parse(t, b.String())
		})
	}
}

func TestVersion(t *testing.T) {
	env := Env{Build: Build{Version: "1.2.3", Commit: "abcdef", Go: "go1.26 linux/amd64"}}
	require.Equal(t, result{0, "stoker 1.2.3 (commit abcdef, go1.26 linux/amd64)\n", ""}, play(t, env, "version"))
	got := play(t, env, "version", "--json")
	var b Build
	require.NoError(t, json.Unmarshal([]byte(got.out), &b))
	require.Equal(t, env.Build, b)
}

func TestBuildFallsBack(t *testing.T) {
	info := &debug.BuildInfo{Main: debug.Module{Version: "v1.4.0"}, Settings: []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}}}
	var b Build
	b.fill(info)
	require.Equal(t, Build{Version: "v1.4.0", Commit: "0123456789ab"}, b)
	b = Build{Version: "1.0", Commit: "c"}
	b.fill(info)
	require.Equal(t, Build{Version: "1.0", Commit: "c"}, b, "what the linker stamped in counts")
	b = NewBuild("", "")
	require.NotEmpty(t, b.Version)
	require.NotEmpty(t, b.Commit)
	require.Contains(t, b.Go, "go1.")
}

// full is a disk without space.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestOutputThatCannotBeWritten(t *testing.T) {
	connect := func(config.Config, Build) (Engine, error) { return &fakeEngine{}, nil }
	for _, args := range [][]string{{"version"}, {"version", "--json"}, {"check"}, {"check", "--json"}} {
		var errs bytes.Buffer
		code := Execute(t.Context(), Env{
			Process: Process{Args: args, Self: func() string { return "" }},
			Console: Console{Stdout: full{}, Stderr: &errs},
			Outside: Outside{Connect: connect},
		})
		require.Equal(t, 1, code)
		require.Contains(t, errs.String(), "no space left")
	}
}

// fakeEngine has the containers that it is made of.
type fakeEngine struct {
	containers []worker.Snapshot
	listErr    error
	lookErr    string // of every look
	gone       bool   // every container is, by the time it is looked at
	looks      int
	services   []policy.Service
	denied     []string // calls that a proxy refuses
	lacking    string   // of these, what Stoker needs
}

func (e *fakeEngine) Services(context.Context) []policy.Service { return e.services }

func (e *fakeEngine) TryCalls(context.Context) []string { return e.denied }

func (e *fakeEngine) Lacking() string { return e.lacking }

func (e *fakeEngine) Engine(context.Context) (worker.Engine, error) {
	return worker.Engine{}, e.listErr
}

func (e *fakeEngine) List(context.Context) ([]worker.Observation, error) {
	var list []worker.Observation
	for _, s := range e.containers {
		list = append(list, worker.Observation{Kind: worker.Listed, ID: s.ID, Key: s.Key, Labels: s.Labels, ListState: worker.ListState{Status: s.Status, Health: s.Health}})
	}
	return list, e.listErr
}

func (e *fakeEngine) Do(_ context.Context, a worker.Action) worker.Outcome {
	e.looks++
	out := worker.Outcome{Action: a, Result: worker.Failed, Failure: worker.Failure{Err: e.lookErr, Missing: e.gone}}
	if a.Verb != worker.Inspect || e.gone || e.lookErr != "" {
		return out
	}
	for _, s := range e.containers {
		if s.ID == a.Incarnation.ID {
			out.Result, out.Snapshot = worker.Done, &s
		}
	}
	return out
}
