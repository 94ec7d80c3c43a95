package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// One clock alone is enough to show that the grace of the own stop is over.
func TestGraceOnOneClock(t *testing.T) {
	const stopping = "given health grace=10s\nup\nunhealthy\n> stop 1\n"
	run(t, []scenario{
		{"the engine's", stopping + "late:9950ms kill TERM\nkill KILL\ndie 137\nstop\n= phase backing-off\nanswer down 137\n> start 1"},
		{"the engine's, a millisecond too soon", stopping + "late:9949ms kill TERM\nkill KILL\ndie 137\n= held stopped-by-operator"},
		{"Stoker's, the first signal is replayed late and may have been sent at once", stopping + "+6s\nold:6s kill TERM\n+3950ms\nlate:2s kill KILL\ndie 137\nstop\n= phase backing-off\nanswer down 137\n> start 1"},
		{"the same, a millisecond too soon", stopping + "+6s\nold:6s kill TERM\n+3949ms\nlate:2s kill KILL\ndie 137\n= held stopped-by-operator"},
	})
	for events, others := range map[string]bool{
		"late:9950ms kill TERM\nkill KILL":          false,
		"late:9949ms kill TERM\nkill KILL":          true,
		"kill TERM\n+9950ms\nlate:5s kill KILL":     false,
		"kill TERM\n+9949ms\nlate:5s kill KILL":     true,
		"kill TERM\n+10s\nkill KILL\n+1s\nkill HUP": false,
	} {
		s := play(t, recreating+"transaction stops\n"+events)
		require.Equal(t, others, s.m.StoppedWhileRecreating(), events)
	}
}

// A list exactly two seconds after a rename, or a minute before it, is not the older one.
func TestBackInPlaceAtItsBounds(t *testing.T) {
	run(t, []scenario{
		{"two seconds later", "up\nrename w.stoker-old\nstoker-killed\n+2s\nlate:1ms list running\n= free"},
		{"a millisecond sooner", "up\nrename w.stoker-old\nstoker-killed\n+2s\nlate:2ms list running\n= held being-replaced"},
		{"a minute earlier", "up\nrename w.stoker-old\nstoker-killed\nlate:60001ms list running\n= free"},
		{"a millisecond later than that", "up\nrename w.stoker-old\nstoker-killed\nlate:1m list running\n= held being-replaced"},
	})
}

// Docker's restart policy was waiting and no longer does: its retries are used up, or an operator stopped the worker.
func TestDockerStoppedWaiting(t *testing.T) {
	for name, c := range map[string]struct {
		given    string
		restarts int
		healed   bool
	}{
		"its retries are used up":     {"on-failure:2", 2, true},
		"it had one left":             {"on-failure:2", 1, false},
		"it has no limit":             {"on-failure", 7, false},
		"always, whatever it counted": {"always:2", 7, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := play(t, "given docker="+c.given+"\nup\nlist restarting\n+2s\n= held docker-restarting")
			s.world.RestartCount = c.restarts
			s.describe([]string{"down", "1"})
			if c.healed {
				s.goOn("+4s\n> start 1\n= reason docker-gave-up")
			} else {
				s.goOn("+10s\n> nothing\n= held stopped-by-operator")
			}
		})
	}
	play(t, "given docker=always\nup\ndie 0\n> start 1\n= reason exited-zero")
}

// A container without a stop signal of its own is stopped by SIGTERM.
func TestNoStopSignalOfItsOwn(t *testing.T) {
	for first, own := range map[string]bool{"TERM": true, "INT": false} {
		s := play(t, "given health")
		s.world.StopSignal = 0
		s.goOn("up\nunhealthy\n> stop 1\nkill " + first + "\ndie 143")
		require.Equal(t, own, s.m.View().Held == worker.HeldNot, first)
	}
}

// The engine refuses a start, but the worker runs.
func TestStartRefusedAndRunning(t *testing.T) {
	s := play(t, "up\ndie 1\n> start 1\nstart")
	s.finish(worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Err: "no"}, Answer: worker.Answer{Snapshot: s.snapshot()}})
	s.goOn("= event healed\n= free\n= attempts 1")
}

