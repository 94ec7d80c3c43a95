package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/fleet"
	"stoker/sidecar/internal/lifecycle"
	"stoker/sidecar/internal/policy"
)

func TestNothingIsGrantedBeforeTheListIsComplete(t *testing.T) {
	d := newDesk(t, fleet.Settings{})
	d.event(lifecycle.Exited, "a")
	d.open()
	d.event(lifecycle.Exited, "a")
	d.tell(lifecycle.Observation{Kind: lifecycle.ListBegan})
	d.listed("a", lifecycle.StatusExited)
	d.pass(time.Minute)
	require.Empty(t, d.do)
	require.False(t, d.f.View(d.now).Link.Up)
	d.tell(lifecycle.Observation{Kind: lifecycle.ListEnded})
	require.Equal(t, []lifecycle.Key{"a"}, keys(d.verb(lifecycle.Look)))
	require.True(t, d.f.View(d.now).Link.Up)
	require.Equal(t, d.now, d.f.View(d.now).Link.Synced)
}

func TestNothingIsGrantedWhileTheLinkIsDown(t *testing.T) {
	d := newDesk(t, fleet.Settings{})
	d.up("a")
	d.tell(lifecycle.Observation{Kind: lifecycle.LinkLost})
	d.event(lifecycle.Exited, "a")
	d.pass(time.Hour)
	require.Empty(t, d.do)
	d.open()
	d.tell(lifecycle.Observation{Kind: lifecycle.ListBegan})
	d.listed("a", lifecycle.StatusExited)
	d.tell(lifecycle.Observation{Kind: lifecycle.ListEnded})
	require.Equal(t, []lifecycle.Key{"a"}, keys(d.verb(lifecycle.Start)))
}

func TestStopSeenOnlyInTheReplayHolds(t *testing.T) {
	mem := lifecycle.Memory{
		Key: "a", Incarnation: lifecycle.Incarnation{ID: "id-a", StartedAt: noon.Add(-time.Hour)}, Labels: enabled, Expected: true,
	}
	d := newDesk(t, fleet.Settings{Memories: []lifecycle.Memory{mem}})
	d.open()
	d.tell(lifecycle.Observation{Kind: lifecycle.Signalled, ID: "id-a", Key: "a", Signal: 15, At: noon.Add(-time.Minute)})
	d.tell(lifecycle.Observation{Kind: lifecycle.Exited, ID: "id-a", Key: "a", ExitCode: 143, At: noon.Add(-time.Minute)})
	d.tell(lifecycle.Observation{Kind: lifecycle.ListBegan})
	d.listed("a", lifecycle.StatusExited)
	d.tell(lifecycle.Observation{Kind: lifecycle.ListEnded})
	look := d.verb(lifecycle.Look)[0]
	s := d.running(look)
	s.Status, s.ExitCode, s.FinishedAt = lifecycle.StatusExited, 143, noon.Add(-time.Minute)
	d.answer(look, s)
	d.pass(time.Hour)
	require.Empty(t, d.verb(lifecycle.Start))
	require.Equal(t, lifecycle.HeldOperator, d.worker("a").Held)
}

func TestWhoIsNotListedIsGone(t *testing.T) {
	d := newDesk(t, fleet.Settings{})
	d.up("a", "b")
	d.pass(time.Minute)
	d.list("b")
	require.Equal(t, []lifecycle.Key{"b"}, d.inView())
	require.Contains(t, d.drop, lifecycle.Key("a"))
}

func TestListIsOvertakenByEvents(t *testing.T) {
	t.Run("a container made after it stays", func(t *testing.T) {
		d := newDesk(t, fleet.Settings{})
		d.up("a")
		d.pass(time.Minute)
		asked := d.now
		d.pass(50 * time.Millisecond)
		d.event(lifecycle.Created, "b")
		d.tell(lifecycle.Observation{Kind: lifecycle.ListBegan, At: asked})
		d.tell(lifecycle.Observation{Kind: lifecycle.Listed, At: asked, ID: "id-a", Key: "a", Status: lifecycle.StatusRunning, Health: lifecycle.HealthNone})
		d.tell(lifecycle.Observation{Kind: lifecycle.ListEnded, At: asked})
		require.Equal(t, []lifecycle.Key{"a", "b"}, d.inView())
	})
	t.Run("a name given away after it stays given away", func(t *testing.T) {
		d := newDesk(t, fleet.Settings{})
		d.up("a")
		d.pass(time.Minute)
		asked := d.now
		d.pass(50 * time.Millisecond)
		d.event(lifecycle.Gone, "a")
		d.tell(lifecycle.Observation{Kind: lifecycle.Started, ID: "id-new", Key: "a"})
		d.tell(lifecycle.Observation{Kind: lifecycle.ListBegan, At: asked})
		d.tell(lifecycle.Observation{Kind: lifecycle.Listed, At: asked, ID: "id-a", Key: "a", Status: lifecycle.StatusRunning})
		d.tell(lifecycle.Observation{Kind: lifecycle.ListEnded, At: asked})
		require.Equal(t, "id-new", d.worker("a").ID)
	})
	t.Run("a clock that stepped back keeps nobody alive", func(t *testing.T) {
		d := newDesk(t, fleet.Settings{})
		d.up("a", "b")
		d.tell(lifecycle.Observation{Kind: lifecycle.Updated, ID: "id-a", Key: "a", At: d.now.Add(time.Hour)})
		d.list("b")
		require.Equal(t, []lifecycle.Key{"b"}, d.inView())
	})
}

