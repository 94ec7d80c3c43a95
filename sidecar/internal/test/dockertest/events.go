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
	TrueAt   time.Time // the world's clock
	Action   string    // as in the API: "die", "health_status: unhealthy"
	ID       string
	Name     string
	Image    string
	Labels   map[string]string
	ExitCode int    // die
	Signal   int    // kill
	OldName  string // rename, with its slash
	By       Actor  // who made it happen; no API has this
	// SeenAt is when a stream first sent it to Stoker, on the world's clock; zero when it never did.
	SeenAt time.Time
}

// Events are all events since the world began, apart from those of health probes.
func (w *World) Events() []Event {
	events := make([]Event, 0, len(w.log))
	for _, e := range w.log {
		events = append(events, *e)
	}
	return events
}

// Actions are the actions of one container's events, in order, for comparing sequences. A kill carries its signal, a die
// its exit code: "kill 15", "die 137".
func (w *World) Actions(name string) []string {
	actions := []string{}
	for _, e := range w.log {
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
	w.eventID++
	at := w.EngineNow()
	if ahead := w.eventAt.Sub(at); ahead >= 0 && ahead < time.Microsecond { // an engine never stamps two events alike
		at = w.eventAt.Add(time.Nanosecond)
	}
	w.eventAt = at
	return Event{
		Seq: w.eventID, At: at, TrueAt: w.now, Action: action, ID: c.ID, Name: c.Name, Image: c.Spec.Image,
		Labels: c.Spec.Labels, By: by,
	}
}

func (w *World) publish(e Event) *Event {
	if len(w.ring) == ringSize {
		copy(w.ring, w.ring[1:])
		w.ring = w.ring[:ringSize-1]
	}
	w.ring = append(w.ring, e)
	published := &e
	if !strings.HasPrefix(e.Action, "exec_") {
		w.log = append(w.log, published)
	}
	if w.engine.phase != down {
		w.readers.call(published)
	}
	return published
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

// replay is what the ring still holds since a time of the engine's clock. Like the engine it walks back from the newest
// and stops at the first that is older, so that a clock step back hides what lies before it.
func (w *World) replay(since time.Time) []Event {
	from := len(w.ring)
	for from > 0 && !w.ring[from-1].At.Before(since) {
		from--
	}
	return append([]Event(nil), w.ring[from:]...)
}

// markSeen notes that Stoker received an event.
func (w *World) markSeen(seq uint64) {
	// The log is ordered by Seq and mostly the newest are marked.
	for i := len(w.log) - 1; i >= 0 && w.log[i].Seq >= seq; i-- {
		if w.log[i].Seq == seq && w.log[i].SeenAt.IsZero() {
			w.log[i].SeenAt = w.now
		}
	}
}
