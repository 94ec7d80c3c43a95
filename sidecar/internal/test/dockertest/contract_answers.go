package dockertest

import (
	"maps"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/control"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// Scenarios about what the labels ask for instead of a restart.
func answers() []scenario {
	return []scenario{
		{name: "answers/final code", play: finalCode},
		{name: "answers/unhealthy and stopped", play: unhealthyStopped},
		{name: "answers/unhealthy and reported", play: unhealthyReported},
		{name: "answers/task of Swarm killed", play: taskKilled},
		{name: "answers/task of Swarm observed", play: taskObserved},
		{name: "answers/task of Swarm starved, its neighbour killed", real: true, play: taskStarved, podman: noThrottling},
		{name: "answers/attempts in a window", play: attemptsInAWindow},
		{name: "pause/outlives a Stoker that is killed", play: pausedAcrossDeath},
		{name: "pause/a project that compose replaces", play: replacedWhilePaused},
		{name: "pause/exhausted and resumed", play: resumedWhenExhausted},
	}
}

// finalCode: one code is the end of the work, another is not.
func finalCode(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Labels: labels("final-codes", "2,64-78")})
	before := s.State(w.Name)
	s.Exit(w.Name, 3)
	s.back(w, before)
	s.Exit(w.Name, 70)
	s.leftAlone(w, worker.HeldFinished)
	s.requireEvents(w, "die 3", "start", "die 70")
}

// unhealthyStopped: it is stopped, and left down until an operator starts it.
func unhealthyStopped(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Health: true, Labels: labels("on-unhealthy", "stop")})
	s.SetHealthCheck(w.Name, Failing)
	s.requireEvents(w, "kill 15", "die 0", "stop") // the last of these comes behind the end, which is what holds it
	s.leftAlone(w, worker.HeldUnhealthy)
	got, _ := s.seen(w.Name)
	require.Zero(s.t, got.Attempts)
	s.Operate(OpStart, w.Name)
	s.running(w)
	s.crashed(w)
	s.requireEvents(w, "kill 15", "die 0", "stop", "start", "die 137", "start")
}

// task is a container with the labels of a task of a Swarm service, which nothing replaces here.
func task(more map[string]string) WorkerSpec {
	all := map[string]string{
		"com.docker.swarm.task": "", "com.docker.swarm.task.id": "t1", "com.docker.swarm.task.name": "web.2.t1",
		"com.docker.swarm.service.id": "s1", "com.docker.swarm.service.name": "web",
	}
	maps.Copy(all, more)
	return WorkerSpec{Health: true, CPUs: 0.15, Labels: all}
}

// taskKilled: a task that is left unhealthy is killed once, by SIGKILL, and not started again.
func taskKilled(s *fixture) {
	s.startStoker()
	w := s.work(task(labels("swarm", "kill")))
	got, _ := s.seen(w.Name)
	require.Equal(s.t, policy.Task{Service: "web", Slot: "2"}, got.Task)
	s.SetHealthCheck(w.Name, Failing)
	s.requireEvents(w, "kill 9", "die 137")
	s.leftAlone(w, worker.HeldSwarm)
	s.requireEvents(w, "kill 9", "die 137")
}

// taskObserved: nothing is done about it, and it is shown with its quota.
func taskObserved(s *fixture) {
	s.startStoker()
	w := s.run(task(nil))
	s.shown(w, "its quota", func(got fleet.WorkerView) bool { return got.Held == worker.HeldSwarm && got.CPUs == 0.15 })
	s.SetHealthCheck(w.Name, Failing)
	s.shown(w, "unhealthy", func(got fleet.WorkerView) bool { return got.Health == worker.HealthUnhealthy })
	s.Crash(w.Name, syscall.SIGKILL)
	s.requireEvents(w, "die 137")
	s.leftAlone(w, worker.HeldSwarm)
}

// taskStarved: a task that its quota starves is not killed, though it is unhealthy for longer than one that is killed.
func taskStarved(s *fixture) {
	s.startStoker()
	spec := task(labels("swarm", "kill", "starved-grace", "5s"))
	spec.Name, spec.CPUs, spec.Probes.Timeout, spec.Probes.Effort = "starved", 0.03, time.Second, 150*time.Millisecond
	starved := s.run(spec)
	s.held(starved, worker.HeldStarved)
	other := task(labels("swarm", "kill"))
	other.Name, other.Labels["com.docker.swarm.task.id"], other.Labels["com.docker.swarm.task.name"] = "other", "t2", "web.3.t2"
	failing := s.work(other)
	s.SetHealthCheck(failing.Name, Failing)
	s.requireEvents(failing, "kill 9", "die 137")
	s.held(starved, worker.HeldStarved)
	s.requireEvents(starved)
}

