package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// scaleSizes are the numbers of workers that the benchmarks run with.
func scaleSizes() []string { return []string{"100", "1000", "10000"} }

// measurement is one line that `go test -bench` prints, as values by unit.
type measurement map[string]float64

// scale runs the benchmarks of the fleet and of the views, without an engine.
func scale(ctx context.Context, _ *bench) ([]row, error) {
	found := map[string]measurement{}
	for pattern, packages := range map[string]string{
		"Scale/(crash|list|memory)": "./sidecar/internal/core/fleet", "View": "./sidecar/internal/test/bench", "ForeignEvents": "./sidecar/internal/engine/docker",
	} {
		out, err := command(ctx, "go", "test", "-run", "^$", "-bench", pattern, "-benchtime", "1s", packages)
		if err != nil {
			return nil, err
		}
		for name, m := range readBenchmarks(out) {
			found[name] = m
		}
	}
	return scaleRows(found)
}

// readBenchmarks reads lines such as "BenchmarkScale/crash/100-2  5000  21000 ns/op  3.5 MiB".
func readBenchmarks(out string) map[string]measurement {
	all := map[string]measurement{}
	lines := bufio.NewScanner(bytes.NewBufferString(out))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimPrefix(fields[0], "Benchmark"), "-")
		m := measurement{}
		for i := 2; i+1 < len(fields); i += 2 {
			if value, err := strconv.ParseFloat(fields[i], 64); err == nil {
				m[fields[i+1]] = value
			}
		}
		all[name] = m
	}
	return all
}

// scaleLine is a row with a value for each size.
type scaleLine struct {
	name, benchmark, unit string
	text                  func(float64) string
	bound                 string
}

func scaleLines() []scaleLine {
	micro := func(share float64) func(float64) string {
		return func(ns float64) string { return fmt.Sprintf("%.0f µs", ns/share/1000) }
	}
	milli := func(ns float64) string { return time.Duration(ns).Round(100 * time.Microsecond).String() }
	mebi := func(n float64) string { return fmt.Sprintf("%.1f MiB", n) }
	return []scaleLine{
		// One op of crash is an exit, a start and a tick.
		{"CPU per event, with its heal", "Scale/crash", "ns/op", micro(3), "100 µs, the same for all sizes"},
		{"a resync, per worker", "Scale/list", "µs/worker", func(us float64) string { return fmt.Sprintf("%.1f µs", us) }, "the same for all sizes"},
		{"heap of the fleet", "Scale/memory", "MiB", mebi, "200 MiB"},
		{"the page, one request", "View/page", "ns/op", milli, "linear"},
		{"the page, memory allocated for it", "View/page", "B/op", func(bytes float64) string { return mebi(bytes / (1 << 20)) }, "linear"},
		{"the page, size before compression", "View/page", "MiB/answer", mebi, ""},
		{"a scrape, one request", "View/scrape", "ns/op", milli, "linear"},
		{"a scrape, memory allocated for it", "View/scrape", "B/op", func(bytes float64) string { return mebi(bytes / (1 << 20)) }, ""},
		{"`/api/v1/workers`, one request", "View/workers", "ns/op", milli, "linear"},
	}
}

func scaleRows(found map[string]measurement) ([]row, error) {
	var rows []row
	for _, l := range scaleLines() {
		var parts []string
		for _, size := range scaleSizes() {
			value, ok := found[l.benchmark+"/"+size][l.unit]
			if !ok {
				return nil, fmt.Errorf("go test -bench printed no %s of %s with %s workers", l.unit, l.benchmark, size)
			}
			parts = append(parts, l.text(value))
		}
		rows = append(rows, row{
			name: fmt.Sprintf("with %s workers: %s", strings.Join(scaleSizes(), ", "), l.name), fact: strings.Join(parts, ", "), bound: l.bound,
		})
	}
	if ns, ok := found["ForeignEvents"]["ns/op"]; ok {
		rows = append(rows, row{name: "decoding one event of a container without Stoker's labels", fact: fmt.Sprintf("%.0f µs", ns/1000)})
	}
	return rows, nil
}
