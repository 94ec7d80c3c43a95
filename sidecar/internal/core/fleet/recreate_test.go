package fleet_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// recreatedOnFailure returns a worker that is recreated as soon as its probe fails.
func recreatedOnFailure(name string) dockertest.Spec {
	s := newWorker(name, "on-unhealthy", "recreate")
	s.Health = &dockertest.Healthcheck{Interval: 2 * time.Second, Timeout: time.Second, Retries: 1}
	return s
}

// simHostWith returns a simHost with these containers and a Stoker that manages them.
func simHostWith(specs ...dockertest.Spec) *simHost {
	h := newSimHost(dockertest.Config{Seed: 7}, fleet.Settings{})
	for _, s := range specs {
		h.w.Operator().Run(s)
		h.live(time.Second)
	}
	h.startStoker()
	h.live(3 * time.Second)
	return h
}

// whole requires one running container with the name, and no others of the worker.
func (h *simHost) whole(t *testing.T, name string) dockertest.Truth {
	t.Helper()
	require.Empty(t, h.checkWhole(), "%v", h.log)
	require.Empty(t, h.check(), "%v", h.log)
	truth, ok := h.w.Truth(name)
	require.True(t, ok)
	require.False(t, truth.Gone, "%v", h.log)
	require.Equal(t, worker.StatusRunning, truth.Status, "%v", h.log)
	return truth
}

// until advances the time until a container with that name exists.
func (h *simHost) until(t *testing.T, name string) dockertest.Truth {
	t.Helper()
	for range 20000 {
		if truth, ok := h.w.Truth(name); ok && !truth.Gone {
			return truth
		}
		h.live(time.Millisecond)
	}
	require.Fail(t, "there is never a "+name)
	return dockertest.Truth{}
}

func TestTransactionIsFoundWithoutTheJournal(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"w" + worker.NewSuffix, "w" + worker.BackupSuffix} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			h := simHostWith(recreatedOnFailure("w"))
			h.w.SetHealthCheck("w", dockertest.Failing)
			h.until(t, at)
			h.live(2 * time.Millisecond)
			h.loseJournal()
			h.live(time.Minute)
			h.whole(t, "w")
		})
	}
}

func TestUnmanagedHalfRecreatedIsFound(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"tail" + worker.NewSuffix, "tail" + worker.BackupSuffix} {
		h := simHostWith(recreatedOnFailure("w"), inNetworkOf("w", "tail"))
		h.w.SetHealthCheck("w", dockertest.Failing)
		h.until(t, at)
		h.live(2 * time.Millisecond)
		h.loseJournal()
		h.live(time.Minute)
		h.whole(t, "tail")
	}
}

func TestReplacementKeepsAttempts(t *testing.T) {
	t.Parallel()
	s := newWorker("w", "recreate-after", "1")
	s.Behaviour = dockertest.Behaviour{RunFor: 3 * time.Second, ExitCode: 1}
	h := simHostWith(s)
	old := h.id("w")
	h.live(10 * time.Second)
	require.NotEqual(t, old, h.id("w"))
	for _, w := range h.f.View(h.w.Now()).Workers {
		require.Greater(t, w.Attempts, 1)
		require.Equal(t, h.id("w"), w.ID)
	}
}

func TestDiesRightAfterItsProof(t *testing.T) {
	t.Parallel()
	h := simHostWith(recreatedOnFailure("w"))
	h.w.SetHealthCheck("w", dockertest.Failing)
	h.until(t, "w"+worker.BackupSuffix)
	for h.w.Now().Before(h.w.Now().Add(time.Second)) {
		if _, gone := h.w.Truth("w" + worker.BackupSuffix); !gone || h.removing() {
			break
		}
		h.live(time.Millisecond)
	}
	h.w.Crash("w", syscall.SIGSEGV)
	h.live(time.Second)
	require.Equal(t, 0, h.eventCount(worker.EventRecovered), "its first start is Stoker's own: %v", h.log)
	h.live(time.Minute)
	h.whole(t, "w")
}

