package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/command"
	"stoker/sidecar/internal/config"
)

// checked is check's report for a compose file, without an engine.
type checked struct {
	Services []struct {
		Service          string
		Problems, Advice []string
	}
	Stokers  []struct{ Problems []string }
	Problems int
}

func check(t *testing.T, file string) checked {
	t.Helper()
	var out, errs strings.Builder
	env := command.Host(command.NewBuild("test", "test"))
	env.Args, env.Environ, env.Stdout, env.Stderr = []string{"check", "--json", "-f", file}, []string{"XDG_RUNTIME_DIR=/run/user/1000"}, &out, &errs
	env.Connect = func(config.Config, command.Build) (command.Engine, error) { return nil, errors.New("none is needed") }
	require.Equal(t, 0, command.Execute(t.Context(), env), "%s%s", &out, &errs)
	require.Empty(t, errs.String())
	var report checked
	require.NoError(t, json.Unmarshal([]byte(out.String()), &report))
	return report
}

// The examples are correct: check finds no problem in them, and has no advice. Each has one Stoker, of the published image.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../compose/examples/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	page, err := os.ReadFile("../docs/examples.md")
	require.NoError(t, err)
	for _, file := range append(files, readmeStack(t)) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			report := check(t, file)
			require.Zero(t, report.Problems)
			require.Len(t, report.Stokers, 1)
			require.NotEmpty(t, report.Services, "it manages something")
			for _, s := range report.Services {
				require.Empty(t, s.Advice, s.Service)
			}
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Contains(t, string(text), command.Image)
			require.NotRegexp(t, `\$\{[^}]*\$\{`, string(text), "docker-compose 1.29 does not support nested variables")
			if name := filepath.Base(file); filepath.Dir(file) == "../compose/examples" {
				require.Contains(t, string(page), "compose/examples/"+name)
			}
		})
	}
}

// readmeStack returns the first compose file of the README.
func readmeStack(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(text), "```yaml\n")
	require.True(t, found)
	stack, _, found := strings.Cut(rest, "```\n")
	require.True(t, found)
	require.NotContains(t, string(text)[:len(text)-len(rest)], "```\n", "it is the first example")
	file := filepath.Join(t.TempDir(), "README.yaml")
	require.NoError(t, os.WriteFile(file, []byte(stack), 0o600))
	return file
}
