package supervisor

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

type nowhere struct{}

func (nowhere) Do(ctx context.Context, _ worker.Action) worker.Outcome {
	<-ctx.Done()
	return worker.Outcome{Result: worker.Unknown}
}
func (nowhere) Put(worker.Saved)           {}
func (nowhere) Drop(worker.Key)            {}
func (nowhere) Mark(worker.Bookmark)       {}
func (nowhere) Sync(context.Context) error { return nil }
func (nowhere) Record([]worker.Event)      {}

// storm sends n events to a supervisor of many workers, and returns it.
func storm(t testing.TB, workers, n int) *Supervisor {
	t.Helper()
	rules := policy.Rules{Defaults: policy.Defaults{Policy: policy.Default()}}
	s := New(fleet.New(time.Now(), fleet.Settings{Rules: rules, Parallel: 4}), nowhere{}, nowhere{}, nowhere{})
	s.Closing = Closing{}
	seen := make(chan worker.Observation)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx, seen) }()
	now := time.Now()
	observe := func(kind worker.Kind, n int) {
		id := fmt.Sprint("w", n)
		seen <- worker.Observation{Kind: kind, At: time.Now(), ID: id, Key: worker.Key(id), ListState: worker.ListState{Status: worker.StatusRunning, Health: worker.HealthHealthy},
			Labels: map[string]string{policy.LabelEnable: "true"}}
	}
	seen <- worker.Observation{Kind: worker.Connecting, At: now, Engine: worker.Engine{Now: now}}
	seen <- worker.Observation{Kind: worker.ListBegin, At: now}
	for w := range workers {
		observe(worker.Listed, w)
	}
	seen <- worker.Observation{Kind: worker.ListEnd, At: now}
	if b, ok := t.(*testing.B); ok {
		b.ResetTimer()
	}
	s.display.builds.Store(0)
	for e := range n {
		observe(worker.Healthy, e%workers)
	}
	require.Eventually(t, func() bool { return !s.View().At.Before(time.Now().Add(-2 * tickInterval)) }, time.Minute, time.Millisecond)
	cancel()
	<-ended
	return s
}

// In a storm the view is not built for each event, and a reader still gets a recent one.
func TestViewIsNotBuiltForEachEvent(t *testing.T) {
	const events = 1500
	began := time.Now()
	s := storm(t, 300, events)
	require.Less(t, s.display.builds.Load(), int64(events/10))
	require.GreaterOrEqual(t, s.display.builds.Load(), int64(1), "%v", time.Since(began))
}

func BenchmarkStorm(b *testing.B) {
	b.ReportAllocs()
	storm(b, 1000, b.N)
}
