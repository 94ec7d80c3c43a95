// Package supervisor runs the one loop that owns the fleet, and the actions that the fleet requests. It uses no Docker types and makes no
// decisions.
package supervisor

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// Engine carries out actions.
type Engine interface {
	// Do blocks until the action's end, and not much longer than its deadline.
	Do(ctx context.Context, a worker.Action) worker.Outcome
}

// Journal stores what must survive a crash. Only Sync waits: until all earlier changes are on disk, or cannot be written.
type Journal interface {
	Put(mem worker.Saved)
	Drop(key worker.Key)
	Mark(b worker.Bookmark)
	Sync(ctx context.Context) error
}

// Sink receives the events to report. It never blocks.
type Sink interface {
	Record(events []worker.Event)
}

// tickInterval bounds the time between two turns of the loop, so that a loop that hangs differs from an idle one.
const tickInterval = 5 * time.Second

// syncWait bounds how long a stop waits for the journal. A broken disk must not keep workers unhealthy.
const syncWait = 2 * time.Second

// Closing bounds the time that Run takes after the end of its context.
type Closing struct {
	Heals   time.Duration // to finish the restarts that have begun
	Actions time.Duration // after that, to wait for cancelled actions; those that do not end are abandoned
}

// Supervisor is the loop.
type Supervisor struct {
	Closing Closing // may be changed before Run

	fleet    *fleet.Fleet
	engine   Engine
	journal  Journal
	sink     Sink
	actions  actions
	display  display
	requests chan request
	lastTick atomic.Int64 // Unix nanoseconds
}

// New returns a supervisor of a fleet, which it owns from now on.
func New(f *fleet.Fleet, e Engine, j Journal, s Sink) *Supervisor {
	sup := &Supervisor{
		Closing: Closing{Heals: 6500 * time.Millisecond, Actions: 500 * time.Millisecond},
		fleet:   f, engine: e, journal: j, sink: s,
		actions:  actions{outcomes: make(chan worker.Outcome), cancels: map[uint64]context.CancelFunc{}},
		display:  display{wake: make(chan struct{}, 1)},
		requests: make(chan request),
	}
	sup.display.publish(f)
	return sup
}

// View returns the latest view of the fleet, at most maxViewAge behind the loop. It never waits for the loop.
func (s *Supervisor) View() fleet.View { return *s.display.view.Load() }

// ViewForDisplay is View for a caller that displays the workers and is likely to do so again soon: for a while the fleet reads their
// resource usage. It never waits for the loop either.
func (s *Supervisor) ViewForDisplay() fleet.View {
	s.display.seen(time.Now())
	return s.View()
}

// request is an operator's request to the fleet. The loop sends the result to answer, whose buffer is 1.
type request struct {
	ask    func(f *fleet.Fleet, now time.Time) (fleet.Effects, error)
	answer chan error
}

// request passes a request to the loop and waits for the result.
func (s *Supervisor) request(ctx context.Context, ask func(f *fleet.Fleet, now time.Time) (fleet.Effects, error)) error {
	r := request{ask: ask, answer: make(chan error, 1)}
	select {
	case s.requests <- r:
		return <-r.answer
	case <-ctx.Done():
		return fmt.Errorf("the loop does not accept the request: %w", ctx.Err())
	}
}

// WakeGroup wakes all workers of a group for a while. The error is the reason if it does not.
func (s *Supervisor) WakeGroup(ctx context.Context, name string) error {
	return s.request(ctx, func(f *fleet.Fleet, now time.Time) (fleet.Effects, error) { return f.WakeGroup(now, name) })
}

// Pause stops healing workers for a while, and returns the pauses that are in force then.
func (s *Supervisor) Pause(ctx context.Context, p fleet.Pause, length time.Duration) ([]fleet.Pause, error) {
	var in []fleet.Pause
	err := s.request(ctx, func(f *fleet.Fleet, now time.Time) (fleet.Effects, error) {
		p.At, p.Until = now, now.Add(length)
		t, err := f.Pause(now, p)
		in = f.Pauses()
		return t, err
	})
	return in, err
}

// Resume ends a pause, and returns the pauses that are in force then.
func (s *Supervisor) Resume(ctx context.Context, of fleet.Pause) ([]fleet.Pause, error) {
	var in []fleet.Pause
	err := s.request(ctx, func(f *fleet.Fleet, now time.Time) (fleet.Effects, error) {
		t, err := f.Resume(now, of)
		in = f.Pauses()
		return t, err
	})
	return in, err
}

// LastTick returns when the loop last turned.
func (s *Supervisor) LastTick() time.Time { return time.Unix(0, s.lastTick.Load()) }

