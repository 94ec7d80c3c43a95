package dockertest

import (
	"os"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// Scenarios in which Stoker itself dies. Its journal and the events that the engine retells are all that the next one has.
func deaths() []scenario {
	all := []scenario{
		{name: "death/operator's stop holds", play: heldAcrossDeath(OpStop)},
		{name: "death/operator's kill holds", fake: true, play: heldAcrossDeath(OpKill)},
		{name: "death/in the middle of a slow stop", play: killedInSlowStop(false)},
		{name: "death/in the middle of a slow stop, back when it is over", play: killedInSlowStop(true)},
		{name: "death/stopped by hand in its own slow stop", fake: true, play: killedInSlowStopThenOperator},
		{name: "death/stopped in the middle of a slow stop", fake: true, play: stoppedInSlowStop},
		{name: "death/attempts are kept", fake: true, play: attemptsKept},
		{name: "death/exhausted stays exhausted", fake: true, play: exhaustedKept},
		{name: "death/no memory", play: noMemory},
	}
	for _, w := range []whileDown{
		{name: "crash", do: bySignal(syscall.SIGKILL), events: []string{"die 137", "start"}},
		{name: "exit 0", fake: true, do: byExit(0), events: []string{"die 0", "start"}},
		{name: "stop", do: byOperator(OpStop), events: []string{"kill 15", "die 0", "stop"}, held: worker.HeldOperator},
		{name: "kill", do: byOperator(OpKill), events: []string{"kill 9", "die 137"}, held: worker.HeldOperator},
		{
			name: "stop and start", do: byOperator(OpStop, OpStart), events: []string{"kill 15", "die 0", "stop", "start"},
		},
		{
			name: "restart and crash", events: []string{"kill 15", "die 0", "stop", "start", "restart", "die 137", "start"},
			do: func(s *fixture, name string) { s.Operate(OpRestart, name); s.Crash(name, syscall.SIGKILL) },
		},
		{name: "pause", do: byOperator(OpPause), events: []string{"pause"}, held: worker.HeldPaused},
	} {
		all = append(all, scenario{name: "death/while it is down: " + w.name, fake: w.fake, play: w.play})
	}
	return all
}

// whileDown is something that happens to a worker after a SIGKILL of Stoker, and what the next one makes of it.
type whileDown struct {
	name   string
	fake   bool
	do     func(s *fixture, name string)
	events []string
	held   worker.Reason
}

func byOperator(ops ...Op) func(*fixture, string) {
	return func(s *fixture, name string) {
		for _, op := range ops {
			s.Operate(op, name)
		}
	}
}

func (d whileDown) play(s *fixture) {
	s.spawn()
	w := s.work(WorkerSpec{})
	s.stoker.Kill()
	d.do(s, w.Name)
	s.spawn()
	if d.held == worker.HeldNot {
		s.await("the whole story", func() bool { return len(s.story(w)) >= len(sharedEvents(s.Host, d.events)) })
		s.running(w)
	} else {
		s.leftAlone(w, d.held)
	}
	s.requireEvents(w, d.events...)
}

// heldAcrossDeath: a stop that Stoker saw is remembered when it dies, and a start ends it.
func heldAcrossDeath(op Op) func(*fixture) {
	return func(s *fixture) {
		s.spawn()
		w := s.work(WorkerSpec{})
		s.Operate(op, w.Name)
		s.held(w, worker.HeldOperator)
		s.stoker.Kill()
		s.spawn()
		s.leftAlone(w, worker.HeldOperator)
		s.Operate(OpStart, w.Name)
		s.running(w)
		s.crashed(w)
	}
}

// slowStop has Stoker send a stop to an unhealthy worker that ignores SIGTERM, and kills Stoker while it lasts.
func (s *fixture) slowStop(grace time.Duration) Worker {
	s.t.Helper()
	s.spawn()
	w := s.work(WorkerSpec{Health: true, Behaviour: WorkerBehaviour{IgnoreTerm: true}, EndRules: worker.EndRules{StopTimeout: grace}})
	s.SetHealthCheck(w.Name, Failing)
	s.stopping(w)
	s.requireEvents(w, "kill 15")
	s.stoker.Kill()
	return w
}

// killedInSlowStop: the next Stoker recognizes the stop as its own and starts the worker. The engine goes on with the stop, until
// SIGKILL, although its client is gone.
func killedInSlowStop(late bool) func(*fixture) {
	return func(s *fixture) {
		w := s.slowStop(3 * time.Second)
		before := s.State(w.Name)
		if late {
			s.await("the end of the stop", func() bool { return s.State(w.Name).Status == worker.StatusExited })
		}
		s.spawn()
		s.back(w, before)
		s.requireEvents(w, "kill 15", "kill 9", "die 137", "stop", "start")
	}
}

// killedInSlowStopThenOperator: with Stoker down, an operator cuts the stop short, and means it.
func killedInSlowStopThenOperator(s *fixture) {
	w := s.slowStop(time.Minute)
	s.Operate(OpKill, w.Name)
	s.requireEvents(w, "kill 15", "kill 9", "die 137", "stop")
	s.spawn()
	s.leftAlone(w, worker.HeldOperator)
}

// stoppedInSlowStop: a Stoker that is asked to end finishes first what it has begun.
func stoppedInSlowStop(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Health: true, Behaviour: WorkerBehaviour{IgnoreTerm: true}, EndRules: worker.EndRules{StopTimeout: 2 * time.Second}})
	before := s.State(w.Name)
	s.SetHealthCheck(w.Name, Failing)
	s.requireEvents(w, "kill 15")
	s.stoker.Stop()
	require.True(s.t, s.State(w.Name).StartedAt.After(before.StartedAt), "started when Stop returns")
	s.requireEvents(w, "kill 15", "kill 9", "die 137", "stop", "start")
}

