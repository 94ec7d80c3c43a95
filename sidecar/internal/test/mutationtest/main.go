// Command mutationtest breaks Stoker on purpose and runs the tests, which must fail. It has two kinds of mutants. Operator mutants replace each
// operator in the packages of core by another one. Named mutants, in table.go, break rules in ways that no operator does.
//
//	make mutants                                                                 all mutants, and the table into docs/reliability.md
//	go run ./sidecar/internal/test/mutationtest -packages worker -only heal.go   the operators of one file
//	go run ./sidecar/internal/test/mutationtest -packages '' -only 'rule 5'      named mutants, by a part of their names
//
// It changes no source file: the compiler reads the broken text from an overlay (go build -overlay).
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
)

// judged explains which operator mutants may survive.
//
//go:embed judged.md
var judged string

// internal is where the packages of Stoker are.
const internal = "sidecar/internal"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mutationtest:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	packages := flag.String("packages", strings.Join(corePackages(), ","), "packages of core with operator mutants; empty is none")
	only := flag.String("only", "", "part of a position (heal.go:34) or of a name; empty is all")
	list := flag.String("survivors", "", "file for the operator mutants that no test detects")
	workers := flag.Int("workers", 2, "number of parallel runs")
	skip := flag.Bool("skip-named", false, "run without the named mutants")
	flag.Parse()
	scores, err := scoreAll(ctx, *packages, *only, *workers)
	if *list != "" {
		err = errors.Join(err, os.WriteFile(*list, []byte(survivors(scores)), 0o600))
	}
	if err != nil || *skip {
		return err
	}
	err = tryAll(ctx, *only)
	if *only == "" {
		fmt.Fprint(os.Stdout, judged)
	}
	return err
}

// scoreAll prints the scores of packages, and fails when one is too low.
func scoreAll(ctx context.Context, packages, only string, workers int) (scores []score, err error) {
	if packages == "" {
		return nil, nil
	}
	fmt.Fprintln(os.Stdout, "| package | operator mutants | run by a test | of these, detected |\n|---|---|---|---|")
	for pkg := range strings.SplitSeq(packages, ",") {
		s, err := scorePackage(ctx, pkg, only, workers)
		if err != nil {
			return scores, err
		}
		fmt.Fprintln(os.Stdout, s.row())
		scores = append(scores, s)
	}
	fmt.Fprintln(os.Stdout)
	low := slices.DeleteFunc(slices.Clone(scores), func(s score) bool { return s.coverage() >= least && s.efficacy() >= least })
	if len(low) > 0 && only == "" {
		err = fmt.Errorf("%d packages are below %d %%", len(low), least)
	}
	return scores, err
}

func survivors(scores []score) string {
	var out strings.Builder
	for _, s := range scores {
		for _, what := range s.survivors {
			fmt.Fprintln(&out, "survives:", what)
		}
		for _, what := range s.unseen {
			fmt.Fprintln(&out, "not run: ", what)
		}
	}
	return out.String()
}

// tryAll prints which test detects each named mutant. It returns an error if none does.
func tryAll(ctx context.Context, only string) error {
	fmt.Fprintln(os.Stdout, "| what is broken | detected by |\n|---|---|")
	survived := 0
	for _, n := range table() {
		if !strings.Contains(n.name, only) {
			continue
		}
		if by, err := n.firstFailed(ctx); by != "" || err != nil { // a test that fails without the mutant detects nothing
			return errors.Join(fmt.Errorf("%s fails without a mutant: fix that first", by), err)
		}
		by, err := n.try(ctx)
		if err != nil {
			return err
		}
		if by == "" {
			survived++
			by = "**nothing**"
		} else {
			by = "`" + by + "`"
		}
		fmt.Fprintf(os.Stdout, "| %s | %s |\n", n.name, by)
	}
	if survived > 0 {
		return fmt.Errorf("%d named mutants survive: a test is missing for each", survived)
	}
	return nil
}

func tail(out []byte) string {
	const most = 4000
	return string(out[max(0, len(out)-most):])
}
