package worker_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// rapid favours the ends of a range, so odds are drawn out of a hundred and rare inputs are near the upper end.

// garbage feeds a machine arbitrary inputs in any order, as no engine would, and checks the invariants.
type garbage struct {
	task   bool
	m      *worker.Machine
	now    time.Time
	limit  int
	barred worker.Reason
	flight *worker.Action
	ids    uint64
}

func TestGarbage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := policy.Default()
		p.MaxAttempts = rapid.IntRange(0, 3).Draw(t, "max attempts")
		p.WhenExhausted = rapid.SampledFrom([]policy.WhenExhausted{policy.WhenExhaustedHold, policy.WhenExhaustedRetry}).Draw(t, "when exhausted")
		p.OnExit = rapid.SampledFrom([]policy.OnExit{policy.OnExitAlways, policy.OnExitFailure, policy.OnExitNever}).Draw(t, "on exit")
		if rapid.Bool().Draw(t, "probed from outside") {
			p.Probe.Target, p.Probe.Retries = policy.ProbeTarget{Kind: policy.ProbeTCP, Port: "1"}, 1
		}
		g := &garbage{now: noon, limit: p.MaxAttempts}
		g.barred = rapid.SampledFrom([]worker.Reason{worker.HeldNot, worker.HeldNot, worker.HeldSwarm}).Draw(t, "barred")
		g.task = g.barred == worker.HeldNot && rapid.IntRange(0, 3).Draw(t, "task") == 0
		if g.task {
			p = p.ForTask()
		}
		g.m = worker.New(worker.Identity{Key: "w", ID: containerID, Policy: p, Unmanageable: g.barred, Task: g.task})
		for range rapid.IntRange(10, 150).Draw(t, "inputs") {
			if g.step(t) {
				return
			}
		}
	})
}

// step feeds one input and reports whether the machine is done.
func (g *garbage) step(t *rapid.T) bool {
	g.now = g.now.Add(time.Duration(rapid.IntRange(-1000, 20000).Draw(t, "pass")) * time.Millisecond)
	var turn worker.Effects
	switch rapid.IntRange(0, 4).Draw(t, "input") {
	case 0:
		turn = g.grant(t)
	case 1:
		turn = g.answer(t)
	case 2:
		turn = step(t, g.m, g.now, g.observation(t))
	case 4:
		turn = step(t, g.m, g.now, worker.ProbeAnswered{Incarnation: g.m.Saved().Incarnation, Answer: worker.ProbeAnswer{
			Verdict: worker.Verdict(rapid.IntRange(0, int(worker.VerdictImpossible)).Draw(t, "verdict")),
		}})
	case 3:
		if rapid.IntRange(0, 99).Draw(t, "engine") < 90 {
			turn = step(t, g.m, g.now, g.observation(t))
			break
		}
		turn = step(t, g.m, g.now, worker.EngineRestarted{BootedAt: g.moment(t), StopsSince: g.moment(t)})
	}
	if g.limit > 0 {
		require.LessOrEqual(t, g.m.View().Attempts, g.limit, "I7")
	}
	require.GreaterOrEqual(t, g.m.View().Attempts, 0)
	return turn.Removed
}

func (g *garbage) grant(t *rapid.T) worker.Effects {
	g.ids++
	before := g.m.View()
	turn := step(t, g.m, g.now, worker.Dispatch{ActionID: g.ids})
	if turn.Do == nil {
		return turn
	}
	require.Nil(t, g.flight, "I1")
	g.flight = turn.Do
	if turn.Do.Verb == worker.Inspect {
		return turn
	}
	require.Empty(t, g.barred, "rule 9")
	if g.task {
		require.Contains(t, []worker.Verb{worker.Kill, worker.Collect}, turn.Do.Verb, "of a task of Swarm")
		require.Equal(t, worker.StatusRunning, before.Status)
	}
	require.Contains(t, []worker.Reason{worker.HeldNot, worker.HeldExhausted}, before.Held)
	require.True(t, turn.Do.Verb != worker.Start || before.Status.Down(), "a start of what is not down: %s", before.Status)
	require.True(t, turn.Do.Verb != worker.Stop || before.Status == worker.StatusRunning, "a stop of what is %s", before.Status)
	if g.limit > 0 {
		require.LessOrEqual(t, turn.Do.Attempt, g.limit, "I7")
	}
	return turn
}

