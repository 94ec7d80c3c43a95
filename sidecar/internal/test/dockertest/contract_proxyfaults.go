package dockertest

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// ProxyFaults plays what can go wrong between Stoker and its engine, in parallel. In each story an operator has stopped a worker
// before, and a worker dies meanwhile: that one is started once, and the other is left alone.
func ProxyFaults(t *testing.T, host func(testing.TB) Host, launcher Launcher) {
	host(t) // skips where there is none
	for _, story := range troubles() {
		t.Run(story.name, func(t *testing.T) {
			t.Parallel()
			b := NewFaultProxy(t, host(t))
			s := &fixture{t: t, Host: b, launcher: launcher, dir: t.TempDir()}
			t.Cleanup(s.explain)
			story.play(&proxied{fixture: s, way: b})
		})
	}
}

// proxied is a fixture whose Stoker reaches the engine through a proxy that fails on request.
type proxied struct {
	*fixture
	way                  *FaultProxy
	other, dead, stopped Worker
	life                 State // of the dead one, before
}

type troubleStory struct {
	name string
	play func(s *proxied)
}

// bad is how long a trouble lasts that Stoker cannot get over while it lasts.
const bad = 4 * time.Second

const (
	everyList    = "^GET /containers/json"
	everyStart   = "/start$"
	everyInspect = "^GET /containers/.+/json"
)

