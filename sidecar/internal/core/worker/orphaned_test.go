package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// orphan reports to the worker that its parent db began another incarnation.
func (s *script) orphan(heal worker.HealAction, since time.Time) {
	s.step(worker.Orphaned{Parent: "db", Heal: heal, Since: since})
}

// Rule 18: a worker in the namespaces of its parent's last incarnation is restarted as soon as it is free.
func TestOrphaned(t *testing.T) {
	for name, c := range map[string]struct {
		before string
		heal   worker.HealAction
		since  time.Duration // before now; its own incarnation began an hour before noon
		after  string
	}{
		"it runs": {"up", worker.HealRestart, time.Minute, `
			> stop 1
			= fault orphaned
			= reason parent-restarted`},
		"it holds the ID of a container that is gone":                  {"up", worker.HealRecreate, time.Minute, "> recreate 1"},
		"it began later than the parent":                               {"up", worker.HealRestart, 2 * time.Hour, "= free"},
		"it began at the same moment":                                  {"up", worker.HealRestart, time.Hour, "> stop 1"},
		"it began later, and holds the ID of a container that is gone": {"up", worker.HealRecreate, 2 * time.Hour, "> recreate 1"},
		"an operator has stopped it": {`
			up
			kill TERM
			die 143
			stop`, worker.HealRestart, time.Minute, `
			+1h
			> nothing`},
		"it is paused": {`
			up
			pause`, worker.HealRestart, time.Minute, `
			+1h
			> nothing
			unpause
			> stop 1
			= fault orphaned`},
		"it is being healed": {`
			given health
			up
			unhealthy
			> stop 1`, worker.HealRestart, time.Minute, `
			healthy
			answer refused running healthy
			+1m
			> stop 1
			= fault orphaned`},
		"its own start moves it into the new one": {`
			given health
			up
			unhealthy
			> stop 1
			kill TERM`, worker.HealRestart, time.Minute, `
			die 143
			stop
			answer down 143
			> start 1
			start
			answer running new healthy
			healthy
			+1h
			> nothing
			= free`},
		"it is down, and begins again anyway": {`
			up
			die 1
			> start 1
			start
			answer running
			+10s
			die 1`, worker.HealRestart, time.Minute, "+1s\n> start 2\nanswer running new\n+1h\n> nothing"},
		"it is down, and cannot start as it is": {`
			up
			die 1
			> start 1
			start
			answer running
			+10s
			die 1`, worker.HealRecreate, time.Minute, `
			= phase recreate-due
			+1s
			> recreate 2`},
		"it has no attempt left, until it has again": {`
			given max-attempts=1
			up
			die 1
			> start 1
			start
			answer running
			+10s`, worker.HealRestart, 0, `
			= held exhausted
			+49s
			> nothing
			+1s
			> stop 1
			= fault orphaned`},
		"it is barred": {`
			given barred=bad-labels
			up`, worker.HealRestart, time.Minute, `
			+1h
			= idle`},
	} {
		t.Run(name, func(t *testing.T) {
			s := play(t, c.before)
			s.orphan(c.heal, s.now.Add(-c.since))
			s.goOn(c.after)
		})
	}
}

// A worker that was recreated for a parent that is gone no longer needs it.
func TestNeedsNewParentID(t *testing.T) {
	s := play(t, "up")
	s.orphan(worker.HealRecreate, s.now)
	require.True(t, s.m.Saved().Dependents.NeedsNewParentID)
	s.goOn(`
		> recreate 1
		answer made running
		= free`)
	require.False(t, s.m.Saved().Dependents.NeedsNewParentID)
}

// A recreate that was rolled back before it stopped the orphan leaves it orphaned.
func TestOrphanedAndUndone(t *testing.T) {
	for _, same := range []bool{true, false} {
		s := play(t, "up")
		s.orphan(worker.HealRecreate, s.now)
		s.goOn("> recreate 1")
		if !same {
			s.describe([]string{"new"})
		}
		s.finish(worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Err: "no"}, Answer: worker.Answer{Snapshot: s.snapshot()}})
		require.Equal(t, same, s.m.Saved().Dependents.RestartPending || s.m.View().Heal.Open())
	}
}

// due is when a worker's dependents have to be restarted, relative to now.
func (s *script) dependentsDue() (time.Duration, bool) {
	_, due, ok := s.m.DependentsDue()
	return due.Sub(s.now), ok
}

