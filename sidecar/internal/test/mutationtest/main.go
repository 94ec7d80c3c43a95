// Command mutants proves that the tests would notice: it breaks Stoker on purpose, one way after the other, and runs the tests
// that must fail then. The table of breaks is in table.go; the one of docs/reliability.md is what this command prints.
//
//	make mutants                      all, and the table into docs/reliability.md
//	go run ./sidecar/internal/test/mutationtest -only rule-15,brake   these, by parts of their names
//
// It works on a copy of the tree. A break that no longer finds its text is an error, and so is one that does not compile: both
// would be killed by nothing.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	only := flag.String("only", "", "comma list of parts of names; empty is all")
	trust := flag.Bool("trust", false, "the tests have just passed: do not run them on what is not broken")
	flag.Parse()
	l, err := newLab(".")
	if err != nil {
		return err
	}
	defer l.close()
	began := time.Now()
	chosen := choose(*only)
	if !*trust {
		if err := l.sound(ctx, chosen); err != nil {
			return err
		}
	}
	fmt.Fprintln(os.Stdout, "| mutant | what is broken | killed by |")
	fmt.Fprintln(os.Stdout, "|---|---|---|")
	survived := 0
	for _, m := range chosen {
		by, err := l.try(ctx, m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		if by == "" {
			survived++
			by = "**nothing**"
		} else {
			by = "`" + by + "`"
		}
		fmt.Fprintf(os.Stdout, "| %s | %s | %s |\n", m.name, m.breaks, by)
		fmt.Fprintf(os.Stderr, "%-28s %s\n", m.name, by)
	}
	fmt.Fprintf(os.Stdout, "\n%d mutants, %d survived.\n", len(chosen), survived)
	fmt.Fprintf(os.Stderr, "%d mutants in %s\n", len(chosen), time.Since(began).Round(time.Second))
	if survived > 0 {
		return fmt.Errorf("%d survived: a test is missing for each", survived)
	}
	return nil
}

func choose(only string) []mutant {
	if only == "" {
		return table()
	}
	var chosen []mutant
	for _, m := range table() {
		for part := range strings.SplitSeq(only, ",") {
			if strings.Contains(m.name, part) {
				chosen = append(chosen, m)
				break
			}
		}
	}
	return chosen
}
