package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/command"
	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/policy"
)

// The tables of the documents are generated from the code, so they cannot differ from it: with -update the test writes
// them, without it the test compares.
func TestDocumentsMatchTheCode(t *testing.T) {
	for file, tables := range map[string]map[string]string{
		"../docs/configuration.md": {"labels": labelTable(), "variables": variableTable(), "check": checkExample(t)},
	} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		want := string(text)
		for name, table := range tables {
			want = replace(t, want, name, table)
		}
		if flag.Lookup("update").Value.String() == "true" {
			require.NoError(t, os.WriteFile(file, []byte(want), 0o600))
			continue
		}
		require.Equal(t, want, string(text), "run: go test ./sidecar -update")
	}
}

// TestREADMEIsShort: a new user reads it to the end.
func TestREADMEIsShort(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	require.LessOrEqual(t, strings.Count(string(text), "\n"), 160)
}

func replace(t *testing.T, text, name, table string) string {
	t.Helper()
	begin := "<!-- " + name + ": written by go test ./sidecar -update -->\n"
	end := "<!-- /" + name + " -->\n"
	before, rest, ok := strings.Cut(text, begin)
	require.True(t, ok, "the document has no place for %s", name)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "the %s of the document have no end", name)
	return before + begin + table + end + after
}

func labelTable() string {
	var b strings.Builder
	b.WriteString("| label | default | meaning |\n|---|---|---|\n")
	for _, l := range policy.Labels() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", l.Name, code(l.Default), l.Meaning)
	}
	return b.String()
}

func variableTable() string {
	var b strings.Builder
	b.WriteString("| variable | default | meaning |\n|---|---|---|\n")
	for _, v := range config.Variables() {
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.Name, code(v.Default), v.Meaning)
	}
	return b.String()
}

// checkExample returns check's output for a compose file with common mistakes.
func checkExample(t *testing.T) string {
	var out strings.Builder
	env := command.Host(command.NewBuild("test", "test"))
	env.Args = []string{"check", "-f", "internal/composefile/testdata/typo/compose.yaml"}
	env.Environ, env.Stdout, env.Width = nil, &out, 0
	env.Connect = func(config.Config, command.Build) (command.Engine, error) { return nil, errors.New("none is needed") }
	require.Equal(t, 1, command.Execute(t.Context(), env))
	return "```\n$ stoker check -f compose.yaml\n" + out.String() + "```\n"
}

// code formats a value as code; prose is unchanged.
func code(value string) string {
	if value == policy.NoDefault || strings.Contains(value, " ") {
		return value
	}
	return "`" + value + "`"
}

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the tables instead of comparing them")
	os.Exit(m.Run())
}