// Dependents that cannot be healed are retried at 1 s, 2 s, 4 s … 30 s, ten times.
func TestDependentsAreTriedAgain(t *testing.T) {
	s := play(t, `
		up
		die 1
		> start 1
		start
		answer running new
		= leads 0s`)
	life := s.m.Saved().Incarnation
	s.step(worker.DependentsRestarted{Incarnation: worker.Incarnation{ID: life.ID, StartedAt: noon.Add(-time.Hour)}})
	s.goOn("= leads 0s") // into an incarnation that is over
	s.step(worker.DependentsRestarted{Incarnation: worker.Incarnation{ID: "another", StartedAt: life.StartedAt}})
	s.goOn("= leads 0s")
	for _, seconds := range []time.Duration{1, 2, 4, 8, 16, 30, 30, 30, 30, 30} {
		s.step(worker.DependentsRestarted{Incarnation: life, Again: true})
		wait, ok := s.dependentsDue()
		require.True(t, ok)
		require.Equal(t, seconds*time.Second, wait)
	}
	s.step(worker.DependentsRestarted{Incarnation: life, Again: true})
	_, ok := s.dependentsDue()
	require.False(t, ok, "given up")
	require.Equal(t, life, s.m.Saved().Dependents.FollowedInto)
}

func TestDependentsWereRestarted(t *testing.T) {
	s := play(t, `
		up
		die 1
		> start 1
		start
		answer running new`)
	s.step(worker.DependentsRestarted{Incarnation: s.m.Saved().Incarnation})
	_, ok := s.dependentsDue()
	require.False(t, ok)
	s.goOn(`
		+1m
		start           # another client's restart may include them: five seconds
		= leads 5s
		die 1
		> start 1`)
	_, ok = s.dependentsDue()
	require.False(t, ok, "there is nothing to join")
}

// IDs of temporary containers come first, and only while there is room.
func TestTemporaryContainers(t *testing.T) {
	s := play(t, "up")
	for _, id := range []string{"a", "b", "a", "c", "d", "e", "f", "g", "h", "i"} {
		e := step(t, s.m, s.now, worker.TemporaryContainer{ID: id})
		require.Equal(t, id != "a" && id != "i" || len(s.m.Saved().PreviousIDs) == 1, e.Changed, id)
	}
	require.Equal(t, []string{"h", "g", "f", "e", "d", "c", "b", "a"}, s.m.Saved().PreviousIDs)
}

// The queries of the fleet about a parent and a dependent.
func TestFleetQueries(t *testing.T) {
	s := play(t, "given grace=7s\nup")
	life := s.m.Saved().Incarnation
	require.True(t, s.m.Runs(life))
	require.False(t, s.m.Runs(worker.Incarnation{ID: life.ID, StartedAt: noon}))
	require.False(t, s.m.Runs(worker.Incarnation{ID: "another", StartedAt: life.StartedAt}))
	require.True(t, s.m.Joinable())
	require.False(t, s.m.Down())
	require.Equal(t, s.id.Policy, s.m.Policy())
	require.Equal(t, 7*time.Second, s.m.StopTimeout())
	require.True(t, s.m.RunningUndisturbed())
	require.False(t, s.m.StoppedForHeal())
	s.goOn(`
		die 1
		> start 1`)
	require.True(t, s.m.Down())
	require.False(t, s.m.Runs(life))
	require.False(t, s.m.Joinable())
	require.False(t, s.m.RunningUndisturbed())

	s = play(t, `
		given health
		up
		unhealthy
		> stop 1`)
	require.False(t, s.m.Joinable(), "it is being stopped")
	require.False(t, s.m.RunningUndisturbed())
	require.True(t, s.m.StoppedForHeal())
	s.goOn("answer removing")
	require.False(t, s.m.StoppedForHeal(), "nothing is left to start")
	s = play(t, "given health\nup\nunhealthy\n> stop 1")
	require.True(t, s.m.StoppedForHeal())
	s.goOn("pause")
	require.False(t, s.m.StoppedForHeal(), "a client has paused it")

	s = play(t, "given health on-unhealthy=recreate\nup\nunhealthy\n> recreate 1")
	require.False(t, s.m.Joinable())

	s = play(t, "up\nmute kill TERM")
	require.False(t, s.m.RunningUndisturbed(), "a client has begun to stop it")
	_, unsure := s.m.StoppedAt()
	require.True(t, unsure)
	s.goOn("answer running")
	at, unsure := s.m.StoppedAt()
	require.Equal(t, noon, at)
	require.False(t, unsure, "the engine has answered since")
	s.goOn("die 143\n= held stopped-by-operator")
	at, unsure = s.m.StoppedAt()
	require.Equal(t, noon, at)
	require.False(t, unsure)
	_, unsure = play(t, "up").m.StoppedAt()
	require.False(t, unsure)
}