func troubles() []troubleStory {
	all := []troubleStory{
		{"a stream stalls", (*proxied).stalledStream},
		{"a stop whose event is lost", (*proxied).missedStop},
		{"everything silent, then all of it at once", (*proxied).silent},
		{"a stream reset, and all calls", (*proxied).broken},
		{"lists fail", func(s *proxied) { s.blind(ProxyFault{Calls: everyList, Status: 500}) }},
		{"lists end in the middle", func(s *proxied) { s.blind(ProxyFault{Calls: everyList, Cut: true}) }},
		{"lists are reset", func(s *proxied) { s.blind(ProxyFault{Calls: everyList, Reset: true}) }},
		{"starts refused", func(s *proxied) { s.refused(ProxyFault{Calls: everyStart, Status: 500}) }},
		{"starts without an engine", func(s *proxied) { s.refused(ProxyFault{Calls: everyStart, Status: 503}) }},
		{"everything refused", func(s *proxied) { s.refused(ProxyFault{Status: 500}) }},
	}
	for name, trouble := range map[string]ProxyFault{
		"everything a second late":   {Delay: time.Second},
		"a trickle":                  {Trickle: 16 << 10},
		"starts are done unanswered": {Calls: everyStart, Lost: true},
		"answers to starts cut":      {Calls: everyStart, Cut: true},
		"inspects fail":              {Calls: everyInspect, Status: 500},
		"inspects end in the middle": {Calls: everyInspect, Cut: true},
	} {
		all = append(all, troubleStory{name, func(s *proxied) { s.meanwhile(trouble) }})
	}
	slices.SortFunc(all, func(a, b troubleStory) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return all
}

// begin has three workers, one of which an operator stops. By the time that this is known nothing is left to do about the others.
func (s *proxied) begin(environ ...string) {
	s.t.Helper()
	s.startStoker(environ...)
	quick := labels("backoff-initial", "100ms", "backoff-max", "1s", "on-missing", "recreate", "recreate-after", "0")
	s.other = s.work(WorkerSpec{Name: "other", Labels: quick, EndRules: worker.EndRules{StopTimeout: time.Second}})
	s.dead = s.work(WorkerSpec{Name: "dead", Labels: quick})
	s.stopped = s.work(WorkerSpec{Name: "stopped", Labels: quick, EndRules: worker.EndRules{StopTimeout: time.Second}})
	s.Operate(OpStop, s.stopped.Name)
	s.held(s.stopped, worker.HeldOperator)
}

// kill has a worker die of itself.
func (s *proxied) kill() {
	s.t.Helper()
	s.life = s.State(s.dead.Name)
	s.Crash(s.dead.Name, syscall.SIGKILL)
}

// over makes sure that in the end the dead one was started once, and the other was not touched.
func (s *proxied) over() fleet.WorkerView {
	s.t.Helper()
	got := s.back(s.dead, s.life)
	s.leftAlone(s.stopped, worker.HeldOperator)
	s.requireEvents(s.dead, "die 137", "start")
	require.Equal(s.t, s.dead.ID, s.State(s.dead.Name).ID, "not recreated")
	require.Equal(s.t, 1, s.starts(s.stopped))
	require.Equal(s.t, 1, s.starts(s.other))
	return got
}

// unchanged makes sure that for a while nothing comes of it that is not known: every worker is still there.
func (s *proxied) unchanged(d time.Duration) {
	s.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(s.pace()) {
		require.Len(s.t, s.stoker.View().Workers, 3, "an error is not an empty list")
		got, _ := s.seen(s.stopped.Name)
		require.Equal(s.t, worker.HeldOperator, got.Held)
	}
}

// meanwhile: Stoker gets over it while it lasts.
func (s *proxied) meanwhile(trouble ProxyFault) {
	s.begin("STOKER_RESYNC=5s")
	s.way.Inject(trouble)
	s.kill()
	s.await(s.dead.Name+" to be back in spite of it", func() bool {
		now := s.State(s.dead.Name)
		return now.Running() && now.StartedAt.After(s.life.StartedAt)
	})
	s.unchanged(time.Second)
	s.way.Clear()
	require.Equal(s.t, 1, s.over().Attempts)
}

// stalledStream: the event stream of a Stoker is dead, and its connection is not. The next list is what shows it.
func (s *proxied) stalledStream() {
	s.begin("STOKER_RESYNC=5s")
	s.way.MuteStreams()
	s.kill()
	s.over()
}

// missedStop: with the stream dead an operator stops a worker, which then is found down without a reason.
func (s *proxied) missedStop() {
	s.begin("STOKER_RESYNC=5s")
	s.way.MuteStreams()
	s.Operate(OpStop, s.other.Name)
	s.leftAlone(s.other, worker.HeldOperator)
	s.kill()
	s.over()
}

// silent: an engine that freezes and thaws. What was asked meanwhile it does then.
func (s *proxied) silent() {
	s.begin("STOKER_RESYNC=5s")
	s.way.Inject(ProxyFault{Silence: true})
	s.kill()
	s.Operate(OpStop, s.other.Name)
	time.Sleep(bad)
	s.way.Clear()
	s.over()
	s.leftAlone(s.other, worker.HeldOperator)
}

// broken: every connection is reset. What happened meanwhile is replayed at the next session.
func (s *proxied) broken() {
	s.begin()
	s.way.Inject(ProxyFault{Reset: true})
	s.way.ResetStreams()
	s.await("the link to be down", func() bool { return !s.stoker.View().Engine.Connected })
	s.kill()
	s.Operate(OpStop, s.other.Name)
	time.Sleep(bad)
	require.Equal(s.t, 1, s.starts(s.dead))
	s.way.Clear()
	require.Equal(s.t, 1, s.over().Attempts)
	s.leftAlone(s.other, worker.HeldOperator)
}

// blind: rule 3. No session comes to its first list.
func (s *proxied) blind(trouble ProxyFault) {
	s.begin()
	s.way.Inject(trouble)
	s.way.ResetStreams()
	s.kill()
	s.unchanged(bad)
	s.way.Clear()
	require.Equal(s.t, 1, s.over().Attempts)
}

// refused: every start fails, and is tried again until it works.
func (s *proxied) refused(trouble ProxyFault) {
	s.begin()
	s.way.Inject(trouble)
	s.kill()
	s.unchanged(bad)
	require.Equal(s.t, 1, s.starts(s.dead))
	s.way.Clear()
	s.over()
}
