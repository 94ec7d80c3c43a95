package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// remembers returns a fleet with the record of one worker, stopped by an operator. The record has the stop's last event.
func remembers(t *testing.T, last time.Time) *harness {
	return newHarness(t, fleet.Settings{Saved: []worker.Saved{{
		Key: "a", Incarnation: worker.Incarnation{ID: "id-a", StartedAt: noon.Add(-time.Hour)}, Labels: enabled, LastEventAt: last,
		SavedHeals: worker.SavedHeals{State: worker.State{Phase: worker.PhaseHeld, Hold: worker.Hold{Reason: worker.HeldOperator, At: last, Confirmed: true}}},
	}}})
}

// TestReplayAcrossAStep: the engine's clock was set back, so that times do not show which replayed events the record includes. The order of the
// events does.
func TestReplayAcrossAStep(t *testing.T) {
	last, stepped := noon.Add(-time.Minute), noon.Add(-2*time.Hour)
	replay := func(d *harness, kind worker.Kind, at time.Time) {
		d.observe(worker.Observation{Kind: kind, At: at, ID: "id-a", Key: "a", Exit: worker.Exit{ExitCode: 1}, Signal: 15})
	}
	down := func(d *harness, began, ended time.Time) {
		for _, a := range d.verb(worker.Inspect) {
			s := d.running(a)
			s.Status, s.StartedAt, s.FinishedAt, s.ExitCode = worker.StatusExited, began, ended, 1
			d.answer(a, s)
		}
	}
	begin := func(d *harness) {
		d.open()
		replay(d, worker.Started, noon.Add(-time.Hour))
		replay(d, worker.Signalled, last.Add(-time.Second))
		replay(d, worker.Exited, last)
	}
	list := func(d *harness) {
		d.observe(worker.Observation{Kind: worker.ListBegin})
		d.listed("a", worker.StatusExited)
		d.observe(worker.Observation{Kind: worker.ListEnd})
	}

	d := remembers(t, last)
	begin(d)
	list(d)
	down(d, noon.Add(-time.Hour), last)
	require.Equal(t, worker.HeldOperator, d.newWorker("a").Held, "nothing came after the stop")

	d = remembers(t, last)
	begin(d)
	replay(d, worker.Started, stepped)
	replay(d, worker.Exited, stepped.Add(time.Second))
	list(d)
	down(d, stepped, stepped.Add(time.Second))
	require.Len(t, d.verb(worker.Start), 1, "it was started since, and has crashed")
}

// TestReplayOfACutSession: the stream breaks before the list. The next session does not replay the events again.
func TestReplayOfACutSession(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a")
	d.observe(worker.Observation{Kind: worker.Disconnected})
	d.open()
	d.observe(worker.Observation{Kind: worker.Signalled, ID: "id-a", Key: "a", Signal: 15})
	d.event(worker.Exited, "a")
	d.observe(worker.Observation{Kind: worker.Disconnected})
	d.open()
	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.listed("a", worker.StatusExited)
	d.observe(worker.Observation{Kind: worker.ListEnd})
	require.Equal(t, worker.HeldOperator, d.newWorker("a").Held)
}

// TestReplayOfALostEvent: a lost event comes with the replay of the next session. Events observed after it take precedence, whatever the engine's
// clock shows.
func TestReplayOfALostEvent(t *testing.T) {
	for _, at := range []time.Duration{-time.Minute, time.Hour} {
		d := newHarness(t, fleet.Settings{})
		d.up("a")
		d.observe(worker.Observation{Kind: worker.Signalled, ID: "id-a", Key: "a", Signal: 15})
		d.event(worker.Exited, "a")
		require.Equal(t, worker.HeldOperator, d.newWorker("a").Held)
		d.pass(time.Minute)
		d.observe(worker.Observation{Kind: worker.Disconnected})
		d.open()
		d.observe(worker.Observation{Kind: worker.Started, At: noon.Add(at), ID: "id-a", Key: "a"})
		d.observe(worker.Observation{Kind: worker.Signalled, At: noon, ID: "id-a", Key: "a", Signal: 15, Replay: worker.Replay{Origin: worker.OriginRepeated}})
		d.observe(worker.Observation{Kind: worker.Exited, At: noon, ID: "id-a", Key: "a", Replay: worker.Replay{Origin: worker.OriginRepeated}})
		d.observe(worker.Observation{Kind: worker.ListBegin})
		d.listed("a", worker.StatusExited)
		d.observe(worker.Observation{Kind: worker.ListEnd})
		require.Equal(t, worker.HeldOperator, d.newWorker("a").Held)
	}
}

