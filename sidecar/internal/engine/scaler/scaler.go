// Package scaler carries out the decisions of core/service: it reads the Swarm, polls the sources of work, and sends the updates of
// services. It makes no decisions.
package scaler

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/service"
	"stoker/sidecar/internal/core/worker"
)

// The bounds of calls that may take long. A later answer does not count.
const (
	callLimit   = 10 * time.Second
	sourceLimit = 5 * time.Second
	mostLost    = 100 // losses that wait for the next round
)

// Swarm is the calls of the engine. docker.Swarm implements it.
type Swarm interface {
	Poll(ctx context.Context) service.Poll
	Tasks(ctx context.Context, id string) ([]service.Task, error)
	Update(ctx context.Context, c service.Change) (service.Result, string)
}

// Options of a Scaler.
type Options struct {
	Settings service.Settings
	Swarm    Swarm
	Ask      func(ctx context.Context, s demand.Source) (demand.Reading, error)
	Record   func([]worker.Event) // must not block
}

// Scaler is the one loop that owns the services. Its methods may be called concurrently.
type Scaler struct {
	opts Options
	view atomic.Pointer[service.View]

	mu   sync.Mutex
	lost []service.Loss
}

// New returns a Scaler that does nothing before Run.
func New(o Options) *Scaler {
	s := &Scaler{opts: o}
	s.view.Store(&service.View{})
	return s
}

// View returns the latest view.
func (s *Scaler) View() service.View { return *s.view.Load() }

// Record stores the lost tasks of services that Swarm may not replace. It does not block.
func (s *Scaler) Record(events []worker.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		if e.Kind == worker.EventTaskLost && len(s.lost) < mostLost {
			s.lost = append(s.lost, service.Loss{Service: e.Group, Container: e.ID, At: e.At})
		}
	}
}

// Run works until ctx ends.
func (s *Scaler) Run(ctx context.Context) {
	table := service.New(s.opts.Settings)
	for ctx.Err() == nil {
		s.round(ctx, table)
		next := table.Next(time.Now())
		view := table.View(time.Now())
		s.view.Store(&view)
		timer := time.NewTimer(max(time.Until(next), shortestWait))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
}

// shortestWait is the time between two rounds that follow each other at once, as after a conflict.
const shortestWait = 100 * time.Millisecond

// round reads the Swarm once, and acts on the result. Its decisions use only the data of the same round.
func (s *Scaler) round(ctx context.Context, table *service.Table) {
	s.mu.Lock()
	for _, l := range s.lost {
		table.Lost(l)
	}
	s.lost = nil
	s.mu.Unlock()

	looking, done := context.WithTimeout(ctx, callLimit)
	poll := s.opts.Swarm.Poll(looking)
	done()
	table.Apply(time.Now(), poll)
	s.askSources(ctx, table)
	for _, id := range table.Wanted(time.Now()) {
		asking, done := context.WithTimeout(ctx, callLimit)
		tasks, err := s.opts.Swarm.Tasks(asking, id)
		done()
		table.Tasks(time.Now(), id, tasks, text(err))
	}
	if ctx.Err() != nil {
		return
	}
	for _, c := range table.Changes(time.Now()) {
		updating, done := context.WithTimeout(context.WithoutCancel(ctx), callLimit)
		result, why := s.opts.Swarm.Update(updating, c)
		done()
		table.Finish(time.Now(), c, result, why)
	}
	if events := table.Take(); len(events) > 0 {
		s.opts.Record(events)
	}
}

// askSources polls the sources that are due, concurrently.
func (s *Scaler) askSources(ctx context.Context, table *service.Table) {
	due := table.Due(time.Now())
	readings, errs := make([]demand.Reading, len(due)), make([]error, len(due))
	var asking sync.WaitGroup
	for n, source := range due {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, sourceLimit)
			defer cancel()
			readings[n], errs[n] = s.opts.Ask(ctx, source)
		})
	}
	asking.Wait()
	if ctx.Err() != nil {
		return
	}
	for n, source := range due {
		table.Answer(time.Now(), source, readings[n], text(errs[n]))
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimSpace(err.Error())
}
