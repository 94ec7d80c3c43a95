package fleet_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

func names(n int) []string {
	out := []string{}
	for i := range n {
		out = append(out, fmt.Sprintf("w%02d", i))
	}
	return out
}

func TestStartsAreBounded(t *testing.T) {
	d := newHarness(t, fleet.Settings{Parallel: 2})
	d.up("c", "a", "d", "b")
	d.observe(worker.Observation{Kind: worker.Disconnected})
	d.open()
	for _, name := range []string{"c", "a", "d", "b"} {
		d.event(worker.Exited, name)
	}
	d.observe(worker.Observation{Kind: worker.ListBegin})
	for _, name := range []string{"c", "a", "d", "b"} {
		d.listed(name, worker.StatusExited)
	}
	d.observe(worker.Observation{Kind: worker.ListEnd})
	starts := d.verb(worker.Start)
	require.Equal(t, []worker.Key{"a", "b"}, keys(starts), "due at the same time: by name")
	d.do = nil
	d.answer(starts[1], d.running(starts[1]))
	require.Equal(t, []worker.Key{"c"}, keys(d.verb(worker.Start)))
	require.Equal(t, d.now.Add(time.Minute), d.turn.Wake, "who waits for room waits for an answer; this is when b is stable")
}

func TestDueComesBeforeName(t *testing.T) {
	d := newHarness(t, fleet.Settings{Parallel: 1})
	d.up("a", "b", "z")
	d.event(worker.Exited, "z")
	d.pass(time.Millisecond)
	d.event(worker.Exited, "b")
	d.pass(time.Millisecond)
	d.event(worker.Exited, "a")
	for _, want := range []worker.Key{"z", "b", "a"} {
		starts := d.verb(worker.Start)
		require.Equal(t, []worker.Key{want}, keys(starts))
		d.do = nil
		d.answer(starts[0], d.running(starts[0]))
	}
}

func TestStopsHoldNoPlaceAmongStarts(t *testing.T) {
	d := newHarness(t, fleet.Settings{Parallel: 2})
	all := names(40)
	d.up(append(all, "z")...)
	for _, name := range all {
		d.event(worker.Unhealthy, name)
	}
	for len(d.verb(worker.Inspect)) > 0 {
		inspects := d.verb(worker.Inspect)
		d.do = d.verb(worker.Stop)
		for _, a := range inspects {
			s := d.running(a)
			s.HasHealthcheck, s.Health = true, worker.HealthUnhealthy
			s.Probes = []worker.Probe{{At: d.now, ExitCode: 1}}
			d.answer(a, s)
		}
	}
	require.Len(t, d.verb(worker.Stop), 40, "all wait at once")
	d.do = nil
	d.event(worker.Exited, "z")
	require.Equal(t, []worker.Key{"z"}, keys(d.verb(worker.Start)))
}

func TestInspectsAreBounded(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.open()
	d.list(names(100)...)
	inspects := d.verb(worker.Inspect)
	require.Len(t, inspects, 8)
	d.do = nil
	d.answer(inspects[0], d.running(inspects[0]))
	require.Len(t, d.verb(worker.Inspect), 1)
}

func TestDryRunTouchesNothing(t *testing.T) {
	d := newHarness(t, fleet.Settings{DryRun: true})
	d.up("a")
	d.event(worker.Exited, "a")
	d.pass(time.Hour)
	require.Empty(t, d.do)
	require.Contains(t, d.events, worker.EventFault)
	require.Equal(t, worker.HeldDryRun, d.newWorker("a").Held)
}

func TestViewStates(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.open()
	d.list("a")
	require.Equal(t, fleet.StateUnknown, d.newWorker("a").State)
	d.answerInspects()
	require.Equal(t, fleet.StateRunning, d.newWorker("a").State)
	d.event(worker.Exited, "a")
	w := d.newWorker("a")
	require.Equal(t, fleet.StateHealing, w.State)
	require.Equal(t, worker.HealStart, w.Heal)
	require.Zero(t, w.NextAt)
	start := d.verb(worker.Start)[0]
	d.take(d.f.Finish(d.now, worker.Outcome{Action: start, Result: worker.Failed, Failure: worker.Failure{Err: "no"}}))
	w = d.newWorker("a")
	require.Equal(t, fleet.StateWaiting, w.State)
	require.Equal(t, worker.FaultStartFailed, w.Fault)
	require.Equal(t, d.turn.Wake, w.NextAt)
	d.event(worker.Started, "a")
	d.answerInspects()
	d.event(worker.Paused, "a")
	require.Equal(t, fleet.StateHeld, d.newWorker("a").State)
	d.event(worker.Gone, "a")
	require.Empty(t, d.inView())
}

func TestViewDoesNotChange(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a")
	v := d.f.View(d.now)
	before := v.Workers[0]
	d.event(worker.Exited, "a")
	require.Equal(t, before, v.Workers[0])
}

