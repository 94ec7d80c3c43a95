package supervisor_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stoker/sidecar/internal/fleet"
	"stoker/sidecar/internal/lifecycle"
	"stoker/sidecar/internal/policy"
	"stoker/sidecar/internal/supervisor"
)

// call is an action with the time at which it reached the engine.
type call struct {
	action lifecycle.Action
	at     time.Time
}

// engine is a fake that takes some time for each verb, and keeps what its containers are.
type engine struct {
	mu    sync.Mutex
	calls []call
	takes map[lifecycle.Verb]time.Duration
	state map[string]lifecycle.Snapshot
	fails map[lifecycle.Verb]lifecycle.Outcome // the next answer of that verb
}

func (e *engine) Do(ctx context.Context, a lifecycle.Action) lifecycle.Outcome {
	e.mu.Lock()
	e.calls = append(e.calls, call{a, time.Now()})
	takes := e.takes[a.Verb]
	e.mu.Unlock()
	if takes > 0 {
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			return lifecycle.Outcome{Result: lifecycle.Unknown}
		}
	}
	return e.answer(a)
}

func (e *engine) Stopped(uint64, string) {}

func (e *engine) answer(a lifecycle.Action) lifecycle.Outcome {
	e.mu.Lock()
	defer e.mu.Unlock()
	if out, ok := e.fails[a.Verb]; ok {
		delete(e.fails, a.Verb)
		return out
	}
	s := e.state[a.Incarnation.ID]
	switch a.Verb {
	case lifecycle.Start:
		s.Status, s.StartedAt, s.Health = lifecycle.StatusRunning, time.Now(), lifecycle.HealthHealthy
	case lifecycle.Stop:
		s.Status, s.FinishedAt, s.ExitCode = lifecycle.StatusExited, time.Now(), 143
	case lifecycle.Look:
	}
	e.state[a.Incarnation.ID] = s
	return lifecycle.Outcome{Result: lifecycle.Done, Snapshot: &s}
}

// take makes each action of a verb last so long from now on.
func (e *engine) take(v lifecycle.Verb, d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.takes[v] = d
}

// fail is the next answer to a verb.
func (e *engine) fail(v lifecycle.Verb, out lifecycle.Outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fails[v] = out
}

func (e *engine) set(id string, change func(*lifecycle.Snapshot)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.state[id]
	change(&s)
	e.state[id] = s
}

// done is when each action of a verb reached the engine.
func (e *engine) done(v lifecycle.Verb) []call {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []call
	for _, c := range e.calls {
		if c.action.Verb == v {
			out = append(out, c)
		}
	}
	return out
}

// journal is a fake whose Sync takes its time, or as long as it is let.
type journal struct {
	mu    sync.Mutex
	takes time.Duration
	stuck bool
	kept  map[lifecycle.Key]lifecycle.Memory
	order []string
	mark  lifecycle.Bookmark
}

func (j *journal) Put(mem lifecycle.Memory) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.kept[mem.Key] = mem
	j.order = append(j.order, "put "+string(mem.Key))
}

func (j *journal) Drop(key lifecycle.Key) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.kept, key)
	j.order = append(j.order, "drop "+string(key))
}

func (j *journal) Mark(b lifecycle.Bookmark) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.mark = b
}

func (j *journal) Sync(ctx context.Context) error {
	if j.stuck {
		<-ctx.Done()
		return ctx.Err()
	}
	select {
	case <-time.After(j.takes):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// sink keeps what it is told.
type sink struct {
	mu    sync.Mutex
	notes []lifecycle.Note
}

func (s *sink) Tell(notes []lifecycle.Note) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notes = append(s.notes, notes...)
}

// stage is a supervisor with fakes around it, inside a bubble.
type stage struct {
	engine  *engine
	journal *journal
	sink    *sink
	sup     *supervisor.Supervisor
	seen    chan lifecycle.Observation
	stop    context.CancelFunc
	ended   chan struct{}
}

var enabled = map[string]string{"stoker.enable": "true"}

// play runs a test in a bubble, with a supervisor whose workers run and are known, and sees to its end. A goroutine that
// is left behind fails the bubble.
func play(t *testing.T, keys []string, test func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &stage{
			engine: &engine{
				takes: map[lifecycle.Verb]time.Duration{}, state: map[string]lifecycle.Snapshot{},
				fails: map[lifecycle.Verb]lifecycle.Outcome{},
			},
			journal: &journal{kept: map[lifecycle.Key]lifecycle.Memory{}}, sink: &sink{},
			seen: make(chan lifecycle.Observation), ended: make(chan struct{}),
		}
		rules := policy.Rules{Defaults: policy.Defaults{Policy: policy.Default()}}
		s.sup = supervisor.New(fleet.New(time.Now(), fleet.Settings{Rules: rules, Parallel: 4}), s.engine, s.journal, s.sink)
		ctx, cancel := context.WithCancel(t.Context())
		s.stop = cancel
		go func() {
			defer close(s.ended)
			s.sup.Run(ctx, s.seen)
		}()
		s.open(keys)
		test(t, s)
		cancel()
		<-s.ended
	})
}

func (s *stage) open(keys []string) {
	now := time.Now()
	s.seen <- lifecycle.Observation{Kind: lifecycle.LinkOpened, At: now, Engine: lifecycle.Engine{Now: now}}
	s.seen <- lifecycle.Observation{Kind: lifecycle.ListBegan, At: now}
	for _, key := range keys {
		s.engine.set(key, func(c *lifecycle.Snapshot) {
			*c = lifecycle.Snapshot{
				Incarnation: lifecycle.Incarnation{ID: key, StartedAt: now.Add(-time.Hour)}, Key: lifecycle.Key(key),
				Labels: enabled, Status: lifecycle.StatusRunning, HasHealthcheck: true, Health: lifecycle.HealthHealthy,
			}
		})
		s.tell(lifecycle.Listed, key)
	}
	s.seen <- lifecycle.Observation{Kind: lifecycle.ListEnded, At: now}
	synctest.Wait()
}

func (s *stage) tell(kind lifecycle.Kind, key string) {
	s.seen <- lifecycle.Observation{
		Kind: kind, At: time.Now(), ID: key, Key: lifecycle.Key(key), Labels: enabled, Status: lifecycle.StatusRunning,
		Health: lifecycle.HealthHealthy,
	}
}

func (s *stage) crash(key string) {
	s.engine.set(key, func(c *lifecycle.Snapshot) {
		c.Status, c.ExitCode, c.FinishedAt = lifecycle.StatusExited, 1, time.Now()
	})
	s.seen <- lifecycle.Observation{Kind: lifecycle.Exited, At: time.Now(), ID: key, Key: lifecycle.Key(key), Labels: enabled, ExitCode: 1}
}

func (s *stage) sicken(key string) {
	s.engine.set(key, func(c *lifecycle.Snapshot) {
		c.Health, c.Probes = lifecycle.HealthUnhealthy, []lifecycle.Probe{{At: time.Now(), ExitCode: 1}}
	})
	s.tell(lifecycle.Unhealthy, key)
}
