package fleet

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// shutdownSpread is the maximum time between the first signals of an engine's shutdown. They go to all containers in parallel; an earlier stop is
// an operator's.
const shutdownSpread = 2 * time.Second

// shutdownLongest is the maximum time from the start of a shutdown to the loss of the connection: the engine's shutdown timeout (15 s, or the
// longest stop timeout of its containers), and as much again. With more, an operator's stop right before a restart of the engine would count as
// the engine's.
const shutdownLongest = 30 * time.Second

// stream is the position in the engine's events.
type stream struct {
	engine   EngineLink
	bookmark worker.Bookmark
	session  uint64    // counts the connections to an engine
	opening  bool      // from Connecting to the first ListEnd: replayed events and the first list
	round    uint64    // of the current or last complete list
	readTo   time.Time // bookmark.EventAt when the session began
	booted   bool      // an event from after the engine's boot was read in this session
	replay   replay
}

// origin returns the origin of an observation that was not passed on before.
func (s *stream) origin() worker.Origin {
	if s.opening {
		return worker.OriginReplayed
	}
	return worker.OriginLive
}

func (f *Fleet) disconnected(now time.Time) {
	f.endReplay(now)                                   // the next session does not replay these events
	if f.stream.engine.Connected || f.stream.opening { // events are followed from the opening on, even without a list
		f.stream.bookmark.LostAt = f.engineTime(now)
	}
	f.stream.opening = false
	if f.stream.engine.Connected {
		f.stream.engine.Connected, f.stream.engine.Since = false, now
		f.out.Events = append(f.out.Events, worker.Event{At: now, Kind: worker.EventEngineDisconnected})
	}
}

// engineTime returns Stoker's time on the engine's clock.
func (f *Fleet) engineTime(now time.Time) time.Time {
	if f.stream.session == 0 { // no engine has answered yet
		return f.stream.bookmark.EventAt
	}
	return now.Add(f.stream.engine.Skew)
}

func (f *Fleet) connecting(now time.Time, o worker.Observation) {
	f.stream.opening, f.stream.booted, f.stream.replay.due = true, false, now.Add(replayWait)
	f.stream.session++
	before := f.stream.engine.Engine
	f.stream.engine.Engine = o.Engine
	for _, m := range f.byID {
		m.machine.Host(o.Engine.CPUs)
		m.machine.EngineGrace(o.Engine.GraceUnknown)
		m.machine.ClockStepped(o.Engine.Now)
	}
	f.stream.engine.Skew = o.Engine.Now.Sub(now)
	f.stream.bookmark.BootedAt, f.stream.readTo = o.Engine.BootedAt, f.stream.bookmark.EventAt
	if f.restarted(before, o.Engine) {
		f.engineRestarted(now, o.Engine)
	}
	if f.stream.bookmark.EventAt.IsZero() {
		f.stream.bookmark.EventAt = o.Engine.Now // otherwise a Stoker killed before the first event has no bookmark
	}
}

// restarted reports whether another engine process answers than before. If the engine does not report when it booted (its default network is off,
// or a proxy hides it), every reconnect may be a restart: then only a stop right before the disconnect counts as the engine's. Times of two
// engine processes are compared only if there is nothing better: on a host without a battery the clock steps between them.
func (f *Fleet) restarted(before, after worker.Engine) bool {
	last := latest(f.stream.bookmark.LostAt, f.stream.bookmark.EventAt)
	switch {
	case after.Podman:
		return false // containers outlive this engine process
	case last.IsZero() && before.BootedAt.IsZero():
		return false // no earlier engine
	case after.BootedAt.IsZero():
		return true
	case before.BootedAt.IsZero():
		return after.BootedAt.After(last)
	}
	return !after.BootedAt.Equal(before.BootedAt)
}

func (f *Fleet) engineRestarted(now time.Time, engine worker.Engine) {
	since, earliest := f.shutdownBegan(engine)
	for _, m := range f.sorted() {
		in := worker.EngineRestarted{BootedAt: engine.BootedAt, StopsSince: since, EarliestStop: earliest}
		if _, ok := f.stoppedAt(m); !ok {
			in.StopsSince = time.Time{}
		}
		f.step(now, m, in)
	}
	f.withdrawStops()
}

// shutdownBegan returns the time from which stops were the engine's shutdown, or zero, and the earliest possible time of its stops. The
// shutdown's stops are the last ones before the disconnect, and all at about the same time.
func (f *Fleet) shutdownBegan(engine worker.Engine) (since, earliest time.Time) {
	lost := f.stream.bookmark.LostAt
	if lost.IsZero() {
		return time.Time{}, time.Time{} // the connection was not lost: the stops were operators'
	}
	var last time.Time
	longest := shutdownLongest
	for _, m := range f.byID {
		if at, ok := f.stoppedAt(m); ok {
			last = latest(last, at)
		}
		longest = max(longest, m.machine.StopTimeout()+shutdownLongest/2)
	}
	earliest = lost.Add(-longest)
	if engine.BootedAt.IsZero() || f.cutShort() {
		longest = shutdownSpread
	}
	if last.IsZero() || last.Before(lost.Add(-longest)) {
		return time.Time{}, earliest
	}
	return last.Add(-shutdownSpread), earliest
}

// stoppedAt returns when a client stopped a worker before the disconnect. A stop with a later time than its observation came before a step of the
// clock.
func (f *Fleet) stoppedAt(m *member) (time.Time, bool) {
	at, ok := m.machine.StoppedAt()
	return at, ok && !at.After(f.stream.bookmark.LostAt.Add(shutdownSpread))
}

// cutShort reports whether the disconnect came before the end of the shutdown: a worker still ran without a stop, or Stoker itself was
// terminated. Then the engine's stops had only just begun.
func (f *Fleet) cutShort() bool {
	if f.stream.bookmark.Closed {
		return true
	}
	for _, m := range f.byID {
		if m.machine.RunningUndisturbed() {
			return true
		}
	}
	return false
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

func (f *Fleet) connected(now time.Time) {
	f.stream.engine.Connected, f.stream.engine.Since = true, now
	f.stream.bookmark.LostAt, f.stream.bookmark.Closed, f.stream.bookmark.Store = time.Time{}, false, f.stream.engine.Engine.Store
	f.out.Events = append(f.out.Events, worker.Event{At: now, Kind: worker.EventEngineConnected, Detail: f.stream.engine.Engine.Title()})
}

// sorted returns all members in a deterministic order.
func (f *Fleet) sorted() []*member {
	return slices.SortedFunc(maps.Values(f.byID), byKey)
}

func byKey(a, b *member) int {
	return cmp.Or(cmp.Compare(a.key(), b.key()), cmp.Compare(a.id, b.id))
}
