package dockertest

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// Scenarios about probes from outside.
func outsideProbes() []scenario {
	return []scenario{
		{name: "probes/http that fails", play: httpProbeFails},
		{name: "probes/http without an answer", fake: true, play: httpProbeHangs},
		{name: "probes/recreated with a new address", play: probeFollowsAddress},
		{name: "probes/age of a file", play: fileProbeFails},
		{name: "probes/connection refused", fake: true, play: connectionRefused},
		{name: "probes/starved, and well from outside", real: true, play: starvedButAnswers, podman: noThrottling},
	}
}

// probed is a worker with a health endpoint and no health check, that is probed there.
func (s *fixture) probed(name string, pairs ...string) WorkerSpec {
	all := append([]string{"probe", s.healthURL(), "probe-interval", "300ms", "probe-timeout", "20s", "probe-retries", "2"}, pairs...)
	return WorkerSpec{Name: name, Probes: WorkerProbes{HTTP: true}, Labels: labels(all...)}
}

func (s *fixture) healthURL() string { return fmt.Sprintf("http://:%d/health", s.HealthPort()) }

// healthyOutside waits until the probes of a worker show that it is healthy.
func (s *fixture) healthyOutside(w Worker) fleet.WorkerView {
	s.t.Helper()
	return s.shown(w, "healthy from outside", func(got fleet.WorkerView) bool { return got.Probe.Status == worker.HealthHealthy })
}

func httpProbeFails(s *fixture) {
	s.startStoker()
	w := s.work(s.probed("w"))
	before := s.State(w.Name)
	got := s.healthyOutside(w)
	require.Equal(s.t, worker.HealthNone, got.Health, "the engine has no health of it")
	require.Equal(s.t, 0, got.Attempts)
	s.SetHealthCheck(w.Name, Failing)
	got = s.back(w, before)
	require.Equal(s.t, 1, got.Attempts)
	require.Equal(s.t, worker.HealthHealthy, got.Probe.Status, "a heal ends when the probe succeeds")
	s.requireEvents(w, "kill 15", "die 0", "stop", "start")
}

// httpProbeHangs: a worker that accepts connections and sends nothing.
func httpProbeHangs(s *fixture) {
	s.startStoker()
	w := s.work(s.probed("w", "probe-timeout", "200ms"))
	before := s.State(w.Name)
	s.SetHealthCheck(w.Name, Hanging)
	s.shown(w, "unhealthy for want of an answer", func(got fleet.WorkerView) bool { return got.Reason == worker.ReasonOutsideTimedOut })
	s.back(w, before)
	s.requireEvents(w, "kill 15", "die 0", "stop", "start")
}

func probeFollowsAddress(s *fixture) {
	s.SmallNetwork()
	s.startStoker()
	w := s.work(s.probed("w", "on-unhealthy", "recreate"))
	before, address := s.State(w.Name), s.healthyOutside(w).Probe.Address
	require.NotEmpty(s.t, address)
	s.SetHealthCheck(w.Name, Failing)
	s.await("another container", func() bool { return s.State(w.Name).ID != before.ID && s.State(w.Name).Running() })
	got := s.shown(w, "healthy at its new address", func(got fleet.WorkerView) bool {
		return got.ID != before.ID && got.State == fleet.StateRunning && got.Probe.Status == worker.HealthHealthy
	})
	require.Equal(s.t, 1, got.Attempts)
	if !s.Real() {
		require.NotEqual(s.t, address, got.Probe.Address)
		return
	}
	again := s.State(w.Name)
	s.Operate(OpStop, w.Name)
	s.occupy(got.Probe.Address)
	s.Operate(OpStart, w.Name)
	require.NotEqual(s.t, got.Probe.Address, s.back(w, again).Probe.Address)
}

// occupy makes workers until one has this address, which is free. The others are removed, so that not all addresses are taken.
func (s *fixture) occupy(address string) {
	s.t.Helper()
	for n := range 14 {
		other := s.run(s.probed("other" + decimal(n)))
		if s.healthyOutside(other).Probe.Address == address {
			return
		}
		s.Operate(OpRemove, other.Name)
	}
	require.Fail(s.t, "no worker got the address "+address)
}

func fileProbeFails(s *fixture) {
	s.startStoker()
	spec := s.probed("w", "probe", "file://"+BeatFile+"?max-age=3s")
	spec.Probes.HTTP, spec.Probes.File = false, true
	w := s.work(spec)
	before := s.State(w.Name)
	s.healthyOutside(w)
	s.SetHealthCheck(w.Name, Failing)
	got := s.back(w, before)
	require.Equal(s.t, 1, got.Attempts)
	s.requireEvents(w, "kill 15", "die 0", "stop", "start")
}

// connectionRefused: the connection is refused.
func connectionRefused(s *fixture) {
	s.startStoker()
	w := s.run(WorkerSpec{Labels: labels("probe", "tcp://:1", "probe-interval", "200ms", "probe-retries", "1", "on-unhealthy", "ignore")})
	s.held(w, worker.HeldIgnored)
	got, _ := s.seen(w.Name)
	require.Equal(s.t, fleet.StateUnhealthy, got.State)
	require.Contains(s.t, got.Probe.Detail, "refuses the connection")
	s.requireEvents(w)
}

// starvedButAnswers: the health check is cut off for want of CPU, and the worker is reported as starved, while the probe from outside goes
// on to be answered.
func starvedButAnswers(s *fixture) {
	s.startStoker()
	w := s.run(WorkerSpec{
		Name: "starved", CPUs: 0.03, Health: true, Probes: WorkerProbes{Timeout: time.Second, Effort: 150 * time.Millisecond, HTTP: true},
		Labels: labels("starved-grace", "10m", "probe", s.healthURL(), "probe-interval", "1s", "probe-timeout", "20s", "probe-retries", "3"),
	})
	s.held(w, worker.HeldStarved)
	got := s.healthyOutside(w)
	require.Equal(s.t, 0, got.Attempts)
	require.Contains(s.t, []worker.Reason{worker.ReasonStarved, ""}, got.Reason) // a probe that comes through makes it healthy for a while
	s.requireEvents(w)
}
