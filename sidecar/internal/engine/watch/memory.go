package watch

import (
	"syscall"

	"stoker/sidecar/internal/core/worker"
)

// memorySize is twice what an engine can retell: it remembers 256 events. Counting instead of comparing times holds
// when the engine's clock steps back.
const memorySize = 512

// mark identifies an event.
type mark struct {
	at     int64 // nanoseconds
	id     string
	kind   worker.Kind
	signal syscall.Signal
}

// memory knows the newest events that were passed on.
type memory struct {
	known map[mark]struct{}
	order []mark // a ring once it is full
	next  int
}

func newMemory() *memory {
	return &memory{known: map[mark]struct{}{}}
}

// add remembers an event and tells whether it is new.
func (m *memory) add(o worker.Observation) bool {
	this := mark{at: o.At.UnixNano(), id: o.ID, kind: o.Kind, signal: o.Signal}
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
