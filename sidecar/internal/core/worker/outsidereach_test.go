package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// The worker is healed if and only if the engine's check fails, or the configured number of consecutive probes has failed in the
// present incarnation.
func TestEitherKindOfCheckMakesItUnhealthy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := policy.Default()
		p.Probe.Target, p.UnhealthyFor = policy.ProbeTarget{Kind: policy.ProbeTCP, Port: "1"}, 10*time.Hour
		p.Probe.Retries = rapid.IntRange(1, 4).Draw(t, "retries")
		now, streak, docker := noon, 0, worker.HealthHealthy
		life := worker.Incarnation{ID: containerID, StartedAt: noon.Add(-time.Hour)}
		m := worker.New(worker.Identity{Key: "w", ID: containerID, Policy: p})
		feed := func(in worker.Input) {
			effects := step(t, m, now, in)
			for effects.Class == worker.ClassInspect && !effects.Due.IsZero() {
				now = latest(now, effects.Due)
				effects = step(t, m, now, worker.Dispatch{ActionID: 1})
				require.NotNil(t, effects.Do)
				effects = step(t, m, now, worker.Outcome{Action: *effects.Do, Result: worker.Done, Answer: worker.Answer{Snapshot: &worker.Snapshot{
					Incarnation:  life,
					Key:          "w",
					ProcessState: worker.ProcessState{Status: worker.StatusRunning},
					HealthState:  worker.HealthState{HasHealthcheck: true, Health: docker},
					Definition:   []byte("{}"),
				}}})
			}
		}
		feed(worker.Observation{Kind: worker.Listed, At: now, ID: containerID, Key: "w", ListState: worker.ListState{Status: worker.StatusRunning, Health: docker}})
		answered := false
		for range rapid.IntRange(1, 40).Draw(t, "inputs") {
			now = now.Add(5 * time.Second) // no two starts count as one
			switch rapid.IntRange(0, 3).Draw(t, "input") {
			case 0:
				docker = worker.HealthUnhealthy
				feed(worker.Observation{Kind: worker.Unhealthy, At: now, ID: containerID, Key: "w"})
			case 1:
				docker = worker.HealthHealthy
				feed(worker.Observation{Kind: worker.Healthy, At: now, ID: containerID, Key: "w"})
			case 2:
				well := rapid.Bool().Draw(t, "well")
				answer := worker.ProbeAnswer{Verdict: worker.VerdictBad}
				if streak++; well {
					answer.Verdict, streak = worker.VerdictSuccess, 0
				}
				answered = answered || well || streak >= p.Probe.Retries
				feed(worker.ProbeAnswered{Incarnation: m.Saved().Incarnation, Answer: answer})
			case 3: // another client restarts it
				life.StartedAt, streak, answered, docker = now, 0, false, worker.HealthStarting
				feed(worker.Observation{Kind: worker.Started, At: now.Add(time.Millisecond), ID: containerID, Key: "w"})
			}
			sick := docker == worker.HealthUnhealthy || streak >= p.Probe.Retries
			if sick || answered && docker == worker.HealthHealthy { // otherwise it is not known yet, and a heal that was opened before waits for it
				require.Equal(t, sick, m.View().Heal.Open(), "engine: %s, %d failures of %d", docker, streak, p.Probe.Retries)
			}
			want := worker.HealthHealthy
			switch {
			case !answered:
				want = worker.HealthStarting
			case streak >= p.Probe.Retries:
				want = worker.HealthUnhealthy
			}
			require.Equal(t, want, m.View().Probe.Status)
		}
	})
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func TestReach(t *testing.T) {
	a, b := worker.Endpoint{Network: "a", Addresses: []string{"10.0.0.2", "fd00::2"}}, worker.Endpoint{Network: "b", Addresses: []string{"10.1.0.2"}}
	own := worker.Reach{Endpoints: []worker.Endpoint{{Network: "a", Addresses: []string{"10.0.0.9"}}}}
	require.Equal(t, []string{"10.0.0.2", "fd00::2"}, worker.Reach{Endpoints: []worker.Endpoint{a, b}}.From(own))
	require.Empty(t, worker.Reach{Endpoints: []worker.Endpoint{b}}.From(own))
	require.Empty(t, worker.Reach{Host: true}.From(own))
	require.Equal(t, []string{"10.0.0.2", "fd00::2", "10.1.0.2"}, worker.Reach{Endpoints: []worker.Endpoint{a, b}}.From(worker.Reach{Host: true}))
	require.Equal(t, worker.Loopback(), worker.Reach{Host: true}.From(worker.Reach{Host: true}))
}

func TestProbeView(t *testing.T) {
	view := func(text string) worker.ProbeView { return play(t, text).m.View().Probe }
	require.Equal(t, worker.HealthNone, view("given\nup").Status)
	v := view("given probe=tcp://:1\nup\noutside refused connection refused")
	require.Equal(t, []any{worker.HealthStarting, "tcp://:1", "172.17.0.2:8000", "connection refused", false}, []any{v.Status, v.Target.String(), v.Address, v.Detail, v.Impossible})
	require.Equal(t, noon, v.Since)
	v = view("given probe=tcp://:1\nup\noutside impossible no network")
	require.Equal(t, []any{worker.HealthNone, "no network", true}, []any{v.Status, v.Detail, v.Impossible})
	s := play(t, "given probe=tcp://:1\nup\noutside impossible no network")
	require.Equal(t, []policy.Problem{{Label: "stoker.probe", Value: "tcp://:1", Message: "no network"}}, s.m.View().Problems)
	require.Equal(t, worker.HealthNone, view("given probe=tcp://:1\nup\noutside success\npause").Status)
}
