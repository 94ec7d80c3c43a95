package fleet

import (
	"cmp"
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// purpose is what a reading is for. Each has places of its own, so that none waits for a lesser one.
type purpose uint8

const (
	forHeal   purpose = iota // it holds up a decision
	forIdle                  // idle-after
	forPeople                // somebody looks
	purposes                 // how many there are
)

// room bounds the readings under way at once. One that shows a share holds its place for one to two seconds.
func (p purpose) room() int {
	if p == forPeople {
		return maxDisplayStats
	}
	return maxSamples
}

const maxSamples = 16

// sampleDeadline bounds one reading: whoever waits for it decides without it afterwards.
const sampleDeadline = 4 * time.Second

// sampleDue asks for the readings that are due, those first that hold up a decision.
func (f *Fleet) readStatsDue(now time.Time) {
	if !f.engine.Connected || f.closing {
		return
	}
	for _, p := range []purpose{forHeal, forIdle} {
		for _, m := range f.wanting(now, p) {
			f.readStats(m, p, p == forHeal)
		}
	}
	f.displayStatsDue(now)
}

// wanting are those who are due for a reading, in the order of (due, key).
func (f *Fleet) wanting(now time.Time, p purpose) []*member {
	type want struct {
		m   *member
		due time.Time
	}
	var wants []want
	for _, m := range f.wantsStats {
		span, due, ok := m.machine.StatsDue()
		if ok && span == (p == forHeal) && !due.After(now) && !m.reading[p] {
			wants = append(wants, want{m, due})
		}
	}
	slices.SortFunc(wants, func(a, b want) int { return cmp.Or(a.due.Compare(b.due), byKey(a.m, b.m)) })
	members := make([]*member, len(wants))
	for i, w := range wants {
		members[i] = w.m
	}
	return members
}

// sample asks for one reading, unless there is no room for it.
func (f *Fleet) readStats(m *member, p purpose, span bool) {
	if f.reading[p] >= p.room() {
		return
	}
	m.reading[p] = true
	f.reading[p]++
	f.send(inFlight{id: m.id, session: f.session, purpose: p}, worker.Action{
		Key: m.key(), Incarnation: m.machine.Saved().Incarnation, Verb: worker.ReadStats, Span: span, Host: p == forHeal, Deadline: sampleDeadline,
	})
}

// read hands a reading to its machine.
func (f *Fleet) read(now time.Time, p purpose, o worker.Outcome) {
	f.reading[p]--
	m := f.byID[o.Action.Incarnation.ID]
	if m == nil {
		return
	}
	m.reading[p] = false
	in := worker.StatsRead{Incarnation: o.Action.Incarnation, Span: o.Action.Span, Host: o.Host, Err: o.Err}
	if o.Result == worker.Done {
		in.Usage = o.Usage
	}
	if p != forPeople {
		f.step(now, m, in)
	} else if in.Usage != nil {
		m.machine.DisplayStatsRead(now, in.Incarnation, *in.Usage)
	}
}

// noteSamples keeps the list of members that want readings, so that those who want none cost nothing.
func (f *Fleet) noteStatsDue(m *member) {
	if _, _, ok := m.machine.StatsDue(); ok {
		f.wantsStats[m.id] = m
		return
	}
	delete(f.wantsStats, m.id)
}

// sampleWake is when the next reading is due.
func (f *Fleet) statsWake(now, wake time.Time) time.Time {
	for _, m := range f.wantsStats {
		_, due, ok := m.machine.StatsDue()
		if ok && due.After(now) && (wake.IsZero() || due.Before(wake)) {
			wake = due
		}
	}
	return wake
}
