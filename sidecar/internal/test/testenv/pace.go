package testenv

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// Pace measures the scheduling latency of this machine: how late its timers fire. A test that checks real times needs two idle cores. If it misses
// a bound, the measured latency shows whether the program was slow or the machine was busy.
type Pace struct {
	mu   sync.Mutex
	late []time.Duration
}

// The latency is measured every tick. A machine is busy if more than one in lateShare ticks was later than maxLatency.
const (
	tick       = 10 * time.Millisecond
	maxLatency = 20 * time.Millisecond
	lateShare  = 20
)

// NewPace starts a measurement that ends with the test.
func NewPace(t testing.TB) *Pace {
	t.Helper()
	p := &Pace{}
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		p.measure(over)
	}()
	t.Cleanup(func() { close(over); <-ended })
	return p
}

func (p *Pace) measure(over <-chan struct{}) {
	for {
		began := time.Now()
		select {
		case <-over:
			return
		case <-time.After(tick):
			p.add(time.Since(began) - tick)
		}
	}
}

func (p *Pace) add(late time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late = append(p.late, late)
}

// latency returns the latency that all but one in lateShare ticks stayed below.
func (p *Pace) latency() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.late) == 0 {
		return 0
	}
	sorted := slices.Clone(p.late)
	slices.Sort(sorted)
	return sorted[len(sorted)-1-len(sorted)/lateShare]
}

// Within fails the test if something took longer than a bound. On a busy machine it calls Missing instead, which skips the test.
func (p *Pace) Within(t testing.TB, took, bound time.Duration, what string) {
	t.Helper()
	if took < bound {
		return
	}
	if late := p.latency(); late > maxLatency {
		Missing(t, "%s took %s, want less than %s. But this machine was busy: its timers fired up to %s late. The test needs two idle cores",
			what, took, bound, late.Round(time.Millisecond))
		return
	}
	t.Fatalf("%s took %s, want less than %s, and the machine was not busy", what, took, bound)
}
