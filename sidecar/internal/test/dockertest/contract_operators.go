package dockertest

import (
	"slices"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

func operators() []scenario {
	return []scenario{
		{name: "operator/stop", play: stoppedByHand(WorkerSpec{}, []string{"kill 15", "die 0", "stop"}, OpStop)},
		{name: "operator/stop that takes long", play: stoppedByHand(
			WorkerSpec{Behaviour: WorkerBehaviour{IgnoreTerm: true}, EndRules: worker.EndRules{StopTimeout: 2 * time.Second}},
			[]string{"kill 15", "kill 9", "die 137", "stop"}, OpStop)},
		{name: "operator/kill", play: stoppedByHand(WorkerSpec{}, []string{"kill 9", "die 137"}, OpKill)},
		{name: "operator/stop of a paused one", fake: true, play: stoppedByHand(WorkerSpec{},
			[]string{"pause", "kill 15", "unpause", "die 0", "stop"}, OpPause, OpStop)},
		{name: "operator/restart", play: restartedByHand},
		{name: "operator/rm", play: removedByHand},
		{name: "operator/rm of a dead one", fake: true, play: removedDead},
		{name: "operator/pause", play: pausedByHand},
		{name: "operator/signal that means nothing", play: harmlessSignal,
			podman: "it notes any signal as a stop, so that for a while after one an end is taken for meant"},
		{name: "operator/kill during a stop of Stoker's own", play: killDuringOwnStop},
		{name: "operator/start during the back-off", fake: true, play: startDuringBackoff},
		{name: "operator/rename", play: renamed},
		{name: "operator/renamed as compose does before a replacement", fake: true, play: renamedByCompose},
	}
}

// stoppedByHand: an operator's stop holds until a start, and from then on Stoker manages the worker again.
func stoppedByHand(spec WorkerSpec, events []string, ops ...Op) func(*fixture) {
	return func(s *fixture) {
		s.startStoker()
		w := s.work(spec)
		for _, op := range ops {
			s.Operate(op, w.Name)
		}
		s.leftAlone(w, worker.HeldOperator)
		require.Equal(s.t, worker.StatusExited, s.State(w.Name).Status)
		s.requireEvents(w, events...)
		s.Operate(OpStart, w.Name)
		s.running(w)
		got := s.crashed(w)
		require.Equal(s.t, 1, got.Attempts)
		s.requireEvents(w, append(slices.Clone(events), "start", "die 137", "start")...)
	}
}

func restartedByHand(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{})
	before := s.State(w.Name)
	s.Operate(OpRestart, w.Name)
	got := s.back(w, before)
	require.Zero(s.t, got.Attempts, "it was not Stoker's")
	s.crashed(w)
	s.requireEvents(w, "kill 15", "die 0", "stop", "start", "restart", "die 137", "start")
}

func (s *fixture) forgotten(w Worker) {
	s.t.Helper()
	s.await("Stoker to forget "+w.Name, func() bool { _, known := s.seen(w.Name); return !known })
}

func removedByHand(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{})
	s.Operate(OpRemove, w.Name)
	s.forgotten(w)
	s.canary()
	require.Equal(s.t, worker.StatusGone, s.State(w.Name).Status)
	s.requireEvents(w, "kill 9", "die 137", "destroy")
}

// removedDead: with a start of it waiting for its back-off.
func removedDead(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Labels: labels("backoff-initial", "10m", "backoff-max", "10m")})
	s.crashed(w)
	s.Crash(w.Name, syscall.SIGKILL)
	s.shown(w, "waiting", func(got fleet.WorkerView) bool { return got.State == fleet.StateWaiting })
	s.Operate(OpRemove, w.Name)
	s.forgotten(w)
	s.requireEvents(w, "die 137", "start", "die 137", "destroy")
}

// pausedByHand: the engine calls a paused container unhealthy, and that means nothing.
func pausedByHand(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Health: true})
	s.Operate(OpPause, w.Name)
	s.leftAlone(w, worker.HeldPaused)
	require.Equal(s.t, worker.StatusPaused, s.State(w.Name).Status)
	s.Operate(OpUnpause, w.Name)
	s.running(w)
	s.crashed(w)
	s.requireEvents(w, "pause", "unpause", "die 137", "start")
}

// harmlessSignal: a signal through the API that does not mean stop explains no end.
func harmlessSignal(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{})
	s.Signal(w.Name, syscall.SIGWINCH)
	s.crashed(w)
	s.requireEvents(w, "kill 28", "die 137", "start")
}

// killDuringOwnStop: a SIGKILL before the grace of Stoker's own stop is over is not Stoker's.
func killDuringOwnStop(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Health: true, Behaviour: WorkerBehaviour{IgnoreTerm: true}, EndRules: worker.EndRules{StopTimeout: time.Minute}})
	s.SetHealthCheck(w.Name, Failing)
	s.stopping(w)
	s.requireEvents(w, "kill 15")
	s.Operate(OpKill, w.Name)
	s.requireEvents(w, "kill 15", "kill 9", "die 137", "stop")
	s.leftAlone(w, worker.HeldOperator)
}

// startDuringBackoff: an operator who does not want to wait wipes the slate.
func startDuringBackoff(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Labels: labels("backoff-initial", "10m", "backoff-max", "10m")})
	s.crashed(w)
	before := s.State(w.Name)
	s.Crash(w.Name, syscall.SIGKILL)
	got := s.shown(w, "waiting", func(got fleet.WorkerView) bool { return got.State == fleet.StateWaiting })
	require.Equal(s.t, 1, got.Attempts)
	require.Greater(s.t, time.Until(got.NextAt), 7*time.Minute)
	s.Operate(OpStart, w.Name)
	got = s.back(w, before)
	require.Zero(s.t, got.Attempts)
	s.crashed(w)
}

// renamed: history goes with the name.
func renamed(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{})
	s.crashed(w)
	other := Worker{Name: w.Name + "-renamed", ID: w.ID}
	s.Rename(w.Name, other.Name)
	got := s.running(other)
	require.Equal(s.t, 1, got.Attempts)
	s.forgotten(w)
	got = s.crashed(other)
	require.Equal(s.t, 2, got.Attempts)
	s.requireEvents(other, "die 137", "start", "rename", "die 137", "start")
}

// renamedByCompose: docker-compose renames a container to <short id>_<name> when it is about to replace it.
func renamedByCompose(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{})
	old := Worker{Name: w.ID[:12] + "_" + w.Name, ID: w.ID}
	s.workers = append(s.workers, old)
	s.Rename(w.Name, old.Name)
	s.shown(old, "under its new name", func(fleet.WorkerView) bool { return true })
	s.Crash(old.Name, syscall.SIGKILL)
	s.requireEvents(old, "rename", "die 137")
	s.leftAlone(old, worker.HeldReplaced)
	s.requireEvents(old, "rename", "die 137")
}
