package dockertest

import (
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// Scenarios in which a worker gets another container.
func recreates() []scenario {
	return []scenario{
		{name: "recreate/asked for", play: recreateWhenUnhealthy},
		{name: "recreate/after restarts that did not help", play: recreateByLadder},
		{name: "recreate/rm -f", play: recreateWhenRemoved, podman: "its events of rm -f are those of a stop and a removal"},
		{name: "recreate/stop, then rm", play: goneWhenStoppedFirst},
		{name: "recreate/--rm crashed", play: recreateOfTransient, podman: "it may have removed the worker before Stoker has inspected whether its end was intended"},
		{name: "recreate/--rm stopped", fake: true, play: goneTransient},
		{name: "recreate/stopped by hand meanwhile", play: stoppedWhileRecreating, podman: "it emits no event of a stop while another one is under way"},
		{name: "recreate/Stoker killed in the middle", play: killedWhileRecreating(false)},
		{name: "recreate/Stoker killed in the middle, and its journal lost", play: killedWhileRecreating(true)},
		{name: "recreate/dependents after a restart", play: orphanedByRestart},
		{name: "recreate/dependents after a recreate", play: orphanedByRecreate, podman: "it does not remove a container whose namespaces others share"},
		{name: "recreate/names of others", play: foreignNames},
	}
}

// replaced waits until a worker has another container, which runs, and makes sure that nothing is left of the old one.
func (s *fixture) replaced(w Worker, before State) Worker {
	s.t.Helper()
	s.await(w.Name+" to have another container", func() bool {
		now := s.State(w.Name)
		return now.ID != before.ID && now.Running()
	})
	made := Worker{Name: w.Name, ID: s.State(w.Name).ID}
	s.workers = append(s.workers, made)
	if r, ok := realOf(s.Host); ok {
		r.awaitReady(made.ID)
	}
	s.running(made)
	s.alone(w)
	return made
}

// alone makes sure that no temporary name is left.
func (s *fixture) alone(w Worker) {
	s.t.Helper()
	for _, suffix := range []string{worker.NewSuffix, worker.BackupSuffix} {
		require.Equal(s.t, worker.StatusGone, s.State(w.Name+suffix).Status, suffix)
	}
}

func recreateWhenUnhealthy(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Health: true, CPUs: 0.17, EndRules: worker.EndRules{StopTimeout: 3 * time.Second}, Labels: labels("on-unhealthy", "recreate")})
	before := s.State(w.Name)
	s.SetHealthCheck(w.Name, Failing)
	made := s.replaced(w, before)
	got, _ := s.seen(made.Name)
	require.Equal(s.t, 1, got.Attempts)
	require.Equal(s.t, made.ID, got.ID)
	require.InDelta(s.t, 0.17, s.State(made.Name).CPUs, 1e-9)
	s.crashed(made)
	got, _ = s.seen(made.Name)
	require.Equal(s.t, 2, got.Attempts, "one budget for all faults, and for all containers of a worker")
}

func recreateByLadder(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Labels: labels("recreate-after", "1", "backoff-initial", "10ms", "backoff-max", "10ms")})
	s.crashed(w)
	before := s.State(w.Name)
	s.Crash(w.Name, syscall.SIGKILL)
	made := s.replaced(w, before)
	s.crashed(made)
	require.Equal(s.t, made.ID, s.State(made.Name).ID, "after a recreate the count begins again")
}

func recreateWhenRemoved(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{CPUs: 0.17, Labels: labels("on-missing", "recreate")})
	before := s.State(w.Name)
	s.Operate(OpRemove, w.Name)
	made := s.replaced(w, before)
	require.InDelta(s.t, 0.17, s.State(made.Name).CPUs, 1e-9)
	s.crashed(made)
}

func goneWhenStoppedFirst(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Labels: labels("on-missing", "recreate")})
	s.Operate(OpStop, w.Name)
	s.held(w, worker.HeldOperator)
	s.Operate(OpRemove, w.Name)
	s.forgotten(w)
	s.canary()
	require.Equal(s.t, worker.StatusGone, s.State(w.Name).Status)
}

func recreateOfTransient(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{EndRules: worker.EndRules{AutoRemove: true}})
	before := s.State(w.Name)
	s.Crash(w.Name, syscall.SIGKILL)
	made := s.replaced(w, before)
	require.Equal(s.t, worker.StatusRunning, s.State(made.Name).Status)
}

