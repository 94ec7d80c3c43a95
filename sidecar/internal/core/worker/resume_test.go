package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// stoker resume gives a worker that has used up its attempts new ones, and its heal begins at once. It changes no other worker.
func TestResume(t *testing.T) {
	for name, c := range map[string]struct{ before, after string }{
		"it is down": {`
			given max-attempts=1
			up
			die 1
			> start 1
			answer failed no
			= held exhausted
			+1h`, `
			> start 1
			= reason resumed
			start
			answer running none
			= event healed`},
		"it runs, and is still unhealthy": {`
			given max-attempts=1 health
			up
			die 1
			> start 1
			start
			answer running starting
			unhealthy
			= held exhausted
			+1h`, `
			> stop 1
			= fault unhealthy`},
		"it is retried at a slow pace": {`
			given max-attempts=1 when-exhausted=retry retry-every=10m
			up
			die 1
			> start 1
			answer failed no
			+1m
			> nothing`, `
			> start 1
			= attempts 1`},
		"it waits for its next attempt": {`
			given max-attempts=5 backoff-initial=30s
			up
			die 1
			> start 1
			answer failed no
			= attempts 1`, `
			= attempts 1
			> nothing`},
		"an operator has stopped it": {`
			up
			kill TERM
			die 143
			stop`, `
			> nothing
			= held stopped-by-operator`},
	} {
		t.Run(name, func(t *testing.T) {
			s := play(t, c.before)
			s.step(worker.Resume{})
			s.goOn(c.after)
		})
	}
}

// The fault of an open heal can be reported again, with the time until its next action. Sleep is no fault.
func TestOpenFault(t *testing.T) {
	s := play(t, "given backoff-initial=30s\nup\ndie 3\n> start 1\nanswer failed no")
	e, ok := s.m.OpenFault(s.now)
	require.True(t, ok)
	require.Equal(t, worker.EventFault, e.Kind)
	require.Equal(t, worker.FaultStartFailed, e.Fault)
	require.Equal(t, worker.Key("w"), e.Key)
	require.Equal(t, s.m.View().Due.Sub(s.now), e.Delay)
	e, _ = s.m.OpenFault(s.now.Add(time.Hour))
	require.Zero(t, e.Delay, "it is overdue")
	for _, none := range []string{"up", "given demand\nup\nsleep\n> stop 0", "up\nkill TERM\ndie 143\nstop"} {
		_, ok := play(t, none).m.OpenFault(noon)
		require.False(t, ok, none)
	}
}
