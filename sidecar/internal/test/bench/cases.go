package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
)

// benchCase measures one or more rows of the table.
type benchCase struct {
	name string
	run  func(context.Context, *bench) ([]row, error)
}

func cases() []benchCase {
	return []benchCase{
		{"single", single}, {"reaction", reaction}, {"storm", storm}, {"stubborn", stubborn}, {"foreign", foreign}, {"scale", scale},
		{"idle", idle}, {"sampled", sampled}, {"watched", watched}, {"demand", demandCase}, {"groups", groups},
	}
}

// Sizes of the cases, as docs/performance.md states them.
const (
	singles    = 20
	stormSize  = 50
	stormTimes = 3
	stubborns  = 20
	idlers     = 100
	idleTime   = time.Minute
)

// quiet returns workers that do nothing, so that only the work of the engine and of the healer is measured.
func quiet() workerSpec {
	return workerSpec{
		env: []string{"WORKER_FAULT=hang", "WORKER_STATE=off"}, health: &container.HealthConfig{Test: []string{"NONE"}},
		labels: map[string]string{"stoker.stable-after": "1s"},
	}
}

// sides starts both sides for a case, and returns a function that stops them.
func (b *bench) sides(ctx context.Context) ([]*side, func(), error) {
	raw, err := b.raw(b.host)
	if err != nil {
		return nil, nil, err
	}
	st, err := b.stoker(ctx, b.host)
	if err != nil {
		return nil, nil, err
	}
	return []*side{raw, st}, func() { stop(raw.proc); stop(st.proc); b.remove() }, nil
}