func TestCloseFinishesWhatIsMidway(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a", "b")
	d.event(worker.Unhealthy, "a")
	inspect := d.verb(worker.Inspect)[0]
	s := d.running(inspect)
	s.HasHealthcheck, s.Health = true, worker.HealthUnhealthy
	d.answer(inspect, s)
	stop := d.verb(worker.Stop)[0]
	require.Zero(t, d.f.Bookmark().LostAt)
	d.take(d.f.Close(d.now))
	require.Equal(t, d.now, d.f.Bookmark().LostAt)
	require.Equal(t, 1, d.f.Busy())
	d.event(worker.Exited, "b")
	require.Empty(t, d.verb(worker.Start), "nothing is begun")
	d.event(worker.Exited, "a")
	s.Status, s.FinishedAt = worker.StatusExited, d.now
	d.answer(stop, s)
	start := d.verb(worker.Start)
	require.Equal(t, []worker.Key{"a"}, keys(start))
	s.Status, s.StartedAt, s.Health = worker.StatusRunning, d.now, worker.HealthStarting
	d.answer(start[0], s)
	require.Zero(t, d.f.Busy())
}

// TestCloseDoesNotWaitForAParent: Stoker has stopped a worker whose parent ends meanwhile. The next Stoker heals it.
func TestCloseDoesNotWaitForAParent(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a", "p")
	d.event(worker.Unhealthy, "a")
	inspect := d.verb(worker.Inspect)[0]
	s := d.running(inspect)
	s.HasHealthcheck, s.Health, s.Parents = true, worker.HealthUnhealthy, []string{"id-p"}
	d.answer(inspect, s)
	stop := d.verb(worker.Stop)[0]
	d.take(d.f.Close(d.now))
	require.Equal(t, 1, d.f.Busy())
	d.event(worker.Exited, "p")
	d.event(worker.Exited, "a")
	s.Status, s.FinishedAt = worker.StatusExited, d.now
	d.answer(stop, s)
	require.Empty(t, d.verb(worker.Start))
	require.Zero(t, d.f.Busy())
}

// TestCloseDoesNotWaitForAParentOfARecreate: the same if the next heal is a recreate, which would start the worker as well.
func TestCloseDoesNotWaitForAParentOfARecreate(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("p")
	labels := map[string]string{"stoker.enable": "true", "stoker.recreate-after": "1"}
	d.observe(worker.Observation{Kind: worker.Started, ID: "id-a", Key: "a", Labels: labels})
	inspect := d.verb(worker.Inspect)[0]
	s := d.running(inspect)
	s.Labels = labels
	s.HasHealthcheck, s.Health, s.Parents = true, worker.HealthUnhealthy, []string{"id-p"}
	d.answer(inspect, s)
	stop := d.verb(worker.Stop)[0]
	d.event(worker.Exited, "a")
	s.Status, s.FinishedAt = worker.StatusExited, d.now
	d.answer(stop, s)
	start := d.verb(worker.Start)[0]
	d.take(d.f.Finish(d.now, worker.Outcome{Action: start, Result: worker.Failed, Failure: worker.Failure{Err: "no"}, Answer: worker.Answer{Snapshot: &s}}))
	require.Equal(t, worker.HealRecreate, d.newWorker("a").Heal)
	require.Equal(t, 1, d.f.Busy())
	d.event(worker.Exited, "p")
	d.take(d.f.Close(d.now))
	require.Zero(t, d.f.Busy())
	d.pass(time.Minute)
	require.Empty(t, d.verb(worker.RecreateStep))
}

// TestRejectedIsInspectedAgain: an update that gave a container its quota may be lost together with the engine. So after the first list of a
// session, every rejected container is inspected again.
func TestRejectedIsInspectedAgain(t *testing.T) {
	d := newHarness(t, fleet.Settings{Rules: quotaRules()})
	unlabelled := func() {
		d.observe(worker.Observation{Kind: worker.ListBegin})
		d.observe(worker.Observation{Kind: worker.Listed, ID: "id-a", Key: "a", Labels: map[string]string{"other": "label"}, ListState: worker.ListState{Status: worker.StatusRunning}})
		d.observe(worker.Observation{Kind: worker.ListEnd})
	}
	d.open()
	unlabelled()
	inspects := d.verb(worker.Inspect)
	require.Len(t, inspects, 1)
	found := d.running(inspects[0])
	found.Labels = nil
	d.answer(inspects[0], found)
	d.do = nil
	require.Empty(t, d.f.View(d.now).Workers)
	unlabelled()
	require.Empty(t, d.verb(worker.Inspect), "once a session is enough")
	d.observe(worker.Observation{Kind: worker.Disconnected})
	d.open()
	unlabelled()
	require.Len(t, d.verb(worker.Inspect), 1)
}

// TestBookmarkAfterAStep: the engine's clock steps back, and events continue from there. The bookmark must follow, or a replay would take later
// events for read.
func TestBookmarkAfterAStep(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a")
	d.event(worker.Healthy, "a")
	require.Equal(t, d.now, d.f.Bookmark().EventAt)
	late := d.now.Add(-time.Second)
	d.observe(worker.Observation{Kind: worker.Healthy, At: late, ID: "id-a", Key: "a"})
	require.Equal(t, d.now, d.f.Bookmark().EventAt, "two events may change places")
	stepped := d.now.Add(-time.Hour)
	d.observe(worker.Observation{Kind: worker.Healthy, At: stepped, ID: "id-a", Key: "a"})
	require.Equal(t, stepped, d.f.Bookmark().EventAt)
}
