package dockertest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
)

// events streams. As on a real engine the answer's header goes out before the subscription is there, so that only since
// closes the gap.
func (h *handler) events(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	args, err := filters.FromJSON(query.Get("filters"))
	if err != nil {
		h.fail(w, refuse(http.StatusBadRequest, "%s", err))
		return
	}
	since, until := unixTime(query.Get("since")), unixTime(query.Get("until"))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	flush(w)
	stream := newStream(h, args)
	defer stream.stop()
	if past := stream.open(query.Get("since") != "", since, until); past {
		stream.writeAll(w)
		return
	}
	stream.follow(w, r, until)
}

func flush(w http.ResponseWriter) {
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
}

// unixTime reads seconds with a fraction; anything else is zero.
func unixTime(text string) time.Time {
	whole, fraction, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}
	}
	nanos, _ := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	return time.Unix(seconds, nanos).UTC()
}

// stream is one client of the events.
type stream struct {
	h       *handler
	args    filters.Args
	news    chan struct{} // holds one value when there is something to write or to end for
	arrival time.Time     // of the last event
	unread  func()

	mu     sync.Mutex
	queue  []Event
	broken bool
	closed bool
}

func newStream(h *handler, args filters.Args) *stream {
	return &stream{h: h, args: args, news: make(chan struct{}, 1), unread: func() {}}
}

// open subscribes, with what the ring holds from since on. It reports whether until is past, so that nothing is to follow.
func (s *stream) open(replay bool, since, until time.Time) (past bool) {
	s.h.server.With(func(w *World) {
		if replay || !until.IsZero() {
			for _, e := range w.events.since(since) {
				if (until.IsZero() || !e.At.After(until)) && matches(s.args, message(e)) {
					s.put(e)
				}
			}
		}
		past = !until.IsZero() && until.Before(w.EngineNow())
		if past {
			return
		}
		unread := w.events.readers.add(func(e *Event) { s.receive(w, *e) })
		unturn := w.engine.turns.add(s.turn)
		s.unread = func() { unread(); unturn() }
	})
	return past
}

// receive passes an event of the engine on to the client, Stoker's through the faults of the plan.
func (s *stream) receive(w *World, e Event) {
	switch {
	case !matches(s.args, message(e)):
	case s.h.by == ByStoker:
		w.deliver(&s.arrival, e, s.put)
	default:
		s.put(e)
	}
}

func (s *stream) put(e Event) {
	s.mu.Lock()
	if !s.closed {
		s.queue = append(s.queue, e)
	}
	s.mu.Unlock()
	s.nudge()
}

// turn breaks the connection, after what is on its way.
func (s *stream) turn(t turn) {
	if t != streamsBroke && (t != streamsCut || s.h.by != ByStoker) {
		return
	}
	s.mu.Lock()
	s.broken = true
	s.mu.Unlock()
	s.nudge()
}

func (s *stream) nudge() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

func (s *stream) stop() {
	s.mu.Lock()
	s.closed, s.queue = true, nil
	s.mu.Unlock()
	s.h.server.With(func(*World) { s.unread() })
}

func (s *stream) take() ([]Event, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	queue := s.queue
	s.queue = nil
	return queue, s.broken
}

// follow writes until the client goes, until is over, or the engine breaks off.
func (s *stream) follow(w http.ResponseWriter, r *http.Request, until time.Time) {
	var over <-chan time.Time
	if !until.IsZero() {
		timer := time.NewTimer(time.Until(until))
		defer timer.Stop()
		over = timer.C
	}
	for {
		if broken := s.writeAll(w); broken {
			panic(http.ErrAbortHandler)
		}
		select {
		case <-s.news:
		case <-over:
			s.writeAll(w)
			return
		case <-r.Context().Done():
			return
		}
	}
}

// writeAll writes what is queued and reports whether the stream is broken off after it.
func (s *stream) writeAll(w http.ResponseWriter) (broken bool) {
	queue, broken := s.take()
	encoder := json.NewEncoder(w)
	for _, e := range queue {
		if err := encoder.Encode(message(e)); err != nil {
			return broken
		}
	}
	if len(queue) == 0 {
		return broken
	}
	flush(w)
	if s.h.by == ByStoker {
		s.h.server.With(func(world *World) {
			for _, e := range queue {
				world.events.markSeen(e.Seq, world.now)
			}
		})
	}
	return broken
}

// matches is the engine's filter. Asked for health_status, or for exec events without a command, it compares all actions by
// prefix.
func matches(args filters.Args, m events.Message) bool {
	match := args.ExactMatch
	for _, action := range args.Get("event") {
		if action == "health_status" || action == "exec_create" || action == "exec_start" {
			match = args.FuzzyMatch
		}
	}
	if !match("event", string(m.Action)) || !args.ExactMatch("type", string(m.Type)) {
		return false
	}
	if args.Contains("label") && !args.MatchKVList("label", m.Actor.Attributes) {
		return false
	}
	return args.FuzzyMatch("container", m.Actor.ID) || args.FuzzyMatch("container", m.Actor.Attributes["name"])
}