// single measures the time from die to start of one killed worker. The sides take turns.
func single(ctx context.Context, b *bench) ([]row, error) {
	sides, done, err := b.sides(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	ids := make([][]string, len(sides))
	for i, s := range sides {
		if ids[i], err = b.workers(ctx, s, singles, quiet()); err != nil {
			return nil, err
		}
	}
	took := make([][]time.Duration, len(sides))
	for n := range singles {
		for i := range sides {
			d, err := b.killAndWait(ctx, ids[i][n:n+1])
			if err != nil {
				return nil, err
			}
			took[i] = append(took[i], d)
		}
	}
	return []row{{name: fmt.Sprintf("die to start, one at a time, median of %d", singles), raw: median(took[0]), stoker: median(took[1]), aim: 1.05}}, nil
}

// killAndWait kills all workers at once and returns the time from the first die to the last start.
func (b *bench) killAndWait(ctx context.Context, ids []string) (time.Duration, error) {
	b.log.clear()
	if err := inParallel(ids, func(id string) error { return b.kill(ctx, id) }); err != nil {
		return 0, err
	}
	starts, err := b.log.wait(ctx, "start", ids)
	if err != nil {
		return 0, err
	}
	return span(b.log.first("die"), starts), nil
}

// storm measures many workers that are killed at once.
func storm(ctx context.Context, b *bench) ([]row, error) {
	sides, done, err := b.sides(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	ids := make([][]string, len(sides))
	for i, s := range sides {
		if ids[i], err = b.workers(ctx, s, stormSize, quiet()); err != nil {
			return nil, err
		}
	}
	took := make([][]time.Duration, len(sides))
	for range stormTimes {
		for i := range sides {
			d, err := b.killAndWait(ctx, ids[i])
			if err != nil {
				return nil, err
			}
			took[i] = append(took[i], d)
			pause(ctx, 3*time.Second) // longer than stable-after, so that the next round is a first attempt again
		}
	}
	return []row{{name: fmt.Sprintf("%d killed at once, first die to last start, median of %d", stormSize, stormTimes), raw: median(took[0]), stoker: median(took[1]), aim: 1.05}}, nil
}

// stubborn measures workers that become unhealthy together and ignore SIGTERM, so that each takes its whole stop timeout of 10 s.
func stubborn(ctx context.Context, b *bench) ([]row, error) {
	sides, done, err := b.sides(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	w := workerSpec{
		env: []string{"WORKER_STATE=off", "WORKER_FAULT=ignore-term", "WORKER_SIGNAL_FAULT=unhealthy", "WORKER_HEALTH_MAX_AGE=2s", "WORKER_THREADS=1"},
		health: &container.HealthConfig{
			Test: []string{"CMD", "/worker", "healthcheck"}, Interval: 2 * time.Second, Timeout: 30 * time.Second, Retries: 1,
		},
		labels: map[string]string{"stoker.stop-timeout": "10s"},
	}
	var took []time.Duration
	for _, s := range sides {
		ids, err := b.workers(ctx, s, stubborns, w)
		if err != nil {
			return nil, err
		}
		if _, err := b.log.wait(ctx, ": healthy", ids); err != nil {
			return nil, err
		}
		b.log.clear()
		if err := inParallel(ids, func(id string) error { return b.api.ContainerKill(ctx, id, "USR1") }); err != nil {
			return nil, err
		}
		starts, err := b.log.wait(ctx, "start", ids)
		if err != nil {
			return nil, err
		}
		took = append(took, span(b.log.first("unhealthy"), starts))
		b.remove()
	}
	return []row{{name: fmt.Sprintf("%d unhealthy that ignore SIGTERM (10s each), first unhealthy to last start", stubborns), raw: took[0], stoker: took[1], aim: 1.05}}, nil
}

// idle measures the cost of Stoker while nothing happens.
func idle(ctx context.Context, b *bench) ([]row, error) {
	return measureIdle(ctx, b, idleCase{what: "idle workers", workers: quiet(), bound: "40 ms"})
}

// sampled measures the same with idle-after, which reads the CPU time of each worker once a minute.
func sampled(ctx context.Context, b *bench) ([]row, error) {
	w := quiet()
	w.labels["stoker.idle-after"] = "1h"
	return measureIdle(ctx, b, idleCase{what: "workers with idle-after", workers: w})
}

// watched measures the same while Prometheus scrapes, so that the CPU time of each worker is read every half minute.
func watched(ctx context.Context, b *bench) ([]row, error) {
	return measureIdle(ctx, b, idleCase{what: "watched workers", workers: quiet(), scraped: true})
}

// idleCase is a minute in which nothing happens.
type idleCase struct {
	what    string
	workers workerSpec
	scraped bool   // the metrics are fetched every scrapeEvery
	bound   string // of the CPU time
}

// scrapeEvery is the scrape interval of the compose folder's Prometheus.
const scrapeEvery = 15 * time.Second

// measureIdle measures Stoker over a minute in which nothing happens.
func measureIdle(ctx context.Context, b *bench, m idleCase) ([]row, error) {
	defer b.remove()
	s, err := b.stoker(ctx, b.proxy.host)
	if err != nil {
		return nil, err
	}
	defer stop(s.proc)
	if _, err := b.workers(ctx, s, idlers, m.workers); err != nil {
		return nil, err
	}
	pause(ctx, 5*time.Second) // the inspects of the new workers
	if m.scraped {
		watching, stop := context.WithCancel(ctx)
		defer stop()
		go watch(watching, s)
		pause(ctx, firstReadings)
	}
	b.proxy.reset()
	before, err := usageOf(s.proc.Process.Pid)
	if err != nil {
		return nil, err
	}
	pause(ctx, idleTime)
	after, err := usageOf(s.proc.Process.Pid)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("%d %s for %s: ", idlers, m.what, idleTime)
	return []row{
		{name: name + "CPU time", fact: (after.cpu - before.cpu).String(), bound: m.bound},
		{name: name + "resident memory", fact: fmt.Sprintf("%.1f MiB", float64(after.resident)/(1<<20)), bound: "32 MiB"},
		{name: name + "anonymous part of it, without pages of the binary", fact: fmt.Sprintf("%.1f MiB", float64(after.own)/(1<<20))},
		{name: name + "requests", fact: requests(b.proxy.reset()), bound: "the resync's"},
	}, nil
}

// firstReadings is the time that the first reading of all workers takes.
const firstReadings = 30 * time.Second

// watch scrapes the metrics until ctx ends.
func watch(ctx context.Context, s *side) {
	for ctx.Err() == nil {
		returnsOK(ctx, "http://"+s.address+"/metrics")
		pause(ctx, scrapeEvery)
	}
}

func requests(counts map[string]int) string {
	var parts []string
	for kind, n := range counts {
		parts = append(parts, strconv.Itoa(n)+"x `"+kind+"`")
	}
	slices.Sort(parts)
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// span returns the time from the first of the causes to the last of the effects.
func span(causes, effects map[string]time.Time) time.Duration {
	var first, last time.Time
	for _, at := range causes {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	for _, at := range effects {
		if at.After(last) {
			last = at
		}
	}
	return last.Sub(first)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
