package worker_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

func TestGraceTooShort(t *testing.T) {
	run(t, []scenario{
		{"grace: killed after its grace by a throttling quota", `
			given health evidence=basic grace=5s
			up
			unhealthy
			> collect
			answer throttled 0.9
			> stop 1
			kill TERM
			+5s
			kill KILL
			die 137
			= event grace-too-short
			answer nothing
			> start 1`},
		{"grace: killed after its grace, and not throttled", `
			given health evidence=basic grace=5s
			up
			unhealthy
			> collect
			answer throttled 0.1
			> stop 1
			kill TERM
			+5s
			kill KILL
			die 137
			= no-event grace-too-short
			answer nothing
			> start 1`},
		{"grace: throttled, and exited in time", `
			given health evidence=basic grace=5s
			up
			unhealthy
			> collect
			answer throttled 0.9
			> stop 1
			kill TERM
			die 0
			= no-event grace-too-short
			answer nothing
			> start 1`},
		{"grace: out of memory while it wound up", `
			given health evidence=basic grace=5s
			up
			unhealthy
			> collect
			answer throttled 0.9
			> stop 1
			kill TERM
			oom
			die 137
			= no-event grace-too-short
			answer nothing
			> start 1`},
		{"grace: throttled in a fifth of the periods", `
			given health evidence=basic grace=5s
			up
			unhealthy
			> collect
			answer throttled 0.2
			> stop 1
			kill TERM
			+5s
			kill KILL
			die 137
			= event grace-too-short
			answer nothing
			> start 1`},
		{"grace: a process in it ran out of memory, too long before its end to be the reason", `
			given health evidence=basic grace=5s
			up
			unhealthy
			> collect
			answer throttled 0.9
			> stop 1
			kill TERM
			oom
			+5s
			kill KILL
			die 137
			= event grace-too-short
			answer nothing
			> start 1`},
	})
}

// Without evidence of the heal the last reading shows that the quota throttled the worker, unless the periods are not counted.
func TestGraceTooShortByTheLastReading(t *testing.T) {
	for _, counted := range []bool{true, false} {
		s := play(t, "given health cpus=0.1 grace=5s\nup")
		before, now := worker.Stats{At: s.now, Periods: 1}, worker.Stats{At: s.now.Add(time.Second), CPU: time.Second / 10, Periods: 11, Throttled: 9}
		if !counted {
			before.Periods, now.Periods, now.Throttled = 0, 0, 0
		}
		s.m.DisplayStatsRead(s.now, s.m.Saved().Incarnation, worker.Usage{Before: before, Now: now})
		s.goOn("unhealthy\n> stop 1\nkill TERM\n+5s\nkill KILL\ndie 137")
		require.Equal(t, counted, slices.Contains(s.events, string(worker.EventGraceTooShort)))
	}
}

// The old container of a recreate, too, may be killed at the end of its grace because its quota throttles it. Its last log lines are
// read, as after any stop.
func TestGraceTooShortWhileRecreating(t *testing.T) {
	throttled := 0.9
	for name, c := range map[string]struct {
		events   string
		of       uint64 // added to the heal's ID
		tooShort bool
	}{
		"killed at the end of its grace":  {"kill TERM\n+10s\nkill KILL\ndie 137", 0, true},
		"its exit code, but no SIGKILL":   {"kill TERM\n+1s\ndie 137", 0, false},
		"the evidence is of another heal": {"kill TERM\n+10s\nkill KILL\ndie 137", 1, false},
	} {
		s := play(t, "given health on-unhealthy=recreate grace=10s evidence=logs\nup\nunhealthy\n> recreate 1\ntransaction stops")
		a := worker.Action{Evidence: &worker.EvidenceRequest{HealID: s.m.View().Heal.ID + c.of}}
		s.step(worker.RecreateCollected{Outcome: worker.Outcome{
			Action: a, Answer: worker.Answer{Evidence: &worker.HealEvidence{Usage: &worker.UsageEvidence{Throttled: &throttled}}},
		}})
		require.Equal(t, c.of == 0, s.m.Collected(), name)
		s.goOn(c.events + "\n> logs 137")
		require.Equal(t, c.tooShort, slices.Contains(s.events, string(worker.EventGraceTooShort)), name)
	}
	s := play(t, recreating)
	s.step(worker.RecreateCollected{}) // nothing was requested
	require.False(t, s.m.Collected())
	s.goOn("die 137\n= no-event grace-too-short\n= no-event evidence")
}

func TestGraceTooShortNamesTheLabel(t *testing.T) {
	s := play(t, `
		given health evidence=basic grace=5s
		up
		unhealthy
		answer throttled 0.9
		kill TERM
		+5s
		kill KILL
		die 137
		> collect, stop 1`)
	require.Contains(t, s.details, "killed (exit code 137) at the end of its grace of 5s, while its quota throttled it in 90 % of the periods with work: "+
		"raise stoker.stop-timeout, or the quota")
}
