package fleet_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// TestBackupWithoutReplacement: a slow engine has carried out a rename of a recreate that was given up long before.
func TestBackupWithoutReplacement(t *testing.T) {
	for name, c := range map[string]struct {
		listed []string
		want   int
	}{
		"alone":                       {[]string{"a.stoker-old"}, 1},
		"another one is the worker":   {[]string{"a.stoker-old", "a"}, 0},
		"another worker has no share": {[]string{"a.stoker-old", "b"}, 1},
		"it is another Stoker's":      {[]string{"foreign.stoker-old"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := newHarness(t, fleet.Settings{})
			d.open()
			d.observe(worker.Observation{Kind: worker.ListBegin})
			for _, name := range c.listed {
				o := worker.Observation{Kind: worker.Listed, ID: "id-" + name, Key: worker.Key(name), Labels: enabled, ListState: worker.ListState{Status: worker.StatusRunning}}
				if strings.HasPrefix(name, "foreign") {
					o.Labels = map[string]string{"stoker.enable": "true", "stoker.scope": "other"}
				}
				d.observe(o)
			}
			d.observe(worker.Observation{Kind: worker.ListEnd})
			steps := d.verb(worker.RecreateStep)
			require.Len(t, steps, c.want)
			if c.want > 0 {
				require.Equal(t, worker.Key("a"), steps[0].Key)
				require.Contains(t, steps[0].Call.Observe, "id-a.stoker-old")
			}
		})
	}
}

// TestNewContainerIsNoDependent: a container that is about to replace a worker joins its parent's network before it has a machine. It is not
// restarted as a dependent of that parent.
func TestNewContainerIsNoDependent(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("p", "w")
	d.pass(time.Second)
	d.observe(worker.Observation{Kind: worker.Exited, ID: "id-p", Key: "p", Exit: worker.Exit{ExitCode: 1}})
	d.pass(0)
	start := d.only(worker.Start)
	s := d.running(start)
	s.StartedAt = d.now
	d.answer(start, s)
	d.pass(time.Second)
	list := d.only(worker.ListDependents)
	marks := map[string]string{worker.MarkOf: "id-w", worker.MarkName: "w", "stoker.enable": "true"}
	replacing := worker.Dependent{Key: "w", ID: "id-new", Labels: marks, Parents: []string{"id-p"}}
	d.recreating("w")
	d.finish(worker.Outcome{Action: list, Result: worker.Done, Answer: worker.Answer{Dependents: []worker.Dependent{replacing}}})
	for _, inspect := range d.verb(worker.Inspect) {
		require.NotEqual(t, "id-new", inspect.Incarnation.ID)
	}
	d.do = nil
	d.pass(time.Minute)
	require.NotEmpty(t, d.verb(worker.ListDependents), "it may have joined the incarnation before, and is inspected later")
}

// recreating starts the recreate of a worker, by a failing health check.
func (d *harness) recreating(name string) {
	d.t.Helper()
	d.observe(worker.Observation{Kind: worker.Updated, ID: "id-" + name, Key: worker.Key(name)})
	for _, a := range d.verb(worker.Inspect) {
		s := d.running(a)
		s.Health, s.HasHealthcheck, s.AutoRemove = worker.HealthUnhealthy, true, true // a restart would remove it
		d.answer(a, s)
	}
	d.do = nil
	d.pass(time.Minute)
	require.True(d.t, d.f.Recreating("id-"+name))
}

// TestNothingIsDueWithoutTheEngine: a reading that is due without a connection waits for it, and does not keep Stoker awake.
func TestNothingIsDueWithoutTheEngine(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a")
	d.observe(worker.Observation{Kind: worker.Updated, ID: "id-a", Key: "a"})
	inspect := d.verb(worker.Inspect)[0]
	s := d.running(inspect)
	s.Health, s.HasHealthcheck, s.CPUs = worker.HealthUnhealthy, true, 0.5
	s.Probes = []worker.Probe{{At: d.now, ExitCode: worker.ProbeTimedOut}}
	d.observe(worker.Observation{Kind: worker.Disconnected})
	d.answer(inspect, s)
	require.True(t, d.turn.Wake.IsZero() || d.turn.Wake.After(d.now), "%s", d.turn.Wake)
}

