package dockertest

import (
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/testenv"
)

// ending is a worker that fails in one way, and what becomes of it: it is held for a reason, or healed.
type ending struct {
	name   string
	fake   bool
	spec   WorkerSpec
	fail   func(s *fixture, name string)
	events []string
	held   worker.Reason // HeldNot: it is healed, in one attempt
}

func bySignal(sig syscall.Signal) func(*fixture, string) {
	return func(s *fixture, name string) { s.Crash(name, sig) }
}

func byExit(code int) func(*fixture, string) {
	return func(s *fixture, name string) { s.Exit(name, code) }
}

func byHealthCheck(s *fixture, name string) { s.SetHealthCheck(name, Failing) }

func endings() []scenario {
	all := []scenario{
		{name: "endings/unhealthy and ignored", fake: true, play: unhealthyIgnored},
		{name: "endings/unhealthy for a while only", fake: true, play: unhealthyForAWhile},
		{name: "endings/host is ill", fake: true, play: hostIll},
		{name: "endings/many that ignore SIGTERM", fake: true, play: manyIgnoreTerm},
	}
	for _, e := range []ending{
		{name: "killed from the host", fail: bySignal(syscall.SIGKILL), events: []string{"die 137", "start"}},
		{name: "segmentation fault", fail: bySignal(syscall.SIGSEGV), events: []string{"die *", "start"}},
		{name: "exit 0", fail: byExit(0), events: []string{"die 0", "start"}},
		{name: "exit 1", fail: byExit(1), events: []string{"die 1", "start"}},
		{
			name: "out of memory", spec: WorkerSpec{Memory: WorkerMemory{Limit: 24 << 20}}, events: []string{"oom", "die 137", "start"},
			fail: func(s *fixture, name string) { s.OOM(name) },
		},
		{
			name: "exit 0 with on-exit=failure", spec: WorkerSpec{Labels: labels("on-exit", "failure")}, fail: byExit(0),
			events: []string{"die 0"}, held: worker.HeldFinished,
		},
		{
			name: "exit 1 with on-exit=failure", fake: true, spec: WorkerSpec{Labels: labels("on-exit", "failure")}, fail: byExit(1),
			events: []string{"die 1", "start"},
		},
		{
			name: "killed with on-exit=never", spec: WorkerSpec{Labels: labels("on-exit", "never")}, fail: bySignal(syscall.SIGKILL),
			events: []string{"die 137"}, held: worker.HeldFinished,
		},
		{
			// On a busy machine the probe of a failing worker is cut off before it fails; these stories are not about whose fault that is.
			name: "unhealthy", spec: WorkerSpec{Health: true, Labels: labels("on-starved", "restart")}, fail: byHealthCheck,
			events: []string{"kill 15", "die 0", "stop", "start"},
		},
		{
			name: "unhealthy with on-exit=never", fake: true, spec: WorkerSpec{Health: true, Labels: labels("on-exit", "never")}, fail: byHealthCheck,
			events: []string{"kill 15", "die 0", "stop", "start"},
		},
		{
			name: "unhealthy and ignores SIGTERM", spec: WorkerSpec{
				Health: true, Behaviour: WorkerBehaviour{IgnoreTerm: true}, EndRules: worker.EndRules{StopTimeout: time.Second},
				Labels: labels("on-starved", "restart"),
			}, fail: byHealthCheck,
			events: []string{"kill 15", "kill 9", "die 137", "stop", "start"},
		},
		{
			name: "stop timeout by label", fake: true, fail: byHealthCheck, events: []string{"kill 15", "kill 9", "die 137", "stop", "start"},
			spec: WorkerSpec{Health: true, Behaviour: WorkerBehaviour{IgnoreTerm: true}, EndRules: worker.EndRules{StopTimeout: time.Hour}, Labels: labels("stop-timeout", "1s")},
		},
	} {
		all = append(all, scenario{name: "endings/" + e.name, fake: e.fake, play: e.play})
	}
	return all
}