// removing reports whether the removal of an old container has been sent.
func (h *simHost) removing() bool {
	for _, r := range h.w.Audit() {
		if r.Op == dockertest.OpRemove && r.By == dockertest.ByStoker {
			return true
		}
	}
	return false
}

func TestStoppedWhileItIsProven(t *testing.T) {
	t.Parallel()
	h := simHostWith(recreatedOnFailure("w"))
	old := h.id("w")
	h.w.SetHealthCheck("w", dockertest.Failing)
	h.until(t, "w"+worker.BackupSuffix)
	for h.status("w") != worker.StatusRunning || h.id("w") == old {
		h.live(10 * time.Millisecond)
	}
	h.live(500 * time.Millisecond)
	h.w.Operator().Stop("w", dockertest.OwnGrace)
	h.live(2 * time.Minute)
	require.Empty(t, h.checkWhole())
	require.Empty(t, h.check())
	require.Equal(t, worker.StatusExited, h.status("w"))
	require.Equal(t, worker.HeldOperator, h.held("w"))
}

func TestRemovedWhileItIsRecreated(t *testing.T) {
	t.Parallel()
	h := simHostWith(newWorker("w", "on-missing", "recreate"))
	old := h.id("w")
	h.w.Operator().Remove("w", true)
	for h.id("w") == old || h.status("w") != worker.StatusRunning {
		h.live(10 * time.Millisecond)
	}
	h.live(200 * time.Millisecond)
	h.w.Operator().Remove("w", true)
	h.live(2 * time.Minute)
	require.Empty(t, h.f.View(h.w.Now()).Workers, "no worker is left of it: %v", h.log)
	require.Empty(t, h.memories)
}

func TestRemoved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		spec dockertest.Spec
		do   func(h *simHost)
		back bool
	}{
		"by force, and wanted back":     {newWorker("w", "on-missing", "recreate"), func(h *simHost) { h.w.Operator().Remove("w", true) }, true},
		"by force":                      {newWorker("w"), func(h *simHost) { h.w.Operator().Remove("w", true) }, false},
		"stopped first":                 {newWorker("w", "on-missing", "recreate"), stopAndRemove, false},
		"by itself, with --rm":          {rm("w"), func(h *simHost) { h.w.Exit("w", 1) }, true},
		"by docker stop, with --rm":     {rm("w"), func(h *simHost) { h.w.Operator().Stop("w", dockertest.OwnGrace) }, false},
		"by an engine's boot, and --rm": {rm("w"), func(h *simHost) { h.w.RestartEngine(time.Second) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := simHostWith(c.spec, newWorker("other"))
			old := h.id("w")
			c.do(h)
			h.live(time.Minute)
			if c.back {
				require.NotEqual(t, old, h.whole(t, "w").ID)
				return
			}
			truth, _ := h.w.Truth("w")
			require.True(t, truth.Gone)
			require.Zero(t, h.touched())
		})
	}
}

func rm(name string) dockertest.Spec {
	s := newWorker(name)
	s.AutoRemove = true
	return s
}

func stopAndRemove(h *simHost) {
	h.w.Operator().Stop("w", dockertest.OwnGrace)
	h.live(time.Second)
	h.w.Operator().Remove("w", false)
}

func TestForeignContainerHasTheName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"w" + worker.NewSuffix, "w" + worker.BackupSuffix} {
		h := simHostWith(recreatedOnFailure("w"), dockertest.Spec{Name: name})
		foreign := h.id(name)
		h.w.SetHealthCheck("w", dockertest.Failing)
		h.live(time.Minute)
		require.Equal(t, foreign, h.id(name))
		for _, r := range h.w.Audit() {
			require.False(t, r.By == dockertest.ByStoker && r.Incarnation.ID == foreign, r.String())
		}
		require.Equal(t, worker.StatusRunning, h.status("w"), "it was restarted instead: %v", h.log)
		h.w.Operator().Remove(foreign, true)
		h.live(time.Second)
		h.whole(t, "w")
	}
}