// TestStopBeforeACutSession: an operator's stop, then a session that breaks before its list, then another engine. The stop was complete long
// before the disconnect, so that it was not the engine's shutdown.
func TestStopBeforeACutSession(t *testing.T) {
	d := newHarness(t, fleet.Settings{Saved: []worker.Saved{{
		Key: "a", Incarnation: worker.Incarnation{ID: "id-a", StartedAt: noon.Add(-time.Hour)}, Labels: enabled, Expected: true,
	}}, Bookmark: worker.Bookmark{EventAt: noon.Add(-time.Minute), BootedAt: noon.Add(-24 * time.Hour)}})
	d.open()
	d.observe(worker.Observation{Kind: worker.Signalled, ID: "id-a", Key: "a", Signal: 15})
	d.observe(worker.Observation{Kind: worker.Exited, ID: "id-a", Key: "a", Exit: worker.Exit{ExitCode: 143}})
	d.pass(time.Minute)
	d.observe(worker.Observation{Kind: worker.Disconnected})
	d.observe(worker.Observation{Kind: worker.Connecting, Engine: worker.Engine{Now: d.now, BootedAt: d.now}})
	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.listed("a", worker.StatusExited)
	d.observe(worker.Observation{Kind: worker.ListEnd})
	require.Equal(t, worker.HeldOperator, d.newWorker("a").Held)
}

// TestClosedBeforeItsFirstList: the replay shows a Stoker an operator's stop, and the host's shutdown ends this Stoker before its first list. The
// next engine no longer reports that stop.
func TestClosedBeforeItsFirstList(t *testing.T) {
	before := worker.Saved{
		Key: "a", Incarnation: worker.Incarnation{ID: "id-a", StartedAt: noon.Add(-time.Hour)}, Labels: enabled, Expected: true,
	}
	ended := noon.Add(-time.Minute)
	d := newHarness(t, fleet.Settings{Saved: []worker.Saved{before}, Bookmark: worker.Bookmark{
		EventAt: noon.Add(-time.Hour), BootedAt: noon.Add(-24 * time.Hour), LostAt: ended, Closed: true,
	}})
	d.open()
	d.observe(worker.Observation{Kind: worker.Signalled, At: ended, ID: "id-a", Key: "a", Signal: 9})
	d.observe(worker.Observation{Kind: worker.Exited, At: ended, ID: "id-a", Key: "a", Exit: worker.Exit{ExitCode: 137}})
	d.take(d.f.Close(d.now))
	require.NotEmpty(t, d.turn.Save)

	next := newHarness(t, fleet.Settings{Saved: d.turn.Save[len(d.turn.Save)-1:], Bookmark: d.f.Bookmark()})
	next.now = noon.Add(time.Minute)
	next.observe(worker.Observation{Kind: worker.Connecting, Engine: worker.Engine{Now: next.now, BootedAt: next.now}})
	next.observe(worker.Observation{Kind: worker.ListBegin})
	next.listed("a", worker.StatusExited)
	next.observe(worker.Observation{Kind: worker.ListEnd})
	require.Equal(t, worker.HeldOperator, next.newWorker("a").Held)
}

// TestStopLongBeforeAShutdown: the engine is slow, so that no inspect has confirmed an operator's stop. A minute later the engine shuts down and
// stops another worker.
func TestStopLongBeforeAShutdown(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a", "b")
	stop := func(name string) {
		d.observe(worker.Observation{Kind: worker.Signalled, ID: "id-" + name, Key: worker.Key(name), Signal: 15})
		d.event(worker.Exited, name)
	}
	fail := func(unreachable bool) {
		for _, a := range d.verb(worker.Inspect) {
			d.finish(worker.Outcome{Action: a, Result: worker.Failed, Failure: worker.Failure{Err: "no answer", Unreachable: unreachable}})
		}
		d.do = nil
	}
	stop("a")
	d.pass(20 * time.Second)
	fail(false)
	d.pass(40 * time.Second)
	stop("b")
	d.pass(time.Second)
	fail(true)
	d.observe(worker.Observation{Kind: worker.Disconnected})
	d.observe(worker.Observation{Kind: worker.Connecting, Engine: worker.Engine{Now: d.now, BootedAt: d.now}})
	require.Equal(t, worker.HeldOperator, d.newWorker("a").Held)
	require.NotEqual(t, worker.HeldOperator, d.newWorker("b").Held)
}

