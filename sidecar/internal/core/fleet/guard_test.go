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

// probed returns a simHost with n workers that have a health check, all healthy.
func probed(seed uint64, n int) *simHost {
	h := newSimHost(dockertest.Config{Seed: seed}, fleet.Settings{Parallel: 4})
	for _, name := range names(n) {
		s := newWorker(name)
		s.Health = &dockertest.Healthcheck{Interval: 5 * time.Second, Timeout: 2 * time.Second, Retries: 1}
		h.w.Operator().Run(s)
	}
	h.live(10 * time.Second)
	h.startStoker()
	h.live(10 * time.Second)
	return h
}

// stops returns the number of stop requests.
func (h *simHost) stops() int {
	n := 0
	for _, r := range h.w.Audit() {
		if r.By == dockertest.ByStoker && r.Op == dockertest.OpStop {
			n++
		}
	}
	return n
}

func (h *simHost) setAllProbes(s dockertest.CheckResult) {
	for _, truth := range h.w.Truths() {
		h.w.SetHealthCheck(string(truth.Key), s)
	}
}

// Unmanageable workers do not count towards the host's share: their health is unknown.
func TestHostOverloadedBesideUnmanageable(t *testing.T) {
	h := newSimHost(dockertest.Config{Seed: 2}, fleet.Settings{Parallel: 4})
	health := &dockertest.Healthcheck{Interval: 5 * time.Second, Timeout: 2 * time.Second, Retries: 1}
	for i, name := range names(7) {
		s := newWorker(name)
		if i >= 5 {
			s = newWorker(name, "on-exit", "sometimes", "probe", "tcp://:80")
		}
		s.Health = health
		h.w.Operator().Run(s)
	}
	h.live(10 * time.Second)
	h.startStoker()
	h.live(10 * time.Second)
	for _, name := range names(3) {
		h.w.SetHealthCheck(name, dockertest.Hanging)
	}
	h.live(time.Minute)
	require.Equal(t, 1, h.eventCount(worker.EventHostOverloaded))
}

func TestHostOverloaded(t *testing.T) {
	h := probed(1, 6)
	h.setAllProbes(dockertest.Hanging)
	h.live(2 * time.Minute)
	require.LessOrEqual(t, h.stops(), 2)
	require.Equal(t, 1, h.eventCount(worker.EventHostOverloaded))
	require.True(t, h.f.View(h.w.Now()).HostOverloaded)
	require.Equal(t, worker.HeldHostOverloaded, h.held("w05"))

	h.w.Exit("w05", 1)
	h.live(500 * time.Millisecond)
	require.Equal(t, worker.StatusRunning, h.status("w05"), "a dead worker is always worth starting")

	h.setAllProbes(dockertest.Passing)
	h.live(time.Minute)
	require.Equal(t, 1, h.eventCount(worker.EventHostRecovered))
	require.LessOrEqual(t, h.stops(), 2)
	require.Empty(t, h.held("w05"))
}

func TestHostOverloadedForLong(t *testing.T) {
	h := probed(1, 6)
	h.setAllProbes(dockertest.Hanging)
	h.live(5 * time.Minute)
	before := h.stops()
	h.live(61 * time.Second)
	require.Positive(t, h.stops()-before, "all may really hang")
	require.LessOrEqual(t, h.stops()-before, 3, "but one at a time")
}

func TestRealFailuresAreNoSignOfOverload(t *testing.T) {
	h := probed(1, 6)
	h.setAllProbes(dockertest.Failing)
	h.live(20 * time.Second)
	require.Equal(t, 6, h.stops())
	require.Zero(t, h.eventCount(worker.EventHostOverloaded))
}

func TestFewHangingWorkersAreHealed(t *testing.T) {
	h := probed(1, 8)
	for _, name := range names(2) {
		h.w.SetHealthCheck(name, dockertest.Hanging)
	}
	h.live(30 * time.Second)
	require.Equal(t, 2, h.stops())
	require.Zero(t, h.eventCount(worker.EventHostOverloaded))
}

// TestOverloadGuardLimitsRestarts checks rule 15: when most workers time out within a few seconds, most are not restarted, in any order of their
// probes.
func TestOverloadGuardLimitsRestarts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(4, 12).Draw(t, "workers")
		h := probed(rapid.Uint64().Draw(t, "seed"), n)
		for _, name := range names(n) {
			h.w.SetHealthCheck(name, dockertest.Hanging)
			h.live(time.Duration(rapid.IntRange(0, 400).Draw(t, "later")) * time.Millisecond)
		}
		h.live(45 * time.Second)
		if h.stops() > n/2 {
			t.Fatalf("%d of %d workers were stopped", h.stops(), n)
		}
	})
}

