package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// Each limit from both sides.
func TestLimits(t *testing.T) {
	const stopping = `
		given health grace=10s
		up
		unhealthy
		> stop 1
		kill TERM
		`
	run(t, []scenario{
		{"SIGKILL of the own stop, as soon as it may come", stopping + "+9950ms\nkill KILL\ndie 137\nstop\n= phase backing-off\nanswer down 137\n> start 1"},
		{"SIGKILL during the own stop, too soon", stopping + "+9949ms\nkill KILL\ndie 137\n= held stopped-by-operator"},
		{"on Stoker's clock it is time for SIGKILL", stopping + "+9950ms\nlate:5s kill KILL\ndie 137\nstop\nanswer down 137\n> start 1"},
		{"and a millisecond before it is not", stopping + "+9949ms\nlate:5s kill KILL\ndie 137\n= held stopped-by-operator"},
		{"a second SIGKILL during the own stop", stopping + "+10s\nkill KILL\nkill KILL\ndie 137\n= held stopped-by-operator"},
		{"out of memory, just before the exit", "up\noom\n+4999ms\ndie 137\n> start 1\n= fault oom"},
		{"out of memory, long before the exit", "up\noom\n+5s\ndie 137\n> start 1\n= fault exited"},
		{"out of memory, reported just after the exit", "up\ndie 137\n> start 1\n+4999ms\noom\n= fault oom"},
		{"out of memory, reported long after the exit", "up\ndie 137\n> start 1\n+5s\noom\n= fault exited"},
		{"the last moment at which a signal explains an exit", "up\nkill TERM\n+20s\ndie 143\n= held stopped-by-operator"},
		{"a moment later it does not", "up\nkill TERM\n+20001ms\ndie 143\n+5s\n> start 1"},
		{"the clock of the engine stepped: Stoker's own counts too", "up\nlate:1m kill TERM\n+20s\ndie 143\n= held stopped-by-operator"},
		{"docker rm -f at the last moment", "given on-missing=recreate\nup\nkill KILL\ndie 137\n+9999ms\ndestroy\n> recreate 1"},
		{"docker kill, and a removal that is not rm -f", "given on-missing=recreate\nup\nkill KILL\ndie 137\n+10s\ndestroy\n= over"},
		{"starved by all of its use and its throttling", `
			given health cpus=0.5
			up
			unhealthy timed-out
			> sample
			reads 0.4 0.2 1
			= held starved`},
		{"too busy for a hung one", `
			given health cpus=0.5
			up
			unhealthy timed-out
			> sample
			reads 0.15 0 0.1
			> nothing
			+3s
			> stop 1
			= reason probe-timed-out`},
		{"too often active for a hung one", `
			given health cpus=0.5
			up
			unhealthy timed-out
			> sample
			reads 0.001 0 0.5
			> nothing
			+3s
			> stop 1`},
		{"idle: a worker without a quota, below one percent of a CPU", `
			given idle-after=5s
			up
			+5s
			reads 0 0 0
			+5s
			reads 0.009 0 0
			> read, read, stop 1`},
		{"idle in a dry run: it is watched again, and reported again", `
			given idle-after=5s
			up
			+5s
			reads 0 0 0
			+5s
			reads 0.009 0 0
			> read, read, stop 1
			answer skipped
			= event held
			= phase watching
			= attempts 0
			+5s
			reads 0 0 0
			+5s
			reads 0 0 0
			> read, read, stop 1`},
		{"not idle: as much as the limit", `
			given idle-after=5s
			up
			+5s
			reads 0 0 0
			+5s
			reads 0.01 0 0
			> read, read`},
		{"not idle: a health check whose interval is not known", `
			given health idle-after=5s
			up
			+5s
			reads 0 0 0
			+5s
			reads 0.5 0 0
			> read, read`},
		{"not idle: more than its probes use", `
			given health probe-every=5s idle-after=5s
			up
			+5s
			reads 0 0 0
			+5s
			reads 0.02 0 0
			> read, read`},
		{"a quota is never raised to what it is", `
			given health cpus=2 host=2 on-starved=boost
			up
			unhealthy timed-out
			> sample
			reads 2 1 1
			= held starved
			> nothing`},
		{"a quota that the engine rounded", "given cpus=0.5004 quota=0.5\nup\n> nothing"},
		{"a quota that differs", "given cpus=0.501 quota=0.5\nup\n> update 0.501 0.5"},
		{"a stop that was not answered: past the grace and its margin it is due again", stopping + `
			answer unknown
			+39s
			> nothing
			+30s
			> stop 1`},
	})
}

