package simulation

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The flags of a long run, and of one seed.
var (
	oneSeed   = flag.Uint64("seed", 0, "run this seed only")
	firstSeed = flag.Uint64("first", 1, "the first seed")
	seeds     = flag.Uint64("seeds", 250, "how many seeds")
	hours     = flag.Float64("hours", 0.5, "virtual hours of each seed, roughly")
	traced    = flag.Bool("trace", false, "tell the run line by line")
	why       = flag.String("why", "", "with -shrink: the reason why the plan is kept")
	shrunk    = flag.String("shrink", "", "find the fewest deeds that fail, and keep them under this name in testdata")
)

func length() time.Duration { return time.Duration(*hours * float64(time.Hour)) }

func TestSim(t *testing.T) {
	first, last := *firstSeed, *firstSeed+*seeds
	if *oneSeed != 0 {
		first, last = *oneSeed, *oneSeed+1
	}
	var virtual time.Duration
	actions, failed := 0, 0
	for seed := first; seed < last; seed++ {
		p := drawPlan(seed, length())
		r := simulate(p, *traced)
		virtual += r.w.Now().Sub(r.start)
		actions += r.starts
		if len(r.wrong) > 0 {
			failed++
			t.Errorf("seed %d: %s", seed, strings.Join(r.wrong, "\n\t"))
			tell(t, p, r)
			if *shrunk != "" {
				break
			}
		} else if *traced {
			t.Log("\n" + strings.Join(r.lines, "\n"))
		}
	}
	t.Logf("%d seeds, %.1f virtual hours, %d starts and stops by Stoker, %d failed", last-first, virtual.Hours(), actions, failed)
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
