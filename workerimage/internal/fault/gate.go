package fault

import (
	"context"
	"sync"
	"sync/atomic"
)

type mode int32

const (
	open mode = iota
	hanging
	spinning
)

// Gate is passed by each thread between two slices of work. It costs an atomic load while it is open.
type Gate struct {
	mode atomic.Int32

	mu      sync.Mutex
	changed chan struct{} // closed at the next change
}

// NewGate returns an open gate.
func NewGate() *Gate { return &Gate{changed: make(chan struct{})} }

// Pass returns at once while the gate is open. While the gate hangs, Pass sleeps; while it spins, Pass burns CPU; both until the gate opens or ctx ends.
func (g *Gate) Pass(ctx context.Context) {
	for ctx.Err() == nil {
		switch mode(g.mode.Load()) {
		case open:
			return
		case hanging:
			g.sleep(ctx)
		case spinning:
			burn()
		}
	}
}

func (g *Gate) set(m mode) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mode.Store(int32(m))
	close(g.changed)
	g.changed = make(chan struct{})
}

func (g *Gate) sleep(ctx context.Context) {
	g.mu.Lock()
	changed := g.changed
	still := mode(g.mode.Load()) == hanging
	g.mu.Unlock()
	if !still {
		return
	}
	select {
	case <-ctx.Done():
	case <-changed:
	}
}

// burn uses about a tenth of a millisecond of CPU.
func burn() {
	for range 100_000 {
	}
}