// The fields of an Action of a restart.
func TestStopAction(t *testing.T) {
	s := play(t, "given health grace=7s\nup\nunhealthy\n> stop 1")
	require.Equal(t, 7*time.Second, s.flight.Grace)
	require.Equal(t, 37*time.Second, s.flight.Deadline)
	require.True(t, s.flight.OnlyIfUnhealthy)
	require.True(t, s.m.View().Acting)
	s = play(t, "up")
	s.orphan(worker.HealRestart, s.now)
	s.goOn("> stop 1")
	require.False(t, s.flight.OnlyIfUnhealthy, "its health has nothing to do with it")
	s = play(t, "up\nmute update")
	require.False(t, s.m.View().Acting, "an inspect changes nothing")
}

// Inspects without a usable answer are repeated after 1 s, 2 s, 4 s … 30 s.
func TestInspectsAreTriedAgain(t *testing.T) {
	s := play(t, "up\nmute update")
	for _, seconds := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		s.finish(worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Err: "no"}})
		require.Equal(t, seconds*time.Second, s.turn.Due.Sub(s.now))
		s.now, s.mute = s.turn.Due, true
		s.grant()
	}
}

// A repeated stop event, long after the worker is held, belongs to a later incarnation.
func TestStopOfALaterIncarnation(t *testing.T) {
	for after, again := range map[time.Duration]bool{20 * time.Second: false, 20*time.Second + time.Millisecond: true} {
		s := play(t, "up\nkill TERM\ndie 143\nstop")
		s.now = noon.Add(after)
		s.step(worker.Observation{Kind: worker.Stopped, At: s.now, ID: containerID, Key: "w", Replay: worker.Replay{Origin: worker.OriginReplayed}})
		at, _ := s.m.StoppedAt()
		require.Equal(t, again, at.Equal(s.now), after)
	}
}

// The journal is written only if its contents have changed.
func TestChanged(t *testing.T) {
	s := play(t, "up\n+1s\nupdate")
	e := step(t, s.m, s.now, worker.StatsRead{})
	require.False(t, e.Changed)
	s.world.Definition = []byte(`{"other":1}`)
	s.goOn("+0s\nmute update")
	c := *s.snapshot()
	o := worker.Outcome{Action: *s.flight, Result: worker.Done, Answer: worker.Answer{Snapshot: &c}}
	require.True(t, step(t, s.m, s.now, o).Changed, "the definition is another one")
	require.Equal(t, c.Definition, s.m.Saved().Definition)
}

// Displayed shares count the periods between two readings.
func TestDisplayedThrottling(t *testing.T) {
	s := play(t, "given cpus=0.5\nup")
	life := s.m.Saved().Incarnation
	read := func(at time.Time, cpu time.Duration, periods, throttled uint64) worker.Share {
		s.m.DisplayStatsRead(s.now, life, worker.Usage{Now: worker.Stats{At: at, CPU: cpu, Periods: periods, Throttled: throttled}})
		return s.m.View().Share
	}
	require.Zero(t, read(noon, time.Second, 100, 50))
	require.Zero(t, read(noon, time.Second, 100, 50), "no time has passed")
	got := read(noon.Add(10*time.Second), 2*time.Second, 200, 75)
	require.InDelta(t, 0.1, got.CPUs, 1e-9)
	require.InDelta(t, 0.25, got.Throttled, 1e-9)
	require.False(t, got.ThrottlingUnknown)
	got = read(noon.Add(20*time.Second), 2*time.Second, 200, 75)
	require.Zero(t, got.Throttled)
	require.Equal(t, noon.Add(20*time.Second), got.At)
	require.Equal(t, got, read(noon.Add(30*time.Second), time.Second, 300, 80), "counters do not run backwards in one incarnation")
}

// Two hosts at the bound of being out of CPU.
func TestOutOfCPUAtItsBounds(t *testing.T) {
	require.True(t, (&worker.HostLoad{Busy: 0.98, Runnable: 12, CPUs: 8}).Saturated())
	require.False(t, (&worker.HostLoad{Busy: 1, Runnable: 1}).Saturated(), "how many CPUs it has is not known")
}

// The transition table allows its rows and nothing else.
func TestAllowed(t *testing.T) {
	require.True(t, worker.Allowed(worker.PhaseHeld, "healthy", worker.PhaseHeld), "every phase may stay as it is")
	require.True(t, worker.Allowed(worker.PhaseBackingOff, "due", worker.PhaseStarting))
	require.False(t, worker.Allowed(worker.PhaseBackingOff, "healthy", worker.PhaseStarting))
	require.False(t, worker.Allowed(worker.PhaseStopDue, "due", worker.PhaseStarting))
	require.False(t, worker.Allowed(worker.PhaseBackingOff, "due", worker.PhaseStopping))
}
