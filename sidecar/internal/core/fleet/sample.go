package fleet

import (
	"time"

	"stoker/sidecar/internal/core/worker"
)

// purpose is what a reading is for. Each has places of its own, so that none waits for a lesser one.
type purpose uint8

const (
	forHeal   purpose = iota // it holds up a decision
	forIdle                  // idle-after
	forDemand                // who of a group is busy
	forPeople                // somebody looks
	purposes                 // how many there are
)

// room bounds the readings under way at once. One that shows a share holds its place for one to two seconds.
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
	// maxDemandStats: of a larger group not all workers can be put to sleep at one poll, which only one is anyway.
	maxDemandStats = 64
)

// sampleDeadline bounds one reading: anyone who waits for it decides without it afterwards.
const sampleDeadline = 4 * time.Second

// readStatsDue asks for the readings that are due, those first that hold up a decision.
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

// reads reports whether readings are asked for at all.
func (f *Fleet) reads() bool { return f.stream.engine.Connected && !f.closing }

// wanting are those that are due for a reading, in the order of (due, key).
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

// readStats asks for one reading, and reports whether there was room for it.
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

// read hands a reading to its machine.
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
