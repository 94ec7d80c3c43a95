package dockertest

import (
	"net"
	"syscall"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// Scenarios about containers that Docker itself restarts, and about starts that fail.
func policies() []scenario {
	return []scenario{
		{name: "docker/always", play: dockersOwn("always")},
		{name: "docker/unless-stopped", play: dockersOwn("unless-stopped")},
		{name: "docker/on-failure used up", play: dockerUsedUp},
		{name: "docker/on-failure and exit 0", play: dockerDone},
		{name: "docker/always and unhealthy", play: dockersUnhealthy},
		{name: "docker/always and its start fails", play: dockerGivesUp},
		{name: "start fails/port taken", play: portTaken},
		{name: "start fails/mount missing", play: mountMissing},
	}
}

// dockersOwn: Docker restarts it, and Stoker lets it; an operator's stop holds all the same.
func dockersOwn(policy string) func(*fixture) {
	return func(s *fixture) {
		s.startStoker()
		w := s.work(WorkerSpec{EndRules: worker.EndRules{RestartPolicy: worker.RestartPolicy{Name: policy}}})
		got := s.crashed(w)
		require.Zero(s.t, got.Attempts, "it was Docker's")
		require.Equal(s.t, 1, s.State(w.Name).RestartCount, "a start of Stoker's would have reset it")
		s.Operate(OpStop, w.Name)
		s.leftAlone(w, worker.HeldOperator)
		s.requireEvents(w, "die 137", "start", "kill 15", "die 0", "stop")
	}
}

// dockerUsedUp: on-failure:2 restarts it twice, then it is Stoker's.
func dockerUsedUp(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{EndRules: worker.EndRules{RestartPolicy: worker.RestartPolicy{Name: "on-failure", MaxRetries: 2}}})
	for n := range 2 {
		got := s.crashed(w)
		require.Zero(s.t, got.Attempts, "it was Docker's")
		require.Equal(s.t, n+1, s.State(w.Name).RestartCount)
	}
	got := s.crashed(w)
	require.Equal(s.t, 1, got.Attempts)
	require.Zero(s.t, s.State(w.Name).RestartCount, "only a start through the API resets it")
	s.requireEvents(w, "die 137", "start", "die 137", "start", "die 137", "start")
}

// dockerDone: exit 0 under on-failure is the end of the work, unless the worker's own label overrides it.
func dockerDone(s *fixture) {
	s.startStoker()
	policy := worker.RestartPolicy{Name: "on-failure"}
	done := s.work(WorkerSpec{Name: "done", EndRules: worker.EndRules{RestartPolicy: policy}})
	again := s.work(WorkerSpec{Name: "again", EndRules: worker.EndRules{RestartPolicy: policy}, Labels: labels("on-exit", "always")})
	before := s.State(again.Name)
	s.Exit(done.Name, 0)
	s.Exit(again.Name, 0)
	s.back(again, before)
	s.leftAlone(done, worker.HeldFinished)
	s.requireEvents(done, "die 0")
	s.requireEvents(again, "die 0", "start")
}

// dockersUnhealthy: that Docker never heals. The stop through the API keeps its policy quiet, the start wakes it again.
func dockersUnhealthy(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Health: true, EndRules: worker.EndRules{RestartPolicy: worker.RestartPolicy{Name: "always"}}})
	before := s.State(w.Name)
	s.SetHealthCheck(w.Name, Failing)
	got := s.back(w, before)
	require.Equal(s.t, 1, got.Attempts)
	s.crashed(w)
	require.Equal(s.t, 1, s.State(w.Name).RestartCount)
	s.requireEvents(w, "kill 15", "die 0", "stop", "start", "die 137", "start")
}

// dockerGivesUp: Docker tries its own start once. Its delay of 100 ms is the time in which the port is taken.
func dockerGivesUp(s *fixture) {
	s.startStoker()
	port := s.freePort()
	w := s.work(WorkerSpec{
		HostPort: port, EndRules: worker.EndRules{RestartPolicy: worker.RestartPolicy{Name: "always"}}, Labels: labels("backoff-max", "1s"),
	})
	before := s.State(w.Name)
	s.Crash(w.Name, syscall.SIGKILL)
	free := s.TakePort(port)
	s.startFails(w)
	require.Contains(s.t, s.State(w.Name).Error, "address already in use")
	free()
	s.back(w, before)
	require.Empty(s.t, s.State(w.Name).Error)
	s.requireEvents(w, "die 137", "start")
}

// startFails waits until Stoker has seen a start of its own fail.
func (s *fixture) startFails(w Worker) {
	s.t.Helper()
	s.shown(w, "with a start that fails", func(got fleet.WorkerView) bool {
		return got.Fault == worker.FaultStartFailed && got.Reason == worker.ReasonStartFailed && got.Attempts > 0
	})
}

// portTaken: the second heal waits for its back-off, and in that time another process takes the port.
func portTaken(s *fixture) {
	s.startStoker()
	port := s.freePort()
	w := s.work(WorkerSpec{HostPort: port, Labels: labels("backoff-initial", "1s", "backoff-max", "1s")})
	s.crashed(w)
	before := s.State(w.Name)
	s.Crash(w.Name, syscall.SIGKILL)
	free := s.TakePort(port)
	s.startFails(w)
	require.Contains(s.t, s.State(w.Name).Error, "address already in use")
	free()
	got := s.back(w, before)
	require.GreaterOrEqual(s.t, got.Attempts, 3, "the first heal, the one that failed, and the one that worked")
	s.requireEvents(w, "die 137", "start", "die 137", "start")
}

// mountMissing: the engine refuses such a start before it begins, and leaves no error in the state.
func mountMissing(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Breakable: true, Labels: labels("backoff-initial", "500ms", "backoff-max", "500ms")})
	before := s.State(w.Name)
	repair := s.BreakStarts(w.Name)
	s.Crash(w.Name, syscall.SIGKILL)
	s.startFails(w)
	repair()
	got := s.back(w, before)
	require.GreaterOrEqual(s.t, got.Attempts, 2)
	s.requireEvents(w, "die 137", "start")
}

// freePort is one that is free on 127.0.0.1 now.
func (s *fixture) freePort() int {
	s.t.Helper()
	var binding net.ListenConfig
	listener, err := binding.Listen(s.t.Context(), "tcp4", "127.0.0.1:0")
	require.NoError(s.t, err)
	defer func() { require.NoError(s.t, listener.Close()) }()
	return listener.Addr().(*net.TCPAddr).Port
}
