package fleet

import (
	"time"

	"stoker/sidecar/internal/core/worker"
)

// purpose is the purpose of a reading. Each has its own limit, so that none waits for a less important one.
type purpose uint8

const (
	forHeal   purpose = iota // it delays a decision
	forIdle                  // idle-after
	forDemand                // which workers of a group are busy
	forPeople                // display
	purposes                 // number of purposes
)

// room returns the maximum number of readings in flight. A reading over a time span takes one to two seconds.
func (p purpose) room() int {
	switch p {
	case forPeople:
		return maxDisplayStats
	case forDemand:
		return maxDemandStats
	case forHeal, forIdle, purposes:
	}
	return maxSamples
}

const (
	maxSamples = 16
	// maxDemandStats: in a larger group not all workers can be put to sleep at one poll, but only one is put to sleep anyway.
	maxDemandStats = 64
)

// sampleDeadline is the deadline of one reading; a decision that waits for it is then made without it.
const sampleDeadline = 4 * time.Second

// readStatsDue requests the due readings, those that delay a decision first.
func (f *Fleet) readStatsDue(now time.Time) {
	if !f.reads() {
		return
	}
	for _, p := range []purpose{forHeal, forIdle} {
		for _, m := range f.wanting(now, p) {
			f.readStats(m, p, p == forHeal)
		}
	}
	f.displayStatsDue(now)
}

// reads reports whether readings are requested at all.
func (f *Fleet) reads() bool { return f.stream.engine.Connected && !f.closing }

// wanting returns the members that are due for a reading, ordered by (due, key).
func (f *Fleet) wanting(now time.Time, p purpose) []*member {
	for s := f.schedule.stats.pop(now); s != nil; s = f.schedule.stats.pop(now) {
		s.move(&f.schedule.statsReady, s.due)
	}
	var members []*member
	for _, s := range f.schedule.statsReady.sorted() {
		if span, due, ok := s.m.machine.StatsDue(); ok && !due.After(now) && span == (p == forHeal) && !s.m.reading[p] {
			members = append(members, s.m)
		}
	}
	return members
}

// readStats requests one reading, and reports whether there was capacity for it.
func (f *Fleet) readStats(m *member, p purpose, span bool) bool {
	if f.actions.reading[p] >= p.room() {
		return false
	}
	m.reading[p] = true
	f.actions.reading[p]++
	f.send(inFlight{id: m.id, session: f.stream.session, purpose: p, member: m}, worker.Action{
		Key:         m.key(),
		Incarnation: m.machine.Saved().Incarnation,
		Verb:        worker.ReadStats,
		StatsArgs:   worker.StatsArgs{Span: span, Host: p == forHeal},
		Deadline:    sampleDeadline,
	})
	return true
}

// read passes a reading to its machine.
func (f *Fleet) read(now time.Time, flight inFlight, o worker.Outcome) {
	p, m := flight.purpose, flight.member
	f.actions.reading[p]--
	m.reading[p] = false
	if f.byID[m.id] != m { // forgotten
		return
	}
	in := worker.StatsRead{Incarnation: o.Action.Incarnation, Span: o.Action.Span, Host: o.Host, Err: o.Err}
	if o.Result == worker.Done {
		in.Usage = o.Usage
	}
	switch {
	case p == forDemand:
		f.measured(m, in)
	case p != forPeople:
		f.step(now, m, in)
	case in.Usage != nil:
		m.machine.DisplayStatsRead(now, in.Incarnation, *in.Usage)
	}
}
