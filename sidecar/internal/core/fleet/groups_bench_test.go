package fleet_test

import (
	"fmt"
	"testing"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// BenchmarkGroups measures one request and its answer with a hundred groups that have a source each, and a view of them.
func BenchmarkGroups(b *testing.B) {
	p := newPool(&testing.T{}, fleet.Settings{})
	for n := 1; n <= 100; n++ {
		p.add(n, worker.StatusCreated, fmt.Sprintf("group=g%d", n), fmt.Sprintf("demand=redis://queue:6379/0?list=l%d", n))
	}
	p.connect()
	p.after(time.Minute)
	b.Run("second", func(b *testing.B) {
		for b.Loop() {
			p.after(time.Second)
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/20, "µs/ask")
	})
	b.Run("view", func(b *testing.B) {
		for b.Loop() {
			p.f.View(p.now)
		}
	})
}