// TestShutdownBesideOneThatIsDown: a Stoker lists an exhausted worker that is down. Before its inspect the engine shuts down, which takes longer
// than its first signals. The exhausted worker gets no signal; that does not mean that the shutdown was cut short.
func TestShutdownBesideOneThatIsDown(t *testing.T) {
	began := noon.Add(-time.Hour)
	saved := func(name string, state worker.State) worker.Saved {
		return worker.Saved{Key: worker.Key(name), Incarnation: worker.Incarnation{ID: "id-" + name, StartedAt: began}, Labels: enabled, Expected: true, SavedHeals: worker.SavedHeals{State: state}}
	}
	exhausted := saved("a", worker.State{Phase: worker.PhaseExhausted})
	exhausted.Budget.ExhaustedAt = began
	d := newHarness(t, fleet.Settings{
		Saved:    []worker.Saved{exhausted, saved("b", worker.State{Phase: worker.PhaseWatching})},
		Bookmark: worker.Bookmark{EventAt: noon.Add(-time.Minute), BootedAt: noon.Add(-24 * time.Hour)},
	})
	d.open()
	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.listed("a", worker.StatusExited)
	d.listed("b", worker.StatusRunning)
	d.observe(worker.Observation{Kind: worker.ListEnd})
	for _, a := range d.verb(worker.Inspect) {
		if s := d.running(a); a.Key == "b" {
			s.StartedAt = began
			d.answer(a, s)
		}
	}
	d.observe(worker.Observation{Kind: worker.Signalled, ID: "id-b", Key: "b", Signal: 15})
	d.pass(3 * time.Second)
	d.observe(worker.Observation{Kind: worker.Signalled, ID: "id-b", Key: "b", Signal: 9})
	d.event(worker.Exited, "b")
	d.observe(worker.Observation{Kind: worker.Disconnected})
	d.pass(10 * time.Second)
	d.observe(worker.Observation{Kind: worker.Connecting, Engine: worker.Engine{Now: d.now, BootedAt: d.now}})
	require.NotEqual(t, worker.HeldOperator, d.newWorker("b").Held)
}

// TestPausedParentIsFollowedLater: an operator pauses a worker while its dependents are listed.
func TestPausedParentIsFollowedLater(t *testing.T) {
	d, list := restartedParent(t)
	d.event(worker.Paused, "p")
	d.finish(worker.Outcome{Action: list, Result: worker.Done, Answer: worker.Answer{Dependents: []worker.Dependent{{Key: "net", ID: "id-net", Parents: []string{"id-p"}}}}})
	d.pass(time.Minute)
	require.Empty(t, d.verb(worker.ListDependents))
	d.event(worker.Resumed, "p")
	for _, a := range d.verb(worker.Inspect) {
		s := d.running(a)
		s.StartedAt = noon.Add(time.Second)
		d.answer(a, s)
	}
	d.pass(time.Minute)
	require.Len(t, d.verb(worker.ListDependents), 1)
}