// Run turns the loop until ctx ends, then finishes the restarts that have begun, within the bounds of Closing. Actions run in goroutines of
// their own. Each ends by its deadline, or by the end of Run, after which its outcome is not used.
func (s *Supervisor) Run(ctx context.Context, seen <-chan worker.Observation) {
	acting, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.apply(acting, s.fleet.Tick(time.Now()))
	timer, viewTimer := time.NewTimer(0), time.NewTimer(0)
	defer timer.Stop()
	defer viewTimer.Stop()
	for ctx.Err() == nil {
		s.display.passSeen(s.fleet)
		select {
		case <-ctx.Done():
		case <-s.display.wake:
			s.display.passSeen(s.fleet)
			timer.Reset(s.apply(acting, s.fleet.Tick(time.Now())))
		case o, ok := <-seen:
			if !ok {
				seen = nil // no more observations; running actions continue
				continue
			}
			timer.Reset(s.apply(acting, s.fleet.Observe(time.Now(), o)))
		case out := <-s.actions.outcomes:
			timer.Reset(s.finish(acting, out))
		case r := <-s.requests:
			t, err := r.ask(s.fleet, time.Now())
			timer.Reset(s.apply(acting, t))
			r.answer <- err
		case <-timer.C:
			timer.Reset(s.apply(acting, s.fleet.Tick(time.Now())))
		case <-viewTimer.C:
		}
		if wait := s.display.publishWhenDue(s.fleet, time.Now()); wait > 0 {
			viewTimer.Reset(wait)
		}
	}
	s.close(acting, s.Closing.Heals)
	s.display.publish(s.fleet)
	stop()
	s.actions.wait(s.Closing.Actions)
}

// close finishes restarts, which would otherwise leave a worker stopped.
func (s *Supervisor) close(acting context.Context, limit time.Duration) {
	end := time.NewTimer(limit)
	defer end.Stop()
	timer := time.NewTimer(s.apply(acting, s.fleet.Close(time.Now())))
	defer timer.Stop()
	for s.fleet.Busy() > 0 {
		select {
		case out := <-s.actions.outcomes:
			timer.Reset(s.finish(acting, out))
		case <-timer.C:
			timer.Reset(s.apply(acting, s.fleet.Tick(time.Now())))
		case <-end.C:
			return
		}
	}
}

// apply carries out the effects of a turn and returns how long the loop may sleep. The journal comes first, so that an
// action that syncs it finds its own decision in it.
func (s *Supervisor) apply(ctx context.Context, t fleet.Effects) time.Duration {
	for _, key := range t.Drop {
		s.journal.Drop(key)
	}
	for _, mem := range t.Save {
		s.journal.Put(mem)
	}
	for _, id := range t.GiveUp {
		s.actions.giveUp(id)
	}
	for _, a := range t.Do {
		s.actions.start(ctx, a.ID, func(bounded context.Context) { s.act(ctx, bounded, a) })
	}
	s.journal.Mark(s.fleet.Bookmark())
	if len(t.Events) > 0 {
		s.sink.Record(t.Events)
	}
	now := time.Now()
	s.lastTick.Store(now.UnixNano())
	if t.Wake.IsZero() {
		return tickInterval
	}
	return min(max(t.Wake.Sub(now), 0), tickInterval)
}

// finish passes the outcome of an action to the fleet.
func (s *Supervisor) finish(ctx context.Context, out worker.Outcome) time.Duration {
	s.actions.ended(out.Action.ID)
	return s.apply(ctx, s.fleet.Finish(time.Now(), out))
}

// act carries out one action, and passes on its outcome while ctx lasts. A stop, the command before one, a step of a recreate and a quota
// that has to be restored wait for the journal first: if Stoker dies in the middle of it, the next Stoker must find that the stop was not
// an operator's. A start does not wait; sending it twice is harmless.
func (s *Supervisor) act(ctx, bounded context.Context, a worker.Action) {
	if a.Verb == worker.Stop || a.Verb == worker.Kill || a.Verb == worker.RecreateStep || a.Verb == worker.Update || a.Verb == worker.Collect && len(a.Evidence.Command) > 0 {
		wait, cancel := context.WithTimeout(bounded, syncWait)
		_ = s.journal.Sync(wait) // the journal reports its own problems; the worker is healed anyway
		cancel()
	}
	bounded, cancel := context.WithTimeout(bounded, a.Deadline)
	defer cancel()
	out := s.engine.Do(bounded, a)
	out.Action = a
	select {
	case s.actions.outcomes <- out:
	case <-ctx.Done():
	}
}
