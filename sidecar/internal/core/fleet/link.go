package fleet

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// shutdownSpread is how far apart an engine's shutdown sends its first signals. It goes to all containers at once, in
// parallel; an operator's stop earlier than that is an operator's.
const shutdownSpread = 2 * time.Second

// shutdownLongest is how long before the loss of the link a shutdown can have begun: the engine's own shutdown timeout
// (15 s, or the longest stop timeout of its containers) and as much again. More would take an operator's stop right before
// a restart of the engine for the engine's.
const shutdownLongest = 30 * time.Second

// stream is how far the engine is followed.
type stream struct {
	engine   EngineLink
	bookmark worker.Bookmark
	session  uint64    // counts the connections to an engine
	opening  bool      // between Connecting and the first ListEnd: history and a first list, no news
	round    uint64    // of the list under way or last complete
	readTo   time.Time // bookmark.EventAt when the session began
	replay   replay
}

// origin is that of an observation that was not passed on before.
func (s *stream) origin() worker.Origin {
	if s.opening {
		return worker.OriginReplayed
	}
	return worker.OriginLive
}

func (f *Fleet) disconnected(now time.Time) {
	f.endReplay(now)                                   // the next session does not bring these events again
	if f.stream.engine.Connected || f.stream.opening { // events are followed from the opening on, with or without a list
		f.stream.bookmark.LostAt = f.engineTime(now)
	}
	f.stream.opening = false
	if f.stream.engine.Connected {
		f.stream.engine.Connected, f.stream.engine.Since = false, now
		f.out.Events = append(f.out.Events, worker.Event{At: now, Kind: worker.EventEngineDisconnected})
	}
}

// engineTime is Stoker's time on the engine's clock.
func (f *Fleet) engineTime(now time.Time) time.Time {
	if f.stream.session == 0 { // no engine has answered yet
		return f.stream.bookmark.EventAt
	}
	return now.Add(f.stream.engine.Skew)
}

func (f *Fleet) connecting(now time.Time, o worker.Observation) {
	f.stream.opening, f.stream.replay.due = true, now.Add(replayWait)
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
		f.stream.bookmark.EventAt = o.Engine.Now // a Stoker that is killed before the first event knows from when on to ask
	}
}

// restarted reports whether another engine process answers than before. Where the engine does not tell when it booted
// (its default network is off, or a proxy hides it), every reconnect may be a restart: then only a stop right before
// the loss counts as the engine's own. Times of two engine processes are compared only where there is nothing better: the
// clock of a host without a battery steps between them.
func (f *Fleet) restarted(before, after worker.Engine) bool {
	last := latest(f.stream.bookmark.LostAt, f.stream.bookmark.EventAt)
	switch {
	case after.Podman:
		return false // nothing ends with the process that answers
	case last.IsZero() && before.BootedAt.IsZero():
		return false // nothing is known of any engine before
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

// shutdownBegan is the time from which on stops were the engine's own shutdown, or zero, and the one before which none of its stops can have
// come. The shutdown's stops are the last ones before the loss of the link, and all of a moment.
func (f *Fleet) shutdownBegan(engine worker.Engine) (since, earliest time.Time) {
	lost := f.stream.bookmark.LostAt
	if lost.IsZero() {
		return time.Time{}, time.Time{} // nobody was told to end: the stops that were seen were people's
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

// stoppedAt is when somebody stopped a worker before the loss of the link. A stop that seems to have come after it was seen
// before the clock stepped back.
func (f *Fleet) stoppedAt(m *member) (time.Time, bool) {
	at, ok := m.machine.StoppedAt()
	return at, ok && !at.After(f.stream.bookmark.LostAt.Add(shutdownSpread))
}

// cutShort reports whether the end of a shutdown was not seen: a worker was still running that nobody had begun to stop, or
// Stoker itself was told to end. Then a stop that was the engine's had only just begun.
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

// sorted is all members, in an order that is the same every time.
func (f *Fleet) sorted() []*member {
	return slices.SortedFunc(maps.Values(f.byID), byKey)
}

func byKey(a, b *member) int {
	return cmp.Or(cmp.Compare(a.key(), b.key()), cmp.Compare(a.id, b.id))
}
