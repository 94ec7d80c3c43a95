package supervisor_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/supervisor"
)

// call is an action with the time at which it reached the engine.
type call struct {
	action worker.Action
	at     time.Time
}

// engine is a fake with a duration for each verb, which stores its containers' state.
type engine struct {
	mu    sync.Mutex
	calls []call
	takes map[worker.Verb]time.Duration
	state map[string]worker.Snapshot
	fails map[worker.Verb]worker.Outcome // the next answer of that verb
	stuck <-chan struct{}                // a stop ends only when it is closed, even if its context is done
}

func (e *engine) Do(ctx context.Context, a worker.Action) worker.Outcome {
	e.mu.Lock()
	e.calls = append(e.calls, call{a, time.Now()})
	takes, stuck := e.takes[a.Verb], e.stuck
	e.mu.Unlock()
	if stuck != nil && a.Verb == worker.Stop {
		<-stuck
	}
	if takes > 0 {
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			return worker.Outcome{Result: worker.Unknown}
		}
	}
	return e.answer(a)
}

func (e *engine) answer(a worker.Action) worker.Outcome {
	e.mu.Lock()
	defer e.mu.Unlock()
	if out, ok := e.fails[a.Verb]; ok {
		delete(e.fails, a.Verb)
		return out
	}
	s := e.state[a.Incarnation.ID]
	switch a.Verb {
	case worker.Start:
		s.Status, s.StartedAt, s.Health = worker.StatusRunning, time.Now(), worker.HealthHealthy
	case worker.Stop:
		s.Status, s.FinishedAt, s.ExitCode = worker.StatusExited, time.Now(), 143
	case worker.Inspect:
	}
	e.state[a.Incarnation.ID] = s
	return worker.Outcome{Result: worker.Done, Answer: worker.Answer{Snapshot: &s}}
}

// take sets the duration of each later action of a verb.
func (e *engine) take(v worker.Verb, d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.takes[v] = d
}

// fail sets the next outcome of a verb.
func (e *engine) fail(v worker.Verb, out worker.Outcome) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fails[v] = out
}

func (e *engine) set(id string, change func(*worker.Snapshot)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.state[id]
	change(&s)
	e.state[id] = s
}

// done returns the actions of a verb that reached the engine, with their times.
func (e *engine) done(v worker.Verb) []call {
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

// journal is a fake whose Sync takes a given time, or until it is released.
type journal struct {
	mu    sync.Mutex
	takes time.Duration
	stuck bool
	kept  map[worker.Key]worker.Saved
	order []string
	mark  worker.Bookmark
}

func (j *journal) Put(mem worker.Saved) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.kept[mem.Key] = mem
	j.order = append(j.order, "put "+string(mem.Key))
}

func (j *journal) Drop(key worker.Key) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.kept, key)
	j.order = append(j.order, "drop "+string(key))
}

func (j *journal) Mark(b worker.Bookmark) {
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

// sink stores the recorded events.
type sink struct {
	mu     sync.Mutex
	events []worker.Event
}

func (s *sink) Record(events []worker.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events = append(s.events, events...)
}

// fixture is a supervisor with fakes, inside a bubble.
type fixture struct {
	engine  *engine
	journal *journal
	sink    *sink
	sup     *supervisor.Supervisor
	seen    chan worker.Observation
	stop    context.CancelFunc
	ended   chan struct{}
}

var enabled = map[string]string{"stoker.enable": "true"}

// run runs a test in a bubble, with a supervisor of running workers, and waits for its end. A leaked goroutine fails the bubble.
func run(t *testing.T, keys []string, test func(t *testing.T, s *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &fixture{
			engine: &engine{
				takes: map[worker.Verb]time.Duration{}, state: map[string]worker.Snapshot{},
				fails: map[worker.Verb]worker.Outcome{},
			},
			journal: &journal{kept: map[worker.Key]worker.Saved{}}, sink: &sink{},
			seen: make(chan worker.Observation), ended: make(chan struct{}),
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

func (s *fixture) open(keys []string) {
	now := time.Now()
	s.seen <- worker.Observation{Kind: worker.Connecting, At: now, Engine: worker.Engine{Now: now}}
	s.seen <- worker.Observation{Kind: worker.ListBegin, At: now}
	for _, key := range keys {
		s.engine.set(key, func(c *worker.Snapshot) {
			*c = worker.Snapshot{
				Incarnation:  worker.Incarnation{ID: key, StartedAt: now.Add(-time.Hour)},
				Key:          worker.Key(key),
				Labels:       enabled,
				ProcessState: worker.ProcessState{Status: worker.StatusRunning},
				HealthState:  worker.HealthState{HasHealthcheck: true, Health: worker.HealthHealthy},
			}
		})
		s.observe(worker.Listed, key)
	}
	s.seen <- worker.Observation{Kind: worker.ListEnd, At: now}
	synctest.Wait()
}

func (s *fixture) observe(kind worker.Kind, key string) {
	s.seen <- worker.Observation{
		Kind: kind, At: time.Now(), ID: key, Key: worker.Key(key), Labels: enabled, ListState: worker.ListState{Status: worker.StatusRunning,
			Health: worker.HealthHealthy},
	}
}

func (s *fixture) crash(key string) {
	s.engine.set(key, func(c *worker.Snapshot) {
		c.Status, c.ExitCode, c.FinishedAt = worker.StatusExited, 1, time.Now()
	})
	s.seen <- worker.Observation{Kind: worker.Exited, At: time.Now(), ID: key, Key: worker.Key(key), Labels: enabled, Exit: worker.Exit{ExitCode: 1}}
}

func (s *fixture) makeUnhealthy(key string) {
	s.engine.set(key, func(c *worker.Snapshot) {
		c.Health, c.Probes = worker.HealthUnhealthy, []worker.Probe{{At: time.Now(), ExitCode: 1}}
	})
	s.observe(worker.Unhealthy, key)
}
