package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

func TestNothingIsGrantedBeforeTheListIsComplete(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.event(worker.Exited, "a")
	d.open()
	d.event(worker.Exited, "a")
	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.listed("a", worker.StatusExited)
	d.pass(time.Minute)
	require.Empty(t, d.do)
	require.False(t, d.f.View(d.now).Engine.Connected)
	d.observe(worker.Observation{Kind: worker.ListEnd})
	require.Equal(t, []worker.Key{"a"}, keys(d.verb(worker.Inspect)))
	require.True(t, d.f.View(d.now).Engine.Connected)
	require.Equal(t, d.now, d.f.View(d.now).Engine.Synced)
}

func TestNothingIsGrantedWhileTheLinkIsDown(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a")
	d.observe(worker.Observation{Kind: worker.Disconnected})
	d.event(worker.Exited, "a")
	d.pass(time.Hour)
	require.Empty(t, d.do)
	d.open()
	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.listed("a", worker.StatusExited)
	d.observe(worker.Observation{Kind: worker.ListEnd})
	require.Equal(t, []worker.Key{"a"}, keys(d.verb(worker.Start)))
}

func TestStopSeenOnlyInTheReplayHolds(t *testing.T) {
	mem := worker.Saved{
		Key: "a", Incarnation: worker.Incarnation{ID: "id-a", StartedAt: noon.Add(-time.Hour)}, Labels: enabled, Expected: true,
	}
	d := newHarness(t, fleet.Settings{Saved: []worker.Saved{mem}})
	d.open()
	d.observe(worker.Observation{Kind: worker.Signalled, ID: "id-a", Key: "a", Signal: 15, At: noon.Add(-time.Minute)})
	d.observe(worker.Observation{Kind: worker.Exited, ID: "id-a", Key: "a", Exit: worker.Exit{ExitCode: 143}, At: noon.Add(-time.Minute)})
	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.listed("a", worker.StatusExited)
	d.observe(worker.Observation{Kind: worker.ListEnd})
	inspect := d.verb(worker.Inspect)[0]
	s := d.running(inspect)
	s.Status, s.ExitCode, s.FinishedAt = worker.StatusExited, 143, noon.Add(-time.Minute)
	d.answer(inspect, s)
	d.pass(time.Hour)
	require.Empty(t, d.verb(worker.Start))
	require.Equal(t, worker.HeldOperator, d.newWorker("a").Held)
}

func TestUnlistedWorkerIsGone(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a", "b")
	d.pass(time.Minute)
	d.list("b")
	require.Equal(t, []worker.Key{"b"}, d.inView())
	require.Contains(t, d.drop, worker.Key("a"))
}

func TestListIsOvertakenByEvents(t *testing.T) {
	t.Run("a container made after it stays", func(t *testing.T) {
		d := newHarness(t, fleet.Settings{})
		d.up("a")
		d.pass(time.Minute)
		asked := d.now
		d.pass(50 * time.Millisecond)
		d.event(worker.Created, "b")
		d.observe(worker.Observation{Kind: worker.ListBegin, At: asked})
		d.observe(worker.Observation{Kind: worker.Listed, At: asked, ID: "id-a", Key: "a", ListState: worker.ListState{Status: worker.StatusRunning, Health: worker.HealthNone}})
		d.observe(worker.Observation{Kind: worker.ListEnd, At: asked})
		require.Equal(t, []worker.Key{"a", "b"}, d.inView())
	})
	t.Run("a name given away after it stays given away", func(t *testing.T) {
		d := newHarness(t, fleet.Settings{})
		d.up("a")
		d.pass(time.Minute)
		asked := d.now
		d.pass(50 * time.Millisecond)
		d.event(worker.Gone, "a")
		d.observe(worker.Observation{Kind: worker.Started, ID: "id-new", Key: "a"})
		d.observe(worker.Observation{Kind: worker.ListBegin, At: asked})
		d.observe(worker.Observation{Kind: worker.Listed, At: asked, ID: "id-a", Key: "a", ListState: worker.ListState{Status: worker.StatusRunning}})
		d.observe(worker.Observation{Kind: worker.ListEnd, At: asked})
		require.Equal(t, "id-new", d.newWorker("a").ID)
	})
	t.Run("a clock that stepped back keeps no worker alive", func(t *testing.T) {
		d := newHarness(t, fleet.Settings{})
		d.up("a", "b")
		d.observe(worker.Observation{Kind: worker.Updated, ID: "id-a", Key: "a", At: d.now.Add(time.Hour)})
		d.list("b")
		require.Equal(t, []worker.Key{"b"}, d.inView())
	})
}

