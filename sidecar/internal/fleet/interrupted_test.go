package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/enginetest"
	"stoker/sidecar/internal/lifecycle"
)

// TestHeirStoppedWhileStokerWasDead: Stoker is killed when the new container runs and the old one is not yet removed, and before
// the next one is there an operator stops the new one.
func TestHeirStoppedWhileStokerWasDead(t *testing.T) {
	t.Parallel()
	for name, again := range map[string]bool{"stopped": false, "stopped and started": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := housing(ill("w"))
			old := h.id("w")
			h.w.Sicken("w", enginetest.Failing)
			h.until(t, "w"+lifecycle.AsideSuffix)
			for h.id("w") == old || h.status("w") != lifecycle.StatusRunning {
				h.live(time.Millisecond)
			}
			h.fire()
			h.w.Operator().Stop("w", 0)
			h.live(time.Second)
			if again {
				h.w.Operator().Start("w")
				h.live(time.Second)
			}
			h.hire()
			h.live(time.Minute)
			require.Empty(t, h.check(), "%v", h.log)
			require.Equal(t, again, h.status("w") == lifecycle.StatusRunning, "%v", h.log)
			require.Equal(t, !again, h.held("w") == lifecycle.HeldOperator, "%v", h.log)
		})
	}
}

// TestEngineShutdownDuringARecreate: the transaction's own stop and the shutdown's are one for the engine, and end when the grace
// does; the shutdown began when it signalled all the others.
func TestEngineShutdownDuringARecreate(t *testing.T) {
	t.Parallel()
	slow := ill("w")
	slow.Behaviour.IgnoreTerm = true
	slow.StopTimeout = 8 * time.Second
	h := housing(worker("b"), slow)
	h.w.Sicken("w", enginetest.Failing)
	h.until(t, "w"+lifecycle.NewSuffix)
	h.live(time.Second)
	h.w.RestartEngine(time.Second)
	h.live(2 * time.Minute)
	require.Equal(t, lifecycle.StatusRunning, h.status("b"), "%v", h.log)
	h.whole(t, "w")
}
