package dockertest

import (
	"syscall"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// Scenarios about what the labels ask for instead of a restart.
func answers() []scenario {
	return []scenario{
		{name: "answers/final code", play: finalCode},
		{name: "answers/unhealthy and stopped", play: unhealthyStopped},
		{name: "answers/unhealthy and told", play: unhealthyTold},
		{name: "answers/attempts in a window", play: attemptsInAWindow},
	}
}

// finalCode: one code is the end of the work, another is not.
func finalCode(s *stage) {
	s.hire()
	w := s.work(WorkerSpec{Labels: labels("final-codes", "2,64-78")})
	before := s.State(w.Name)
	s.Exit(w.Name, 3)
	s.back(w, before)
	s.Exit(w.Name, 70)
	s.leftAlone(w, worker.HeldFinished)
	s.told(w, "die 3", "start", "die 70")
}

// unhealthyStopped: it is stopped, and left down until somebody starts it.
func unhealthyStopped(s *stage) {
	s.hire()
	w := s.work(WorkerSpec{Health: true, Labels: labels("on-unhealthy", "stop")})
	s.Sicken(w.Name, Failing)
	s.told(w, "kill 15", "die 0", "stop") // the last of these comes behind the end, which is what holds it
	s.leftAlone(w, worker.HeldUnhealthy)
	got, _ := s.seen(w.Name)
	require.Zero(s.t, got.Attempts)
	s.Operate(OpStart, w.Name)
	s.running(w)
	s.crashed(w)
	s.told(w, "kill 15", "die 0", "stop", "start", "die 137", "start")
}

// unhealthyTold: nothing is done about it.
func unhealthyTold(s *stage) {
	s.hire()
	w := s.work(WorkerSpec{Health: true, Labels: labels("on-unhealthy", "notify")})
	s.Sicken(w.Name, Failing)
	s.held(w, worker.HeldNotified)
	s.canary()
	require.Equal(s.t, worker.StatusRunning, s.State(w.Name).Status)
	s.Sicken(w.Name, Well)
	s.running(w)
	s.told(w)
}

// attemptsInAWindow: it is stable after each start, and exhausted all the same. A start by somebody sets it going again.
func attemptsInAWindow(s *stage) {
	s.hire()
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