func TestNameTakenOverBeforeTheOldOneIsGone(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a")
	d.observe(worker.Observation{Kind: worker.Started, ID: "id-new", Key: "a"})
	require.Equal(t, "id-new", d.newWorker("a").ID)
	require.Equal(t, worker.Key("a"), d.turn.Save[0].Key)
	d.event(worker.Exited, "a") // the old container: no action
	d.pass(time.Minute)
	require.Empty(t, d.verb(worker.Start))
	d.drop = nil
	d.event(worker.Gone, "a")
	require.Equal(t, "id-new", d.newWorker("a").ID)
	require.Empty(t, d.drop, "the journal keeps the new one")
}

func TestNamesSwappedInAGap(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a", "b")
	d.observe(worker.Observation{Kind: worker.Signalled, ID: "id-a", Key: "a", Signal: 9})
	d.event(worker.Exited, "a")
	d.pass(time.Minute)
	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.observe(worker.Observation{Kind: worker.Listed, ID: "id-b", Key: "a", ListState: worker.ListState{Status: worker.StatusRunning, Health: worker.HealthNone}})
	d.observe(worker.Observation{Kind: worker.Listed, ID: "id-a", Key: "b", ListState: worker.ListState{Status: worker.StatusExited}})
	d.observe(worker.Observation{Kind: worker.ListEnd})
	require.Equal(t, "id-b", d.newWorker("a").ID)
	require.Equal(t, worker.HeldOperator, d.newWorker("b").Held, "what was known of it went with it")
}

func TestQuotaMode(t *testing.T) {
	none := map[string]string{}
	listed := func(d *harness) worker.Action {
		d.open()
		d.observe(worker.Observation{Kind: worker.ListBegin})
		d.observe(worker.Observation{Kind: worker.Listed, ID: "id-a", Key: "a", Labels: none, ListState: worker.ListState{Status: worker.StatusRunning}})
		d.observe(worker.Observation{Kind: worker.ListEnd})
		require.Empty(d.t, d.inView(), "it is no worker before its quota is known")
		require.Empty(d.t, d.turn.Save)
		return d.verb(worker.Inspect)[0]
	}
	found := func(d *harness, a worker.Action, cpus float64) worker.Snapshot {
		s := d.running(a)
		s.Labels, s.CPUs = none, cpus
		return s
	}
	t.Run("a quota makes it a worker", func(t *testing.T) {
		d := newHarness(t, fleet.Settings{Rules: quotaRules()})
		inspect := listed(d)
		d.answer(inspect, found(d, inspect, 0.5))
		require.Equal(t, []worker.Key{"a"}, d.inView())
		require.Contains(t, d.events, worker.EventManaged)
		d.observe(worker.Observation{Kind: worker.Exited, ID: "id-a", Key: "a", Labels: none, Exit: worker.Exit{ExitCode: 1}})
		require.Len(t, d.verb(worker.Start), 1)
	})
	t.Run("no quota does not, until an update gives it one", func(t *testing.T) {
		d := newHarness(t, fleet.Settings{Rules: quotaRules()})
		inspect := listed(d)
		d.answer(inspect, found(d, inspect, 0))
		require.Empty(t, d.inView())
		require.NotContains(t, d.events, worker.EventManaged)
		d.do = nil
		d.observe(worker.Observation{Kind: worker.Exited, ID: "id-a", Key: "a", Labels: none, Exit: worker.Exit{ExitCode: 1}})
		require.Empty(t, d.do)
		d.observe(worker.Observation{Kind: worker.Updated, ID: "id-a", Key: "a", Labels: none})
		inspect = d.verb(worker.Inspect)[0]
		d.answer(inspect, found(d, inspect, 0.5))
		require.Equal(t, []worker.Key{"a"}, d.inView())
	})
	t.Run("wrong labels are shown once the quota is known", func(t *testing.T) {
		d := newHarness(t, fleet.Settings{Rules: quotaRules()})
		wrong := map[string]string{"stoker.max-attempts": "many"}
		d.open()
		d.observe(worker.Observation{Kind: worker.ListBegin})
		d.observe(worker.Observation{Kind: worker.Listed, ID: "id-a", Key: "a", Labels: wrong, ListState: worker.ListState{Status: worker.StatusRunning}})
		d.observe(worker.Observation{Kind: worker.ListEnd})
		inspect := d.verb(worker.Inspect)[0]
		s := found(d, inspect, 0.5)
		s.Labels = wrong
		d.answer(inspect, s)
		require.Equal(t, worker.HeldBadLabels, d.newWorker("a").Held)
		require.Len(t, d.newWorker("a").Problems, 1)
		d.observe(worker.Observation{Kind: worker.Exited, ID: "id-a", Key: "a", Labels: wrong, Exit: worker.Exit{ExitCode: 1}})
		require.Empty(t, d.verb(worker.Start))
	})
}

