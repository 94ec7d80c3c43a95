package fleet_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// scale is a fleet of n running workers that answers every action at once.
type scale struct {
	f   *fleet.Fleet
	n   int
	now time.Time
	at  []time.Time // when each worker was started last
}

func newScale(n int) *scale {
	set := fleet.Settings{Parallel: 8}
	set.Rules.Defaults = workers.Defaults
	s := &scale{f: fleet.New(noon, set), n: n, now: noon, at: make([]time.Time, n)}
	s.take(s.f.Observe(s.now, worker.Observation{Kind: worker.Connecting, At: s.now, Engine: worker.Engine{Now: s.now, CPUs: 64}}))
	for i := range s.at {
		s.at[i] = s.now.Add(-time.Hour)
	}
	s.list()
	s.pass(10 * time.Second) // the first request for dependents is over
	return s
}

func (s *scale) id(i int) (string, worker.Key) {
	return fmt.Sprintf("%064d", i), worker.Key(fmt.Sprintf("worker-%05d", i))
}

func (s *scale) event(kind worker.Kind, i int) {
	id, key := s.id(i)
	s.take(s.f.Observe(s.now, worker.Observation{
		Kind: kind, At: s.now, ID: id, Key: key, Labels: enabled, Exit: worker.Exit{ExitCode: 1}, ListState: worker.ListState{Status: worker.StatusRunning, Health: worker.HealthNone},
	}))
}

func (s *scale) list() {
	s.take(s.f.Observe(s.now, worker.Observation{Kind: worker.ListBegin, At: s.now}))
	for i := range s.n {
		s.event(worker.Listed, i)
	}
	s.take(s.f.Observe(s.now, worker.Observation{Kind: worker.ListEnd, At: s.now}))
}

func (s *scale) pass(d time.Duration) {
	s.now = s.now.Add(d)
	s.take(s.f.Tick(s.now))
}

// take answers every action with success.
func (s *scale) take(e fleet.Effects) {
	todo := e.Do
	for len(todo) > 0 {
		a := todo[0]
		out := worker.Outcome{Action: a, Result: worker.Done}
		if a.Verb == worker.Inspect || a.Verb == worker.Start {
			out.Snapshot = s.snapshot(a)
		}
		e := s.f.Finish(s.now, out)
		todo = append(todo[1:], e.Do...)
	}
}

func (s *scale) snapshot(a worker.Action) *worker.Snapshot {
	var i int
	_, _ = fmt.Sscanf(a.Incarnation.ID, "%d", &i)
	if a.Verb == worker.Start {
		s.at[i] = s.now
	}
	return &worker.Snapshot{
		Incarnation:  worker.Incarnation{ID: a.Incarnation.ID, StartedAt: s.at[i]},
		Key:          a.Key,
		Labels:       enabled,
		ProcessState: worker.ProcessState{Status: worker.StatusRunning},
		HealthState:  worker.HealthState{Health: worker.HealthNone},
		Resources:    worker.Resources{CPUs: 0.5},
		Definition:   make([]byte, 6000),
	}
}

// BenchmarkScale shows that an event costs the same with 10,000 workers as with 100, and that a list and a view grow with their number. One op of
// "crash" is three events and their answers: an exit, its heal, and one second of time.
func BenchmarkScale(b *testing.B) {
	for _, n := range []int{100, 1000, 10000} {
		b.Run(fmt.Sprintf("crash/%d", n), func(b *testing.B) {
			s := newScale(n)
			i := 0
			for b.Loop() {
				s.event(worker.Exited, i%n)
				s.event(worker.Started, i%n)
				s.pass(time.Second)
				i++
			}
		})
		b.Run(fmt.Sprintf("list/%d", n), func(b *testing.B) {
			s := newScale(n)
			for b.Loop() {
				s.now = s.now.Add(time.Minute)
				s.list()
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "µs/worker")
		})
		b.Run(fmt.Sprintf("view/%d", n), func(b *testing.B) {
			s := newScale(n)
			for b.Loop() {
				s.f.View(s.now)
			}
		})
		b.Run(fmt.Sprintf("memory/%d", n), func(b *testing.B) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			s := newScale(n)
			for b.Loop() {
				s.pass(time.Second)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			b.ReportMetric(float64(after.HeapInuse-before.HeapInuse)/1024/1024, "MiB")
			runtime.KeepAlive(s)
		})
	}
}
