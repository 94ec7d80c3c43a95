package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// simHostOf returns a simHost with some workers and a Stoker that manages them.
func simHostOf(workers ...string) *simHost {
	h := newSimHost(dockertest.Config{Seed: 7}, fleet.Settings{})
	for _, name := range workers {
		h.w.Operator().Run(newWorker(name))
	}
	h.live(time.Second)
	h.startStoker()
	h.live(time.Second)
	return h
}

// touched returns how often Stoker started or stopped a container.
func (h *simHost) touched() int {
	n := 0
	for _, r := range h.w.Audit() {
		if r.By == dockertest.ByStoker {
			n++
		}
	}
	return n
}

func (h *simHost) id(name string) string {
	truth, _ := h.w.Truth(name)
	return truth.ID
}

func TestComposeV1Recreates(t *testing.T) {
	h := simHostOf("w")
	op, old := h.w.Operator(), h.id("w")
	op.Stop("w", dockertest.OwnGrace)
	h.live(time.Second)
	op.Rename(old, old[:12]+"_w")
	h.live(time.Second)
	require.Equal(t, worker.HeldReplaced, h.held(worker.Key(old[:12]+"_w")))
	op.Run(newWorker("w"))
	h.live(time.Second)
	op.Remove(old, false)
	h.live(time.Minute)
	h.afterRecreate(t, old)
}

func TestComposeV2Recreates(t *testing.T) {
	h := simHostOf("w")
	op, old := h.w.Operator(), h.id("w")
	op.Create(newWorker(old[:12] + "_w"))
	h.live(time.Second)
	op.Stop("w", dockertest.OwnGrace)
	h.live(time.Second)
	op.Remove(old, false)
	h.live(time.Second)
	op.Rename(old[:12]+"_w", "w")
	h.live(time.Second)
	op.Start("w")
	h.live(time.Minute)
	h.afterRecreate(t, old)
}

// afterRecreate requires that Stoker did not interfere, and manages the new container.
func (h *simHost) afterRecreate(t *testing.T, old string) {
	t.Helper()
	require.Zero(t, h.touched())
	view := h.f.View(h.w.Now())
	require.Len(t, view.Workers, 1)
	require.Equal(t, worker.Key("w"), view.Workers[0].Key)
	require.NotEqual(t, old, view.Workers[0].ID)
	require.Equal(t, fleet.StateRunning, view.Workers[0].State)
	require.Len(t, h.memories, 1)
	h.w.Exit("w", 1)
	h.live(time.Second)
	require.Equal(t, worker.StatusRunning, h.status("w"))
}

func TestEngineRestarts(t *testing.T) {
	down := map[string]func(h *simHost){
		"in good order":  func(h *simHost) { h.w.RestartEngine(time.Second) },
		"killed":         func(h *simHost) { h.w.CrashEngine(); h.w.Plan(); h.live(time.Second); h.w.Boot() },
		"with the host":  func(h *simHost) { h.w.CrashHost(); h.live(time.Second); h.w.Boot() },
		"and Stoker too": func(h *simHost) { h.w.RestartEngine(time.Second); h.leave() },
		"and Stoker killed": func(h *simHost) {
			h.killStoker()
			h.w.RestartEngine(time.Second)
			h.live(20 * time.Second)
			h.startStoker()
		},
	}
	for name, fall := range down {
		t.Run(name, func(t *testing.T) {
			h := simHostOf("stopped", "a", "b")
			h.w.Behave("b", dockertest.Behaviour{IgnoreTerm: true})
			h.w.Operator().Stop("stopped", dockertest.OwnGrace)
			h.live(10 * time.Second)
			fall(h)
			h.live(time.Minute)
			require.Equal(t, worker.StatusRunning, h.status("a"))
			require.Equal(t, worker.StatusRunning, h.status("b"))
			require.Equal(t, worker.StatusExited, h.status("stopped"))
			require.Equal(t, worker.HeldOperator, h.held("stopped"))
		})
	}
}

// leave ends Stoker as a shutdown of the engine does, which signals all containers at the same time.
func (h *simHost) leave() {
	h.live(5 * time.Millisecond)
	h.apply(h.f.Close(h.w.Now()))
	h.killStoker()
	h.live(20 * time.Second)
	h.startStoker()
}

