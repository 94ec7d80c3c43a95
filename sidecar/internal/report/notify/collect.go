package notify

import (
	"time"

	"stoker/sidecar/internal/core/worker"
)

const (
	// quiet is how long a message waits for more of the same storm, and patience how long it waits at most.
	quiet    = 2 * time.Second
	patience = 10 * time.Second
	// silence is how long the same of the same worker is not told again. What came meanwhile is told at its end, once.
	silence = 10 * time.Minute
	// calm is how long something that is well again has to stay so before it is news that it is ill.
	calm = time.Minute
	// mostRecords is how many events one message carries; the others are counted.
	mostRecords = 256
	// mostKnown bounds the memory of what was told. Beyond it events are told without regard to it.
	mostKnown = 4096
)

// Event is one note as it is told.
type Event struct {
	Kind    string // a kind of rows
	Note    worker.Event
	Repeats int // how often it came again since it was told last, this one included
}

// Digest is what one message tells.
type Digest struct {
	At      time.Time
	Events  []Event
	Omitted map[string]int // by kind: events beyond mostRecords
	Dropped uint64         // events that were lost before they got here
}

type sameness struct {
	worker worker.Key
	kind   string
	reason worker.Reason
}

// told is the memory of one thing that was told.
type told struct {
	until   time.Time // nothing of it is told before
	repeats int
	last    Event
}

// state is the memory of a pair: what people think, and what they are yet to be told.
type state struct {
	ill     bool
	shown   bool      // that it is ill was told
	until   time.Time // that it is ill is not told before
	pending *Event
}

// collector turns notes into digests. It is pure: whoever has a clock calls it.
type collector struct {
	book    book
	known   map[sameness]*told
	states  map[string]*state // by the kind of the ill one
	events  []Event
	omitted map[string]int
	first   time.Time // of what waits; zero when nothing does
	last    time.Time
	again   time.Time // when the next memory with something to tell ends; zero when none has
}

func newCollector(b book) *collector {
	return &collector{book: b, known: map[sameness]*told{}, states: map[string]*state{}, omitted: map[string]int{}}
}

// add takes in one note.
func (c *collector) add(now time.Time, n worker.Event) {
	if p, ok := c.book.pairs[string(n.Kind)]; ok {
		c.turn(now, p, Event{Kind: string(n.Kind), Note: n})
		return
	}
	e := Event{Kind: c.book.kind(n), Note: n}
	if !c.book.wants(c.book.row(e.Kind).event) {
		return
	}
	key := sameness{n.Key, e.Kind, n.Reason}
	if t := c.known[key]; t != nil && now.Before(t.until) {
		t.repeats++
		t.last = e
		c.wakeAt(t.until)
		return
	}
	c.push(now, e)
	c.remember(now, key)
}

func (c *collector) remember(now time.Time, key sameness) {
	if len(c.known) >= mostKnown && c.known[key] == nil {
		c.forget(now)
	}
	if len(c.known) < mostKnown || c.known[key] != nil {
		c.known[key] = &told{until: now.Add(silence)}
	}
}

// forget drops the memories that are over.
func (c *collector) forget(now time.Time) {
	for key, t := range c.known {
		if t.repeats == 0 && !now.Before(t.until) {
			delete(c.known, key)
		}
	}
}

// turn: a pair is told by what is true, not by how often it changed.
func (c *collector) turn(now time.Time, p pair, e Event) {
	s := c.states[p.ill]
	if s == nil {
		s = &state{}
		c.states[p.ill] = s
	}
	ill := e.Kind == p.ill
	switch {
	case ill == s.ill:
		s.pending = nil
	case ill && now.Before(s.until):
		s.pending = &e
		c.wakeAt(s.until)
	default:
		c.change(now, s, e, ill)
	}
}

func (c *collector) change(now time.Time, s *state, e Event, ill bool) {
	s.pending = nil
	s.ill = ill
	wanted := c.book.wants(c.book.row(e.Kind).event)
	if !ill {
		wanted = wanted || s.shown
		s.until = now.Add(calm)
	}
	s.shown = ill && wanted
	if wanted {
		c.push(now, e)
	}
}

func (c *collector) wakeAt(t time.Time) {
	if c.again.IsZero() || t.Before(c.again) {
		c.again = t
	}
}

func (c *collector) push(now time.Time, e Event) {
	if c.first.IsZero() {
		c.first = now
	}
	c.last = now
	if len(c.events) >= mostRecords {
		c.omitted[e.Kind]++
		return
	}
	c.events = append(c.events, e)
}

// due is when take has something to do; zero when it has nothing.
func (c *collector) due() time.Time {
	if c.first.IsZero() {
		return c.again
	}
	at := c.last.Add(quiet)
	if latest := c.first.Add(patience); latest.Before(at) {
		at = latest
	}
	if !c.again.IsZero() && c.again.Before(at) {
		return c.again
	}
	return at
}

// take is the digest that is due, if one is.
func (c *collector) take(now time.Time) (Digest, bool) {
	if !c.again.IsZero() && !now.Before(c.again) {
		c.catchUp(now)
	}
	if c.first.IsZero() || now.Before(c.first.Add(patience)) && now.Before(c.last.Add(quiet)) {
		return Digest{}, false
	}
	return c.flush(now)
}

// flush is all that waits, due or not.
func (c *collector) flush(now time.Time) (Digest, bool) {
	if c.first.IsZero() {
		return Digest{}, false
	}
	d := Digest{At: now, Events: c.events, Omitted: c.omitted}
	c.events, c.omitted, c.first, c.last = nil, map[string]int{}, time.Time{}, time.Time{}
	return d, true
}

// catchUp tells what came while its like was not told.
func (c *collector) catchUp(now time.Time) {
	c.again = time.Time{}
	for _, p := range pairs() {
		s := c.states[p.ill]
		switch {
		case s == nil || s.pending == nil:
		case now.Before(s.until):
			c.wakeAt(s.until)
		default:
			c.change(now, s, *s.pending, true)
		}
	}
	for key, t := range c.known {
		switch {
		case now.Before(t.until):
			if t.repeats > 0 {
				c.wakeAt(t.until)
			}
		case t.repeats == 0:
			delete(c.known, key)
		default:
			t.last.Repeats = t.repeats
			c.push(now, t.last)
			c.known[key] = &told{until: now.Add(silence)}
		}
	}
}