// limited is probed with a quota for each worker, so that their stats are conclusive. The fake's workers are short of CPU, but not throttled by
// the quota.
func limited(n int, set fleet.Settings) *simHost {
	h := newSimHost(dockertest.Config{Seed: 2}, set)
	for _, name := range names(n) {
		s := newWorker(name)
		s.CPUs = 0.5
		s.Health = &dockertest.Healthcheck{Interval: 5 * time.Second, Timeout: 2 * time.Second, Retries: 1}
		h.w.Operator().Run(s)
	}
	h.live(10 * time.Second)
	h.startStoker()
	h.live(10 * time.Second)
	return h
}

func TestHostIsOutOfCPU(t *testing.T) {
	h := limited(8, fleet.Settings{})
	h.w.Overload(true)
	for _, name := range names(2) { // too few for the guard
		h.w.SetHealthCheck(name, dockertest.Hanging)
	}
	h.live(4 * time.Minute)
	require.Zero(t, h.stops())
	require.Equal(t, 1, h.eventCount(worker.EventHostOverloaded), "reported once")
	require.Equal(t, worker.HeldHostOverloaded, h.held("w01"))

	h.w.Exit("w01", 1)
	h.live(500 * time.Millisecond)
	require.Equal(t, worker.StatusRunning, h.status("w01"), "a dead worker is always worth starting")

	h.w.Overload(false)
	h.live(40 * time.Second)
	require.Equal(t, 1, h.stops(), "the one that still hangs")
	require.Equal(t, 1, h.eventCount(worker.EventHostRecovered))
}

func TestHostIsOutOfCPUForLong(t *testing.T) {
	h := limited(8, fleet.Settings{OverloadHold: 2 * time.Minute})
	h.w.Overload(true)
	for _, name := range names(2) {
		h.w.SetHealthCheck(name, dockertest.Hanging)
	}
	h.live(2 * time.Minute)
	require.Zero(t, h.stops())
	h.live(25 * time.Second)
	require.Equal(t, 1, h.stops(), "it may really hang")
	h.live(30 * time.Second)
	require.Equal(t, 2, h.stops(), "one at a time")
	require.Equal(t, 1, h.eventCount(worker.EventHostOverloaded))
	h.live(2 * time.Minute)
	require.Equal(t, 1, h.eventCount(worker.EventHostRecovered), "both are well")
}

func TestABusyHostIsNoSign(t *testing.T) {
	h := limited(8, fleet.Settings{})
	h.w.SetHealthCheck("w00", dockertest.Hanging)
	h.live(20 * time.Second)
	require.Equal(t, 1, h.stops())
	require.Zero(t, h.eventCount(worker.EventHostOverloaded))
}

func TestOverloadGuardIsOff(t *testing.T) {
	h := limited(8, fleet.Settings{OverloadShare: 2})
	h.w.Overload(true)
	h.w.SetHealthCheck("w00", dockertest.Hanging)
	h.live(20 * time.Second)
	require.Equal(t, 1, h.stops())
	require.Zero(t, h.eventCount(worker.EventHostOverloaded))
}

// TestUnfinishedRecreateOnAnOverloadedHost: the engine refuses all that follows the stop of a recreate, and the host is overloaded when it does
// what it is asked again. The worker is down, and the guard does not delay the rest.
func TestUnfinishedRecreateOnAnOverloadedHost(t *testing.T) {
	h := newSimHost(dockertest.Config{Seed: 5}, fleet.Settings{Parallel: 4})
	for _, name := range names(6) {
		h.w.Operator().Run(recreatedOnFailure(name))
	}
	h.live(10 * time.Second)
	h.startStoker()
	h.live(10 * time.Second)
	h.w.SetHealthCheck("w00", dockertest.Hanging)
	h.until(t, "w00"+worker.BackupSuffix)
	h.setAllProbes(dockertest.Hanging)
	h.w.Plan(dockertest.Fault{Kind: dockertest.Refuse, Count: 1000})
	h.live(30 * time.Second)
	require.Equal(t, 1, h.eventCount(worker.EventHostOverloaded))
	h.w.Disarm()
	h.live(40 * time.Second)
	require.Equal(t, worker.StatusRunning, h.status("w00"))
	require.True(t, h.f.View(h.w.Now()).HostOverloaded)
}
