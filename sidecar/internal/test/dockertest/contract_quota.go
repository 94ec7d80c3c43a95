package dockertest

import (
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// Scenarios about CPU quotas. Only a real kernel throttles.
func quotas() []scenario {
	return []scenario{
		{name: "quota/starved and left alone, its hung neighbour healed", real: true, play: starvedNotHung, podman: noThrottling},
		{name: "quota/boost given back after a SIGKILL of Stoker", real: true, play: boostGivenBack, podman: noThrottling},
		{name: "quota/idle", real: true, play: idleWorker},
		{name: "quota/given and restored", play: quotaKept},
	}
}

const noThrottling = "its statistics never show throttling, so that no worker is seen to starve"

// starving runs a worker that computes with so little CPU that its probes time out. Some engines begin to count a probe's
// time only when its process runs; so each needs five times the CPU that the whole worker gets in the time of a probe.
func (s *fixture) starving(pairs ...string) Worker {
	s.t.Helper()
	return s.run(WorkerSpec{
		Name: "starved", CPUs: 0.03, Health: true, Probes: WorkerProbes{Timeout: time.Second, Effort: 150 * time.Millisecond}, Labels: labels(pairs...),
	})
}

func starvedNotHung(s *fixture) {
	s.startStoker()
	starved := s.starving("starved-grace", "10m")
	hung := s.work(WorkerSpec{Name: "hung", Health: true, Probes: WorkerProbes{Timeout: 3 * time.Second}})
	s.held(starved, worker.HeldStarved)
	before := s.State(hung.Name)
	s.SetHealthCheck(hung.Name, Hung)
	s.await("the hung worker to be back", func() bool {
		now := s.State(hung.Name)
		return now.Status == worker.StatusRunning && now.StartedAt.After(before.StartedAt)
	})
	got, _ := s.seen(starved.Name) // a probe that comes through now and then makes it healthy for a while
	require.Equal(s.t, 0, got.Attempts)
	require.Greater(s.t, got.Share.CPUs, 0.02)
	require.Greater(s.t, got.Share.Throttled, 0.5)
	s.requireEvents(starved)
}

// boostGivenBack: the raised quota is a debt in the journal.
func boostGivenBack(s *fixture) {
	s.spawn()
	w := s.starving("on-starved", "boost", "boost-cpus", "0.5", "starved-grace", "20s")
	s.await("the boost", func() bool { return s.State(w.Name).CPUs > 0.4 })
	s.stoker.Kill()
	s.spawn()
	s.await("its end", func() bool { return s.State(w.Name).CPUs < 0.04 })
}

func idleWorker(s *fixture) {
	s.startStoker()
	// It stops working soon, and nothing probes it. Idle, its program uses 1 to 2 ms of CPU in a second, as much as the default bound of 1 % of
	// its quota; on a slow machine more.
	w := s.work(WorkerSpec{Labels: labels("idle-after", "10s", "idle-below", "5%")})
	before := s.State(w.Name)
	s.await("it to be restarted", func() bool { return s.State(w.Name).StartedAt.After(before.StartedAt) })
	got := s.shown(w, "healed", func(got fleet.WorkerView) bool { return got.Attempts == 1 })
	require.InDelta(s.t, 0.15, got.CPUs, 1e-9)
	s.requireEvents(w, "kill 15", "die 0", "stop", "start")
}

func quotaKept(s *fixture) {
	s.startStoker("STOKER_REQUIRE_QUOTA=apply", "STOKER_CPUS=0.2")
	given := s.work(WorkerSpec{Name: "given", CPUs: Unlimited})
	kept := s.work(WorkerSpec{Name: "kept", CPUs: 0.3, Labels: labels("cpus", "0.25")})
	other := s.work(WorkerSpec{Name: "other", CPUs: 0.15})
	s.await("the quotas", func() bool { return near(s.State(given.Name).CPUs, 0.2) && near(s.State(kept.Name).CPUs, 0.25) })
	s.Operate(OpUpdate, kept.Name)
	s.await("the quota to be restored", func() bool { return near(s.State(kept.Name).CPUs, 0.25) && s.count(kept, "update") >= 3 })
	require.InDelta(s.t, 0.15, s.State(other.Name).CPUs, 1e-9, "it has one of its own")
	s.crashed(kept)
}

func near(a, b float64) bool { return a-b < 1e-6 && b-a < 1e-6 }

func (s *fixture) count(w Worker, one string) int { return count(s.story(w), one) }
