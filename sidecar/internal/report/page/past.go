package page

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
)

// maxPast is how many events a past takes before it is built again. The history holds 10,000.
const maxPast = 25000

// past is what the events show. It is kept up to date event by event, so that a request costs what it shows and not what
// happened.
type past struct {
	last     uint64 // ID of the newest event
	count    int    // of events
	seen     time.Time
	records  []*record // by start
	workers  map[worker.Key]*workerPast
	absences []absence
	away     bool // the last absence has not ended
}

// workerPast is the past of one worker.
type workerPast struct {
	managed  bool
	records  []*record // by start
	current  *record   // the last heal or attempt; nil after it ended
	heals    map[uint64]*record
	timeline timeline
	healed   []time.Time
	failed   []time.Time
}

func newPast() *past { return &past{workers: map[worker.Key]*workerPast{}} }

// add takes the next event.
func (p *past) add(e history.Entry) {
	p.last = e.ID
	p.count++
	n := e.Event
	w := p.workers[n.Key]
	if w == nil {
		w = &workerPast{heals: map[uint64]*record{}}
		p.workers[n.Key] = w
	}
	p.absence(w, n)
	if n.Key != "" {
		w.managed = n.Kind != worker.EventUnmanaged
	}
	p.seen = n.At
	w.timeline.add(n)
	switch n.Kind { //nolint:exhaustive // the ends of a heal that are counted
	case worker.EventHealed:
		w.healed = append(w.healed, n.At)
	case worker.EventHealFailed:
		w.failed = append(w.failed, n.At)
	}
	p.record(w, n)
}

// healsSince counts the heals that worked and the attempts that failed.
func (w *workerPast) healsSince(t time.Time) (healed, failed int) {
	if w == nil {
		return 0, 0
	}
	return since(w.healed, t), since(w.failed, t)
}

func since(times []time.Time, t time.Time) (n int) {
	for _, at := range slices.Backward(times) {
		if at.Before(t) {
			break
		}
		n++
	}
	return n
}

// insert adds a record by its start, after those of the same time.
func insert(records []*record, r *record) []*record {
	at := len(records)
	for at > 0 && records[at-1].Began.After(r.Began) {
		at--
	}
	return slices.Insert(records, at, r)
}