// TestReplayOfARestartWithinSeconds: the recorded incarnation ended, and the next one began within the seconds in which the event of the recorded
// start might still arrive.
func TestReplayOfARestartWithinSeconds(t *testing.T) {
	began := noon.Add(-10 * time.Second)
	d := newHarness(t, fleet.Settings{Saved: []worker.Saved{{
		Key: "a", Incarnation: worker.Incarnation{ID: "id-a", StartedAt: began}, Labels: enabled, Expected: true, LastEventAt: noon.Add(-time.Hour),
		SavedHeals: worker.SavedHeals{State: worker.State{Phase: worker.PhaseWatching}}, StopIntent: &worker.StopIntent{ID: "id-a", At: began.Add(time.Second), Signal: 15},
	}}})
	again := began.Add(5 * time.Second)
	d.open()
	for _, o := range []worker.Observation{
		{Kind: worker.Exited, At: began.Add(4 * time.Second)},
		{Kind: worker.Started, At: again},
		{Kind: worker.Signalled, At: noon.Add(-time.Second), Signal: 15},
	} {
		o.ID, o.Key = "id-a", "a"
		d.observe(o)
	}
	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.listed("a", worker.StatusRunning)
	d.observe(worker.Observation{Kind: worker.ListEnd})
	for _, a := range d.verb(worker.Inspect) {
		s := d.running(a)
		s.StartedAt = again.Add(-time.Millisecond)
		d.answer(a, s)
	}
	d.event(worker.Exited, "a")
	require.Equal(t, worker.HeldOperator, d.newWorker("a").Held, "an operator's stop was under way")
}

// TestReplayOfAnOwnStopAfterSteps: before the recorded incarnation began, the clock was set back, so that an older end seems to be later. The stop
// under way is Stoker's own.
func TestReplayOfAnOwnStopAfterSteps(t *testing.T) {
	now := noon.Add(-2 * time.Hour)
	began := noon.Add(-time.Hour)
	stopping := worker.State{
		Phase: worker.PhaseStopping, Stop: worker.SentStop{At: now, Grace: 10 * time.Second},
		Heal: worker.Heal{ID: 1, Fault: worker.FaultUnhealthy, Action: worker.HealRestart, Attempt: 1, OpenedAt: now},
	}
	d := newHarness(t, fleet.Settings{Saved: []worker.Saved{{
		Key: "a", Incarnation: worker.Incarnation{ID: "id-a", StartedAt: began}, Labels: enabled, Expected: true,
		SavedHeals: worker.SavedHeals{State: stopping, OwnStops: worker.OwnStops{Sent: 1}},
	}}})
	d.now = now
	d.open()
	for _, o := range []worker.Observation{
		{Kind: worker.Started, At: noon.Add(-30 * time.Minute)},
		{Kind: worker.Signalled, At: noon.Add(-20 * time.Minute), Signal: 15},
		{Kind: worker.Exited, At: noon.Add(-20 * time.Minute), Exit: worker.Exit{ExitCode: 143}},
		{Kind: worker.Stopped, At: noon.Add(-20 * time.Minute)},
		{Kind: worker.Started, At: began.Add(time.Millisecond)},
		{Kind: worker.Signalled, At: now, Signal: 15},
		{Kind: worker.Exited, At: now, Exit: worker.Exit{ExitCode: 143}},
		{Kind: worker.Stopped, At: now},
	} {
		o.ID, o.Key = "id-a", "a"
		d.observe(o)
	}
	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.listed("a", worker.StatusExited)
	d.observe(worker.Observation{Kind: worker.ListEnd})
	for _, a := range d.verb(worker.Inspect) {
		s := d.running(a)
		s.Status, s.StartedAt, s.FinishedAt, s.ExitCode = worker.StatusExited, began, now, 143
		d.answer(a, s)
	}
	d.pass(3 * time.Second)
	require.Equal(t, worker.HeldNot, d.newWorker("a").Held)
	require.Len(t, d.verb(worker.Start), 1)
}