func TestNameTakenOverBeforeTheOldOneIsGone(t *testing.T) {
	d := newDesk(t, fleet.Settings{})
	d.up("a")
	d.tell(lifecycle.Observation{Kind: lifecycle.Started, ID: "id-new", Key: "a"})
	require.Equal(t, "id-new", d.worker("a").ID)
	require.Equal(t, lifecycle.Key("a"), d.turn.Save[0].Key)
	d.event(lifecycle.Exited, "a") // the old one: nothing is done about it
	d.pass(time.Minute)
	require.Empty(t, d.verb(lifecycle.Start))
	d.drop = nil
	d.event(lifecycle.Gone, "a")
	require.Equal(t, "id-new", d.worker("a").ID)
	require.Empty(t, d.drop, "the journal keeps the new one")
}

func TestNamesSwappedInAGap(t *testing.T) {
	d := newDesk(t, fleet.Settings{})
	d.up("a", "b")
	d.tell(lifecycle.Observation{Kind: lifecycle.Signalled, ID: "id-a", Key: "a", Signal: 9})
	d.event(lifecycle.Exited, "a")
	d.pass(time.Minute)
	d.tell(lifecycle.Observation{Kind: lifecycle.ListBegan})
	d.tell(lifecycle.Observation{Kind: lifecycle.Listed, ID: "id-b", Key: "a", Status: lifecycle.StatusRunning, Health: lifecycle.HealthNone})
	d.tell(lifecycle.Observation{Kind: lifecycle.Listed, ID: "id-a", Key: "b", Status: lifecycle.StatusExited})
	d.tell(lifecycle.Observation{Kind: lifecycle.ListEnded})
	require.Equal(t, "id-b", d.worker("a").ID)
	require.Equal(t, lifecycle.HeldOperator, d.worker("b").Held, "what was known of it went with it")
}

