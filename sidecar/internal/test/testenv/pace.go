package testenv

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// Pace measures how late this machine wakes those who wait. A test that compares times of the outside world needs a machine with room: two cores of
// which nobody else takes one. It asks the pace when a bound was missed, so that a busy machine is told from a slow program.
type Pace struct {
	mu   sync.Mutex
	late []time.Duration
}

// The pace is taken every tick. A machine has room if all but a twentieth of the ticks come in time.
const (
	tick      = 10 * time.Millisecond
	inTime    = 20 * time.Millisecond
	mayBeLate = 20 // one in so many
)

// NewPace measures until the end of the test.
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

// lateness is what all but one in mayBeLate of the ticks stayed below.
func (p *Pace) lateness() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.late) == 0 {
		return 0
	}
	sorted := slices.Clone(p.late)
	slices.Sort(sorted)
	return sorted[len(sorted)-1-len(sorted)/mayBeLate]
}

// Within wants something to have taken less than a bound. If it took longer the test fails on a machine that had room meanwhile; on one that
// had not, that is missing, and said so.
func (p *Pace) Within(t testing.TB, took, bound time.Duration, what string) {
	t.Helper()
	if took < bound {
		return
	}
	if late := p.lateness(); late > inTime {
		Missing(t, "%s took %s, and should take less than %s. But this machine had no room meanwhile: it woke those who wait up to %s late. "+
			"The test needs two cores for itself", what, took, bound, late.Round(time.Millisecond))
		return
	}
	t.Fatalf("%s took %s, and should take less than %s, on a machine that had room", what, took, bound)
}
