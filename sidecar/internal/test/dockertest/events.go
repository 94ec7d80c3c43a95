package dockertest

import (
	"strings"
	"time"
)

// ringSize is how many events of all kinds the engine can replay (moby daemon/events).
const ringSize = 256

// Event is one event as the engine sends it.
type Event struct {
	Seq      uint64
	At       time.Time // the engine's clock
	Action   string    // as in the API: "die", "health_status: unhealthy"
	ID       string
	Name     string
	Image    string
	Labels   map[string]string
	ExitCode int    // die
	Signal   int    // kill
	OldName  string // rename, with its slash
	EventTruth
}

// EventTruth is what no API has about an event, for the checkers.
type EventTruth struct {
	TrueAt time.Time // the world's clock
	By     Actor     // who made it happen
	// SeenAt is when a stream first sent it to Stoker, on the world's clock; zero when it never did.
	SeenAt time.Time
}

// engineEvents are the events of an engine, and those who read its stream.
type engineEvents struct {
	ring    []Event  // what the engine can replay
	log     []*Event // all since the world began, apart from those of health probes
	lastID  uint64
	lastAt  time.Time // the engine's clock
	readers hooks[*Event]
}

// Events are all events since the world began, apart from those of health probes.
func (w *World) Events() []Event {
	events := make([]Event, 0, len(w.events.log))
	for _, e := range w.events.log {
		events = append(events, *e)
	}
	return events
}

// Actions are the actions of one container's events, in order, for comparing sequences. A kill carries its signal, a die
// its exit code: "kill 15", "die 137".
func (w *World) Actions(name string) []string {
	actions := []string{}
	for _, e := range w.events.log {
		if e.Name == name {
			actions = append(actions, e.short())
		}
	}
	return actions
}

func (e Event) short() string {
	switch e.Action {
	case "kill":
		return "kill " + decimal(e.Signal)
	case "die":
		return "die " + decimal(e.ExitCode)
	}
	return e.Action
}

// emit publishes an event of c.
func (w *World) emit(c *container, action string, by Actor) *Event {
	return w.publish(w.event(c, action, by))
}

func (w *World) event(c *container, action string, by Actor) Event {
	w.events.lastID++
	at := w.EngineNow()
	if ahead := w.events.lastAt.Sub(at); ahead >= 0 && ahead < time.Microsecond { // an engine never stamps two events alike
		at = w.events.lastAt.Add(time.Nanosecond)
	}
	w.events.lastAt = at
	return Event{
		Seq: w.events.lastID, At: at, Action: action, ID: c.ID, Name: c.Name, Image: c.Spec.Image, Labels: c.Spec.Labels,
		EventTruth: EventTruth{TrueAt: w.now, By: by},
	}
}

func (w *World) publish(e Event) *Event {
	published := w.events.keep(e)
	if w.engine.phase != down {
		w.events.readers.call(published)
	}
	return published
}

func (s *engineEvents) keep(e Event) *Event {
	if len(s.ring) == ringSize {
		copy(s.ring, s.ring[1:])
		s.ring = s.ring[:ringSize-1]
	}
	s.ring = append(s.ring, e)
	kept := &e
	if !strings.HasPrefix(e.Action, "exec_") {
		s.log = append(s.log, kept)
	}
	return kept
}

// deliver takes an event to a reader of Stoker's through the faults of the plan: not at all, twice, or late. It never
// overtakes the one before it, which arrives at *arrival.
func (w *World) deliver(arrival *time.Time, e Event, give func(Event)) {
	fault := w.eventFault(&e)
	if fault.kind() == DropEvents {
		return
	}
	at := w.now.Add(w.draw("event", w.config.Timing.Event))
	if fault.kind() == DelayEvents {
		at = at.Add(fault.delay())
	}
	if at.Before(*arrival) {
		at = *arrival
	}
	*arrival = at
	w.on(at, func() {
		give(e)
		if fault.kind() == DuplicateEvents {
			give(e)
		}
	})
}

// since is what the ring still holds since a time of the engine's clock. Like the engine it walks back from the newest
// and stops at the first that is older, so that a clock step back hides what lies before it.
func (s *engineEvents) since(at time.Time) []Event {
	from := len(s.ring)
	for from > 0 && !s.ring[from-1].At.Before(at) {
		from--
	}
	return append([]Event(nil), s.ring[from:]...)
}

// markSeen notes that Stoker received an event at a time of the world's clock.
func (s *engineEvents) markSeen(seq uint64, at time.Time) {
	// The log is ordered by Seq and mostly the newest are marked.
	for i := len(s.log) - 1; i >= 0 && s.log[i].Seq >= seq; i-- {
		if s.log[i].Seq == seq && s.log[i].SeenAt.IsZero() {
			s.log[i].SeenAt = at
		}
	}
}
