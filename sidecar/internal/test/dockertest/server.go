package dockertest

import (
	"net/http"
	"sync"
	"time"
)

// Server is the world's second face: the Docker HTTP API, on the real clock or on that of a synctest bubble. It is safe for
// concurrent use.
type Server struct {
	mu     sync.Mutex
	world  *World
	timer  *time.Timer
	closed bool

	execs execs
}

// NewServer makes a world whose clock is time.Now. A zero Timing is QuickTiming here. Close ends it.
func NewServer(config Config) *Server {
	config.Start = time.Now().UTC()
	if config.Timing == (Timing{}) {
		config.Timing = QuickTiming()
	}
	s := &Server{world: New(config)}
	return s
}

// Close stops the world's clock. Nothing that is under way comes to an end any more.
func (s *Server) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// With does something to the world, or reads it, as it is now. f must not keep the world.
func (s *Server) With(f func(w *World)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.world.advanceTo(time.Now().UTC())
	f(s.world)
	s.arm()
}

// arm wakes the world when something is due in it.
func (s *Server) arm() {
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
	if at, ok := s.world.next(); ok {
		s.timer = time.AfterFunc(time.Until(at), func() { s.With(func(*World) {}) })
	}
}

// Handler is the API as one actor uses it: what comes in here is the actor's doing in the world's records.
func (s *Server) Handler(by Actor) http.Handler {
	h := &handler{server: s, by: by, mux: http.NewServeMux()}
	h.routes()
	return h
}

// call sends a request to the world and waits for the answer. It is false when the client gave up first.
func (s *Server) call(r *http.Request, req Request) (Reply, bool) {
	answers := make(chan Reply, 1)
	var record *Record
	req.onRecord = func(r *Record) { record = r }
	s.With(func(w *World) { w.Call(req, func(reply Reply) { answers <- reply }) })
	select {
	case reply := <-answers:
		return reply, true
	case <-r.Context().Done():
		s.With(func(w *World) {
			if record != nil && record.Answered.IsZero() {
				record.Answered = w.now
			}
		})
		return Reply{}, false
	}
}
