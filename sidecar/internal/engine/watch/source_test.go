package watch

import (
	"context"
	"errors"
	"sync"
	"time"

	"stoker/sidecar/internal/core/worker"
)

var errDown = errors.New("no engine")

// script is an engine that the test controls. It stores events as an engine does, so the replay of a stream and the answer of History
// follow from since.
type script struct {
	mu       sync.Mutex
	memory   []worker.Observation
	streams  []*listener
	list     []worker.Observation
	bootedAt time.Time
	clock    time.Duration // the engine's clock is ahead by this
	store    string        // where the engine keeps its images
	scriptCalls
	scriptFaults
}

// scriptCalls is what was asked of a script.
type scriptCalls struct {
	asked    []time.Time // since of each stream
	lists    int
	newests  int
	sessions int // attempted
}

// scriptFaults is what fails or takes its time.
type scriptFaults struct {
	down      bool          // Engine fails
	listErr   error         // List fails
	newestErr error         // Newest fails
	listTakes time.Duration // List answers with the state at the request
	replayLag time.Duration // the delay of a new stream's replay
	pastTakes time.Duration // History answers with the state at the request
}

type listener struct {
	out chan worker.Observation
	end chan error
}

func (s *script) Engine(context.Context) (worker.Engine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions++
	if s.down {
		return worker.Engine{}, errDown
	}
	return worker.Engine{Now: time.Now(), BootedAt: s.bootedAt, Version: "test", Store: s.store}, nil
}

func (s *script) Events(_ context.Context, since time.Time) (<-chan worker.Observation, <-chan error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &listener{out: make(chan worker.Observation, 4096), end: make(chan error, 1)}
	s.asked = append(s.asked, since)
	s.streams = append(s.streams, l)
	replay := s.from(since)
	if s.replayLag == 0 {
		l.take(replay)
	} else {
		time.AfterFunc(s.replayLag, func() { l.take(replay) })
	}
	return l.out, l.end
}

func (l *listener) take(all []worker.Observation) {
	for _, o := range all {
		l.out <- o
	}
}

func (s *script) from(since time.Time) []worker.Observation {
	var found []worker.Observation
	for _, o := range s.memory {
		if !o.At.Before(since) {
			found = append(found, o)
		}
	}
	return found
}

func (s *script) History(_ context.Context, since, until time.Time) ([]worker.Observation, error) {
	s.mu.Lock()
	var found []worker.Observation
	for _, o := range s.from(since) {
		if !o.At.After(until) {
			found = append(found, o)
		}
	}
	takes := s.pastTakes
	s.mu.Unlock()
	time.Sleep(takes)
	return found, nil
}

// Newest answers together with the list, with the state of the same time.
func (s *script) Newest(_ context.Context, since time.Time) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newests++
	newest := time.Time{}
	for _, o := range s.from(since) {
		if o.At.After(newest) {
			newest = o.At
		}
	}
	return newest, s.newestErr
}

func (s *script) List(ctx context.Context) ([]worker.Observation, error) {
	s.mu.Lock()
	picture, err, takes := append([]worker.Observation(nil), s.list...), s.listErr, s.listTakes
	s.lists++
	s.mu.Unlock()
	select {
	case <-time.After(takes):
		return picture, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// happen emits an event now: it is stored and sent to all listeners.
func (s *script) happen(kind worker.Kind, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := worker.Observation{Kind: kind, ID: id, Key: worker.Key(id), At: time.Now().Add(s.clock)}
	s.memory = append(s.memory, o)
	if n := len(s.streams); n > 0 && s.replayLag == 0 {
		s.streams[n-1].out <- o
	}
}

// late emits an event that the stream delivers only after a while.
func (s *script) late(kind worker.Kind, id string, by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := worker.Observation{Kind: kind, ID: id, Key: worker.Key(id), At: time.Now()}
	s.memory = append(s.memory, o)
	stream := s.streams[len(s.streams)-1]
	time.AfterFunc(by, func() { stream.out <- o })
}

// missed emits an event while the stream is cut.
func (s *script) missed(kind worker.Kind, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.memory = append(s.memory, worker.Observation{Kind: kind, ID: id, Key: worker.Key(id), At: time.Now().Add(s.clock)})
}

func (s *script) cut(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.streams[len(s.streams)-1]
	l.end <- err
	close(l.out)
}

func (s *script) set(change func(*script)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

var _ Source = (*script)(nil)