// TestReplayBeforeALateList: the replay shows an operator's stop, and the list is late. The replayed events are saved before the list, because an
// engine that crashes has lost them. Events in between are saved at once.
func TestReplayBeforeALateList(t *testing.T) {
	remembered := func(name string) worker.Saved {
		return worker.Saved{
			Key: worker.Key(name), Incarnation: worker.Incarnation{ID: "id-" + name, StartedAt: noon.Add(-time.Hour)}, Labels: enabled, Expected: true,
			SavedHeals: worker.SavedHeals{State: worker.State{Phase: worker.PhaseWatching}},
		}
	}
	saved := map[worker.Key]worker.Saved{"a": remembered("a"), "b": remembered("b")}
	d := newHarness(t, fleet.Settings{Saved: []worker.Saved{saved["a"], saved["b"]}})
	keep := func() {
		for _, s := range d.turn.Save {
			saved[s.Key] = s
		}
	}
	stop := func(name string) {
		d.observe(worker.Observation{Kind: worker.Signalled, ID: "id-" + name, Key: worker.Key(name), Signal: 15})
		keep()
		d.event(worker.Exited, name)
		keep()
	}
	d.open()
	stop("a")
	require.Equal(t, worker.PhaseWatching, saved["a"].State.Phase, "the replay may not be whole")
	require.False(t, d.turn.Wake.IsZero())
	d.now = d.turn.Wake
	d.pass(0)
	keep()
	require.Equal(t, worker.HeldOperator, saved["a"].State.Hold.Reason)
	require.True(t, d.turn.Wake.IsZero() || d.turn.Wake.After(d.now))
	d.pass(10 * time.Second)
	stop("b")
	require.Equal(t, worker.HeldOperator, saved["b"].State.Hold.Reason)

	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.listed("a", worker.StatusExited)
	d.listed("b", worker.StatusRunning)
	d.observe(worker.Observation{Kind: worker.ListEnd})
	require.Equal(t, worker.HeldOperator, d.newWorker("a").Held)
	require.Equal(t, worker.HeldOperator, d.newWorker("b").Held)
}

// TestReplayBehindALateList: events between the replay and a late list are newer than the record, even if the engine's clock was set back since.
func TestReplayBehindALateList(t *testing.T) {
	last := noon.Add(-time.Minute)
	d := remembers(t, last)
	d.open()
	d.observe(worker.Observation{Kind: worker.Exited, At: last, ID: "id-a", Key: "a"})
	d.pass(10 * time.Second)
	stepped := noon.Add(-2 * time.Hour)
	d.observe(worker.Observation{Kind: worker.Started, At: stepped, ID: "id-a", Key: "a"})
	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.listed("a", worker.StatusRunning)
	d.observe(worker.Observation{Kind: worker.ListEnd})
	require.Equal(t, worker.HeldNot, d.newWorker("a").Held)
}

// TestReplayOfAStepBehindAStart: while Stoker was down an operator started the worker, the engine's clock was set back, and an operator stopped
// the worker at a time before that start.
func TestReplayOfAStepBehindAStart(t *testing.T) {
	last := noon.Add(-time.Minute)
	d := remembers(t, last)
	d.open()
	began := noon.Add(-10 * time.Second)
	for _, o := range []worker.Observation{
		{Kind: worker.Started, At: began},
		{Kind: worker.Signalled, At: began.Add(-time.Second), Signal: 15},
		{Kind: worker.Exited, At: began.Add(-900 * time.Millisecond), Exit: worker.Exit{ExitCode: 143}},
		{Kind: worker.Stopped, At: began.Add(-800 * time.Millisecond)},
	} {
		o.ID, o.Key = "id-a", "a"
		d.observe(o)
	}
	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.listed("a", worker.StatusExited)
	d.observe(worker.Observation{Kind: worker.ListEnd})
	for range 3 {
		for _, a := range d.verb(worker.Inspect) {
			s := d.running(a)
			s.Status, s.StartedAt, s.FinishedAt, s.ExitCode = worker.StatusExited, began.Add(-time.Millisecond), began.Add(-time.Second), 143
			d.answer(a, s)
		}
		d.pass(2 * time.Second)
	}
	require.Empty(t, d.verb(worker.Start))
	require.Equal(t, worker.HeldOperator, d.newWorker("a").Held)
}

