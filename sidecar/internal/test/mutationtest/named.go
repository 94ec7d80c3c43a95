package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// named is a mutant that breaks a rule in a way that no operator mutant does.
type named struct {
	name string
	file string // below sidecar/internal
	old  string // occurs exactly once in file
	new  string
	pkg  string // a test of it must fail
	run  string // pattern of the tests; empty is all that are not slow
}

// apply returns the text of the file with the mutant. The old text must occur exactly once, otherwise the mutant would be another one.
func (n named) apply(text string) (string, error) {
	if count := strings.Count(text, n.old); count != 1 {
		return "", fmt.Errorf("%s: its text occurs %d times in %s and must occur once: change table.go together with the code", n.name, count, n.file)
	}
	return strings.Replace(text, n.old, n.new, 1), nil
}

var failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// try runs the tests with the mutant, and returns the first one that fails, or "" if all pass.
func (n named) try(ctx context.Context) (string, error) {
	path, err := filepath.Abs(filepath.Join(internal, n.file))
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	broken, err := n.apply(string(text))
	if err != nil {
		return "", err
	}
	tmp, err := os.MkdirTemp("", "stoker-mutants-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(tmp) }() // what is left is in the directory for temporary files
	overlay, err := writeOverlay(tmp, map[string]string{path: broken})
	if err != nil {
		return "", err
	}
	return n.firstFailed(ctx, "-overlay", overlay)
}

// firstFailed runs the tests, and returns the first one that fails, or "" if all pass.
func (n named) firstFailed(ctx context.Context, flags ...string) (string, error) {
	args := append([]string{"test", "-vet=off", "-short", "-failfast", "-timeout", "5m"}, flags...)
	if n.run != "" {
		args = append(args, "-run", n.run)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+internal+"/"+n.pkg)...)
	cmd.Env = append(os.Environ(), noEngine()...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return "", nil
	}
	if failed := failedTest.FindSubmatch(out); failed != nil && ctx.Err() == nil {
		return n.pkg + ": " + string(failed[1]), nil
	}
	return "", errors.Join(fmt.Errorf("%s: no test of %s ran: %w\n%s", n.name, n.pkg, err, tail(out)), ctx.Err())
}

// noEngine is the environment in which live tests skip, even if an engine runs.
func noEngine() []string { return []string{"DOCKER_HOST=unix:///nonexistent", "STOKER_TEST_ENGINE="} }
