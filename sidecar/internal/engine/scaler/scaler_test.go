package scaler_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/service"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/scaler"
)

// swarm has one service, and returns the next of its results for each update; the last one is repeated.
type swarm struct {
	mu      sync.Mutex
	role    service.Role
	service service.Service
	results []service.Result
	looks   int
	updates []service.Change
}

func (s *swarm) Poll(context.Context) service.Poll {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks++
	return service.Poll{Role: s.role, Services: []service.Service{s.service}}
}

func (s *swarm) Tasks(context.Context, string) ([]service.Task, error) { return nil, nil }

func (s *swarm) Update(_ context.Context, c service.Change) (service.Result, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.updates = append(s.updates, c)
	r := s.results[0]
	if len(s.results) > 1 {
		s.results = s.results[1:]
	}
	s.service.Version++
	if r == service.Done {
		s.service.Replicas, s.service.Running = c.To, c.To
	}
	return r, ""
}

// run runs a Scaler for a while, with three items of work.
func run(t *testing.T, s *swarm, length time.Duration) []worker.EventKind {
	t.Helper()
	labels := map[string]string{"stoker.demand": "redis://host/0?list=l", "stoker.max-replicas": "4"}
	s.service = service.Service{ID: "web", Name: "web", Version: 1, Labels: labels, Replicated: true, Replicas: 1, Running: 1, Condition: "any"}
	var recorded []worker.EventKind
	one := scaler.New(scaler.Options{
		Settings: service.Settings{Rules: policy.Rules{Defaults: policy.Defaults{Policy: policy.Default()}}, Zone: time.UTC},
		Swarm:    s,
		Ask:      func(context.Context, demand.Source) (demand.Reading, error) { return demand.Reading{Waiting: 3}, nil },
		Record: func(events []worker.Event) {
			for _, e := range events {
				recorded = append(recorded, e.Kind)
			}
		},
	})
	ctx, cancel := context.WithTimeout(t.Context(), length)
	defer cancel()
	one.Run(ctx)
	return recorded
}

// A change is sent once, with the version that was read, and recorded.
func TestScaler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &swarm{role: service.RoleLeader, results: []service.Result{service.Done}}
		require.Equal(t, []worker.EventKind{worker.EventServiceScaled}, run(t, s, 30*time.Second)) // items that wait for a minute count as more
		require.Len(t, s.updates, 1)
		require.Equal(t, uint64(1), s.updates[0].Version)
		require.Greater(t, s.updates[0].To, 1)
	})
}

// After a conflict it reads the service again at once, and sends the update with the new version.
func TestScalerLooksAgainAfterAConflict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &swarm{role: service.RoleLeader, results: []service.Result{service.Conflict, service.Done}}
		run(t, s, 2*time.Second)
		require.Len(t, s.updates, 2)
		require.Equal(t, uint64(2), s.updates[1].Version)
	})
}

// A follower reads the Swarm, and sends no update.
func TestScalerFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &swarm{role: service.RoleFollower, results: []service.Result{service.Done}}
		require.Empty(t, run(t, s, time.Minute))
		require.Empty(t, s.updates)
		require.Positive(t, s.looks)
	})
}