// No restored wait exceeds the maximum of its kind.
func TestRestoredWaits(t *testing.T) {
	s := play(t, "given backoff-max=40s starved-grace=5m retry-every=30m")
	for name, c := range map[string]struct {
		reason    worker.Reason
		exhausted time.Time
		due, want time.Duration
	}{
		"a back-off":                     {worker.ReasonCrashed, time.Time{}, time.Hour, 43 * time.Second},
		"a back-off that is long":        {worker.ReasonCrashed, time.Time{}, 43 * time.Second, 43 * time.Second},
		"a back-off that is short":       {worker.ReasonCrashed, time.Time{}, 42 * time.Second, 42 * time.Second},
		"a starved one's grace":          {worker.ReasonStarved, time.Time{}, time.Hour, 5 * time.Minute},
		"the slow pace of one exhausted": {worker.ReasonCrashed, noon, time.Hour, 30 * time.Minute},
	} {
		saved := worker.Saved{Incarnation: worker.Incarnation{ID: containerID}, SavedHeals: worker.SavedHeals{Budget: worker.Budget{ExhaustedAt: c.exhausted}, State: worker.State{
			Phase: worker.PhaseBackingOff, Due: noon.Add(c.due), Heal: worker.Heal{ID: 1, Fault: worker.FaultExited, Reason: c.reason},
		}}}
		m := worker.Restore(s.id, saved)
		step(t, m, noon, worker.StatsRead{})
		require.Equal(t, c.want, m.View().Due.Sub(noon), name)
	}
}

// The contents of a quota update, and the effects of its answer.
func TestUpdateAction(t *testing.T) {
	const boosting = "given health cpus=0.1 on-starved=boost\nup\nunhealthy timed-out\n> sample\nreads 0.1 1 1\n> update 0.1 0.2"
	s := play(t, boosting)
	require.Equal(t, worker.ReasonStarved, s.flight.Reason)
	require.True(t, s.m.View().Boosted)
	s.mute = true
	s.finish(worker.Outcome{Result: worker.Unknown})
	require.Equal(t, worker.ClassInspect, s.turn.Class, "it may have been done")

	s = play(t, boosting)
	s.finish(worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Err: "no"}})
	require.Equal(t, worker.ClassUpdate, s.turn.Class)
	require.Equal(t, time.Second, s.turn.Due.Sub(s.now))

	s = play(t, "given cpus=0.1 quota=0.2\nup\n> update 0.1 0.2")
	require.Equal(t, worker.ReasonQuotaMismatch, s.flight.Reason)
	require.False(t, s.m.View().Boosted)

	s = play(t, "given health cpus=2 host=2 on-starved=boost\nup\nunhealthy timed-out\n> sample\nreads 2 1 1")
	require.False(t, s.m.View().Boosted, "there is no room above its quota")
}

// A stop seen before a transaction that sent nothing was another client's.
func TestStopBeforeATransactionThatSentNothing(t *testing.T) {
	s := play(t, recreating+"kill TERM\n+10s\nkill KILL\ndie 137\nanswer refused down 137\n= held stopped-by-operator")
	require.Equal(t, worker.HeldOperator, s.m.View().Held)
	for events, complete := range map[string]bool{"kill TERM": false, "kill TERM\nstop": true} {
		s := play(t, recreating+events)
		s.mute = true
		s.finish(worker.Outcome{Result: worker.Refused, Answer: worker.Answer{Snapshot: s.snapshot()}})
		require.NotNil(t, s.m.Saved().StopIntent)
		require.Equal(t, complete, s.m.Saved().StopIntent.Complete)
	}
	for seconds, same := range map[time.Duration]bool{20: true, 21: false} {
		s := play(t, recreating+"kill TERM\nkill TERM")
		s.now = noon.Add(seconds * time.Second)
		s.goOn("kill TERM")
		require.Equal(t, same, s.m.Saved().StopIntent.At.Equal(noon))
	}
}

// It cannot be recreated, and the answer has no snapshot.
func TestCannotRecreateWithoutASnapshot(t *testing.T) {
	s := play(t, recreating)
	s.finish(worker.Outcome{Result: worker.Failed, Failure: worker.Failure{CannotRecreate: true, Err: "no"}})
	s.goOn("= event refused\n+1s\n> stop 1\n= attempts 1")
}

// No events are emitted about a worker during a replay.
func TestReplayEmitsNoEvents(t *testing.T) {
	play(t, "given remembered\nold die 143\n= no-event managed\nup running new\n= event managed")
}

// Docker's own restart, which only an inspect has shown, is no operator's start: the attempts still count.
func TestDockersRestartKeepsTheAttempts(t *testing.T) {
	play(t, `
		given docker=always health
		up
		unhealthy
		> stop 1
		kill TERM
		die 143
		stop
		answer down 143
		> start 1
		start
		answer running healthy
		= attempts 1
		+10s
		list restarting
		+2s
		= held docker-restarting
		list running new healthy
		+5s
		= free
		= attempts 1`)
}

// An inspect that shows the exit before the present start is older than the start's event.
func TestInspectOlderThanAStart(t *testing.T) {
	s := play(t, "up\nkill TERM\ndie 143\nstop\n= held stopped-by-operator")
	before := *s.snapshot()
	s.goOn("+1s\nmute update\n+1s\nstart")
	s.mute = true
	s.finish(worker.Outcome{Result: worker.Done, Answer: worker.Answer{Snapshot: &before}})
	require.Equal(t, worker.StatusRunning, s.m.View().Status)
	s.goOn("= free")
}
