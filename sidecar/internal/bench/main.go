// Command bench measures Stoker against a raw client that reacts by itself, both on the same engine in the same run, and
// writes the table of docs/performance.md. Times are the engine's own, taken from its events, so that neither side's
// clock nor its log counts.
package main

import (
	"context"
	"errors"
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
	binary := flag.String("stoker", "dist/stoker", "the Stoker to measure")
	image := flag.String("image", "stoker-worker:dev", "the image of the workers")
	write := flag.String("write", "", "a document whose table is replaced; empty prints only")
	only := flag.String("only", "", "comma list of cases; empty is all")
	flag.Parse()
	if os.Geteuid() != 0 {
		return errors.New("killing workers from the host needs root")
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
		rows = append(rows, got...)
	}
	table := render(ctx, b, rows)
	fmt.Print(table)
	if *write == "" {
		return nil
	}
	return replaceTable(*write, table)
}