func TestAnotherStokersTransactionIsLeftAlone(t *testing.T) {
	t.Parallel()
	h := simHostWith(recreatedOnFailure("w"))
	h.w.SetHealthCheck("w", dockertest.Failing)
	h.until(t, "w"+worker.BackupSuffix)
	h.live(2 * time.Millisecond)
	h.owner = "another"
	h.loseJournal()
	before := h.touched()
	h.live(9 * time.Minute)
	require.Equal(t, before, h.touched(), "%v", h.log)
	h.live(3 * time.Minute)
	h.whole(t, "w")
}

func TestDependentsFollow(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"restarted", "recreated"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			dep := newWorker("dep")
			dep.NetworkMode, dep.PidMode = "container:w", "container:w"
			h := simHostWith(recreatedOnFailure("w"), dep, inNetworkOf("w", "tail"), dockertest.Spec{Name: "beside"})
			if how == "restarted" {
				h.w.Crash("w", syscall.SIGSEGV)
			} else {
				h.w.SetHealthCheck("w", dockertest.Failing)
			}
			h.live(time.Minute)
			for _, name := range []string{"w", "dep", "tail"} {
				truth := h.whole(t, name)
				require.Len(t, h.w.History(truth.ID)[0].ID, 64)
			}
			require.Empty(t, h.w.Orphaned())
			beside, _ := h.w.Truth("beside")
			require.Len(t, beside.Lives, 1)
			require.GreaterOrEqual(t, h.eventCount(worker.EventDependentsRestarted), 1)
			require.Equal(t, 2, h.eventCount(worker.EventHealed), "dep is healed by its own machine: %v", h.log)
		})
	}
}

func TestDependentsAreLeftAlone(t *testing.T) {
	t.Parallel()
	h := simHostWith(newWorker("w", "dependents", "none"), inNetworkOf("w", "tail"))
	h.w.Crash("w", syscall.SIGSEGV)
	h.live(time.Minute)
	tail, _ := h.w.Truth("tail")
	require.Len(t, tail.Lives, 1)
	require.Zero(t, h.most[worker.ListDependents])
}

func TestDependentRestartsAreBounded(t *testing.T) {
	t.Parallel()
	h := newSimHost(dockertest.Config{Seed: 7}, fleet.Settings{})
	for i := range 50 {
		h.w.Operator().Run(newWorker(fmt.Sprintf("w%d", i)))
	}
	h.live(5 * time.Second)
	h.startStoker()
	h.live(5 * time.Second)
	for i := range 50 {
		h.w.Crash(fmt.Sprintf("w%d", i), syscall.SIGSEGV)
	}
	h.live(time.Minute)
	require.Equal(t, 50, h.eventCount(worker.EventHealed))
	require.LessOrEqual(t, h.most[worker.ListDependents], 1)
	require.LessOrEqual(t, h.sent[worker.ListDependents], 10)
}

func TestEngineGoesDownWhileAWorkerIsRecreated(t *testing.T) {
	t.Parallel()
	h := simHostWith(recreatedOnFailure("w"))
	h.w.Behave("w", dockertest.Behaviour{IgnoreTerm: true})
	h.w.SetHealthCheck("w", dockertest.Failing)
	h.until(t, "w"+worker.NewSuffix)
	h.live(9 * time.Second)
	h.w.RestartEngine(time.Second)
	h.live(3 * time.Minute)
	h.whole(t, "w")
}

