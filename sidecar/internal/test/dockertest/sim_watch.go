package dockertest

import (
	"strings"
	"syscall"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// connect tries to open a session: the engine's description, then the replay, then new events; and a list, fetched beside.
func (s *Sim) connect() {
	if s.closed || s.session.open {
		return
	}
	session := s.session.id
	s.ask(Request{By: ByStoker, Op: OpInfo}, func(r Reply) {
		switch {
		case s.closed || s.session.id != session:
		case r.Err != nil:
			s.retry()
		default:
			s.begin(r.Info)
		}
	})
}

// ask sends a request and gives up waiting for its answer after a while, as Stoker's watch does.
func (s *Sim) ask(req Request, then func(Reply)) {
	answered := false
	once := func(r Reply) {
		if !answered {
			answered = true
			then(r)
		}
	}
	limit := s.w.after(simPatience, func() { once(Reply{Err: &Error{Message: "context deadline exceeded"}}) })
	s.w.Call(req, func(r Reply) {
		limit.off()
		once(r)
	})
}

func (s *Sim) retry() {
	s.backoff = min(max(2*s.backoff, s.config.Retry), simMaxRetry)
	s.w.after(s.w.draw("retry", s.backoff), s.connect)
}

// begin opens a session at this instant: what the ring holds is emitted first, then what comes.
func (s *Sim) begin(info worker.Engine) {
	since := s.seen.upTo.Add(-s.config.Overlap)
	if s.seen.upTo.IsZero() || info.BootedAt.After(s.seen.upTo) || info.Now.Before(s.seen.upTo) {
		since = time.Time{} // all that this engine remembers
	}
	s.session.engine, s.session.open, s.backoff = info, true, 0
	s.session.began, s.session.since, s.session.listed = s.w.now, since, false
	s.emit(worker.Observation{Kind: worker.Connecting, At: info.Now, Engine: info})
	s.replay()
	s.list(s.session.id)
}

// replay emits what the ring holds and Stoker has not received yet. The stream brings it too; once is enough.
func (s *Sim) replay() {
	for _, e := range s.w.events.since(s.session.since) {
		o, ok := translate(e)
		last, known := s.seen.known[e.Seq]
		switch {
		case !ok || known && last == s.session.id:
			continue
		case known: // once more, for its place in the stream
			s.seen.known[e.Seq] = s.session.id
			o.Origin = worker.OriginRepeated
		default:
			s.remember(e)
			o.Origin = s.origin()
		}
		s.seen.replayed[e.Seq] = true
		s.emit(o)
	}
}

// list asks for the full list, beside the stream. The first of a session is emitted after the events up to its answer, which
// are asked for by themselves. A later one is emitted when it comes: it may be behind the events, or ahead of them.
func (s *Sim) list(session uint64) {
	if s.closed || s.session.id != session || s.session.listing {
		return
	}
	s.session.listing = true
	at := s.session.engine.Now.Add(s.w.now.Sub(s.session.began)) // the engine's clock as Stoker reckons it
	s.ask(Request{By: ByStoker, Op: OpList}, func(r Reply) {
		switch {
		case s.closed || s.session.id != session:
		case r.Err != nil:
			s.lose()
		case s.session.listed:
			s.tellList(session, at, r.List)
		default:
			s.w.after(s.w.draw("history", s.w.config.Timing.Call), func() {
				if !s.closed && s.session.id == session {
					s.replay()
					s.tellList(session, at, r.List)
				}
			})
		}
	})
}

func (s *Sim) tellList(session uint64, at time.Time, list []Details) {
	s.session.listing, s.session.listed = false, true
	s.emit(worker.Observation{Kind: worker.ListBegin, At: at})
	for _, d := range list {
		s.emit(worker.Observation{
			Kind: worker.Listed, At: at, ID: d.ID, Key: worker.Key(d.Name), Labels: d.Spec.Labels, ListState: worker.ListState{Networks: d.networks(),
				Status: d.Status(), Health: listedHealth(d)},
		})
	}
	s.emit(worker.Observation{Kind: worker.ListEnd, At: at})
	if s.config.Resync > 0 {
		s.w.after(s.config.Resync, func() { s.list(session) })
	}
}

// listedHealth is the health as a list has it: in the text for people, which has none unless the container runs.
func listedHealth(d Details) worker.Health {
	if d.Status() != worker.StatusRunning {
		return worker.HealthNone
	}
	return d.Health
}

func (s *Sim) turn(t turn) {
	switch t {
	case streamsBroke, streamsCut:
		s.lose()
	case listenersClosed, listenersOpen: // every request shows it
	}
}

// lose is the end of a session.
func (s *Sim) lose() {
	if s.closed || !s.session.open {
		return
	}
	s.session.id++
	s.session.open, s.session.listing = false, false
	s.emit(worker.Observation{Kind: worker.Disconnected, At: s.w.now})
	s.retry()
}

// receive takes an event of the engine; it arrives a little later.
func (s *Sim) receive(e *Event) {
	o, ok := translate(*e)
	if s.closed || !s.session.open || !ok {
		return
	}
	session := s.session.id
	s.w.deliver(&s.arrival, *e, func(event Event) {
		if s.closed || s.session.id != session || s.seen.replayed[event.Seq] {
			return
		}
		s.remember(event)
		o.Origin = s.origin()
		s.emit(o)
	})
}

// origin is that of an event that was not passed on before.
func (s *Sim) origin() worker.Origin {
	if s.session.listed {
		return worker.OriginLive
	}
	return worker.OriginReplayed
}

// remember keeps how far the stream was read, and marks the event as known to Stoker.
func (s *Sim) remember(e Event) {
	s.w.events.markSeen(e.Seq, s.w.now)
	s.seen.add(e, s.session.id)
}

func (s *seenEvents) add(e Event, session uint64) {
	s.upTo = e.At
	s.known[e.Seq] = session
	if len(s.known) > 4*ringSize {
		for seq := range s.known { // what the ring has lost cannot come again
			if seq+2*ringSize < e.Seq {
				delete(s.known, seq)
				delete(s.replayed, seq)
			}
		}
	}
}

func kindOf(action string) worker.Kind {
	switch action {
	case "create":
		return worker.Created
	case "start":
		return worker.Started
	case "die":
		return worker.Exited
	case "kill":
		return worker.Signalled
	case "stop":
		return worker.Stopped
	case "oom":
		return worker.OutOfMemory
	case "health_status: unhealthy":
		return worker.Unhealthy
	case "health_status: healthy":
		return worker.Healthy
	case "pause":
		return worker.Paused
	case "unpause":
		return worker.Resumed
	case "update":
		return worker.Updated
	case "rename":
		return worker.Renamed
	case "destroy":
		return worker.Gone
	}
	return 0
}

// translate makes an observation of an event, or reports that it is none of those that matter.
func translate(e Event) (worker.Observation, bool) {
	kind := kindOf(e.Action)
	return worker.Observation{
		Kind: kind, At: e.At, ID: e.ID, Key: worker.Key(e.Name), OldKey: worker.Key(strings.TrimPrefix(e.OldName, "/")),
		Labels: e.Labels, Exit: worker.Exit{ExitCode: e.ExitCode}, Signal: syscall.Signal(e.Signal),
	}, kind != 0
}
