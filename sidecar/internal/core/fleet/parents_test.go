package fleet_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

func (h *simHost) attempts(key worker.Key) int {
	for _, w := range h.f.View(h.w.Now()).Workers {
		if w.Key == key {
			return w.Attempts
		}
	}
	return -1
}

// A worker in the process and network namespace of another one exits with it. It waits for its parent, without using an attempt.
func TestChildWaitsForItsParent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fault func(h *simHost)
		down  bool
	}{
		"crashed":   {func(h *simHost) { h.w.Crash("w", syscall.SIGSEGV) }, false},
		"recreated": {func(h *simHost) { h.w.SetHealthCheck("w", dockertest.Failing) }, false},
		"cannot start for a while": {func(h *simHost) {
			h.w.BreakStarts("w", "no such device")
			h.w.Crash("w", syscall.SIGSEGV)
			h.live(20 * time.Second)
			h.w.BreakStarts("w", "")
		}, false},
		"stopped by an operator": {func(h *simHost) { h.w.Operator().Stop("w", dockertest.OwnGrace) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			child := newWorker("child", "max-attempts", "1", "stable-after", "10m")
			child.NetworkMode, child.PidMode = "container:w", "container:w"
			h := simHostWith(recreatedOnFailure("w"), child)
			c.fault(h)
			h.live(time.Minute)
			if c.down {
				require.Equal(t, worker.StatusExited, h.status("child"))
				require.Zero(t, h.attempts("child"), "%v", h.log)
				h.w.Operator().Start("w")
				h.live(time.Minute)
			}
			h.whole(t, "w")
			h.whole(t, "child")
			require.LessOrEqual(t, h.attempts("child"), 1, "%v", h.log)
			require.Zero(t, h.eventCount(worker.EventExhausted), "%v", h.log)
			for _, e := range h.notes {
				require.False(t, e.Key == "child" && e.Fault == worker.FaultStartFailed, "%v", h.log)
			}
		})
	}
}

// An unmanaged container exits with the worker whose process namespace it shares, and is healed with it.
func TestDiesWithItsParent(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(h *simHost){
		"crashed":   func(h *simHost) { h.w.Crash("w", syscall.SIGSEGV) },
		"recreated": func(h *simHost) { h.w.SetHealthCheck("w", dockertest.Failing) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inside := dockertest.Namespaces{PidMode: "container:w"}
			h := simHostWith(recreatedOnFailure("w"), dockertest.Spec{Name: "tail", Namespaces: inside}, dockertest.Spec{Name: "stopped", Namespaces: inside})
			h.w.Operator().Stop("stopped", dockertest.OwnGrace)
			h.live(10 * time.Second)
			fault(h)
			h.live(time.Minute)
			h.whole(t, "w")
			h.whole(t, "tail")
			require.Equal(t, worker.StatusExited, h.status("stopped"), "it was stopped before")
			require.Empty(t, h.w.Orphaned())
		})
	}
}
