package worker_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBudget(t *testing.T) {
	run(t, []scenario{
		{"rule 12: exhausted and held", `
			given max-attempts=2
			up
			die 1
			> start 1
			start
			answer running
			die 1
			+1s
			> start 2
			start
			answer running
			die 1
			= event exhausted
			+10h
			> nothing
			= held exhausted
			= attempts 2`},
		{"rule 12: exhausted and started by an operator", `
			given max-attempts=1
			up
			die 1
			> start 1
			start
			answer running
			die 1
			= held exhausted
			start
			= free
			= attempts 0
			die 1
			> start 1`},
		{"rule 12: exhausted and retried", `
			given max-attempts=1 when-exhausted=retry retry-every=10m
			up
			die 1
			> start 1
			answer failed no
			= event exhausted
			+9m59s
			> nothing
			+1s
			> start 1
			answer failed no
			= no-event exhausted
			= attempts 1
			+10m
			> start 1
			start
			answer running
			= event healed
			= free`},
		{"rule 12: one budget for all faults", `
			given max-attempts=2 health
			up
			die 1
			> start 1
			start
			answer running starting
			healthy
			unhealthy
			= due 800ms..1s
			+1s
			> stop 2
			kill TERM
			die 143
			stop
			answer down 143
			> start 2
			start
			answer running starting
			unhealthy
			= held exhausted
			die 1
			+1h
			> nothing`},
		{"rule 12: restart, then recreate, then restart again", `
			given recreate-after=1
			up
			die 1
			> start 1
			start
			answer running
			die 1
			+1s
			> recreate 2
			answer made running
			= event healed
			die 1
			+2s
			> start 3`},
		{"rule 12: recreate-after=0 is never", `
			given recreate-after=0 backoff-max=1s
			up
			die 1
			> start 1
			answer down 1 new
			late start
			late die 1
			+1s
			> start 2
			answer down 1 new
			late start
			late die 1
			+1s
			> start 3
			answer down 1 new
			late start
			late die 1
			+1s
			> start 4`},
		{"a rolling window counts the attempts of its length, whether the worker was stable between them or not", `
			given max-attempts=2 attempts-window=10m stable-after=1m
			up
			die 1
			> start 1
			start
			answer running none
			+2m
			= attempts 0
			die 1
			> start 1
			start
			answer running none
			+2m
			die 1
			= held exhausted
			= event exhausted`},
		{"attempts leave the window", `
			given max-attempts=2 attempts-window=10m stable-after=1m
			up
			die 1
			> start 1
			start
			answer running none
			+11m
			die 1
			> start 1
			start
			answer running none
			+2m
			die 1
			> start 1`},
		{"an operator's start empties the window", `
			given max-attempts=1 attempts-window=10m
			up
			die 1
			> start 1
			start
			answer running none
			+2m
			die 1
			= held exhausted
			start
			die 1
			> start 1`},
		{"the window is saved", `
			given max-attempts=1 attempts-window=1h
			up
			die 1
			> start 1
			start
			answer running none
			+2m
			stoker-killed
			list running none
			die 1
			= held exhausted`},
		{"0 attempts are no limit, also in a window", `
			given max-attempts=0 attempts-window=10m backoff-max=1s
			up
			die 1
			> start 1
			start
			answer running none
			die 1
			+1s
			> start 2`},
		{"an attempt that did not reach the engine does not count in the window", `
			given max-attempts=2 attempts-window=10m
			up
			die 1
			> start 1
			answer unreachable
			= attempts 0
			+1s
			> start 1
			answer unreachable
			+1s
			> start 1
			start
			answer running none
			die 1
			+1s
			> start 2
			start
			answer running none
			die 1
			= held exhausted`},
	})
}

// The times of attempts are only kept for a window.
func TestNoAttemptsAreKeptWithoutAWindow(t *testing.T) {
	for given, want := range map[string]int{"": 0, "attempts-window=10m": 1} {
		require.Len(t, play(t, "given max-attempts=3 "+given+"\nup\ndie 1\n> start 1").m.Saved().RecentAttempts, want)
	}
}
