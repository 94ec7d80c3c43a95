package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// internal is where the packages of Stoker are.
const internal = "sidecar/internal"

// patience bounds one run of the tests: some breaks make a loop that never ends, which is as good as a failure.
const patience = "3m"

// drawing are tests that draw what happens, and take their time. They are run where a mutant names them.
const drawing = "^(TestInvariants|TestBudget)$"

// lab is a copy of the tree, in which things may be broken.
type lab struct{ dir string }

func newLab(tree string) (*lab, error) {
	dir, err := os.MkdirTemp("", "stoker-mutants-")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir}
	for _, name := range []string{"go.mod", "go.sum"} {
		body, err := os.ReadFile(filepath.Join(tree, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), body, 0o600)
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("copy %s, which is looked for at the root of the project: %w", name, err), os.RemoveAll(dir))
		}
	}
	for _, part := range []string{"sidecar", "docs", "compose"} { // some tests hold the documents against the code
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(tree, part))); err != nil {
			return nil, errors.Join(fmt.Errorf("copy %s: %w", part, err), os.RemoveAll(dir))
		}
	}
	return l, nil
}

func (l *lab) close() { _ = os.RemoveAll(l.dir) } // what is left is in the directory for temporary files

// sound runs all tests that the mutants need on what is not broken: a test that fails anyway kills nothing.
func (l *lab) sound(ctx context.Context, mutants []mutant) error {
	seen := map[string]bool{}
	for _, m := range mutants {
		for _, s := range m.suites {
			if seen[s.String()] {
				continue
			}
			seen[s.String()] = true
			by, err := l.test(ctx, s)
			if err != nil {
				return err
			}
			if by != "" {
				return fmt.Errorf("%s fails with nothing broken: mend that first", by)
			}
		}
	}
	return nil
}

// try breaks one thing, runs its suites until one fails, and mends it again. It returns the test that failed first; nothing
// when all pass.
func (l *lab) try(ctx context.Context, m mutant) (killer string, err error) {
	path := filepath.Join(l.dir, internal, m.file)
	whole, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	broken, err := m.apply(string(whole))
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path, []byte(broken), 0o600); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.WriteFile(path, whole, 0o600)) }()
	for _, s := range m.suites {
		if killer, err = l.test(ctx, s); killer != "" || err != nil {
			return killer, err
		}
	}
	return "", nil
}

// apply is the file with the break in it. Its text must be there exactly once, or the break is not the one that was meant.
func (m mutant) apply(whole string) (string, error) {
	if n := strings.Count(whole, m.old); n != 1 {
		return "", fmt.Errorf("its text is %d times in %s; it must be there once, so change table.go along with the code", n, m.file)
	}
	return strings.Replace(whole, m.old, m.new, 1), nil
}

// event is a line of go test -json.
type event struct{ Action, Package, Test, Output string }

// test runs one suite and returns the test that failed first, or nothing.
func (l *lab) test(ctx context.Context, s suite) (string, error) {
	args := []string{"test", "-json", "-vet=off", "-short", "-failfast", "-timeout", patience, "./" + internal + "/" + s.pkg}
	if s.run != "" {
		args = append(args, "-run", s.run)
	} else {
		args = append(args, "-skip", drawing)
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = l.dir
	// No live tests: an engine that is at hand has nothing to do with it.
	cmd.Env = append(os.Environ(), "DOCKER_HOST=unix:///nonexistent", "STOKER_TEST_ENGINE=")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return "", nil
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if killer := firstFailed(out); killer != "" {
		return s.pkg + ": " + killer, nil
	}
	return "", fmt.Errorf("%s did not get as far as a test: %w\n%s", s, err, tail(out))
}

// firstFailed is the first test that failed, with the deepest of its subtests, which go test tells first.
func firstFailed(out []byte) string {
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Test == "" {
			continue
		}
		if e.Action == "fail" || strings.Contains(e.Output, "panic: test timed out") { // after a panic no end is told
			return e.Test
		}
	}
	return ""
}

func tail(out []byte) string {
	const most = 4000
	return string(out[max(0, len(out)-most):])
}
