package dockertest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// fleetOfPolicies is one container of each policy, two of them stopped by an operator, one with --rm, one paused.
func fleetOfPolicies(w *World) {
	o := w.Operator()
	for _, policy := range []string{"no", "always", "unless-stopped", "on-failure"} {
		o.Run(Spec{Name: policy, EndRules: worker.EndRules{RestartPolicy: worker.RestartPolicy{Name: policy}}})
	}
	o.Run(Spec{Name: "stopped-always", EndRules: worker.EndRules{RestartPolicy: worker.RestartPolicy{Name: "always"}}})
	o.Run(Spec{Name: "stopped-unless", EndRules: worker.EndRules{RestartPolicy: worker.RestartPolicy{Name: "unless-stopped"}}})
	o.Run(Spec{Name: "rm", EndRules: worker.EndRules{AutoRemove: true}})
	o.Run(Spec{Name: "checked", Health: &Healthcheck{Interval: time.Second}})
	o.Run(Spec{Name: "paused", EndRules: worker.EndRules{RestartPolicy: worker.RestartPolicy{Name: "always"}}})
	w.Advance(2 * time.Second)
	o.Stop("stopped-always", OwnGrace)
	o.Stop("stopped-unless", OwnGrace)
	o.Pause("paused")
	w.Advance(2 * time.Second)
}

func statuses(w *World) map[string]worker.Status {
	all := map[string]worker.Status{}
	for _, t := range w.Truths() {
		if !t.Gone {
			all[string(t.Key)] = t.Status
		}
	}
	return all
}

// What is expected here was watched on 20.10.24.
func TestEngineRestarts(t *testing.T) {
	up, exited := worker.StatusRunning, worker.StatusExited
	tests := []struct {
		name   string
		fall   func(w *World)
		want   map[string]worker.Status
		ring   []string // of "unless-stopped" and "no", in the new ring
		health worker.Health
	}{
		{
			name: "in good order", fall: (*World).ShutDown,
			want: map[string]worker.Status{
				"no": exited, "always": up, "unless-stopped": up, "on-failure": exited, "stopped-always": up,
				"stopped-unless": exited, "checked": exited, "paused": up,
			},
			ring: []string{"unless-stopped start"}, health: worker.HealthUnhealthy,
		},
		{
			name: "after a crash of the engine", fall: (*World).CrashEngine,
			want: map[string]worker.Status{
				"no": exited, "always": up, "unless-stopped": exited, "on-failure": exited, "stopped-always": up,
				"stopped-unless": exited, "checked": exited, "paused": up,
			},
			ring: []string{
				"no kill 15", "unless-stopped kill 15", "no die 0", "unless-stopped die 0", "no stop", "unless-stopped stop",
			},
			health: worker.HealthHealthy,
		},
		{
			name: "after a power cut", fall: (*World).CrashHost,
			want: map[string]worker.Status{
				"no": exited, "always": up, "unless-stopped": up, "on-failure": up, "stopped-always": up,
				"stopped-unless": exited, "checked": exited, "paused": up,
			},
			ring: []string{"unless-stopped start"}, health: worker.HealthHealthy,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := New(Config{Seed: 1})
			fleetOfPolicies(w)
			booted := w.BootedAt()
			tt.fall(w)
			w.Advance(30 * time.Second)
			require.False(t, w.EngineUp())
			w.Boot()
			w.Advance(30 * time.Second)
			require.True(t, w.EngineUp())
			require.True(t, w.BootedAt().After(booted))
			require.Equal(t, tt.want, statuses(w), "the one with --rm is gone, too")
			ring := []string{}
			for _, e := range w.events.ring {
				if e.Name != "no" && e.Name != "unless-stopped" {
					continue
				}
				ring = append(ring, e.Name+" "+e.short())
				require.Equal(t, e.Action != "start", e.At.Before(w.BootedAt()), "the boot's own stops come before the bridge")
			}
			require.ElementsMatch(t, tt.ring, ring)
			checked, _ := w.Truth("checked")
			require.Equal(t, tt.health, checked.Health)
		})
	}
}

