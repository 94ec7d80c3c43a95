package notify

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

const (
	// quietWindow is how long a message waits for more events, and maxWait how long it waits at most.
	quietWindow = 2 * time.Second
	maxWait     = 10 * time.Second
	// dedupWindow is how long the same about the same worker is not reported again. What happened meanwhile is reported at its
	// end, once.
	dedupWindow = 10 * time.Minute
	// flapWindow is how long a pair's problem must have been over before its return is reported at once.
	flapWindow = time.Minute
	// maxItems is how many events one message carries; the others are counted.
	maxItems = 256
	// maxKnown bounds the memory of what was reported. Beyond it events are reported without deduplication.
	maxKnown = 4096
)

// Item is one event of a message.
type Item struct {
	Kind    string // a kind of rows
	Event   worker.Event
	Repeats int    // how often it happened since it was last reported, this one included
	LogTail string // the last lines that the worker printed, with stoker.evidence=logs; else empty
}

// Digest is the content of one message.
type Digest struct {
	At      time.Time
	Items   []Item
	Omitted map[string]int // by kind: events beyond maxItems
	Dropped uint64         // events that were dropped before they were collected
}

// dedupKey identifies events that are the same news.
type dedupKey struct {
	worker worker.Key
	kind   string
	reason worker.Reason
}

func (k dedupKey) compare(other dedupKey) int {
	return cmp.Or(cmp.Compare(k.worker, other.worker), cmp.Compare(k.kind, other.kind), cmp.Compare(k.reason, other.reason))
}

// reported is the memory of one thing that was reported.
type reported struct {
	until   time.Time // it is not reported again before
	repeats int
	last    Item
}

// pairState is the memory of a pair: what was reported, and what is to be reported.
type pairState struct {
	bad     bool
	sent    bool      // the problem was reported
	until   time.Time // the problem is not reported before
	pending *Item
}

// collector turns events into digests. It is pure: its caller has the clock.
type collector struct {
	catalog catalog
	known   map[dedupKey]*reported
	states  map[string]*pairState // by the kind of the problem
	items   []Item
	omitted map[string]int
	first   time.Time // of the items; zero without any
	last    time.Time
	tails   map[worker.Key]logTail
	again   time.Time // when the next pending or repeated item is due; zero when there is none
}

func newCollector(c catalog) *collector {
	return &collector{catalog: c, known: map[dedupKey]*reported{}, states: map[string]*pairState{}, omitted: map[string]int{}, tails: map[worker.Key]logTail{}}
}

// add takes one event.
func (c *collector) add(now time.Time, e worker.Event) {
	if e.Kind == worker.EventEvidence {
		c.keepTail(now, e)
		return
	}
	if p, ok := c.catalog.pairs[string(e.Kind)]; ok {
		c.addPair(now, p, Item{Kind: string(e.Kind), Event: e})
		return
	}
	item := Item{Kind: c.catalog.kind(e), Event: e}
	if !c.catalog.wants(c.catalog.row(item.Kind).event) {
		return
	}
	key := dedupKey{e.Key, item.Kind, e.Reason}
	if t := c.known[key]; t != nil && now.Before(t.until) {
		t.repeats++
		t.last = item
		c.wakeAt(t.until)
		return
	}
	c.push(now, item)
	c.remember(now, key)
}

func (c *collector) remember(now time.Time, key dedupKey) {
	if len(c.known) >= maxKnown && c.known[key] == nil {
		c.forget(now)
	}
	if len(c.known) < maxKnown || c.known[key] != nil {
		c.known[key] = &reported{until: now.Add(dedupWindow)}
	}
}

// forget drops what is over.
func (c *collector) forget(now time.Time) {
	for key, t := range c.known {
		if t.repeats == 0 && !now.Before(t.until) {
			delete(c.known, key)
		}
	}
}

// addPair reports what is true, not how often it changed.
func (c *collector) addPair(now time.Time, p pair, item Item) {
	s := c.states[p.bad]
	if s == nil {
		s = &pairState{}
		c.states[p.bad] = s
	}
	bad := item.Kind == p.bad
	switch {
	case bad == s.bad:
		s.pending = nil
	case bad && now.Before(s.until):
		s.pending = &item
		c.wakeAt(s.until)
	default:
		c.change(now, s, item, bad)
	}
}

func (c *collector) change(now time.Time, s *pairState, item Item, bad bool) {
	s.pending = nil
	s.bad = bad
	wanted := c.catalog.wants(c.catalog.row(item.Kind).event)
	if !bad {
		wanted = wanted || s.sent
		s.until = now.Add(flapWindow)
	}
	s.sent = bad && wanted
	if wanted {
		c.push(now, item)
	}
}

func (c *collector) wakeAt(t time.Time) {
	if c.again.IsZero() || t.Before(c.again) {
		c.again = t
	}
}

func (c *collector) push(now time.Time, item Item) {
	if c.first.IsZero() {
		c.first = now
	}
	c.last = now
	if len(c.items) >= maxItems {
		c.omitted[item.Kind]++
		return
	}
	c.items = append(c.items, item)
}

// due returns when take has something to do; zero when it has nothing.
func (c *collector) due() time.Time {
	if c.first.IsZero() {
		return c.again
	}
	at := c.last.Add(quietWindow)
	if latest := c.first.Add(maxWait); latest.Before(at) {
		at = latest
	}
	if !c.again.IsZero() && c.again.Before(at) {
		return c.again
	}
	return at
}

// take returns the digest that is due, if there is one.
func (c *collector) take(now time.Time) (Digest, bool) {
	if !c.again.IsZero() && !now.Before(c.again) {
		c.catchUp(now)
	}
	if c.first.IsZero() || now.Before(c.first.Add(maxWait)) && now.Before(c.last.Add(quietWindow)) {
		return Digest{}, false
	}
	return c.flush(now)
}

// flush returns all items, due or not.
func (c *collector) flush(now time.Time) (Digest, bool) {
	if c.first.IsZero() {
		return Digest{}, false
	}
	d := Digest{At: now, Items: c.withTails(now, c.items), Omitted: c.omitted}
	c.items, c.omitted, c.first, c.last = nil, map[string]int{}, time.Time{}, time.Time{}
	return d, true
}

// catchUp reports what happened while the same was not reported, in a fixed order.
func (c *collector) catchUp(now time.Time) {
	c.again = time.Time{}
	for _, p := range pairs() {
		s := c.states[p.bad]
		switch {
		case s == nil || s.pending == nil:
		case now.Before(s.until):
			c.wakeAt(s.until)
		default:
			c.change(now, s, *s.pending, true)
		}
	}
	keys := slices.Collect(maps.Keys(c.known))
	slices.SortFunc(keys, dedupKey.compare)
	for _, key := range keys {
		t := c.known[key]
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
			c.known[key] = &reported{until: now.Add(dedupWindow)}
		}
	}
}