func goneTransient(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{EndRules: worker.EndRules{AutoRemove: true}, Labels: labels("on-missing", "recreate")})
	s.Operate(OpStop, w.Name)
	s.forgotten(w)
	s.canary()
	require.Equal(s.t, worker.StatusGone, s.State(w.Name).Status)
}

// slowRecreate has a worker recreated that takes its time to stop, and returns in the middle of that stop.
func (s *fixture) slowRecreate() Worker {
	s.t.Helper()
	w := s.work(WorkerSpec{
		Health: true, Behaviour: WorkerBehaviour{IgnoreTerm: true}, EndRules: worker.EndRules{StopTimeout: 4 * time.Second},
		Labels: labels("on-unhealthy", "recreate"),
	})
	s.SetHealthCheck(w.Name, Failing)
	s.stopping(w)
	return w
}

// stoppedWhileRecreating: an operator's stop while the old container is being stopped for its successor. It stays down, under its
// name, and nothing is started.
func stoppedWhileRecreating(s *fixture) {
	s.startStoker()
	w := s.slowRecreate()
	s.Operate(OpStop, w.Name)
	s.held(w, worker.HeldOperator)
	s.canary()
	require.Equal(s.t, worker.StatusExited, s.State(w.Name).Status)
	s.alone(w)
	require.Equal(s.t, 0, count(s.story(w), "start"))
}

// killedWhileRecreating: the next Stoker ends what the last one began, by its journal or by the names and labels alone. Then one
// container has the name, and runs.
func killedWhileRecreating(forget bool) func(*fixture) {
	return func(s *fixture) {
		s.spawn()
		w := s.slowRecreate()
		s.stoker.Kill()
		if forget {
			s.dir = s.t.(interface{ TempDir() string }).TempDir()
		}
		s.spawn()
		s.shown(w, "running", func(got fleet.WorkerView) bool {
			now := s.State(w.Name)
			return got.State == fleet.StateRunning && got.ID == now.ID && now.Running()
		})
		s.alone(w)
	}
}

// orphanedByRestart: containers in a worker's network are restarted after it. The dependent of this one is a worker too, and
// so it is healed by its own machine.
func orphanedByRestart(s *fixture) {
	s.startStoker()
	parent := s.work(WorkerSpec{Name: "parent"})
	worker := s.work(WorkerSpec{Name: "child", Inside: parent.Name})
	dependent := s.run(WorkerSpec{Name: "dependent", Unlabelled: true, Inside: parent.Name})
	old, dependentBefore := s.State(worker.Name), s.State(dependent.Name)
	s.crashed(parent)
	s.back(worker, old)
	s.await("the dependent to be restarted", func() bool {
		now := s.State(dependent.Name)
		return now.Running() && now.StartedAt.After(dependentBefore.StartedAt)
	})
	require.Equal(s.t, old.ID, s.State(worker.Name).ID)
	require.Equal(s.t, dependentBefore.ID, s.State(dependent.Name).ID)
}

// orphanedByRecreate: the ID that they hold is gone, so that they are recreated as well.
func orphanedByRecreate(s *fixture) {
	s.startStoker()
	parent := s.work(WorkerSpec{Name: "parent", Labels: labels("on-missing", "recreate")})
	worker := s.work(WorkerSpec{Name: "child", Inside: parent.Name})
	dependent := s.run(WorkerSpec{Name: "dependent", Unlabelled: true, Inside: parent.Name})
	before, old, dependentBefore := s.State(parent.Name), s.State(worker.Name), s.State(dependent.Name)
	s.Operate(OpRemove, parent.Name)
	s.replaced(parent, before)
	s.replaced(worker, old)
	s.await("the dependent to be recreated", func() bool {
		now := s.State(dependent.Name)
		return now.Running() && now.ID != dependentBefore.ID
	})
	s.alone(dependent)
}

// foreignNames: a container that merely has such a name is not touched, and its neighbour is restarted instead.
func foreignNames(s *fixture) {
	s.startStoker()
	foreign := s.run(WorkerSpec{Name: "w" + worker.BackupSuffix})
	before := s.State(foreign.Name)
	w := s.work(WorkerSpec{Health: true, Labels: labels("on-unhealthy", "recreate")})
	old := s.State(w.Name)
	s.SetHealthCheck(w.Name, Failing)
	s.back(w, old)
	require.Equal(s.t, old.ID, s.State(w.Name).ID)
	now := s.State(foreign.Name)
	require.Equal(s.t, before.ID, now.ID)
	require.Equal(s.t, before.StartedAt, now.StartedAt)
}
