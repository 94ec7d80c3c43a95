package watch

import (
	"syscall"

	"stoker/sidecar/internal/core/worker"
)

// dedupeSize is twice what an engine can replay: it remembers 256 events. Counting instead of comparing times holds
// when the engine's clock steps back.
const dedupeSize = 512

// eventKey identifies an event.
type eventKey struct {
	at     int64 // nanoseconds
	id     string
	kind   worker.Kind
	signal syscall.Signal
}

// dedupe remembers the newest events that were passed on.
type dedupe struct {
	known map[eventKey]struct{}
	order []eventKey // a ring once it is full
	next  int
}

func newDedupe() *dedupe {
	return &dedupe{known: map[eventKey]struct{}{}}
}

// add remembers an event and reports whether it is new.
func (m *dedupe) add(o worker.Observation) bool {
	this := eventKey{at: o.At.UnixNano(), id: o.ID, kind: o.Kind, signal: o.Signal}
	if _, known := m.known[this]; known {
		return false
	}
	m.known[this] = struct{}{}
	if len(m.order) < dedupeSize {
		m.order = append(m.order, this)
		return true
	}
	delete(m.known, m.order[m.next])
	m.order[m.next] = this
	m.next = (m.next + 1) % dedupeSize
	return true
}