// unhealthyReported: nothing is done about it.
func unhealthyReported(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Health: true, Labels: labels("on-unhealthy", "notify")})
	s.SetHealthCheck(w.Name, Failing)
	s.held(w, worker.HeldNotified)
	s.canary()
	require.Equal(s.t, worker.StatusRunning, s.State(w.Name).Status)
	s.SetHealthCheck(w.Name, Passing)
	s.running(w)
	s.requireEvents(w)
}

// attemptsInAWindow: it is stable after each start, and exhausted all the same. An operator's start resets it.
func attemptsInAWindow(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Labels: labels("max-attempts", "2", "attempts-window", "1h", "stable-after", "200ms")})
	for range 2 {
		s.crashed(w)
		s.shown(w, "stable", func(got fleet.WorkerView) bool { return got.Attempts == 0 })
	}
	s.Crash(w.Name, syscall.SIGKILL)
	s.leftAlone(w, worker.HeldExhausted)
	s.Operate(OpStart, w.Name)
	s.running(w)
	s.crashed(w)
}

// control is the way in which `stoker pause` asks the Stoker of the scenario.
func (s *fixture) control() control.Client {
	return control.NewClient(control.Socket(s.dir, s.Scope()))
}

// down makes sure that a worker stays down while another one is healed.
func (s *fixture) down(w Worker, why worker.Reason) {
	s.t.Helper()
	s.held(w, why)
	s.canary()
	require.False(s.t, s.State(w.Name).Running())
}

// pausedAcrossDeath: what is paused stays so when Stoker is killed, and is healed when it is resumed; the other one is healed at once.
func pausedAcrossDeath(s *fixture) {
	s.spawn()
	w := s.work(WorkerSpec{})
	require.NoError(s.t, s.control().Pause(s.t.Context(), control.Pause{
		Selection: control.Selection{Workers: []string{w.Name}}, For: time.Hour, Reason: "look at it",
	}))
	before := s.State(w.Name)
	s.Crash(w.Name, syscall.SIGKILL)
	s.down(w, worker.HeldByPause)
	s.stoker.Kill()
	s.spawn()
	s.down(w, worker.HeldByPause)
	require.ErrorContains(s.t, s.control().Resume(s.t.Context(), control.Selection{All: true}), "no such pause")
	require.NoError(s.t, s.control().Resume(s.t.Context(), control.Selection{Workers: []string{w.Name}}))
	s.back(w, before)
	s.requireEvents(w, "die 137", "start")
}

// replacedWhilePaused: an upgrade by hand during a pause of the project. Nothing is done about it, and the new container is healed afterwards.
func replacedWhilePaused(s *fixture) {
	s.spawn()
	project := map[string]string{"com.docker.compose.project": s.Scope(), "com.docker.compose.service": "w", "stoker.on-missing": "recreate"}
	w := s.work(WorkerSpec{Labels: project})
	require.NoError(s.t, s.control().Pause(s.t.Context(), control.Pause{Selection: control.Selection{Project: s.Scope()}, For: time.Hour}))
	s.Crash(w.Name, syscall.SIGKILL)
	s.down(w, worker.HeldByPause)
	s.Operate(OpRemove, w.Name)
	s.canary()
	_, known := s.seen(w.Name)
	next := s.run(WorkerSpec{Name: "next", Labels: project})
	s.shown(next, "paused", func(got fleet.WorkerView) bool { return got.Held == worker.HeldByPause })
	require.False(s.t, known, "what compose has removed is not made again")
	require.NoError(s.t, s.control().Resume(s.t.Context(), control.Selection{Project: s.Scope()}))
	s.running(next)
	s.crashed(next)
	s.requireEvents(w, "die 137", "destroy")
}

// resumedWhenExhausted: stoker resume gives it new attempts.
func resumedWhenExhausted(s *fixture) {
	s.spawn()
	w := s.work(WorkerSpec{Labels: labels("max-attempts", "1")})
	s.crashed(w)
	before := s.State(w.Name)
	s.Crash(w.Name, syscall.SIGKILL)
	s.leftAlone(w, worker.HeldExhausted)
	require.NoError(s.t, s.control().Resume(s.t.Context(), control.Selection{Workers: []string{w.Name}}))
	s.back(w, before)
}
