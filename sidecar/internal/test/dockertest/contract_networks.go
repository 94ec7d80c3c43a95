package dockertest

import (
	"syscall"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// Stories of an engine that takes the network from a container whose port is taken (29.1 to 29.7.2, moby/moby#51758).
func networkLosses() []scenario {
	return []scenario{
		{name: "network/lost in a start that fails", play: networkLost},
		{name: "network/lost in Docker's own start", play: networkLostByDocker},
		{name: "network/started by hand without it", fake: true, play: startedWithout},
		{name: "network/recreated with it", fake: true, play: recreatedWithNetwork},
		{name: "network/an operator's disconnect", fake: true, play: disconnected},
	}
}

// losesNetworks makes the fake engine such a one. A real engine is what it is, and the end is the same.
func (s *fixture) losesNetworks() {
	if server, ok := Behind(s.Host); ok {
		server.With(func(w *World) { w.LoseNetworks() })
	}
}

// published is a worker that publishes a port, and waits for a second before its second heal.
func (s *fixture) published(spec WorkerSpec) (Worker, int) {
	s.t.Helper()
	s.losesNetworks()
	s.startStoker()
	port := s.freePort()
	spec.HostPort = port
	w := s.work(spec)
	require.NotEmpty(s.t, s.State(w.Name).Networks)
	return w, port
}

// networkLost: the start fails as long as the port is taken, and does not become one that works without a network.
func networkLost(s *fixture) {
	w, port := s.published(WorkerSpec{Labels: labels("backoff-initial", "500ms", "backoff-max", "500ms", "recreate-after", "0")})
	s.crashed(w)
	before := s.State(w.Name)
	s.Crash(w.Name, syscall.SIGKILL)
	free := s.TakePort(port)
	s.shown(w, "with two starts that failed", func(got fleet.WorkerView) bool {
		return got.Fault == worker.FaultStartFailed && got.Attempts >= 3
	})
	require.Equal(s.t, worker.StatusExited, s.State(w.Name).Status)
	free()
	s.back(w, before)
	require.Equal(s.t, before.Networks, s.State(w.Name).Networks)
	s.requireEvents(w, "die 137", "start", "die 137", "start")
}

// networkLostByDocker: the start that failed was Docker's, and Stoker's first one would have worked without a network.
func networkLostByDocker(s *fixture) {
	w, port := s.published(WorkerSpec{EndRules: worker.EndRules{RestartPolicy: worker.RestartPolicy{Name: "always"}}, Labels: labels("backoff-max", "1s")})
	before := s.State(w.Name)
	s.Crash(w.Name, syscall.SIGKILL)
	free := s.TakePort(port)
	s.startFails(w)
	free()
	s.back(w, before)
	require.Equal(s.t, before.Networks, s.State(w.Name).Networks)
}

// startedWithout: it runs and is not back. Once the port is free it is connected as it runs.
func startedWithout(s *fixture) {
	w, port := s.published(WorkerSpec{Labels: labels("backoff-initial", "1m")})
	before := s.State(w.Name)
	free := s.TakePort(port)
	s.Crash(w.Name, syscall.SIGKILL)
	s.startFails(w)
	s.Operate(OpStart, w.Name)
	started := s.State(w.Name)
	require.Empty(s.t, started.Networks)
	s.shown(w, "without its network", func(got fleet.WorkerView) bool {
		return got.Status == worker.StatusRunning && got.State == fleet.StateHealing && got.Reason == worker.ReasonNetworkLost
	})
	free()
	got := s.running(w)
	require.Equal(s.t, before.Networks, s.State(w.Name).Networks)
	require.True(s.t, got.StartedAt.Equal(started.StartedAt), "it was not restarted")
	s.requireEvents(w, "die 137", "start")
}

// recreatedWithNetwork: the new container is made from what is remembered.
func recreatedWithNetwork(s *fixture) {
	w, port := s.published(WorkerSpec{Labels: labels("recreate-after", "1", "backoff-initial", "1s", "backoff-max", "1s")})
	before := s.State(w.Name)
	free := s.TakePort(port)
	s.Crash(w.Name, syscall.SIGKILL)
	s.startFails(w)
	free()
	s.await("another container", func() bool {
		now := s.State(w.Name)
		return now.Running() && now.ID != before.ID
	})
	s.running(w)
	require.Equal(s.t, before.Networks, s.State(w.Name).Networks)
}

// disconnected: what an operator has disconnected stays so.
func disconnected(s *fixture) {
	w, _ := s.published(WorkerSpec{})
	server, _ := Behind(s.Host)
	done := make(chan *Error, 1)
	server.With(func(world *World) {
		req := disconnection(w.Name, "bridge")
		req.By = ByOperator
		world.Call(req, func(r Reply) { done <- r.Err })
	})
	require.Nil(s.t, <-done)
	s.crashed(w)
	s.canary()
	require.Empty(s.t, s.State(w.Name).Networks)
}