func TestTheOnlyWorkerStaysStoppedOverAReboot(t *testing.T) {
	h := simHostOf("w")
	h.w.Operator().Stop("w", dockertest.OwnGrace)
	h.live(40 * time.Second)
	h.w.RestartEngine(time.Second)
	h.leave()
	h.live(time.Minute)
	require.Equal(t, worker.StatusExited, h.status("w"))
}

// Only the last moment before the end of an engine is its shutdown: a worker that was stopped well before stays so, even if no inspect has shown
// who stopped it.
func TestStoppedBeforeTheShutdown(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a", "b")
	for _, name := range []string{"a", "b"} {
		d.observe(worker.Observation{Kind: worker.Signalled, ID: "id-" + name, Key: worker.Key(name), Signal: 15})
		d.event(worker.Exited, name)
		d.pass(10 * time.Second)
	}
	d.observe(worker.Observation{Kind: worker.Disconnected})
	d.pass(time.Minute)
	d.observe(worker.Observation{Kind: worker.Connecting, Engine: worker.Engine{Now: d.now, BootedAt: d.now.Add(-time.Second)}})
	require.Equal(t, worker.HeldOperator, d.newWorker("a").Held)
	require.Equal(t, worker.HeldNot, d.newWorker("b").Held)
}

func TestEngineWithoutBootTime(t *testing.T) {
	session := func(d *harness) {
		d.observe(worker.Observation{Kind: worker.Connecting, Engine: worker.Engine{Now: d.now}})
		d.observe(worker.Observation{Kind: worker.ListBegin})
		d.listed("a", worker.StatusExited)
		d.observe(worker.Observation{Kind: worker.ListEnd})
	}
	for name, c := range map[string]struct {
		before time.Duration // from the stop to the disconnect
		held   worker.Reason
	}{
		"right before the loss": {time.Second, worker.HeldNot},
		"well before the loss":  {5 * time.Second, worker.HeldOperator},
	} {
		t.Run(name, func(t *testing.T) {
			d := newHarness(t, fleet.Settings{})
			d.observe(worker.Observation{Kind: worker.Connecting, Engine: worker.Engine{Now: d.now}})
			d.list("a")
			d.answerInspects()
			d.observe(worker.Observation{Kind: worker.Signalled, ID: "id-a", Key: "a", Signal: 15})
			d.event(worker.Exited, "a")
			d.pass(c.before)
			d.observe(worker.Observation{Kind: worker.Disconnected})
			d.pass(time.Second)
			session(d)
			require.Equal(t, c.held, d.newWorker("a").Held)
		})
	}
}

// TestSameInputsSameTurns: the fleet's effects depend only on its inputs, and on no map order.
func TestSameInputsSameTurns(t *testing.T) {
	first := []string(nil)
	for range 5 {
		h := probed(3, 12)
		for i, name := range names(12) {
			if i%3 == 0 {
				h.w.SetHealthCheck(name, dockertest.Hanging)
			} else {
				h.w.Exit(name, 1)
			}
		}
		h.live(20 * time.Second)
		h.w.RestartEngine(time.Second)
		h.live(2 * time.Minute)
		if first == nil {
			first = h.log
		}
		require.Equal(t, first, h.log)
	}
}

// TestBudget checks I7: a worker is not restarted more often than allowed, for any failures and any number of Stoker's crashes.
func TestBudget(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.IntRange(1, 4).Draw(t, "limit")
		h := newSimHost(dockertest.Config{Seed: rapid.Uint64().Draw(t, "seed")}, fleet.Settings{})
		s := newWorker("w", "max-attempts", string(rune('0'+limit)), "backoff-max", "2s")
		s.Health = &dockertest.Healthcheck{Interval: 2 * time.Second, Timeout: time.Second, Retries: 1}
		h.w.Operator().Run(s)
		h.live(time.Second)
		h.startStoker()
		h.live(time.Second)
		for range rapid.IntRange(1, 20).Draw(t, "action") {
			all := append(workerActions(), worldActions()[:3]...) // Stoker killed, started, restarted
			which := all[rapid.IntRange(0, len(all)-1).Draw(t, "action")]
			h.logf("%s", which.name)
			which.do(t, h, "w")
			h.live(drawPause(t))
		}
		if wrong := dockertest.CheckBudget(h.w, "w", limit, time.Minute); len(wrong) > 0 {
			t.Fatalf("%v\n%v", wrong, h.log)
		}
	})
}
