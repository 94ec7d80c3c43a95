package watch

import (
	"syscall"

	"stoker/sidecar/internal/core/worker"
)

// dedupeSize is twice the number of events that an engine can replay: it stores 256 events. Counting works even if the engine's clock steps
// back, unlike comparing times.
const dedupeSize = 512

// eventKey identifies an event.
type eventKey struct {
	at     int64 // nanoseconds
	id     string
	kind   worker.Kind
	signal syscall.Signal
}

// sighting is whether, and in which session, an event was passed on before.
type sighting uint8

const (
	unseen      sighting = iota
	seenNow              // in this session
	seenEarlier          // in an earlier one
)

// dedupe stores the newest events that were passed on, with the session in which they were last seen.
type dedupe struct {
	known map[eventKey]uint64
	order []eventKey // a ring once it is full
	next  int
}

func newDedupe() *dedupe {
	return &dedupe{known: map[eventKey]uint64{}}
}

// add stores an event as seen in a session, and reports whether it was seen before.
func (m *dedupe) add(o worker.Observation, session uint64) sighting {
	this := eventKey{at: o.At.UnixNano(), id: o.ID, kind: o.Kind, signal: o.Signal}
	last, known := m.known[this]
	m.known[this] = session
	switch {
	case known && last == session:
		return seenNow
	case known:
		return seenEarlier
	case len(m.order) < dedupeSize:
		m.order = append(m.order, this)
		return unseen
	}
	delete(m.known, m.order[m.next])
	m.order[m.next] = this
	m.next = (m.next + 1) % dedupeSize
	return unseen
}
