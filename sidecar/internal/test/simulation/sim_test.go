package simulation

import (
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

// The flags of a long run, and of one seed.
var (
	oneSeed   = flag.Uint64("seed", 0, "run this seed only")
	firstSeed = flag.Uint64("first", 1, "the first seed; 0 draws it from the clock, as make sim does")
	seeds     = flag.Uint64("seeds", 150, "how many seeds")
	hours     = flag.Float64("hours", 0.5, "virtual hours of each seed, roughly")
	cores     = flag.Int("cores", 1, "how many seeds at once")
	report    = flag.String("report", "", "a file for the table of what happened")
	traced    = flag.Bool("trace", false, "tell the run line by line")
	why       = flag.String("why", "", "with -shrink: the reason why the plan is kept")
	shrunk    = flag.String("shrink", "", "find the fewest deeds that fail, and keep them under this name in testdata")
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
		total.add(r.tally())
		if len(r.wrong) > 0 {
			t.Errorf("seed %d: %s", r.plan.Seed, strings.Join(r.wrong, "\n\t"))
			tell(t, r.plan, r)
			if *shrunk != "" {
				break
			}
		} else if *traced {
			t.Log("\n" + strings.Join(r.lines, "\n"))
		}
	}
	t.Log("\n" + total.table())
	if *report != "" {
		require.NoError(t, os.WriteFile(*report, []byte(total.table()), 0o600))
	}
}

// simulateAll runs seeds on as many cores as it may. Each is a world of its own, so that which comes first changes nothing about any
// of them, or about their sum.
func simulateAll(first, last uint64) iter.Seq[*run] {
	return func(yield func(*run) bool) {
		todo, done := make(chan uint64), make(chan *run)
		quit := make(chan struct{})
		var hands sync.WaitGroup
		for range max(*cores, 1) {
			hands.Go(func() {
				for seed := range todo {
					done <- simulate(drawPlan(seed, length()), *traced)
				}
			})
		}
		go func() {
			defer func() { close(todo); hands.Wait(); close(done) }()
			for seed := first; seed < last; seed++ {
				select {
				case todo <- seed:
				case <-quit:
					return
				}
			}
		}()
		wanted := true
		for r := range done { // all are taken in, also those that nobody wants any more
			if wanted && !yield(r) {
				wanted = false
				close(quit)
			}
		}
	}
}

// tell says what is known of a failure, as far as the flags ask for it.
func tell(t *testing.T, p plan, r *run) {
	if *shrunk != "" {
		p = shrink(p, r.wrong[0])
		p.Why = *why
		r = simulate(p, true)
		body, err := json.MarshalIndent(p, "", " ")
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(filepath.Join("testdata", *shrunk+".json"), append(body, '\n'), 0o644))
		t.Logf("%d deeds left", len(p.Deeds))
	}
	if len(r.lines) > 0 {
		t.Log("\n" + strings.Join(r.lines, "\n") + "\n" + strings.Join(r.wrong, "\n"))
	}
}

// TestSameSeedSameRun: a failure that cannot be replayed is worth little.
func TestSameSeedSameRun(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		p := drawPlan(seed, 10*time.Minute)
		require.Equal(t, p, drawPlan(seed, 10*time.Minute))
		one, two := simulate(p, true), simulate(p, true)
		require.Equal(t, one.hash.Sum64(), two.hash.Sum64(), "seed %d", seed)
		require.Equal(t, one.lines, two.lines)
		require.NotEmpty(t, one.lines)
	}
}

// TestKnown replays what once was a bug: testdata/*.json, each with the reason why it is kept.
func TestKnown(t *testing.T) {
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			body, err := os.ReadFile(file)
			require.NoError(t, err)
			var p plan
			require.NoError(t, json.Unmarshal(body, &p))
			require.NotEmpty(t, p.Why)
			r := simulate(p, *traced)
			if *traced {
				t.Log("\n" + strings.Join(r.lines, "\n"))
			}
			require.Empty(t, r.wrong, p.Why)
		})
	}
}
