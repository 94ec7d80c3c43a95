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

// named is one way to break a rule that no other operator breaks.
type named struct {
	name string
	file string // below sidecar/internal
	old  string // there exactly once
	new  string
	pkg  string // its tests must fail
	run  string // which of them; empty is all that are not slow
}

// apply is the file with the break in it. Its text must be there exactly once, or the break is not the one that was meant.
func (n named) apply(text string) (string, error) {
	if count := strings.Count(text, n.old); count != 1 {
		return "", fmt.Errorf("%s: its text is %d times in %s and must be there once: change table.go along with the code", n.name, count, n.file)
	}
	return strings.Replace(text, n.old, n.new, 1), nil
}

var failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// try runs the tests that must fail, and returns the first one that does; nothing when all pass.
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

// firstFailed runs the tests, and returns the first one that fails.
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

// noEngine keeps live tests from running: an engine that is at hand has nothing to do with it.
func noEngine() []string { return []string{"DOCKER_HOST=unix:///nonexistent", "STOKER_TEST_ENGINE="} }