func TestQuotaMode(t *testing.T) {
	none := map[string]string{}
	listed := func(d *desk) lifecycle.Action {
		d.open()
		d.tell(lifecycle.Observation{Kind: lifecycle.ListBegan})
		d.tell(lifecycle.Observation{Kind: lifecycle.Listed, ID: "id-a", Key: "a", Labels: none, Status: lifecycle.StatusRunning})
		d.tell(lifecycle.Observation{Kind: lifecycle.ListEnded})
		require.Empty(d.t, d.inView(), "it is nobody's before its quota is known")
		require.Empty(d.t, d.turn.Save)
		return d.verb(lifecycle.Look)[0]
	}
	found := func(d *desk, a lifecycle.Action, cpus float64) lifecycle.Snapshot {
		s := d.running(a)
		s.Labels, s.CPUs = none, cpus
		return s
	}
	t.Run("a quota makes it a worker", func(t *testing.T) {
		d := newDesk(t, fleet.Settings{Rules: quotaRules()})
		look := listed(d)
		d.answer(look, found(d, look, 0.5))
		require.Equal(t, []lifecycle.Key{"a"}, d.inView())
		require.Contains(t, d.told, lifecycle.NoteTaken)
		d.tell(lifecycle.Observation{Kind: lifecycle.Exited, ID: "id-a", Key: "a", Labels: none, ExitCode: 1})
		require.Len(t, d.verb(lifecycle.Start), 1)
	})
	t.Run("no quota does not, until an update gives it one", func(t *testing.T) {
		d := newDesk(t, fleet.Settings{Rules: quotaRules()})
		look := listed(d)
		d.answer(look, found(d, look, 0))
		require.Empty(t, d.inView())
		require.NotContains(t, d.told, lifecycle.NoteTaken)
		d.do = nil
		d.tell(lifecycle.Observation{Kind: lifecycle.Exited, ID: "id-a", Key: "a", Labels: none, ExitCode: 1})
		require.Empty(t, d.do)
		d.tell(lifecycle.Observation{Kind: lifecycle.Updated, ID: "id-a", Key: "a", Labels: none})
		look = d.verb(lifecycle.Look)[0]
		d.answer(look, found(d, look, 0.5))
		require.Equal(t, []lifecycle.Key{"a"}, d.inView())
	})
	t.Run("wrong labels are shown once the quota is known", func(t *testing.T) {
		d := newDesk(t, fleet.Settings{Rules: quotaRules()})
		wrong := map[string]string{"stoker.max-attempts": "many"}
		d.open()
		d.tell(lifecycle.Observation{Kind: lifecycle.ListBegan})
		d.tell(lifecycle.Observation{Kind: lifecycle.Listed, ID: "id-a", Key: "a", Labels: wrong, Status: lifecycle.StatusRunning})
		d.tell(lifecycle.Observation{Kind: lifecycle.ListEnded})
		look := d.verb(lifecycle.Look)[0]
		s := found(d, look, 0.5)
		s.Labels = wrong
		d.answer(look, s)
		require.Equal(t, lifecycle.HeldBadLabels, d.worker("a").Held)
		require.Len(t, d.worker("a").Problems, 1)
		d.tell(lifecycle.Observation{Kind: lifecycle.Exited, ID: "id-a", Key: "a", Labels: wrong, ExitCode: 1})
		require.Empty(t, d.verb(lifecycle.Start))
	})
}

func TestSelection(t *testing.T) {
	for name, c := range map[string]struct {
		labels map[string]string
		scope  string
		held   lifecycle.Reason
		taken  bool
	}{
		"enabled":        {labels: enabled, taken: true},
		"stranger":       {labels: map[string]string{"x": "y"}},
		"disabled":       {labels: map[string]string{"stoker.enable": "false"}},
		"own scope":      {labels: map[string]string{"stoker.enable": "true", "stoker.scope": "s"}, scope: "s", taken: true},
		"other scope":    {labels: map[string]string{"stoker.enable": "true", "stoker.scope": "s"}},
		"bad label":      {labels: map[string]string{"stoker.enable": "true", "stoker.on-exit": "maybe"}, taken: true, held: lifecycle.HeldBadLabels},
		"Swarm task":     {labels: map[string]string{"stoker.enable": "true", "com.docker.swarm.task.id": "t"}, taken: true, held: lifecycle.HeldSwarm},
		"compose run":    {labels: map[string]string{"stoker.enable": "true", "com.docker.compose.oneoff": "True"}, taken: true, held: lifecycle.HeldOneOff},
		"Stoker's image": {labels: map[string]string{}},
	} {
		t.Run(name, func(t *testing.T) {
			set := fleet.Settings{Rules: policy.Rules{Selector: policy.Selector{Scope: c.scope}, Defaults: workers.Defaults}}
			require.Equal(t, c.taken, set.Keep(lifecycle.Observation{ID: "id-a", Labels: c.labels}))
			d := newDesk(t, set)
			d.open()
			d.list()
			d.tell(lifecycle.Observation{Kind: lifecycle.Started, ID: "id-a", Key: "a", Labels: c.labels})
			if !c.taken {
				require.Empty(t, d.inView())
				return
			}
			require.Equal(t, c.held, d.worker("a").Held)
			require.Equal(t, c.held == lifecycle.HeldNot, len(d.do) == 1)
		})
	}
}

func TestStokerLeavesItselfAlone(t *testing.T) {
	mem := lifecycle.Memory{Key: "stoker", Incarnation: lifecycle.Incarnation{ID: "id-me"}, Labels: enabled, Expected: true}
	set := fleet.Settings{Self: "id-me", Memories: []lifecycle.Memory{mem}}
	set.Rules.Defaults = workers.Defaults
	require.False(t, set.Keep(lifecycle.Observation{ID: "id-me", Labels: enabled}))
	d := newDesk(t, set)
	require.Equal(t, []lifecycle.Key{"stoker"}, d.drop)
	d.open()
	d.list()
	d.tell(lifecycle.Observation{Kind: lifecycle.Exited, ID: "id-me", Key: "stoker"})
	require.Empty(t, d.do)
	require.Empty(t, d.inView())
}
