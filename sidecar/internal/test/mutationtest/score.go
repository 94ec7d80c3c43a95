package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// least is the minimum score of a package, in percent.
const least = 90

// corePackages returns the packages whose scores must reach least. Fleet is not among them: its tests take several seconds per run, and it has
// hundreds of mutants. Use -packages fleet with -only for one of its files.
func corePackages() []string {
	return []string{"policy", "demand", "service", "candidates", "dependents", "recreate", "worker"}
}

// score is the result of the operator mutants of a package.
type score struct {
	pkg                  string
	mutants, seen, alive int
	survivors, unseen    []string
}

func percent(part, all int) float64 { return 100 * float64(part) / float64(max(all, 1)) }

// coverage returns the percentage of the mutants that a test runs, and efficacy the percentage of these that a test detects.
func (s score) coverage() float64 { return percent(s.seen, s.mutants) }
func (s score) efficacy() float64 { return percent(s.seen-s.alive, s.seen) }

func (s score) row() string {
	return fmt.Sprintf("| core/%s | %d | %.0f %% | %.0f %% |", s.pkg, s.mutants, s.coverage(), s.efficacy())
}

// scorer runs the tests of one package with each of its mutants.
type scorer struct {
	binary, dir string
	args        []string
	timeout     time.Duration
}

// scorePackage builds the package with all its mutants, and runs its tests once for each.
func scorePackage(ctx context.Context, pkg, only string, workers int) (score, error) {
	tmp, err := os.MkdirTemp("", "stoker-mutants-")
	if err != nil {
		return score{}, err
	}
	defer func() { _ = os.RemoveAll(tmp) }() // what is left is in the directory for temporary files
	dir, err := filepath.Abs(filepath.Join(internal, "core", pkg))
	if err != nil {
		return score{}, err
	}
	mutants, err := compile(ctx, tmp, dir)
	if err != nil {
		return score{}, err
	}
	s := scorer{binary: filepath.Join(tmp, "test"), dir: dir, args: []string{"-test.short", "-test.failfast"}}
	if help, _ := exec.CommandContext(ctx, s.binary, "-h").CombinedOutput(); strings.Contains(string(help), "-rapid.checks") {
		s.args = append(s.args, "-rapid.checks=20", "-rapid.shrinktime=1ms", "-rapid.nofailfile")
	}
	seen, err := s.baseline(ctx, filepath.Join(tmp, "seen"))
	if err != nil {
		return score{}, err
	}
	return s.all(ctx, score{pkg: pkg}, choice{mutants, seen, only, workers})
}

// compile builds the tests of the package in dir with its mutants.
func compile(ctx context.Context, tmp, dir string) (mutants []string, err error) {
	files, mutants, err := switched(dir)
	if err != nil {
		return nil, err
	}
	overlay, err := writeOverlay(tmp, files)
	if err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", filepath.Join(tmp, "test"), dir)
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the tests of %s with mutants: %w\n%s", dir, err, tail(out))
	}
	return mutants, nil
}

// writeOverlay writes an overlay for go build that replaces the files with these paths.
func writeOverlay(dir string, files map[string]string) (path string, err error) {
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for path, text := range files {
		copied := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
			return "", err
		}
		overlay.Replace[path] = copied
	}
	raw, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, raw, 0o600)
}

// baseline runs the tests without a mutant, and returns the mutants that they reach. It sets the timeout.
func (s *scorer) baseline(ctx context.Context, list string) (map[int]bool, error) {
	if err := os.WriteFile(list, nil, 0o600); err != nil {
		return nil, err
	}
	s.timeout = 5 * time.Minute
	began := time.Now()
	if passed, err := s.passes(ctx, 0, "MUTANTS_SEEN="+list); err != nil || !passed {
		return nil, errors.Join(fmt.Errorf("the tests in %s fail without a mutant: fix that first", s.dir), err)
	}
	s.timeout = 10*time.Second + 5*time.Since(began)
	raw, err := os.ReadFile(list)
	if err != nil {
		return nil, err
	}
	seen := map[int]bool{}
	for line := range strings.Lines(string(raw)) {
		id, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return nil, err
		}
		seen[id] = true
	}
	return seen, nil
}

// passes reports whether the tests pass with one mutant. A timeout counts as a failure.
func (s *scorer) passes(ctx context.Context, id int, env ...string) (bool, error) {
	cmd := exec.CommandContext(ctx, s.binary, append(s.args, "-test.timeout", s.timeout.String())...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), noEngine()...)
	cmd.Env = append(append(cmd.Env, "GOMAXPROCS=1", "MUTANT="+strconv.Itoa(id)), env...)
	err := cmd.Run()
	var failed *exec.ExitError
	if errors.As(err, &failed) && ctx.Err() == nil {
		return false, nil
	}
	return err == nil, err
}

// choice is the mutants to run.
type choice struct {
	mutants []string
	seen    map[int]bool
	only    string // part of a mutant's description; empty is all
	workers int
}

// all runs the chosen mutants and adds the results to sum.
func (s *scorer) all(ctx context.Context, sum score, c choice) (score, error) {
	alive, errs := make([]bool, len(c.mutants)+1), make([]error, c.workers)
	ids := make(chan int)
	var group sync.WaitGroup
	for w := range c.workers {
		group.Go(func() {
			for id := range ids {
				var err error
				alive[id], err = s.passes(ctx, id)
				errs[w] = errors.Join(errs[w], err)
			}
		})
	}
	for i, what := range c.mutants {
		what = strings.TrimPrefix(what, filepath.Dir(s.dir)+"/")
		if !strings.Contains(what, c.only) {
			continue
		}
		sum.mutants++
		if !c.seen[i+1] {
			sum.unseen = append(sum.unseen, what)
			continue
		}
		sum.seen++
		ids <- i + 1
	}
	close(ids)
	group.Wait()
	for i, what := range c.mutants {
		if alive[i+1] {
			sum.alive++
			sum.survivors = append(sum.survivors, strings.TrimPrefix(what, filepath.Dir(s.dir)+"/"))
		}
	}
	return sum, errors.Join(errs...)
}
