package dockertest

import (
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// Scenarios in which the engine goes away. A real engine belongs to others too, so that these are for the fake one.
func outages() []scenario {
	all := []scenario{
		{name: "outage/broken streams", fake: true, play: streamsBreak},
		{name: "outage/a start without an answer", fake: true, play: startUnanswered},
	}
	for _, o := range []outage{
		{name: "engine restarted", strike: func(w *World) { w.RestartEngine(200 * time.Millisecond) }},
		{name: "engine killed", strike: func(w *World) { w.CrashEngine(); w.after(200*time.Millisecond, w.Boot) }},
		{name: "host crashed", strike: func(w *World) { w.CrashHost(); w.after(200*time.Millisecond, w.Boot) }},
	} {
		all = append(all, scenario{name: "outage/" + o.name, fake: true, play: o.play})
	}
	return all
}

type outage struct {
	name   string
	strike func(w *World)
}

// play: what ran before runs again, whatever Docker's own policy makes of it, and what an operator stopped stays so.
func (o outage) play(s *fixture) {
	server, _ := Behind(s.Host)
	s.startStoker()
	all := []Worker{}
	for _, policy := range []string{"no", "always", "unless-stopped", "on-failure"} {
		all = append(all, s.work(WorkerSpec{Name: policy, EndRules: worker.EndRules{RestartPolicy: worker.RestartPolicy{Name: policy}}}))
	}
	stopped := s.work(WorkerSpec{Name: "stopped"})
	s.Operate(OpStop, stopped.Name)
	s.held(stopped, worker.HeldOperator)
	// An operator's stop in the last two seconds before the engine's own shutdown cannot be distinguished from it (rule 6).
	time.Sleep(2500 * time.Millisecond)
	before := map[string]State{}
	for _, w := range all {
		before[w.Name] = s.State(w.Name)
	}
	server.With(o.strike)
	s.await("the link to be down", func() bool { return !s.stoker.View().Engine.Connected })
	for _, w := range all {
		s.back(w, before[w.Name])
	}
	s.leftAlone(stopped, worker.HeldOperator)
	s.requireEvents(stopped, "kill 15", "die 0", "stop")
}

// streamsBreak: what happens while the link is down is replayed at the next session.
func streamsBreak(s *fixture) {
	server, _ := Behind(s.Host)
	s.startStoker()
	dead, stopped := s.work(WorkerSpec{Name: "dead"}), s.work(WorkerSpec{Name: "stopped"})
	before := s.State(dead.Name)
	server.With(func(w *World) { w.CutStreams() })
	s.await("the link to be down", func() bool { return !s.stoker.View().Engine.Connected })
	s.Crash(dead.Name, syscall.SIGKILL)
	s.Operate(OpStop, stopped.Name)
	s.back(dead, before)
	s.leftAlone(stopped, worker.HeldOperator)
	s.requireEvents(dead, "die 137", "start")
}

// startUnanswered: the engine does it and the answer never comes. It is not done twice, and no other worker waits for it.
func startUnanswered(s *fixture) {
	server, _ := Behind(s.Host)
	s.startStoker("STOKER_PARALLEL=2")
	w := s.work(WorkerSpec{})
	server.With(func(world *World) {
		world.Plan(Fault{Kind: TimeOutDone, Op: OpStart, Key: w.Name})
	})
	s.Crash(w.Name, syscall.SIGKILL)
	s.requireEvents(w, "die 137", "start")
	s.canary()
	s.requireEvents(w, "die 137", "start")
	got, _ := s.seen(w.Name)
	require.Equal(s.t, 1, got.Attempts)
}
