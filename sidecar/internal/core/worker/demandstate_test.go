package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

func TestDemandState(t *testing.T) {
	for _, c := range []struct {
		text string
		want demand.State
	}{
		{"given demand\nup", demand.Awake},
		{"given demand health\nup starting", demand.Starting},
		{asleep, demand.Asleep},
		{asleep + "wake\n> start 0", demand.Starting},
		{"given demand\nup\nsleep\n> stop 0", demand.Leaving},
		{"given demand\nup\ndie 1\n> start 1", demand.Starting},
		{"given demand\nup\ndie 1\n> start 1\nanswer failed no\n= phase backing-off", demand.Down},
		{"given demand backoff-initial=30s\nup\ndie 1\n> start 1\nanswer failed no\n= phase backing-off", demand.Failing},
		{"given demand max-attempts=1\nup\ndie 1\n> start 1\nanswer failed no\n= held exhausted", demand.Out},
		{"given demand max-attempts=1 health\nup\ndie 1\n> start 1\nstart\nanswer running starting\nunhealthy\n= held exhausted", demand.Exhausted},
		{"given demand max-attempts=1 when-exhausted=retry\nup\ndie 1\n> start 1\nanswer failed no\n+10m\n> start 1", demand.Exhausted},
		{"given demand\nup\nkill TERM\ndie 143\nstop", demand.Out},
		{"given demand\nup\npause", demand.Out},
		{"given demand never-started\nup created\n+3s", demand.Asleep},
	} {
		s := play(t, c.text)
		require.Equal(t, c.want, s.m.DemandState(s.now, 5*time.Second), c.text)
	}
}

// TestWakeCancelled: a wake whose start was not sent yet is cancelled without an event.
func TestWakeCancelled(t *testing.T) {
	s := play(t, asleep)
	s.m.Step(s.now, worker.Wake{})
	require.Equal(t, demand.Waking, s.m.DemandState(s.now, 5*time.Second))
	require.Empty(t, s.m.Step(s.now, worker.Sleep{}).Events)
	require.Equal(t, demand.Asleep, s.m.DemandState(s.now, 5*time.Second))
	s.goOn("> nothing\n= held asleep\nwake\n> start 0")
}

// TestGroupConflict: labels that contradict those of the group hold the worker like any other label problem, until the conflict
// ends.
func TestGroupConflict(t *testing.T) {
	s := play(t, "given demand\nup")
	s.step(worker.GroupConflict{Problem: &policy.Problem{Label: policy.LabelGroup, Message: "no"}})
	s.goOn("= held bad-labels\n= event problem\ndie 1\n> nothing")
	require.Len(t, s.m.View().Problems, 1)
	s.step(worker.GroupConflict{})
	require.Empty(t, s.m.View().Problems)
	s.goOn("= free\n> nothing")
}

func TestBudgetShare(t *testing.T) {
	s := play(t, "given demand cpus=0.5\nup")
	require.InDelta(t, 0.5, s.m.BudgetShare(), 0)
	require.True(t, s.m.TakesBudget())
	s = play(t, asleep)
	require.InDelta(t, 1, s.m.BudgetShare(), 0, "no quota")
	require.False(t, s.m.TakesBudget())
	s = play(t, "given demand\nup\ndie 1\n> start 1")
	require.True(t, s.m.TakesBudget(), "dead, and should run")
	s = play(t, "given demand\nup\ndie 1\n> start 1\nrename 0123456789ab_w")
	require.True(t, s.m.TakesBudget(), "the start of one that is replaced may yet come")

	for _, status := range []worker.Status{worker.StatusRunning, worker.StatusExited} {
		m := worker.New(worker.Identity{ID: containerID, Key: "w", Policy: policy.Default()})
		m.Step(noon, worker.Observation{Kind: worker.Listed, At: noon, ID: containerID, Key: "w", ListState: worker.ListState{Status: status}})
		require.Equal(t, status == worker.StatusRunning, m.TakesBudget(), "not inspected")
	}
}

// A worker that refers to the ID of a container that is gone is recreated when it wakes; until then a sleep cancels that, too.
func TestWakeOfAnOrphan(t *testing.T) {
	s := play(t, asleep)
	s.orphan(worker.HealRecreate, s.now)
	s.m.Step(s.now, worker.Wake{})
	require.Equal(t, demand.Waking, s.m.DemandState(s.now, 5*time.Second))
	s.m.Step(s.now, worker.Sleep{})
	require.Equal(t, demand.Asleep, s.m.DemandState(s.now, 5*time.Second))
	s.goOn("> nothing\nwake\n> recreate 0")
}

// A worker whose next start is as far away as the next poll is down, and further away it is failing.
func TestNextStartAfterThePoll(t *testing.T) {
	s := play(t, "given demand backoff-initial=30s\nup\ndie 1\n> start 1\nanswer failed no")
	wait := s.m.View().Due.Sub(s.now)
	require.Equal(t, demand.Down, s.m.DemandState(s.now, wait))
	require.Equal(t, demand.Failing, s.m.DemandState(s.now, wait-1))
}

func TestSleepFails(t *testing.T) {
	run(t, []scenario{
		{"the engine does not stop it: reported, and it stays awake", `
			given demand
			up
			sleep
			> stop 0
			answer failed device busy
			= event heal-failed
			= phase watching`},
		{"the inspect before the stop differs from the decision: it stays awake, and nothing has failed", `
			given demand
			up
			sleep
			> stop 0
			answer refused running
			= no-event heal-failed
			= phase watching
			+1h
			> nothing`},
	})
}

// Between two readings a worker is idle if it used less than its idle share, which is none of the readings of two incarnations.
func TestIdleBetween(t *testing.T) {
	s := play(t, "given demand cpus=1 idle-below=50%\nup")
	before := worker.Stats{At: noon, CPU: time.Hour}
	for used, want := range map[time.Duration]bool{time.Second - 1: true, time.Second: false, 2 * time.Second: false} {
		idle, ok := s.m.IdleBetween(before, worker.Stats{At: noon.Add(2 * time.Second), CPU: time.Hour + used})
		require.True(t, ok)
		require.Equal(t, want, idle, used)
	}
	idle, ok := s.m.IdleBetween(before, worker.Stats{At: noon.Add(2 * time.Second), CPU: time.Second})
	require.False(t, ok)
	require.False(t, idle)
}
