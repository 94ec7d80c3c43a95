// Command bench compares Stoker with a raw client that reacts to events without a check, on the same engine in the same run, and writes the
// table of docs/performance.md. Times come from the engine's events, so they depend on neither side's clock or log.
//
// With -soak it measures nothing. It causes faults in the workers, the engine and Stoker for some time, then checks that every worker is in its
// intended state, and writes a table of docs/reliability.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if scope := os.Getenv(rawScope); scope != "" {
		if err := react(ctx, scope); err != nil && ctx.Err() == nil {
			fmt.Fprintln(os.Stderr, "raw client:", err)
			os.Exit(1)
		}
		return
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	binary := flag.String("stoker", "dist/stoker", "binary of Stoker")
	image := flag.String("image", "stoker-worker:dev", "image of the workers")
	write := flag.String("write", "", "document whose table is replaced; empty prints only")
	only := flag.String("only", "", "comma-separated list of cases; empty is all")
	soaking := soakOptions{}
	flag.DurationVar(&soaking.length, "soak", 0, "cause faults for this long instead of measuring")
	flag.StringVar(&soaking.engine, "engine", "", "soak: container that the engine runs in, which is then stopped and killed too")
	flag.IntVar(&soaking.workers, "workers", 100, "soak: number of workers")
	flag.Uint64Var(&soaking.seed, "seed", uint64(time.Now().UnixNano()), "soak: seed of the choice of faults and workers") //nolint:gosec // any number will do
	flag.Parse()
	if os.Geteuid() != 0 {
		return errors.New("killing workers from the host needs root")
	}
	if soaking.length > 0 {
		soaking.binary, soaking.image = *binary, *image
		return runAndReport(ctx, soaking, *write)
	}
	b, err := newBench(ctx, *binary, *image)
	if err != nil {
		return err
	}
	defer b.close()
	var rows []row
	for _, c := range cases() {
		if *only != "" && !strings.Contains(*only, c.name) {
			continue
		}
		began := time.Now()
		got, err := c.run(ctx, b)
		if err != nil {
			return fmt.Errorf("case %s: %w", c.name, err)
		}
		fmt.Fprintf(os.Stderr, "%s: %s\n", c.name, time.Since(began).Round(time.Second))
		for _, r := range got {
			fmt.Fprintln(os.Stderr, r)
		}
		rows = append(rows, got...)
	}
	table := render(ctx, b, rows)
	fmt.Print(table)
	if *write == "" {
		return nil
	}
	return replaceBetween(*write, tableBegin, tableEnd, table)
}

// runAndReport runs a soak and prints its result. A broken rule is an error.
func runAndReport(ctx context.Context, opts soakOptions, write string) error {
	got, err := runSoak(ctx, opts)
	if err != nil {
		return fmt.Errorf("soak with seed %d: %w", opts.seed, err)
	}
	fmt.Print(got.text)
	if write != "" {
		if err := replaceBetween(write, soakBegin, soakEnd, got.text); err != nil {
			return err
		}
	}
	if len(got.violations) > 0 {
		return fmt.Errorf("soak with seed %d broke rules:\n%s", opts.seed, strings.Join(got.violations, "\n"))
	}
	return nil
}
