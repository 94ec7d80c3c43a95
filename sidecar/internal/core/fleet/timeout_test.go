package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// TestLostAnswer: the engine carries out a request and its answer never comes. The worker is handled soon after the event, and not only at the
// deadline of the action.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	t.Run("of a start", func(t *testing.T) {
		t.Parallel()
		h := simHostOf("w")
		h.w.Plan(dockertest.Fault{Kind: dockertest.TimeOutDone, Op: dockertest.OpStart})
		h.w.Exit("w", 1)
		h.live(time.Second)
		require.Equal(t, worker.StatusRunning, h.status("w"))
		h.w.Exit("w", 1)
		h.live(8 * time.Second)
		require.Equal(t, worker.StatusRunning, h.status("w"), "%v", h.log)
		require.Equal(t, 2, h.sent[worker.Start])
	})
	t.Run("of a stop", func(t *testing.T) {
		t.Parallel()
		h := probed(1, 1)
		h.w.Plan(dockertest.Fault{Kind: dockertest.TimeOutDone, Op: dockertest.OpStop})
		h.w.SetHealthCheck("w00", dockertest.Failing)
		h.live(20 * time.Second)
		require.Equal(t, 1, h.sent[worker.Stop], "%v", h.log)
		require.Equal(t, 1, h.sent[worker.Start], "%v", h.log)
		require.Equal(t, worker.StatusRunning, h.status("w00"))
	})
}

// TestSlowAnswerIsWaitedFor: without an event that shows completion, an answer may take until the deadline.
func TestSlowAnswerIsWaitedFor(t *testing.T) {
	t.Parallel()
	h := simHostOf("w")
	h.w.Plan(dockertest.Fault{Kind: dockertest.Slow, Op: dockertest.OpStart, Delay: 40 * time.Second})
	h.w.Exit("w", 1)
	h.live(50 * time.Second)
	require.Equal(t, worker.StatusRunning, h.status("w"))
	require.Equal(t, 1, h.sent[worker.Start], "%v", h.log)
}