// The new container is healthy for a moment and then unhealthy, before the transaction ends: that is one failed heal, reported once (H8).
func TestUnhealthyWhileItIsVerified(t *testing.T) {
	t.Parallel()
	for after := 100 * time.Millisecond; after < 4*time.Second; after += 100 * time.Millisecond {
		t.Run(after.String(), func(t *testing.T) {
			t.Parallel()
			s := recreatedOnFailure("w")
			s.Labels["stoker.max-attempts"] = "1"
			s.Health = &dockertest.Healthcheck{Interval: 200 * time.Millisecond, Timeout: 100 * time.Millisecond, Retries: 1}
			h := simHostWith(s)
			old := h.id("w")
			h.w.SetHealthCheck("w", dockertest.Failing)
			h.until(t, "w"+worker.BackupSuffix)
			for h.status("w") != worker.StatusRunning || h.id("w") == old {
				h.live(10 * time.Millisecond)
			}
			h.notes = nil
			h.live(after)
			h.w.SetHealthCheck("w", dockertest.Failing)
			h.live(20 * time.Second)
			ends := h.eventCount(worker.EventHealFailed) + h.eventCount(worker.EventHealed)
			require.Equal(t, 1, ends, "%v", h.log)
			require.Equal(t, 1, h.eventCount(worker.EventExhausted), "%v", h.log)
			require.Zero(t, h.eventCount(worker.EventRecovered), "%v", h.log)
		})
	}
}

// The notes of a successful recreate are reported (H11).
func TestRecreateReportsNotes(t *testing.T) {
	t.Parallel()
	h := simHostWith(recreatedOnFailure("w"))
	h.w.Plan(dockertest.Fault{Kind: dockertest.Refuse, Op: dockertest.OpRemove, Text: "it is in use", Count: 20})
	h.w.SetHealthCheck("w", dockertest.Failing)
	h.live(30 * time.Second)
	detail := ""
	for _, e := range h.notes {
		if e.Kind == worker.EventHealed {
			detail = e.Detail
		}
	}
	require.Contains(t, detail, "it is in use")
	require.Contains(t, detail, "still exists")
}

// Events of a new container that a recreate has made and removed may arrive after the recreate: it does not become a worker.
func TestLateEventsOfADiscardedContainer(t *testing.T) {
	t.Parallel()
	s := newWorker("w", "recreate-after", "1")
	s.HostPort = 8080
	h := newSimHost(dockertest.Config{Seed: 7, LosesNetworks: true}, fleet.Settings{})
	h.w.Operator().Run(s)
	h.live(time.Second)
	h.startStoker()
	h.live(3 * time.Second)
	old := h.id("w")
	h.w.TakePort(s.HostPort)
	h.w.Crash("w", syscall.SIGSEGV)
	h.until(t, "w"+worker.NewSuffix)
	h.w.Plan(dockertest.Fault{Kind: dockertest.DelayEvents, Count: 100, Delay: 5 * time.Second})
	h.live(20 * time.Second)
	h.w.FreePort(s.HostPort)
	h.live(time.Minute)
	require.Equal(t, old, h.id("w"))
	require.Zero(t, h.eventCount(worker.EventUnmanaged), "%v", h.log)
	require.Equal(t, []string{"bridge"}, h.whole(t, "w").Networks, "%v", h.log)
}

// A recreate that the previous Stoker finished without recording it is found to be done. The worker is not forgotten.
func TestFinishedRecreateIsFound(t *testing.T) {
	t.Parallel()
	for _, after := range []time.Duration{300 * time.Millisecond, 2500 * time.Millisecond} {
		s := newWorker("w", "on-missing", "recreate")
		h := simHostWith(s)
		h.w.Operator().Remove("w", true)
		h.until(t, "w"+worker.NewSuffix)
		h.until(t, "w")
		h.live(after)
		made := h.id("w")
		h.killStoker()
		h.w.Crash("w", syscall.SIGSEGV)
		h.live(time.Second)
		h.startStoker()
		h.live(3 * time.Minute)
		require.Zero(t, h.eventCount(worker.EventUnmanaged), "%v", h.log)
		require.Equal(t, made, h.whole(t, "w").ID)
	}
}