// TestBackupThatAnOperatorHadStopped: the container that a late rename gave a backup name was held as stopped by an operator. It gets its name
// back, and is not started.
func TestBackupThatAnOperatorHadStopped(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a")
	d.observe(worker.Observation{Kind: worker.Signalled, ID: "id-a", Key: "a", Signal: 15})
	d.event(worker.Exited, "a")
	d.observe(worker.Observation{Kind: worker.Renamed, ID: "id-a", Key: "a.stoker-old", OldKey: "a"})
	require.Equal(t, worker.HeldReplaced, d.newWorker("a.stoker-old").Held)
	d.do = nil
	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.observe(worker.Observation{Kind: worker.Listed, ID: "id-a", Key: "a.stoker-old", ListState: worker.ListState{Status: worker.StatusExited}})
	d.observe(worker.Observation{Kind: worker.ListEnd})
	name := worker.Key("a.stoker-old")
	var calls []worker.Call
	for range 20 {
		steps := d.verb(worker.RecreateStep)
		if d.do = nil; len(steps) == 0 {
			break
		}
		call := steps[0].Call
		if calls = append(calls, call.Do); call.Do == worker.CallRename {
			name = call.Name
		}
		old := worker.Snapshot{Incarnation: worker.Incarnation{ID: "id-a", StartedAt: noon.Add(-time.Hour)}, Key: name, Labels: enabled, ProcessState: worker.ProcessState{Status: worker.StatusExited}}
		d.finish(worker.Outcome{Action: steps[0], Result: worker.Done, Answer: worker.Answer{Report: &worker.StepReport{Seen: map[string]worker.Snapshot{"id-a": old}}}})
	}
	require.Equal(t, worker.Key("a"), name)
	require.NotContains(t, calls, worker.CallStart)
}

// TestNoInspectOfABackupInATransaction: a worker was renamed to a backup name, and an unfinished recreate is continued. A signal to it asks for an
// inspect, which waits for the end of the transaction.
func TestNoInspectOfABackupInATransaction(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a")
	d.observe(worker.Observation{Kind: worker.Renamed, ID: "id-a", Key: "a.stoker-old", OldKey: "a"})
	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.observe(worker.Observation{Kind: worker.Listed, ID: "id-a", Key: "a.stoker-old", ListState: worker.ListState{Status: worker.StatusRunning}})
	d.observe(worker.Observation{Kind: worker.ListEnd})
	require.Len(t, d.verb(worker.RecreateStep), 1)
	d.do = nil
	d.observe(worker.Observation{Kind: worker.Signalled, ID: "id-a", Key: "a.stoker-old", Signal: 15})
	d.pass(time.Second)
	require.Empty(t, d.verb(worker.Inspect))
}

// TestReplacementOfADependentIsRemoved: while no Stoker runs an operator removes the new container of a dependent that is no worker. The old one
// gets its name back, and nothing starts it.
func TestReplacementOfADependentIsRemoved(t *testing.T) {
	t.Parallel()
	h := simHostWith(recreatedOnFailure("w"), dockertest.Spec{Name: "tail", Namespaces: dockertest.Namespaces{NetworkMode: "container:w"}})
	old := h.until(t, "tail").ID
	h.w.SetHealthCheck("w", dockertest.Failing)
	h.until(t, "tail"+worker.BackupSuffix)
	h.live(time.Second) // the new one has the name, and runs
	h.killStoker()
	h.w.Operator().Remove("tail", true)
	h.w.Advance(time.Second)
	h.startStoker()
	h.live(time.Minute)
	truth, _ := h.w.Truth("tail")
	require.Equal(t, old, truth.ID, "%v", h.log)
	require.Equal(t, worker.StatusExited, truth.Status)
	backup, ok := h.w.Truth("tail" + worker.BackupSuffix)
	require.True(t, !ok || backup.Gone)
}

// TestRenamedByAnOperatorDuringRecreate: an operator has renamed the new container of a recreate that was rolled back. It is a worker of its own,
// also during the next recreate.
func TestRenamedByAnOperatorDuringRecreate(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("w")
	d.recreating("w")
	marks := map[string]string{worker.MarkOf: "id-w", worker.MarkName: "w", "stoker.enable": "true"}
	d.observe(worker.Observation{Kind: worker.ListBegin, At: d.now})
	d.observe(worker.Observation{Kind: worker.Listed, At: d.now, ID: "id-w", Key: "w", Labels: enabled, ListState: worker.ListState{Status: worker.StatusRunning}})
	d.observe(worker.Observation{Kind: worker.Listed, At: d.now, ID: "id-new", Key: "wx", Labels: marks, ListState: worker.ListState{Status: worker.StatusRunning}})
	d.observe(worker.Observation{Kind: worker.ListEnd, At: d.now})
	require.Equal(t, []worker.Key{"w", "wx"}, d.inView())
}

