package dockertest

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// Sim stands where Stoker's watch and Docker packages stand, without a goroutine: observations and outcomes come out one by
// one, in order, on the world's clock. It is the face for a single-threaded simulation:
//
//	for sim.Now().Before(end) {
//		if out, ok := sim.Until(earlier(wake, end)); ok {
//			feed(out)
//		} else {
//			tick(sim.Now())
//		}
//	}
type Sim struct {
	w      *World
	config SimConfig
	out    []Output
	closed bool
	stops  []func()

	session simSession
	backoff time.Duration // before the next session
	arrival time.Time     // of the last event that was emitted; the stream keeps its order
	seen    seenEvents
	actions simActions
}

// simSession is one connection to the engine, or the last one.
type simSession struct {
	id      uint64 // counts up; what belongs to an older one is void
	open    bool
	listing bool
	listed  bool      // its first list was emitted
	began   time.Time // the world's clock
	since   time.Time // where its replay begins, the engine's clock
	engine  worker.Engine
}

// seenEvents are the events that were emitted, so that none is emitted twice.
type seenEvents struct {
	upTo     time.Time         // the engine's clock
	known    map[uint64]uint64 // those that a replay could bring again, with the session in which they were last
	replayed map[uint64]bool   // those that a replay emitted and the stream may bring again
}

// simActions are the actions that have no outcome yet.
type simActions struct {
	count   int
	waiting map[uint64]*job // those that consist of single requests, by action
	runners []*actionRunner
}

// SimConfig is how Stoker watches. The zero value watches everything from now on.
type SimConfig struct {
	Bookmark worker.Bookmark // of the Stoker before this one
	Overlap  time.Duration   // how far before the last event a replay begins; 0 is 2 s
	Resync   time.Duration   // 0 is one minute; below zero is never
	Retry    time.Duration   // first wait for a new session, doubled up to 10 s; 0 is 100 ms
	// Select picks the containers that are observed; nil is all.
	Select func(o worker.Observation) bool
	// Ask answers for the sources of work, and returns how long that takes. Nil: none answers.
	Ask func(a worker.Action) (worker.Outcome, time.Duration)
}

// Output is one thing for the fleet: an observation or an outcome, never both.
type Output struct {
	At          time.Time // the world's clock
	Observation *worker.Observation
	Outcome     *worker.Outcome
}

const (
	simOverlap  = 2 * time.Second
	simResync   = time.Minute
	simRetry    = 100 * time.Millisecond
	simMaxRetry = 10 * time.Second
	simPatience = 30 * time.Second // for one answer
)

// NewSim begins to watch a world. Several may watch one world; a Stoker that is killed is one that is closed.
func NewSim(w *World, config SimConfig) *Sim {
	if config.Overlap == 0 {
		config.Overlap = simOverlap
	}
	if config.Resync == 0 {
		config.Resync = simResync
	}
	if config.Retry == 0 {
		config.Retry = simRetry
	}
	s := &Sim{
		w: w, config: config, actions: simActions{waiting: map[uint64]*job{}},
		seen: seenEvents{known: map[uint64]uint64{}, replayed: map[uint64]bool{}, upTo: config.Bookmark.EventAt},
	}
	s.stops = append(s.stops, w.events.readers.add(s.receive), w.engine.turns.add(s.turn))
	w.after(0, s.connect)
	return s
}

// Close is the end of this Stoker, at once: nothing comes out any more. What it asked the engine for goes on.
func (s *Sim) Close() {
	s.closed, s.session.open = true, false
	s.out = nil
	for _, stop := range s.stops {
		stop()
	}
	for _, e := range slices.Clone(s.actions.runners) {
		e.stop()
	}
}

// Now is the world's clock.
func (s *Sim) Now() time.Time { return s.w.now }

// Bookmark is what the next Stoker needs to go on.
func (s *Sim) Bookmark() worker.Bookmark {
	return worker.Bookmark{EventAt: s.seen.upTo, BootedAt: s.session.engine.BootedAt}
}

// Next is when the world has something to do next; not all of that makes an Output.
func (s *Sim) Next() (time.Time, bool) {
	if len(s.out) > 0 {
		return s.w.now, true
	}
	return s.w.next()
}

// Pop does what Next announced. It is false when that was of no concern to Stoker.
func (s *Sim) Pop() (Output, bool) {
	if len(s.out) == 0 {
		s.w.step()
	}
	if len(s.out) == 0 {
		return Output{}, false
	}
	out := s.out[0]
	s.out = s.out[1:]
	return out, true
}

// Until lets the world go on up to and including limit, or up to the first output. It is false when there is none:
// then the clock stands at limit.
func (s *Sim) Until(limit time.Time) (Output, bool) {
	for {
		next, ok := s.Next()
		if !ok || next.After(limit) {
			s.w.advanceTo(limit)
			return Output{}, false
		}
		if out, ok := s.Pop(); ok {
			return out, true
		}
	}
}

func (s *Sim) emit(o worker.Observation) {
	if s.closed || o.ID != "" && s.config.Select != nil && !s.config.Select(o) {
		return
	}
	s.out = append(s.out, Output{At: s.w.now, Observation: &o})
}