// A restored worker that was not observed since counts as running if nothing in its state contradicts it.
func TestRestoredAsUndisturbed(t *testing.T) {
	for name, c := range map[string]struct {
		saved worker.Saved
		held  worker.Reason
		want  bool
	}{
		"it ran":               {worker.Saved{Expected: true}, worker.HeldNot, true},
		"it did not":           {worker.Saved{}, worker.HeldNot, false},
		"barred":               {worker.Saved{Expected: true}, worker.HeldSwarm, false},
		"it was healed":        {worker.Saved{Expected: true, SavedHeals: worker.SavedHeals{State: worker.State{Phase: worker.PhaseBackingOff, Heal: worker.Heal{Fault: worker.FaultExited}}}}, worker.HeldNot, false},
		"it was being stopped": {worker.Saved{Expected: true, StopIntent: &worker.StopIntent{}}, worker.HeldNot, false},
	} {
		m := worker.Restore(worker.Identity{Key: "w", ID: containerID, Unmanageable: c.held}, c.saved)
		require.Equal(t, c.want, m.RunningUndisturbed(), name)
	}
}

// A worker with code 137 in its parent's PID namespace may have been killed with it.
func TestKilledInNamespace(t *testing.T) {
	for code, killed := range map[string]bool{"137": true, "1": false} {
		s := play(t, "given docker=always")
		s.world.PIDParent = "db"
		s.goOn("up\nmute die " + code)
		parent, at, ok := s.m.KilledInNamespace()
		require.Equal(t, "db", parent)
		require.Equal(t, killed, ok)
		require.Equal(t, noon, at)
	}
	s := play(t, "given docker=always\nup")
	_, _, ok := s.m.KilledInNamespace()
	require.False(t, ok)
	s.goOn("mute die 137")
	_, _, ok = s.m.KilledInNamespace()
	require.False(t, ok, "it shares none")
}

// Readings for display: a share needs two of one incarnation, at most three minutes apart.
func TestDisplayStats(t *testing.T) {
	s := play(t, "up")
	span, ok := s.m.DisplayStatsDue(s.now)
	require.True(t, span && ok, "there is nothing to compare with")
	life := s.m.Saved().Incarnation
	read := func(cpu time.Duration) {
		s.m.DisplayStatsRead(s.now, life, worker.Usage{Now: worker.Stats{At: s.now, CPU: cpu}})
	}
	read(time.Second)
	require.Zero(t, s.m.View().Share)
	s.now = s.now.Add(3 * time.Minute)
	span, ok = s.m.DisplayStatsDue(s.now)
	require.True(t, !span && ok)
	read(91 * time.Second)
	require.Equal(t, worker.Share{At: s.now, CPUs: 0.5, ThrottlingUnknown: true}, s.m.View().Share, "an engine that counts no periods does not report that nothing was throttled")
	s.now = s.now.Add(3*time.Minute + time.Millisecond)
	span, _ = s.m.DisplayStatsDue(s.now)
	require.True(t, span, "too old to be compared with")
	s.m.DisplayStatsRead(s.now, worker.Incarnation{ID: "another"}, worker.Usage{Now: worker.Stats{At: s.now, CPU: time.Hour}})
	require.InDelta(t, 0.5, s.m.View().Share.CPUs, 0)
	s.goOn("die 1\n> start 1")
	_, ok = s.m.DisplayStatsDue(s.now)
	require.False(t, ok)
	s.m.DisplayStatsRead(s.now, s.m.Saved().Incarnation, worker.Usage{Now: worker.Stats{At: s.now, CPU: time.Hour}})
	require.Zero(t, s.m.View().Share, "it does not run")
}
