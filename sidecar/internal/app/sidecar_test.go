package app_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// onBoth runs a test on the fake engine, and on a real one if there is one.
func onBoth(t *testing.T, test func(t *testing.T, h *singleWorker)) {
	t.Parallel()
	for name, host := range map[string]func(testing.TB) dockertest.Host{"fake": dockertest.FakeHost, "real": dockertest.RealHost} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &singleWorker{Host: host(t), t: t, dir: t.TempDir()}
			h.w = h.Run(dockertest.WorkerSpec{EndRules: worker.EndRules{StopTimeout: time.Second}, Labels: map[string]string{
				"stoker.backoff-initial": "100ms", "stoker.backoff-max": "1s", "stoker.recreate-after": "0",
			}})
			test(t, h)
		})
	}
}

// crash kills the worker, and returns its state before.
func (h *singleWorker) crash() dockertest.State {
	h.t.Helper()
	before := h.State(h.w.Name)
	h.Crash(h.w.Name, syscall.SIGKILL)
	return before
}

// back waits until the worker runs in a later incarnation.
func (h *singleWorker) back(before dockertest.State) {
	h.t.Helper()
	h.eventually("the worker to be back", func() bool {
		now := h.State(h.w.Name)
		return now.Running() && now.StartedAt.After(before.StartedAt)
	})
}

// count returns the number of an action's events for the worker.
func (h *singleWorker) count(action string) int {
	h.t.Helper()
	n := 0
	for _, one := range h.History(h.w.ID) {
		if one.Action == action {
			n++
		}
	}
	return n
}

// files sets the process's limit of open files.
func (s *outside) files(n uint64) {
	s.t.Helper()
	limit := unix.Rlimit{Cur: n, Max: 1024}
	require.NoError(s.t, unix.Prlimit(s.cmd.Process.Pid, unix.RLIMIT_NOFILE, &limit, nil))
}

// A Stoker that cannot open another file can neither send requests to the engine nor answer any. It keeps running, and continues as soon as
// it can: a request that it failed to send does not count as an answer.
func TestOutOfFiles(t *testing.T) {
	onBoth(t, func(t *testing.T, h *singleWorker) {
		s := spawn(t, h.environ("STOKER_RESYNC=5s"))
		h.watched(s)
		stopped := h.Run(dockertest.WorkerSpec{Name: "stopped", EndRules: worker.EndRules{StopTimeout: time.Second}})
		h.Operate(dockertest.OpStop, stopped.Name)
		h.eventually("the operator's stop to be noticed", func() bool { return held(s.View(), stopped.Name) == worker.HeldOperator })
		starts := h.count("start")

		s.files(3)
		before := h.crash()
		h.eventually("the end", func() bool { return h.State(h.w.Name).Status == worker.StatusExited })
		for end := time.Now().Add(7 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
			require.Equal(t, worker.StatusExited, h.State(h.w.Name).Status, "it cannot have been started")
			require.NoError(t, s.cmd.Process.Signal(syscall.Signal(0)), "Stoker runs")
		}
		s.files(1024)
		h.back(before)
		h.eventually("the whole picture again", func() bool { v := s.View(); return v.Engine.Connected && len(v.Workers) == 2 })
		require.Equal(t, worker.HeldOperator, held(s.View(), stopped.Name))
		require.Equal(t, worker.StatusExited, h.State(stopped.Name).Status)
		require.Equal(t, starts+1, h.count("start"))
	})
}

func held(v fleet.View, name string) worker.Reason {
	for _, w := range v.Workers {
		if string(w.Key) == name {
			return w.Held
		}
	}
	return worker.HeldNot
}

// Two Stokers manage the same worker by mistake. Each exit is healed once, because a start of a running worker has no effect. Both respect
// an operator's stop.
func TestTwoStokersOfOneScope(t *testing.T) {
	onBoth(t, func(t *testing.T, h *singleWorker) {
		one := startStoker(t, h.environ("STOKER_STATE_DIR="+t.TempDir()))
		two := startStoker(t, h.environ("STOKER_STATE_DIR="+t.TempDir()))
		h.watched(one)
		h.watched(two)
		for range 10 {
			h.back(h.crash())
			h.watched(one)
			h.watched(two)
		}
		require.Equal(t, 10, h.count("die 137"))
		require.Equal(t, 11, h.count("start"), "the first one, and one for each end")

		h.Operate(dockertest.OpStop, h.w.Name)
		for _, s := range []*inside{one, two} {
			h.eventually("the operator's stop to be noticed", func() bool { return held(s.View(), h.w.Name) == worker.HeldOperator })
		}
		require.Equal(t, worker.StatusExited, h.State(h.w.Name).Status)
		require.Equal(t, 11, h.count("start"))
	})
}