func TestSelection(t *testing.T) {
	for name, c := range map[string]struct {
		labels map[string]string
		scope  string
		held   worker.Reason
		taken  bool
	}{
		"enabled":        {labels: enabled, taken: true},
		"unmanaged":      {labels: map[string]string{"x": "y"}},
		"disabled":       {labels: map[string]string{"stoker.enable": "false"}},
		"own scope":      {labels: map[string]string{"stoker.enable": "true", "stoker.scope": "s"}, scope: "s", taken: true},
		"other scope":    {labels: map[string]string{"stoker.enable": "true", "stoker.scope": "s"}},
		"bad label":      {labels: map[string]string{"stoker.enable": "true", "stoker.on-exit": "maybe"}, taken: true, held: worker.HeldBadLabels},
		"Swarm task":     {labels: map[string]string{"stoker.enable": "true", "com.docker.swarm.task.id": "t"}, taken: true, held: worker.HeldSwarm},
		"task to kill":   {labels: map[string]string{"stoker.enable": "true", "com.docker.swarm.task.id": "t", "stoker.swarm": "kill"}, taken: true},
		"compose run":    {labels: map[string]string{"stoker.enable": "true", "com.docker.compose.oneoff": "True"}, taken: true, held: worker.HeldOneOff},
		"Stoker's image": {labels: map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			set := fleet.Settings{Rules: policy.Rules{Selector: policy.Selector{Scope: c.scope}, Defaults: workers.Defaults}}
			require.Equal(t, c.taken, set.Keep(worker.Observation{ID: "id-a", Labels: c.labels}))
			d := newHarness(t, set)
			d.open()
			d.list()
			d.observe(worker.Observation{Kind: worker.Started, ID: "id-a", Key: "a", Labels: c.labels})
			if !c.taken {
				require.Empty(t, d.inView())
				return
			}
			require.Equal(t, c.held, d.newWorker("a").Held)
			if c.held == worker.HeldSwarm { // to show its quota
				require.Equal(t, worker.Inspect, d.do[0].Verb)
				return
			}
			require.Equal(t, c.held == worker.HeldNot, len(d.do) == 1)
		})
	}
}

func TestStokerLeavesItselfAlone(t *testing.T) {
	mem := worker.Saved{Key: "stoker", Incarnation: worker.Incarnation{ID: "id-me"}, Labels: enabled, Expected: true}
	set := fleet.Settings{Self: "id-me", Saved: []worker.Saved{mem}}
	set.Rules.Defaults = workers.Defaults
	require.False(t, set.Keep(worker.Observation{ID: "id-me", Labels: enabled}))
	d := newHarness(t, set)
	require.Equal(t, []worker.Key{"stoker"}, d.drop)
	d.open()
	d.list()
	d.observe(worker.Observation{Kind: worker.Exited, ID: "id-me", Key: "stoker"})
	require.Empty(t, d.do)
	require.Empty(t, d.inView())
}