func attemptsKept(s *fixture) {
	s.spawn()
	w := s.work(WorkerSpec{Labels: labels("backoff-initial", "10m", "backoff-max", "10m")})
	s.crashed(w)
	s.Crash(w.Name, syscall.SIGKILL)
	waiting := func(got fleet.WorkerView) bool { return got.State == fleet.StateWaiting }
	before := s.shown(w, "waiting", waiting)
	s.written()
	s.stoker.Kill()
	s.spawn()
	got := s.shown(w, "waiting", waiting)
	require.Equal(s.t, 1, got.Attempts)
	require.WithinDuration(s.t, before.NextAt, got.NextAt, time.Millisecond)
	s.canary()
	s.requireEvents(w, "die 137", "start", "die 137")
}

// written waits until the journal has been left alone for a second. It is written behind: only a stop waits for it, so that a
// SIGKILL a few milliseconds after a decision may find the decision not on disk yet.
func (s *fixture) written() {
	s.t.Helper()
	s.await("the journal to be written", func() bool {
		quiet := true
		files, err := os.ReadDir(s.dir)
		require.NoError(s.t, err)
		for _, file := range files {
			info, err := file.Info()
			quiet = quiet && err == nil && time.Since(info.ModTime()) > time.Second
		}
		return quiet && len(files) > 0
	})
}

func exhaustedKept(s *fixture) {
	s.spawn()
	w := s.run(loop("max-attempts", "1"))
	s.exhausted(w)
	s.written()
	s.stoker.Kill()
	s.spawn()
	s.leftAlone(w, worker.HeldExhausted)
	s.requireEvents(w, "die 1", "start", "die 1")
}

// noMemory: a Stoker that has never seen these workers has only what the engine reports.
func noMemory(s *fixture) {
	crashed := s.run(WorkerSpec{Name: "crashed"})
	stopped := s.run(WorkerSpec{Name: "stopped"})
	alive := s.run(WorkerSpec{Name: "alive"})
	before := s.State(crashed.Name)
	s.Exit(crashed.Name, 3)
	s.requireEvents(crashed, "die 3")
	s.Operate(OpStop, stopped.Name)
	s.startStoker()
	s.back(crashed, before)
	s.leftAlone(stopped, worker.HeldOperator)
	s.running(alive)
	s.crashed(alive)
	s.requireEvents(crashed, "die 3", "start")
	s.requireEvents(stopped, "kill 15", "die 0", "stop")
}