func (e ending) play(s *fixture) {
	s.startStoker()
	w := s.work(e.spec)
	before := s.State(w.Name)
	e.fail(s, w.Name)
	if e.held != worker.HeldNot {
		s.leftAlone(w, e.held)
		s.requireEvents(w, e.events...)
		return
	}
	got := s.back(w, before)
	require.Equal(s.t, 1, got.Attempts)
	require.True(s.t, got.Expected)
	s.requireEvents(w, e.events...)
}

func unhealthyIgnored(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Health: true, Labels: labels("on-unhealthy", "ignore")})
	s.SetHealthCheck(w.Name, Failing)
	s.leftAlone(w, worker.HeldIgnored)
	s.requireEvents(w)
}

// unhealthyForAWhile: a worker that becomes healthy within its unhealthy-for is not touched.
func unhealthyForAWhile(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Health: true, Labels: labels("unhealthy-for", "1h")})
	s.SetHealthCheck(w.Name, Failing)
	got := s.shown(w, "waiting", func(got fleet.WorkerView) bool { return got.State == fleet.StateWaiting })
	require.Equal(s.t, worker.FaultUnhealthy, got.Fault)
	require.False(s.t, got.NextAt.IsZero())
	s.SetHealthCheck(w.Name, Passing)
	s.running(w)
	s.canary()
	s.requireEvents(w)
}

// hostIll: probes of most workers time out together, so that running ones are left to it, and a dead one is started. The
// probes of the fake engine are quick; three seconds of company are still waited for (rule 15).
func hostIll(s *fixture) {
	s.startStoker()
	ill := []Worker{}
	for _, name := range []string{"a", "b", "c"} {
		ill = append(ill, s.work(WorkerSpec{Name: name, Health: true}))
	}
	for _, w := range ill {
		s.SetHealthCheck(w.Name, Hanging)
	}
	s.await("the host to be ill", func() bool { return s.stoker.View().HostOverloaded })
	for _, w := range ill {
		s.shown(w, "held back", func(got fleet.WorkerView) bool {
			return got.Held == worker.HeldHostOverloaded && !got.NextAt.After(time.Now())
		})
	}
	s.canary()
	for _, w := range ill {
		s.requireEvents(w)
	}
	s.SetHealthCheck(ill[0].Name, Passing)
	s.SetHealthCheck(ill[1].Name, Passing)
	s.await("the host to recover", func() bool { return !s.stoker.View().HostOverloaded })
	s.requireEvents(ill[2], "kill 15", "die 0", "stop", "start")
}

// manyIgnoreTerm: twenty slow stops are under way at once, with room for one start only, and a worker that dies meanwhile is
// started before the first of them is over.
func manyIgnoreTerm(s *fixture) {
	const grace = 4 * time.Second
	pace := testenv.NewPace(s.t)
	s.startStoker("STOKER_PARALLEL=1")
	slow := []Worker{}
	for i := range 20 {
		slow = append(slow, s.work(WorkerSpec{
			Name: "slow" + decimal(i), Health: true, Behaviour: WorkerBehaviour{IgnoreTerm: true}, EndRules: worker.EndRules{StopTimeout: grace},
		}))
	}
	dead := s.work(WorkerSpec{Name: "dead"})
	for _, w := range slow {
		s.SetHealthCheck(w.Name, Failing)
	}
	for _, w := range slow {
		s.await(w.Name+" to receive a signal", func() bool { return len(s.story(w)) > 0 })
	}
	s.crashed(dead)
	for _, w := range slow {
		s.running(w)
		s.requireEvents(w, "kill 15", "kill 9", "die 137", "stop", "start")
	}
	back := s.State(dead.Name).StartedAt
	first, last := s.span(slow)
	pace.Within(s.t, back.Sub(first), grace, "the start of the dead one, which does not wait for the slow ones,")
	pace.Within(s.t, last.Sub(first), 4*grace, "the restart of all the slow ones, which wait together and not for twenty graces,")
}

// span is from the first stop signal that workers got to the last start of theirs.
func (s *fixture) span(workers []Worker) (first, last time.Time) {
	for _, w := range workers {
		for _, one := range s.History(w.ID) {
			if one.Action == "kill 15" && (first.IsZero() || one.At.Before(first)) {
				first = one.At
			}
			if one.Action == "start" && one.At.After(last) {
				last = one.At
			}
		}
	}
	return first, last
}
