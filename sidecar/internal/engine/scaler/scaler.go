// Package scaler carries out what core/service decides: it looks at the Swarm, asks the sources of work, and sends the updates of services. It
// decides nothing.
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

// The bounds of what may take long. An answer that comes later is none.
const (
	callLimit   = 10 * time.Second
	sourceLimit = 5 * time.Second
	mostLost    = 100 // losses that wait for the next round
)

// Swarm is what the engine is asked. docker.Swarm is one.
type Swarm interface {
	Look(ctx context.Context) service.Look
	Tasks(ctx context.Context, id string) ([]service.Task, error)
	Update(ctx context.Context, c service.Change) (service.Result, string)
}

// Options of a Scaler.
type Options struct {
	Settings service.Settings
	Swarm    Swarm
	Ask      func(ctx context.Context, s demand.Source) (demand.Reading, error)
	Tell     func([]worker.Event) // must not block
}

// Scaler is the one loop that owns the services. Its methods may be called at the same time.
type Scaler struct {
	opts Options
	view atomic.Pointer[service.View]

	mu   sync.Mutex
	lost []service.Loss
}

// New makes a Scaler that does nothing before Run.
func New(o Options) *Scaler {
	s := &Scaler{opts: o}
	s.view.Store(&service.View{})
	return s
}

// View is the last picture.
func (s *Scaler) View() service.View { return *s.view.Load() }

// Record takes in the tasks of services that Swarm may not replace. It does not block.
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

// shortestWait is between two looks that follow each other at once, as after a conflict.
const shortestWait = 100 * time.Millisecond

// round is one look and what follows from it. It decides with what was seen in the same round only.
func (s *Scaler) round(ctx context.Context, table *service.Table) {
	s.mu.Lock()
	for _, l := range s.lost {
		table.Lost(l)
	}
	s.lost = nil
	s.mu.Unlock()

	looking, done := context.WithTimeout(ctx, callLimit)
	look := s.opts.Swarm.Look(looking)
	done()
	table.See(time.Now(), look)
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
		s.opts.Tell(events)
	}
}

// askSources asks those that are due, all at once.
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
