package policy

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestDelayNominal(t *testing.T) {
	p := Policy{RetryRules: RetryRules{BackoffInitial: time.Second, BackoffMax: 10 * time.Second}}
	want := []time.Duration{0, 0, 1, 2, 4, 8, 10, 10}
	for attempt, seconds := range want {
		require.Equal(t, seconds*time.Second, p.nominal(attempt), "attempt %d", attempt)
	}
	require.Equal(t, 10*time.Second, p.nominal(math.MaxInt))
	require.Zero(t, p.nominal(math.MinInt))
	require.Zero(t, Policy{}.Delay(9, 1), "a zero policy waits for nothing")

	long := Policy{RetryRules: RetryRules{BackoffInitial: math.MaxInt64/2 + 2, BackoffMax: math.MaxInt64}}
	require.Equal(t, time.Duration(math.MaxInt64), long.nominal(3), "doubling would overflow")

	odd := Policy{RetryRules: RetryRules{BackoffInitial: 2, BackoffMax: 5}}
	require.Equal(t, []time.Duration{2, 4, 5}, []time.Duration{odd.nominal(2), odd.nominal(3), odd.nominal(4)})
	require.Zero(t, Policy{RetryRules: RetryRules{BackoffMax: time.Minute}}.nominal(math.MaxInt), "zero is not doubled again and again")
}

func TestDelayBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		top := rapid.Int64Range(1, math.MaxInt64).Draw(t, "max")
		p := Policy{
			RetryRules: RetryRules{BackoffInitial: time.Duration(rapid.Int64Range(1, top).Draw(t, "initial")), BackoffMax: time.Duration(top)},
		}
		attempt := rapid.IntRange(2, math.MaxInt-1).Draw(t, "attempt")
		seed := rapid.Uint64().Draw(t, "seed")

		nominal, delay := p.nominal(attempt), p.Delay(attempt, seed)
		require.LessOrEqual(t, delay, nominal)
		require.GreaterOrEqual(t, delay, nominal-nominal/5)
		require.Equal(t, delay, p.Delay(attempt, seed))
		require.Zero(t, p.Delay(1, seed))
		require.LessOrEqual(t, nominal, p.nominal(attempt+1))
		require.LessOrEqual(t, nominal, p.BackoffMax)
	})
}

// Two hundred workers fail together: their second attempts are spread over the whole fifth of a second.
func TestDelaySpreads(t *testing.T) {
	var buckets [10]int
	for i := range 200 {
		delay := Default().Delay(2, Seed("worker-"+string(rune('a'+i)), 2))
		buckets[min(9, (delay-800*time.Millisecond)/(20*time.Millisecond))]++
	}
	for i, n := range buckets {
		require.Positive(t, n, "bucket %d of %v", i, buckets)
	}
}

func TestSeed(t *testing.T) {
	require.NotEqual(t, Seed("a", 2), Seed("a", 3))
	require.NotEqual(t, Seed("a", 2), Seed("b", 2))
}

func TestGrace(t *testing.T) {
	tests := []struct {
		name           string
		set, own, want time.Duration
	}{
		{"no timeout", OwnStopTimeout, 0, 10 * time.Second},
		{"the container's own", OwnStopTimeout, time.Minute, time.Minute},
		{"the container's own of 0", OwnStopTimeout, NoStopWait, 0},
		{"the policy's, and the container's own of 0", 5 * time.Second, NoStopWait, 5 * time.Second},
		{"the policy's", 5 * time.Second, time.Minute, 5 * time.Second},
		{"none at all", 0, time.Minute, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, Policy{StopTimeout: test.set}.Grace(test.own))
		})
	}
}
