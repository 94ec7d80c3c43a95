package fleet_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// TestRenamedWhenItWasStoppedDuringARecreate: an operator stops the new container of a recreate and renames it before the recreate has removed
// it. From then on it is a worker of its own, stopped by an operator.
func TestRenamedWhenItWasStoppedDuringARecreate(t *testing.T) {
	t.Parallel()
	for name, seen := range map[string]bool{"an event shows its other name": true, "a list shows its other name": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := simHostWith(recreatedOnFailure("w"))
			old := h.id("w")
			h.w.SetHealthCheck("w", dockertest.Failing)
			h.until(t, "w"+worker.BackupSuffix)
			for h.id("w") == old || h.status("w") != worker.StatusRunning {
				h.live(time.Millisecond)
			}
			made := h.id("w")
			h.live(5 * time.Millisecond)
			h.w.Operator().Stop("w", 0)
			for h.id("w") == made {
				h.live(time.Millisecond)
			}
			if !seen {
				h.w.Plan(dockertest.Fault{Kind: dockertest.DropEvents, Count: 1})
				h.live(0)
			}
			h.w.Operator().Rename(made, "wx")
			h.live(2 * time.Minute)
			require.Empty(t, h.check(), "%v", h.log)
			require.Equal(t, worker.StatusExited, h.status("wx"), "%v", h.log)
			require.Equal(t, worker.HeldOperator, h.held("wx"), "%v", h.log)
			require.Equal(t, worker.HeldOperator, h.held("w"), "%v", h.log)
		})
	}
}

// TestBufferFullOfAnotherContainer: the buffer of a transaction is full of another container's events when an operator stops its new one.
func TestBufferFullOfAnotherContainer(t *testing.T) {
	t.Parallel()
	h := simHostWith(recreatedOnFailure("w"))
	old := h.id("w")
	h.w.SetHealthCheck("w", dockertest.Failing)
	for h.f.Transactions() == 0 {
		h.live(time.Millisecond)
	}
	other := map[string]string{worker.MarkOf: old, worker.MarkName: "w"}
	for range 100 {
		h.apply(h.f.Observe(h.w.Now(), worker.Observation{Kind: worker.Created, At: h.w.Now(), ID: "other", Key: "w" + worker.NewSuffix, Labels: other}))
	}
	h.until(t, "w"+worker.BackupSuffix)
	for h.id("w") == old || h.status("w") != worker.StatusRunning {
		h.live(time.Millisecond)
	}
	made := h.id("w")
	h.live(5 * time.Millisecond)
	h.w.Operator().Stop("w", 0)
	for h.id("w") == made {
		h.live(time.Millisecond)
	}
	h.w.Operator().Rename(made, "wx")
	h.live(2 * time.Minute)
	require.Equal(t, worker.HeldOperator, h.held("w"), "%v", h.log)
}

// TestEngineRestartDuringVerification: the engine shuts down while a recreate verifies its new container, and its clock steps back. The stops of that
// shutdown came before the start that followed it.
func TestEngineRestartDuringVerification(t *testing.T) {
	t.Parallel()
	spec := newWorker("w", "on-missing", "recreate")
	spec.RestartPolicy = worker.RestartPolicy{Name: "always"}
	h := simHostWith(spec)
	old := h.id("w")
	h.w.Operator().Remove("w", true)
	for h.id("w") == "" || h.id("w") == old || h.status("w") != worker.StatusRunning {
		h.live(time.Millisecond)
	}
	h.live(5 * time.Millisecond)
	h.w.StepClock(-time.Hour)
	h.w.RestartEngine(time.Second)
	h.live(5 * time.Minute)
	require.Equal(t, worker.StatusRunning, h.status("w"))
	var saved worker.Saved
	require.NoError(t, json.Unmarshal(h.memories["w"], &saved))
	require.Nil(t, saved.StopIntent, "%v", h.log)
}

// TestShutdownDuringVerification: the engine shuts down while a recreate verifies its new container. Its stops are no operator's, so the worker runs
// again afterwards.
func TestShutdownDuringVerification(t *testing.T) {
	t.Parallel()
	h := simHostWith(newWorker("w", "on-missing", "recreate"), newWorker("x"))
	old := h.id("w")
	h.w.Operator().Remove("w", true)
	for h.id("w") == "" || h.id("w") == old || h.status("w") != worker.StatusRunning {
		h.live(time.Millisecond)
	}
	h.live(5 * time.Millisecond)
	require.Equal(t, 1, h.f.Transactions())
	h.w.RestartEngine(time.Second)
	h.live(5 * time.Minute)
	require.Empty(t, h.check(), "%v", h.log)
	require.Equal(t, worker.StatusRunning, h.status("w"), "%v", h.log)
}
