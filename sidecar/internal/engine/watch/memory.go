package watch

import (
	"syscall"

	"stoker/sidecar/internal/core/worker"
)

// memorySize is twice what an engine can retell: it remembers 256 events. Counting instead of comparing times holds
// when the engine's clock steps back.
const memorySize = 512

// mark identifies an event.
type eventKey struct {
	at     int64 // nanoseconds
	id     string
	kind   worker.Kind
	signal syscall.Signal
}

// memory knows the newest events that were passed on.
type dedupe struct {
	known map[eventKey]struct{}
	order []eventKey // a ring once it is full
	next  int
}

func newMemory() *dedupe {
	return &dedupe{known: map[eventKey]struct{}{}}
}

// add remembers an event and reports whether it is new.
func (m *dedupe) add(o worker.Observation) bool {
	this := eventKey{at: o.At.UnixNano(), id: o.ID, kind: o.Kind, signal: o.Signal}
	if _, known := m.known[this]; known {
		return false
	}
	m.known[this] = struct{}{}
	if len(m.order) < memorySize {
		m.order = append(m.order, this)
		return true
	}
	delete(m.known, m.order[m.next])
	m.order[m.next] = this
	m.next = (m.next + 1) % memorySize
	return true
}