func TestShutdownTellsBeforeItBreaks(t *testing.T) {
	w := New(Config{Seed: 5})
	w.Operator().Run(Spec{Name: "a"})
	w.Operator().Run(Spec{Name: "stubborn", EndRules: worker.EndRules{StopTimeout: 4 * time.Second}, Behaviour: Behaviour{IgnoreTerm: true}})
	w.Advance(time.Second)
	seen := []string{}
	w.events.readers.add(func(e *Event) { seen = append(seen, e.Name+" "+e.short()) })
	broke := time.Time{}
	w.engine.turns.add(func(t turn) {
		if t == streamsBroke {
			broke = w.Now()
		}
	})
	began := w.Now()
	w.ShutDown()
	refused := w.Operator().Start("a")
	w.Advance(time.Minute)
	require.Equal(t, []string{"a kill 15", "stubborn kill 15", "a die 0", "a stop", "stubborn kill 9", "stubborn die 137", "stubborn stop"}, seen)
	require.Greater(t, broke.Sub(began), 4*time.Second)
	require.True(t, refused.Err.Unsent, "new requests are refused from the beginning")
	truth, _ := w.Truth("a")
	require.Equal(t, ByEngine, truth.Lives[0].EndedBy)
}

func TestRequestsThatTheEngineTakesDown(t *testing.T) {
	w := New(Config{})
	w.Operator().Run(Spec{Name: "a"})
	w.Advance(time.Second)
	w.Exit("a", 1)
	w.Advance(time.Second)
	answer := w.Operator().Start("a")
	w.Advance(20 * time.Millisecond)
	w.CrashEngine()
	w.Advance(time.Second)
	require.True(t, answer.Done)
	require.Zero(t, answer.Err.Status)
	require.False(t, answer.Err.Unsent, "it was sent, and its result is unknown")
}

func TestHealth(t *testing.T) {
	w := New(Config{Seed: 2})
	w.Operator().Run(Spec{Name: "a", Health: &Healthcheck{Interval: time.Second, Timeout: time.Second, Retries: 2}})
	health := func() worker.Health { truth, _ := w.Truth("a"); return truth.Health }
	w.Advance(500 * time.Millisecond)
	require.Equal(t, worker.HealthStarting, health())
	w.Advance(2 * time.Second)
	require.Equal(t, worker.HealthHealthy, health())
	w.SetHealthCheck("a", Failing)
	w.Advance(4 * time.Second)
	require.Equal(t, worker.HealthUnhealthy, health())
	w.SetHealthCheck("a", Passing)
	w.Advance(2 * time.Second)
	w.SetHealthCheck("a", Hanging)
	w.Advance(5 * time.Second)
	truth, _ := w.Truth("a")
	last, _ := truth.LastProbe()
	require.Equal(t, worker.ProbeTimedOut, last.ExitCode)
	require.Equal(t, "Health check exceeded timeout (1s)", last.Output)
	require.Len(t, truth.Probes, 5)
	require.Equal(t, []string{
		"create", "start", "health_status: healthy", "health_status: unhealthy", "health_status: healthy", "health_status: unhealthy",
	}, w.Actions("a"))
}

func TestHealthThatMeansNothing(t *testing.T) {
	w := New(Config{Seed: 2})
	w.Operator().Run(Spec{Name: "a", Health: &Healthcheck{Interval: time.Second}})
	w.Advance(4 * time.Second)
	events := len(w.Actions("a"))
	w.Operator().Pause("a")
	w.Advance(time.Second)
	truth, _ := w.Truth("a")
	require.Equal(t, worker.HealthUnhealthy, truth.Health, "paused")
	w.Operator().Unpause("a")
	w.Advance(100 * time.Millisecond)
	truth, _ = w.Truth("a")
	require.Equal(t, worker.HealthUnhealthy, truth.Health, "running again, and still so until the next probe")
	w.Advance(3 * time.Second)
	w.Operator().Stop("a", OwnGrace)
	w.Advance(time.Second)
	truth, _ = w.Truth("a")
	require.Equal(t, worker.HealthUnhealthy, truth.Health, "stopped")
	require.Equal(t, []string{"pause", "unpause", "health_status: healthy", "kill 15", "die 0", "stop"}, w.Actions("a")[events:])
}