// TestBootStopAcrossAStep: a booting engine stopped a worker that its crash had left running. A later Stoker, whose clock was set back, cannot see
// whose stop that was; the record shows that it was handled.
func TestBootStopAcrossAStep(t *testing.T) {
	began, stop, booted := noon.Add(-time.Hour), noon.Add(-2*time.Second), noon.Add(-time.Second)
	labels := map[string]string{"stoker.enable": "true", "stoker.on-exit": "never"}
	saved := worker.Saved{
		Key: "a", Incarnation: worker.Incarnation{ID: "id-a", StartedAt: began}, Labels: labels, Expected: true, LastEventAt: began,
		SavedHeals: worker.SavedHeals{State: worker.State{Phase: worker.PhaseWatching}},
	}
	replay := func(d *harness) {
		see := func(o worker.Observation) {
			o.ID, o.Key, o.Labels = "id-a", "a", labels
			d.observe(o)
		}
		see(worker.Observation{Kind: worker.Signalled, At: stop, Signal: 15})
		see(worker.Observation{Kind: worker.Exited, At: stop, Exit: worker.Exit{ExitCode: 1}})
		see(worker.Observation{Kind: worker.Stopped, At: stop.Add(time.Millisecond)})
		d.observe(worker.Observation{Kind: worker.ListBegin})
		d.listed("a", worker.StatusExited)
		d.observe(worker.Observation{Kind: worker.ListEnd})
		for _, a := range d.verb(worker.Inspect) {
			s := d.running(a)
			s.Labels, s.Status, s.StartedAt, s.FinishedAt, s.ExitCode = labels, worker.StatusExited, began, stop, 1
			d.answer(a, s)
		}
	}
	d := newHarness(t, fleet.Settings{Saved: []worker.Saved{saved}})
	d.observe(worker.Observation{Kind: worker.Connecting, Engine: worker.Engine{Now: noon, BootedAt: booted}})
	replay(d)
	require.Equal(t, worker.HeldFinished, d.newWorker("a").Held)
	require.NotEmpty(t, d.turn.Save)

	next := newHarness(t, fleet.Settings{Saved: d.turn.Save[len(d.turn.Save)-1:], Bookmark: d.f.Bookmark()})
	next.now = noon.Add(-2 * time.Hour)
	next.observe(worker.Observation{Kind: worker.Connecting, Engine: worker.Engine{Now: next.now, BootedAt: booted}})
	replay(next)
	require.Equal(t, worker.HeldFinished, next.newWorker("a").Held)
}

// TestStopsAroundABoot: the clock steps after an engine booted. Whose a replayed stop is, is known by its place in the stream and by the step.
func TestStopsAroundABoot(t *testing.T) {
	booted := noon.Add(-10 * time.Minute)
	for _, c := range []struct {
		name      string
		now       time.Time // of the engine, at the replay
		startedAt time.Time // the start event before the stop; zero for none
		stop      time.Time
		want      worker.Reason
	}{
		{"booting engine", noon, time.Time{}, booted.Add(-time.Second), worker.HeldNot},
		{"operator", noon, time.Time{}, booted.Add(time.Minute), worker.HeldOperator},
		{"operator, during an hour in which the clock was behind", noon, booted.Add(time.Second), noon.Add(-time.Hour), worker.HeldOperator},
		{"booting engine before a step back", noon.Add(-time.Hour), time.Time{}, booted.Add(-time.Second), worker.HeldNot},
		{"operator after a step back", noon.Add(-time.Hour), time.Time{}, noon.Add(-time.Hour - time.Second), worker.HeldOperator},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := noon.Add(-24 * time.Hour)
			d := newHarness(t, fleet.Settings{Saved: []worker.Saved{{
				Key: "a", Incarnation: worker.Incarnation{ID: "id-a", StartedAt: began}, Expected: true, LastEventAt: began,
				SavedHeals: worker.SavedHeals{State: worker.State{Phase: worker.PhaseWatching}},
			}}, Bookmark: worker.Bookmark{EventAt: began, BootedAt: booted}})
			d.observe(worker.Observation{Kind: worker.Connecting, Engine: worker.Engine{Now: c.now, BootedAt: booted}})
			if !c.startedAt.IsZero() {
				began = c.startedAt
				d.observe(worker.Observation{Kind: worker.Started, ID: "id-a", Key: "a", At: began})
			}
			d.observe(worker.Observation{Kind: worker.Signalled, ID: "id-a", Key: "a", At: c.stop, Signal: 15})
			d.observe(worker.Observation{Kind: worker.Exited, ID: "id-a", Key: "a", At: c.stop, Exit: worker.Exit{ExitCode: 143}})
			d.observe(worker.Observation{Kind: worker.Stopped, ID: "id-a", Key: "a", At: c.stop.Add(time.Millisecond)})
			d.observe(worker.Observation{Kind: worker.ListBegin, At: c.now})
			d.observe(worker.Observation{Kind: worker.Listed, At: c.now, ID: "id-a", Key: "a", ListState: worker.ListState{Status: worker.StatusExited}})
			d.observe(worker.Observation{Kind: worker.ListEnd, At: c.now})
			for _, a := range d.verb(worker.Inspect) {
				s := d.running(a)
				s.Status, s.StartedAt, s.FinishedAt, s.ExitCode = worker.StatusExited, began, c.stop, 143
				d.answer(a, s)
			}
			require.Equal(t, c.want, d.newWorker("a").Held)
		})
	}
}

