// Package history keeps the events of what Stoker did, numbered, and bounded in count, age and size.
package history

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// The default bounds.
const (
	DefaultKeep   = 10000
	DefaultMaxAge = 30 * 24 * time.Hour
)

// maxBytes bounds the memory of all events: ten thousand with a long health output each would be eighty megabytes.
const maxBytes = 16 << 20

// defaultPage is how many events a page has by default.
const defaultPage = 100

// Store keeps events across restarts. It takes them when it has time, so that nothing waits for a disk.
type Store interface {
	// History returns the records of the last run, oldest first.
	History() [][]byte
	// Source sets where the store takes events from: those with an ID above after, oldest first, at most most of them. Records
	// below the ID minID are to be deleted.
	Source(take func(after uint64, most int) (minID uint64, ids []uint64, records [][]byte))
	// Notify reports that there are new events. It does not block, and takes nothing before it returns.
	Notify()
}

// Options are the bounds of a Log and its store.
type Options struct {
	Keep   int           // events; 0 is DefaultKeep
	MaxAge time.Duration // 0 is DefaultMaxAge
	Store  Store         // nil keeps events in memory only
	Now    func() time.Time
}

// Query selects events. The zero Query selects the newest page of all.
type Query struct {
	Worker worker.Key         // empty is every worker, and events about none
	Before uint64             // only events with a smaller ID; 0 is no bound
	Limit  int                // 0 is 100
	Kinds  []worker.EventKind // empty is all
	Since  time.Time          // zero is no bound
}

// Log is the history. Its methods may be called from any goroutine. They wait for each other, and never for a disk or a client.
type Log struct {
	keep   int
	maxAge time.Duration
	store  Store
	now    func() time.Time

	mu        sync.Mutex
	events    []Entry // by ID; what is in it is never changed, so that a copy of the slice can be read without the lock
	bytes     int
	last      uint64 // the highest ID given
	minID     uint64 // the highest ID that was dropped
	followers map[*follower]struct{}
	evidence  evidence
}

// New returns a Log with the events of the store.
func New(opts Options) *Log {
	l := &Log{keep: opts.Keep, maxAge: opts.MaxAge, store: opts.Store, now: opts.Now, followers: map[*follower]struct{}{}}
	if l.keep <= 0 {
		l.keep = DefaultKeep
	}
	if l.maxAge <= 0 {
		l.maxAge = DefaultMaxAge
	}
	if l.now == nil {
		l.now = time.Now
	}
	if l.store == nil {
		return l
	}
	for _, record := range l.store.History() {
		l.restore(record)
	}
	l.prune(l.now())
	l.store.Source(l.take)
	return l
}

// restore appends a record of an earlier run. It ignores one that cannot be read, or is out of order: the store has checked that
// it is what was written.
func (l *Log) restore(record []byte) {
	var e Entry
	if json.Unmarshal(record, &e) != nil || e.ID <= l.last {
		return
	}
	found := cleanEvidence(e.Evidence)
	e.Event = clean(e.Event)
	l.append(e)
	l.evidence.keep(e, found)
}

func (l *Log) append(e Entry) {
	l.events = append(l.events, e)
	l.bytes += e.size()
	l.last = e.ID
}

// Record keeps the events and sends them to the followers. It never blocks.
func (l *Log) Record(events []worker.Event) {
	if len(events) == 0 {
		return
	}
	now := l.now()
	l.mu.Lock()
	for _, n := range events {
		if n.At.IsZero() {
			n.At = now
		}
		e := Entry{ID: l.nextID(now), Event: clean(n)}
		l.append(e)
		l.evidence.keep(e, cleanEvidence(n.Evidence))
		l.publish(e)
	}
	l.prune(now)
	l.mu.Unlock()
	if l.store != nil {
		l.store.Notify()
	}
}

// nextID is the time in milliseconds, or one more than the last ID where that is higher. So IDs continue after a restart even
// when the state directory was lost, and a client that resumes with an old ID never gets other events under it. They fit into a
// double, the only number of a browser.
func (l *Log) nextID(now time.Time) uint64 {
	return max(l.last+1, uint64(max(now.UnixMilli(), 0)))
}

// prune drops the oldest events until the rest is within the bounds. The lock is held.
func (l *Log) prune(now time.Time) {
	oldest := now.Add(-l.maxAge)
	n := 0
	for ; n < len(l.events); n++ {
		e := l.events[n]
		if len(l.events)-n <= l.keep && l.bytes <= maxBytes && !e.At.Before(oldest) {
			break
		}
		l.bytes -= e.size()
		l.minID = e.ID
	}
	l.evidence.dropUntil(l.minID)
	switch {
	case n == 0:
	case n < cap(l.events)/4: // the array is left behind when it is full anyhow
		l.events = l.events[n:]
	default:
		l.events = slices.Clone(l.events[n:])
	}
}

// known returns all events. The caller must not change them.
func (l *Log) known() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prune(l.now())
	return l.events
}

// Page returns the events that q selects, newest first. It is never nil.
func (l *Log) Page(q Query) []Entry {
	limit := q.Limit
	if limit <= 0 {
		limit = defaultPage
	}
	q.Worker = cleanKey(q.Worker)
	page := []Entry{}
	for _, e := range slices.Backward(l.known()) {
		if len(page) == limit {
			break
		}
		if q.selects(e) {
			page = append(page, e)
		}
	}
	return page
}

func (q Query) selects(e Entry) bool {
	return (q.Worker == "" || e.Key == q.Worker) &&
		(q.Before == 0 || e.ID < q.Before) &&
		(len(q.Kinds) == 0 || slices.Contains(q.Kinds, e.Kind)) &&
		(q.Since.IsZero() || !e.At.Before(q.Since))
}

// After returns all known events with an ID above after, the oldest first. The caller must not change them.
func (l *Log) After(after uint64) []Entry { return later(l.known(), after) }

// Last returns the ID of the newest event ever recorded, 0 when there was none.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// take returns what the store writes next, see Store.Source.
func (l *Log) take(after uint64, most int) (minID uint64, ids []uint64, records [][]byte) {
	l.mu.Lock()
	events, minID := l.events, l.minID
	l.mu.Unlock()
	events = later(events, after)
	for _, e := range events[:min(most, len(events))] {
		e.Evidence = l.evidenceOf(e)
		if record, err := e.MarshalJSON(); err == nil { // clean removed what JSON cannot write
			ids, records = append(ids, e.ID), append(records, record)
		}
	}
	return minID, ids, records
}

// evidenceOf returns what an event brought, where it is still kept.
func (l *Log) evidenceOf(e Entry) *worker.HealEvidence {
	if e.Kind != worker.EventEvidence {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.evidence.find(e.ID)
}

// later returns the events with an ID above after.
func later(events []Entry, after uint64) []Entry {
	n, found := slices.BinarySearchFunc(events, after, func(e Entry, id uint64) int {
		switch {
		case e.ID < id:
			return -1
		case e.ID > id:
			return 1
		}
		return 0
	})
	if found {
		n++
	}
	return events[n:]
}
