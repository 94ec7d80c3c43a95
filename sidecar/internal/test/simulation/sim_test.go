package simulation

import (
	"bytes"
	"encoding/json"
	"flag"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The flags of TestSim.
var (
	oneSeed   = flag.Uint64("seed", 0, "run this seed only")
	firstSeed = flag.Uint64("first", 1, "first seed; 0 takes it from the clock, as make sim does")
	seeds     = flag.Uint64("seeds", 150, "number of seeds")
	hours     = flag.Float64("hours", 0.5, "approximate virtual hours of each seed")
	cores     = flag.Int("cores", 1, "number of seeds that run at once")
	report    = flag.String("report", "", "file for the table of totals")
	traced    = flag.Bool("trace", false, "print a trace of each run")
	why       = flag.String("why", "", "with -shrink: the reason why the plan is kept")
	shrunk    = flag.String("shrink", "", "shrink a failing plan to the fewest faults and write it to testdata under this name")
)

func length() time.Duration { return time.Duration(*hours * float64(time.Hour)) }

func TestSim(t *testing.T) {
	first := *firstSeed
	if first == 0 {
		first = uint64(time.Now().UnixMicro()) //nolint:gosec // positive
	}
	last := first + *seeds
	if *oneSeed != 0 {
		first, last = *oneSeed, *oneSeed+1
	}
	t.Logf("seeds %d to %d; replay one with make sim SEED=n", first, last-1)
	total := newTally()
	for r := range simulateAll(first, last) {
		total.add(r.totals())
		if r.violated() {
			t.Errorf("seed %d: %s", r.plan.Seed, strings.Join(r.checks.violations, "\n\t"))
			logFailure(t, r.plan, r)
			if *shrunk != "" {
				break
			}
		} else if *traced {
			t.Log("\n" + strings.Join(r.trace.lines, "\n"))
		}
	}
	t.Log("\n" + total.table())
	if *report != "" {
		require.NoError(t, os.WriteFile(*report, []byte(total.table()), 0o600))
	}
}

// simulateAll runs seeds on several cores. Each seed has its own world, so their order changes neither a run nor the totals.
func simulateAll(first, last uint64) iter.Seq[*run] {
	return func(yield func(*run) bool) {
		todo, done := make(chan uint64), make(chan *run)
		quit := make(chan struct{})
		var workers sync.WaitGroup
		for range max(*cores, 1) {
			workers.Go(func() {
				for seed := range todo {
					done <- simulate(drawPlan(seed, length()), *traced)
				}
			})
		}
		go func() {
			defer func() { close(todo); workers.Wait(); close(done) }()
			for seed := first; seed < last; seed++ {
				select {
				case todo <- seed:
				case <-quit:
					return
				}
			}
		}()
		stopped := false
		for r := range done { // the runs that are in progress after a stop are received, and discarded
			if !stopped && !yield(r) {
				stopped = true
				close(quit)
			}
		}
	}
}

// logFailure logs the trace of a failed run if there is one. With -shrink it first shrinks the plan and writes it to testdata.
func logFailure(t *testing.T, p plan, r *run) {
	if *shrunk != "" {
		p = shrink(p, r.checks.violations[0])
		p.Why = *why
		r = simulate(p, true)
		body, err := json.MarshalIndent(p, "", " ")
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(filepath.Join("testdata", *shrunk+".json"), append(body, '\n'), 0o644))
		t.Logf("%d faults left", len(p.Faults))
	}
	if len(r.trace.lines) > 0 {
		t.Log("\n" + strings.Join(r.trace.lines, "\n") + "\n" + strings.Join(r.checks.violations, "\n"))
	}
}

// TestSameSeedSameRun checks that a seed can be replayed: it gives the same plan and the same trace.
func TestSameSeedSameRun(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		p := drawPlan(seed, 10*time.Minute)
		require.Equal(t, p, drawPlan(seed, 10*time.Minute))
		one, two := simulate(p, true), simulate(p, true)
		require.Equal(t, one.trace.hash.Sum64(), two.trace.hash.Sum64(), "seed %d", seed)
		require.Equal(t, one.trace.lines, two.trace.lines)
		require.NotEmpty(t, one.trace.lines)
	}
}

// TestKnown replays the plans of fixed bugs: testdata/*.json, each with the reason why it is kept.
func TestKnown(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			body, err := os.ReadFile(file)
			require.NoError(t, err)
			var p plan
			decoder := json.NewDecoder(bytes.NewReader(body))
			decoder.DisallowUnknownFields() // a renamed field would silently empty the plan
			require.NoError(t, decoder.Decode(&p))
			require.NotEmpty(t, p.Why)
			r := simulate(p, *traced)
			if *traced {
				t.Log("\n" + strings.Join(r.trace.lines, "\n"))
			}
			require.Empty(t, r.checks.violations, p.Why)
		})
	}
}