// TestReplayedReplacementOverASlowList: docker-compose replaces a worker while the first list of a session is under way. The events of that come
// before the list is applied, as history, and are newer than it.
func TestReplayedReplacementOverASlowList(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.open()
	d.event(worker.Started, "a")
	asked := d.now
	d.pass(8 * time.Second)
	d.observe(worker.Observation{Kind: worker.Renamed, ID: "id-a", Key: "id-a_a", OldKey: "a"})
	d.observe(worker.Observation{Kind: worker.Created, ID: "id-new", Key: "a"})
	d.observe(worker.Observation{Kind: worker.Started, ID: "id-new", Key: "a"})
	d.observe(worker.Observation{Kind: worker.Gone, ID: "id-a", Key: "id-a_a"})
	d.observe(worker.Observation{Kind: worker.ListBegin, At: asked})
	d.observe(worker.Observation{Kind: worker.Listed, At: asked, ID: "id-new", Key: "a", ListState: worker.ListState{Status: worker.StatusRunning}})
	d.observe(worker.Observation{Kind: worker.ListEnd, At: asked})
	d.answerInspects()
	require.Equal(t, worker.StatusRunning, d.newWorker("a").Status)
	d.observe(worker.Observation{Kind: worker.Exited, ID: "id-new", Key: "a", Exit: worker.Exit{ExitCode: 1}})
	require.Len(t, d.verb(worker.Start), 1)
}

// TestReplacementBehindAList: docker-compose replaces a worker, a list shows the new container, and the events of the replacement come later. The new
// container keeps the name, and its record.
func TestReplacementBehindAList(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a")
	replaced := d.now
	d.pass(5 * time.Second)
	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.observe(worker.Observation{Kind: worker.Listed, ID: "id-new", Key: "a", ListState: worker.ListState{Status: worker.StatusRunning, Health: worker.HealthNone}})
	d.observe(worker.Observation{Kind: worker.ListEnd})
	d.answerInspects()
	d.drop = nil
	for _, o := range []worker.Observation{
		{Kind: worker.Signalled, ID: "id-a", Key: "a", Signal: 15},
		{Kind: worker.Exited, ID: "id-a", Key: "a", Exit: worker.Exit{ExitCode: 143}},
		{Kind: worker.Stopped, ID: "id-a", Key: "a"},
		{Kind: worker.Renamed, ID: "id-a", Key: "id-a_a", OldKey: "a"},
		{Kind: worker.Created, ID: "id-new", Key: "a"},
		{Kind: worker.Started, ID: "id-new", Key: "a"},
		{Kind: worker.Gone, ID: "id-a", Key: "id-a_a"},
	} {
		o.At = replaced.Add(time.Second)
		d.observe(o)
	}
	d.answerInspects()
	require.NotContains(t, d.drop, worker.Key("a"), "its record")
	d.observe(worker.Observation{Kind: worker.Exited, ID: "id-new", Key: "a", Exit: worker.Exit{ExitCode: 1}})
	require.Len(t, d.verb(worker.Start), 1)
}
