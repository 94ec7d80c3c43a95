package metrics

import (
	"sync"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

const (
	// mostWorkers have series of their own. The rest share those of other.
	mostWorkers = 1000
	// mostSeries are the counters of one worker. Stoker's own words make a few dozen, of which a worker meets a handful.
	mostSeries = 64
	// goneAfter is how long a worker may be missing from the picture. It bridges the moment of a recreate in which nobody has the
	// name, and ends the series of a worker that was renamed, of which no note tells.
	goneAfter = time.Minute
)

// What became of a heal.
const (
	healed    = "healed"
	failed    = "failed"
	recovered = "recovered"
	exhausted = "exhausted"
)

// fault is one series of stoker_faults_total.
type fault struct {
	fault  worker.Fault
	intent worker.Intent
	reason worker.Reason
}

// heal is one series of stoker_heals_total.
type heal struct {
	fault   worker.Fault
	action  worker.HealAction
	outcome string
}

// record is what was counted for one worker.
type record struct {
	label  string
	id     string // of the container that has the name
	seen   time.Time
	open   worker.Fault      // of the heal under way
	action worker.HealAction // the last one tried
	faults map[fault]uint64
	heals  map[heal]uint64
}

func newRecord(label, id string) *record {
	return &record{label: label, id: id, faults: map[fault]uint64{}, heals: map[heal]uint64{}}
}

// ledger is what the notes add up to, worker by worker, for as long as there is that worker.
type ledger struct {
	mu      sync.Mutex
	records map[worker.Key]*record
	others  *record
}

func newLedger() *ledger {
	return &ledger{records: map[worker.Key]*record{}, others: newRecord(other, "")}
}

func (l *ledger) tell(notes []worker.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range notes {
		switch {
		case n.Key == "": // of the link or the host
		case n.Kind == worker.EventUnmanaged:
			l.release(n)
		default:
			l.enter(n)
		}
	}
}

// release ends the series of a worker, unless another container has its name by now.
func (l *ledger) release(n worker.Event) {
	if r := l.records[n.Key]; r != nil && (n.ID == "" || r.id == n.ID) {
		delete(l.records, n.Key)
	}
}

func (l *ledger) enter(n worker.Event) {
	r := l.admit(n.Key, n.ID)
	if r == nil {
		// What is open is not known of those that share a record.
		l.others.open, l.others.action = "", ""
		r = l.others
	}
	r.seen = n.At
	if n.ID != "" {
		r.id = n.ID
	}
	r.enter(n)
}

// admit finds the record of a worker, or makes one while there is room.
func (l *ledger) admit(key worker.Key, id string) *record {
	r := l.records[key]
	if r == nil && len(l.records) < mostWorkers {
		r = newRecord(clean(string(key)), id)
		l.records[key] = r
	}
	return r
}

// enter counts one note. Notes of other kinds, and of kinds yet to come, are counted by their kind only.
func (r *record) enter(n worker.Event) {
	switch n.Kind {
	case worker.EventFault:
		r.open, r.action = n.Fault, n.Heal
		k := fault{fault: said(n.Fault), intent: said(n.Intent), reason: said(n.Reason)}
		count(r.faults, k, fault{fault: other, intent: other, reason: other})
	case worker.EventHealed:
		r.close(n, healed)
		r.action = ""
	case worker.EventHealFailed:
		r.close(n, failed)
	case worker.EventExhausted:
		r.close(n, exhausted)
	case worker.EventRecovered:
		if n.Fault != "" || r.open != "" { // else somebody started a worker that was held
			r.close(n, recovered)
		}
		r.action = ""
	case worker.EventHeld:
		if n.Reason != worker.HeldStarved { // that one's heal is put off, not given up
			r.open, r.action = "", ""
		}
	case worker.EventManaged:
		r.open, r.action = "", ""
	default:
	}
}

// close counts the end of a heal. What the note leaves out is as it was when the heal was opened.
func (r *record) close(n worker.Event, outcome string) {
	h := heal{fault: n.Fault, action: n.Heal, outcome: outcome}
	if h.fault == "" {
		h.fault = r.open
	}
	if h.action == "" {
		h.action = r.action
	} else {
		r.action = h.action
	}
	r.open = ""
	h.fault, h.action = said(h.fault), said(h.action)
	count(r.heals, h, heal{fault: other, action: other, outcome: other})
}

// count bounds the number of series.
func count[K comparable](counts map[K]uint64, k, rest K) {
	if _, ok := counts[k]; !ok && len(counts) >= mostSeries {
		k = rest
	}
	counts[k]++
}

// book is a copy of the ledger at one instant.
type book struct {
	labels map[worker.Key]string // of the workers that have series of their own
	faults []entry[fault]
	heals  []entry[heal]
}

type entry[K comparable] struct {
	worker string
	series K
	n      uint64
}

// balance brings the ledger in line with the picture and copies it. Whoever is in the picture has a record, as far as there is
// room; whoever has been missing from it for goneAfter has none any more. A picture without the link is not complete, and ends
// nothing.
func (l *ledger) balance(view fleet.View) book {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range view.Workers {
		if r := l.records[w.Key]; r != nil && r.seen.Before(view.At) {
			r.seen = view.At
		}
	}
	if view.Engine.Connected {
		for key, r := range l.records {
			if view.At.Sub(r.seen) > goneAfter {
				delete(l.records, key)
			}
		}
	}
	for _, w := range view.Workers {
		if r := l.admit(w.Key, w.ID); r != nil && r.seen.IsZero() {
			r.seen = view.At
		}
	}
	return l.copy()
}

func (l *ledger) copy() book {
	b := book{labels: make(map[worker.Key]string, len(l.records))}
	for key, r := range l.records {
		b.labels[key] = r.label
		b.add(r)
	}
	b.add(l.others)
	return b
}

func (b *book) add(r *record) {
	for k, n := range r.faults {
		b.faults = append(b.faults, entry[fault]{worker: r.label, series: k, n: n})
	}
	for k, n := range r.heals {
		b.heals = append(b.heals, entry[heal]{worker: r.label, series: k, n: n})
	}
}

func (b book) fill(s *sheet) {
	faults := s.counter("stoker_faults_total", "Heals decided on.", "worker", "fault", "intent", "reason")
	for _, e := range b.faults {
		faults.put(float64(e.n), e.worker, shown(e.series.fault), shown(e.series.intent), shown(e.series.reason))
	}
	heals := s.counter("stoker_heals_total", "Heals ended, by what became of them.", "worker", "fault", "action", "outcome")
	for _, e := range b.heals {
		heals.put(float64(e.n), e.worker, shown(e.series.fault), shown(e.series.action), e.series.outcome)
	}
}
