package fleet

import (
	"time"

	"stoker/sidecar/internal/lifecycle"
)

// maxSamples bounds the readings under way at once. One that shows a share holds its place for one to two seconds.
const maxSamples = 16

// sampleDeadline bounds one reading: whoever waits for it decides without it afterwards.
const sampleDeadline = 4 * time.Second

// sampleDue asks for the readings that are due, those first that hold up a decision.
func (f *Fleet) sampleDue(now time.Time) {
	if !f.link.Up || f.closing {
		return
	}
	for _, urgent := range []bool{true, false} {
		for _, m := range f.sampled {
			span, due, ok := m.machine.Samples()
			if ok && span == urgent && !due.After(now) && !m.sampling && f.sampling < maxSamples {
				f.sample(m, span)
			}
		}
	}
}

func (f *Fleet) sample(m *member, span bool) {
	m.sampling = true
	f.sampling++
	f.send(flight{id: m.id, session: f.session}, lifecycle.Action{
		Key: m.key(), Incarnation: m.machine.Memory().Incarnation, Verb: lifecycle.Sample, Span: span, Deadline: sampleDeadline,
	})
}

// read hands a reading to its machine.
func (f *Fleet) read(now time.Time, o lifecycle.Outcome) {
	f.sampling--
	m := f.byID[o.Action.Incarnation.ID]
	if m == nil {
		return
	}
	m.sampling = false
	in := lifecycle.Sampled{Incarnation: o.Action.Incarnation, Err: o.Err}
	if o.Result == lifecycle.Done {
		in.Usage = o.Usage
	}
	f.step(now, m, in)
}

// noteSamples keeps the list of members that want readings, so that those who want none cost nothing.
func (f *Fleet) noteSamples(m *member) {
	if _, _, ok := m.machine.Samples(); ok {
		f.sampled[m.id] = m
		return
	}
	delete(f.sampled, m.id)
}

// sampleWake is when the next reading is due.
func (f *Fleet) sampleWake(now, wake time.Time) time.Time {
	for _, m := range f.sampled {
		_, due, ok := m.machine.Samples()
		if ok && !m.sampling && due.After(now) && (wake.IsZero() || due.Before(wake)) {
			wake = due
		}
	}
	return wake
}
