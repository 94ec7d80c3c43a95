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

// TroubleBetween plays what can go wrong between Stoker and its engine, in parallel. In each story somebody has stopped a worker
// before, and a worker dies meanwhile: that one is started once, and the other is left alone.
func TroubleBetween(t *testing.T, host func(testing.TB) Host, crew Crew) {
	host(t) // skips where there is none
	for _, story := range troubles() {
		t.Run(story.name, func(t *testing.T) {
			t.Parallel()
			b := Spoilable(t, host(t))
			s := &stage{t: t, Host: b, crew: crew, dir: t.TempDir()}
			t.Cleanup(s.explain)
			story.play(&between{stage: s, way: b})
		})
	}
}

// between is a stage with a way to the engine that can be spoilt.
type between struct {
	*stage
	way                  *Between
	other, dead, stopped Worker
	life                 State // of the dead one, before
}

type troubleStory struct {
	name string
	play func(s *between)
}

// bad is how long a trouble lasts that Stoker cannot get over while it lasts.
const bad = 4 * time.Second

const (
	everyList  = "^GET /containers/json"
	everyStart = "/start$"
	everyLook  = "^GET /containers/.+/json"
)

func troubles() []troubleStory {
	all := []troubleStory{
		{"a stream dies without a word", (*between).deaf},
		{"a stop that nobody hears of", (*between).unheardStop},
		{"everything silent, then all of it at once", (*between).silent},
		{"a stream reset, and all calls", (*between).broken},
		{"lists fail", func(s *between) { s.blind(Spoiling{Calls: everyList, Status: 500}) }},
		{"lists end in the middle", func(s *between) { s.blind(Spoiling{Calls: everyList, Cut: true}) }},
		{"lists are reset", func(s *between) { s.blind(Spoiling{Calls: everyList, Reset: true}) }},
		{"starts refused", func(s *between) { s.refused(Spoiling{Calls: everyStart, Status: 500}) }},
		{"starts find nobody", func(s *between) { s.refused(Spoiling{Calls: everyStart, Status: 503}) }},
		{"everything refused", func(s *between) { s.refused(Spoiling{Status: 500}) }},
	}
	for name, trouble := range map[string]Spoiling{
		"everything a second late":   {Delay: time.Second},
		"a trickle":                  {Trickle: 16 << 10},
		"starts are done unanswered": {Calls: everyStart, Lost: true},
		"answers to starts cut":      {Calls: everyStart, Cut: true},
		"looks fail":                 {Calls: everyLook, Status: 500},
		"looks end in the middle":    {Calls: everyLook, Cut: true},
	} {
		all = append(all, troubleStory{name, func(s *between) { s.meanwhile(trouble) }})
	}
	slices.SortFunc(all, func(a, b troubleStory) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	return all
}

// begin has three workers, one of which somebody stops. By the time that this is known nothing is left to do about the others.
func (s *between) begin(environ ...string) {
	s.t.Helper()
	s.hire(environ...)
	quick := labels("backoff-initial", "100ms", "backoff-max", "1s", "on-missing", "recreate", "recreate-after", "0")
	s.other = s.work(WorkerSpec{Name: "other", Labels: quick, StopTimeout: time.Second})
	s.dead = s.work(WorkerSpec{Name: "dead", Labels: quick})
	s.stopped = s.work(WorkerSpec{Name: "stopped", Labels: quick, StopTimeout: time.Second})
	s.Operate(OpStop, s.stopped.Name)
	s.held(s.stopped, worker.HeldOperator)
}

// kill has a worker die of itself.
func (s *between) kill() {
	s.t.Helper()
	s.life = s.State(s.dead.Name)
	s.Crash(s.dead.Name, syscall.SIGKILL)
}

// over makes sure that in the end the dead one was started once, and nobody touched the other.
func (s *between) over() fleet.WorkerView {
	s.t.Helper()
	got := s.back(s.dead, s.life)
	s.leftAlone(s.stopped, worker.HeldOperator)
	s.told(s.dead, "die 137", "start")
	require.Equal(s.t, s.dead.ID, s.State(s.dead.Name).ID, "not recreated")
	require.Equal(s.t, 1, s.starts(s.stopped))
	require.Equal(s.t, 1, s.starts(s.other))
	return got
}

// unchanged makes sure that for a while nothing comes of it that is not known: every worker is still there.
func (s *between) unchanged(d time.Duration) {
	s.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(s.pace()) {
		require.Len(s.t, s.stoker.View().Workers, 3, "an error is not an empty list")
		got, _ := s.seen(s.stopped.Name)
		require.Equal(s.t, worker.HeldOperator, got.Held)
	}
}

// meanwhile: Stoker gets over it while it lasts.
func (s *between) meanwhile(trouble Spoiling) {
	s.begin("STOKER_RESYNC=5s")
	s.way.Spoil(trouble)
	s.kill()
	s.await(s.dead.Name+" to be back in spite of it", func() bool {
		now := s.State(s.dead.Name)
		return now.Running() && now.StartedAt.After(s.life.StartedAt)
	})
	s.unchanged(time.Second)
	s.way.Mend()
	require.Equal(s.t, 1, s.over().Attempts)
}

// deaf: the event stream of a Stoker is dead, and its connection is not. The next list is what shows it.
func (s *between) deaf() {
	s.begin("STOKER_RESYNC=5s")
	s.way.MuteStreams()
	s.kill()
	s.over()
}

// unheardStop: with the stream dead an operator stops a worker, which then is found down with nothing to tell why.
func (s *between) unheardStop() {
	s.begin("STOKER_RESYNC=5s")
	s.way.MuteStreams()
	s.Operate(OpStop, s.other.Name)
	s.leftAlone(s.other, worker.HeldOperator)
	s.kill()
	s.over()
}

// silent: an engine that freezes and thaws. What was asked meanwhile it does then.
func (s *between) silent() {
	s.begin("STOKER_RESYNC=5s")
	s.way.Spoil(Spoiling{Silence: true})
	s.kill()
	s.Operate(OpStop, s.other.Name)
	time.Sleep(bad)
	s.way.Mend()
	s.over()
	s.leftAlone(s.other, worker.HeldOperator)
}

// broken: every connection is reset. What happened meanwhile is told at the next session.
func (s *between) broken() {
	s.begin()
	s.way.Spoil(Spoiling{Reset: true})
	s.way.ResetStreams()
	s.await("the link to be down", func() bool { return !s.stoker.View().Engine.Connected })
	s.kill()
	s.Operate(OpStop, s.other.Name)
	time.Sleep(bad)
	require.Equal(s.t, 1, s.starts(s.dead))
	s.way.Mend()
	require.Equal(s.t, 1, s.over().Attempts)
	s.leftAlone(s.other, worker.HeldOperator)
}

// blind: rule 3. No session comes to its first list.
func (s *between) blind(trouble Spoiling) {
	s.begin()
	s.way.Spoil(trouble)
	s.way.ResetStreams()
	s.kill()
	s.unchanged(bad)
	s.way.Mend()
	require.Equal(s.t, 1, s.over().Attempts)
}

// refused: every start fails, and is tried again until it works.
func (s *between) refused(trouble Spoiling) {
	s.begin()
	s.way.Spoil(trouble)
	s.kill()
	s.unchanged(bad)
	require.Equal(s.t, 1, s.starts(s.dead))
	s.way.Mend()
	s.over()
}