// TestStopOnTheWayBackIsReplayed: Stoker was killed when a recreate had stopped its new container for the rollback. The first signal of that
// stop, and a SIGKILL, are the recreate's; a second first signal is an operator's.
func TestStopOnTheWayBackIsReplayed(t *testing.T) {
	for name, c := range map[string]struct {
		undone  string
		signals []syscall.Signal
		stopped bool
	}{
		"its own":               {"id-new", []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}, false},
		"an operator's as well": {"id-new", []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM}, true},
		"none was sent by then": {"", []syscall.Signal{syscall.SIGTERM}, true},
	} {
		t.Run(name, func(t *testing.T) {
			heal := worker.Heal{ID: 1, Fault: worker.FaultExited, Action: worker.HealRecreate, Attempt: 1}
			d := newHarness(t, fleet.Settings{Saved: []worker.Saved{{
				Key: "w", Incarnation: worker.Incarnation{ID: "id-w", StartedAt: noon.Add(-time.Hour)}, Labels: enabled, Expected: true,
				SavedHeals: worker.SavedHeals{State: worker.State{Phase: worker.PhaseRecreating, Heal: heal, Due: noon, Undone: c.undone}},
			}}})
			marks := map[string]string{worker.MarkOf: "id-w", worker.MarkName: "w", "stoker.enable": "true"}
			d.observe(worker.Observation{Kind: worker.Connecting, Engine: worker.Engine{Now: noon, BootedAt: noon.Add(-24 * time.Hour)}})
			for i, signal := range c.signals {
				at := noon.Add(time.Duration(i-60) * time.Second)
				d.observe(worker.Observation{Kind: worker.Signalled, At: at, ID: "id-new", Key: "w", Labels: marks, Signal: signal, Replay: worker.Replay{Origin: worker.OriginReplayed}})
			}
			d.observe(worker.Observation{Kind: worker.ListBegin})
			d.observe(worker.Observation{Kind: worker.Listed, ID: "id-w", Key: "w.stoker-old", ListState: worker.ListState{Status: worker.StatusExited}})
			d.observe(worker.Observation{Kind: worker.Listed, ID: "id-new", Key: "w", Labels: marks, ListState: worker.ListState{Status: worker.StatusRunning}})
			d.observe(worker.Observation{Kind: worker.ListEnd})
			require.True(t, d.f.Recreating("id-w"))
			stopped := slices.ContainsFunc(d.turn.Save, func(s worker.Saved) bool { return s.StopIntent != nil })
			require.Equal(t, c.stopped, stopped)
		})
	}
}

// TestNoInspectOfABackupBetweenTries: an unfinished recreate fails, and is tried again later. An inspect of the old container under its backup name
// could still be under way when the next try begins, so it waits as well.
func TestNoInspectOfABackupBetweenTries(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a")
	d.observe(worker.Observation{Kind: worker.Renamed, ID: "id-a", Key: "a.stoker-old", OldKey: "a"})
	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.observe(worker.Observation{Kind: worker.Listed, ID: "id-a", Key: "a.stoker-old", ListState: worker.ListState{Status: worker.StatusRunning}})
	d.observe(worker.Observation{Kind: worker.ListEnd})
	for range 50 {
		steps := d.verb(worker.RecreateStep)
		d.do = nil
		for _, a := range steps {
			d.take(d.f.Finish(d.now, worker.Outcome{Action: a, Result: worker.Failed, Failure: worker.Failure{Err: "no"}}))
		}
		if d.f.Transactions() == 0 {
			break
		}
		d.pass(time.Second)
	}
	require.Zero(t, d.f.Transactions())
	d.do = nil
	d.observe(worker.Observation{Kind: worker.Signalled, ID: "id-a", Key: "a.stoker-old", Signal: 15})
	require.Empty(t, d.verb(worker.Inspect))
	d.pass(time.Minute)
	require.NotEmpty(t, d.verb(worker.RecreateStep))
	require.Empty(t, d.verb(worker.Inspect))
}