func (g *garbage) answer(t *rapid.T) worker.Effects {
	o := worker.Outcome{
		Action: worker.Action{ID: 99999, Verb: worker.Stop},
		Result: worker.Result(rapid.IntRange(1, 5).Draw(t, "result")),
		Failure: worker.Failure{
			Unreachable: rapid.IntRange(0, 99).Draw(t, "unreachable") > 80,
			Missing:     rapid.IntRange(0, 99).Draw(t, "missing") == 99,
		},
	}
	if g.flight != nil && rapid.IntRange(0, 99).Draw(t, "unrelated") < 90 {
		o.Action, g.flight = *g.flight, nil
	}
	if rapid.IntRange(0, 99).Draw(t, "inspect") < 80 {
		s := g.snapshot(t)
		o.Snapshot = &s
	}
	return step(t, g.m, g.now, o)
}

func (g *garbage) snapshot(t *rapid.T) worker.Snapshot {
	return worker.Snapshot{
		Incarnation: worker.Incarnation{ID: containerID, StartedAt: g.moment(t)},
		Key:         "w",
		ProcessState: worker.ProcessState{
			FinishedAt: g.moment(t),
			Status:     g.status(t),
			ExitCode:   rapid.SampledFrom([]int{0, 1, 137}).Draw(t, "code"),
			OOMKilled:  rapid.Bool().Draw(t, "oom"),
			StartError: rapid.SampledFrom([]string{"", "", "no"}).Draw(t, "start error"),
		},
		HealthState: worker.HealthState{
			Health:         g.health(t),
			HasHealthcheck: rapid.Bool().Draw(t, "probed"),
			Probes:         []worker.Probe{{At: g.moment(t), ExitCode: rapid.SampledFrom([]int{0, 1, -1}).Draw(t, "probe")}},
		},
		EndRules: worker.EndRules{
			AutoRemove:    rapid.IntRange(0, 99).Draw(t, "rm") > 90,
			RestartPolicy: worker.RestartPolicy{Name: rapid.SampledFrom([]string{"no", "no", "always", "on-failure"}).Draw(t, "docker")},
		},
	}
}

func (g *garbage) observation(t *rapid.T) worker.Observation {
	kind := worker.Kind(rapid.IntRange(int(worker.Listed), int(worker.Gone)).Draw(t, "kind"))
	if kind == worker.Gone && rapid.IntRange(0, 99).Draw(t, "not yet") < 95 {
		kind = worker.Exited
	}
	return worker.Observation{
		Kind: kind, At: g.moment(t),
		ID: containerID, Key: "w", OldKey: "v", ListState: worker.ListState{Status: g.status(t), Health: g.health(t)},
		Exit:   worker.Exit{ExitCode: rapid.SampledFrom([]int{0, 1, 137}).Draw(t, "code")},
		Signal: rapid.SampledFrom([]syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGHUP}).Draw(t, "signal"),
		Replay: worker.Replay{Origin: worker.Origin(rapid.IntRange(0, 1).Draw(t, "origin"))},
	}
}

func (g *garbage) moment(t *rapid.T) time.Time {
	if rapid.IntRange(0, 99).Draw(t, "zero") > 90 {
		return time.Time{}
	}
	return g.now.Add(time.Duration(rapid.IntRange(-60000, 2000).Draw(t, "ago")) * time.Millisecond)
}

func (g *garbage) status(t *rapid.T) worker.Status {
	return rapid.SampledFrom([]worker.Status{
		worker.StatusRunning, worker.StatusRunning, worker.StatusExited, worker.StatusExited, worker.StatusCreated,
		worker.StatusPaused, worker.StatusRestarting, worker.StatusDead, worker.StatusRemoving,
	}).Draw(t, "status")
}

func (g *garbage) health(t *rapid.T) worker.Health {
	return rapid.SampledFrom([]worker.Health{
		worker.HealthNone, worker.HealthStarting, worker.HealthHealthy, worker.HealthUnhealthy,
	}).Draw(t, "health")
}
