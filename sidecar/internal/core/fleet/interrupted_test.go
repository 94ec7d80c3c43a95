package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// TestReplacementStoppedWhileStokerWasDown: Stoker is killed when the new container runs and the old one is not removed yet. An operator stops
// the new one before the next Stoker starts.
func TestReplacementStoppedWhileStokerWasDown(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"stopped": false, "stopped and started": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := simHostWith(recreatedOnFailure("w"))
			old := h.id("w")
			h.w.SetHealthCheck("w", dockertest.Failing)
			h.until(t, "w"+worker.BackupSuffix)
			for h.id("w") == old || h.status("w") != worker.StatusRunning {
				h.live(time.Millisecond)
			}
			h.killStoker()
			h.w.Operator().Stop("w", 0)
			h.live(time.Second)
			if again {
				h.w.Operator().Start("w")
				h.live(time.Second)
			}
			h.startStoker()
			h.live(time.Minute)
			require.Empty(t, h.check(), "%v", h.log)
			require.Equal(t, again, h.status("w") == worker.StatusRunning, "%v", h.log)
			require.Equal(t, !again, h.held("w") == worker.HeldOperator, "%v", h.log)
		})
	}
}

// TestReplacementRestartedByAnOperator: an operator restarts the new container of a recreate during its verification, and may then stop it.
func TestReplacementRestartedByAnOperator(t *testing.T) {
	t.Parallel()
	for name, stopped := range map[string]bool{"restarted": false, "restarted and stopped": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := recreatedOnFailure("w")
			spec.Behaviour.TermExit = 1
			h := simHostWith(spec)
			old := h.id("w")
			h.w.SetHealthCheck("w", dockertest.Failing)
			h.until(t, "w"+worker.BackupSuffix)
			for h.id("w") == old || h.status("w") != worker.StatusRunning {
				h.live(time.Millisecond)
			}
			h.live(time.Second)
			replaced := h.id("w")
			h.w.Operator().Restart("w", 0)
			h.live(500 * time.Millisecond)
			if stopped {
				h.w.Operator().Stop("w", 0)
			}
			h.live(time.Minute)
			require.Empty(t, h.check(), "%v", h.log)
			require.Equal(t, stopped, h.status("w") != worker.StatusRunning, "%v", h.log)
			require.Equal(t, stopped, h.held("w") == worker.HeldOperator, "%v", h.log)
			require.Equal(t, stopped, h.id("w") != replaced, "%v", h.log)
		})
	}
}

// TestEngineShutdownDuringARecreate: the engine treats the transaction's stop and the shutdown's as one, which ends with the grace period. The
// shutdown began when it signalled all other containers.
func TestEngineShutdownDuringARecreate(t *testing.T) {
	t.Parallel()
	slow := recreatedOnFailure("w")
	slow.Behaviour.IgnoreTerm = true
	slow.StopTimeout = 8 * time.Second
	h := simHostWith(newWorker("b"), slow)
	h.w.SetHealthCheck("w", dockertest.Failing)
	h.until(t, "w"+worker.NewSuffix)
	h.live(time.Second)
	h.w.RestartEngine(time.Second)
	h.live(2 * time.Minute)
	require.Equal(t, worker.StatusRunning, h.status("b"), "%v", h.log)
	h.whole(t, "w")
}

// TestPausedDependentIsRestartedWhenUnpaused: a parent begins a new incarnation while its dependent is paused, and must not be touched. A Stoker
// that starts meanwhile restarts it after the unpause, too.
func TestPausedDependentIsRestartedWhenUnpaused(t *testing.T) {
	t.Parallel()
	for name, another := range map[string]bool{"one Stoker": false, "another Stoker": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dependent := newWorker("g")
			dependent.NetworkMode = "container:a"
			h := simHostWith(newWorker("a"), dependent)
			began, _ := h.w.Truth("g")
			h.w.Operator().Pause("g")
			h.w.Operator().Restart("a", 0)
			h.live(20 * time.Second)
			require.Equal(t, worker.StatusPaused, h.status("g"))
			if another {
				h.killStoker()
				h.startStoker()
				h.live(5 * time.Second)
			}
			h.w.Operator().Unpause("g")
			h.live(20 * time.Second)
			now, _ := h.w.Truth("g")
			require.Equal(t, worker.StatusRunning, now.Status, "%v", h.log)
			require.True(t, now.StartedAt.After(began.StartedAt), "%v", h.log)
			require.Empty(t, h.checkOrphaned())
		})
	}
}

// TestTransactionInProgress: a recreate is a transaction of the old container until it is over.
func TestTransactionInProgress(t *testing.T) {
	h := simHostWith(recreatedOnFailure("w"))
	old, _ := h.w.Truth("w")
	require.Zero(t, h.f.Transactions())
	require.False(t, h.f.Recreating(old.ID))
	h.w.SetHealthCheck("w", dockertest.Failing)
	made := h.until(t, "w"+worker.NewSuffix)
	require.Equal(t, 1, h.f.Transactions())
	require.True(t, h.f.Recreating(old.ID))
	require.False(t, h.f.Recreating(made.ID))
	h.live(time.Minute)
	require.NotEqual(t, old.ID, h.whole(t, "w").ID)
	require.Zero(t, h.f.Transactions())
	require.False(t, h.f.Recreating(old.ID))
}
