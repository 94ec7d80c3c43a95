package worker

import "time"

// glimpse is a reading for people, kept to be compared with the next one.
type glimpse struct {
	meter Meter
	of    Incarnation
	at    time.Time // Stoker's clock
}

// glimpseLasts bounds how old a reading may be that another one is compared with: the mean of an hour is not what a worker
// uses now.
const glimpseLasts = 3 * time.Minute

// Glance tells whether a reading of the worker would show people something, and whether it has to show a share by itself, for
// there is none that it could be compared with. Whoever is read for a decision anyway needs no other.
func (m *Machine) Glance(now time.Time) (span, ok bool) {
	if !m.readable() || m.tentative || m.over || !m.askAt.IsZero() || !m.sampleAt.IsZero() {
		return false, false
	}
	fresh := m.glimpse.of.same(m.mem.Incarnation) && now.Sub(m.glimpse.at).Abs() <= glimpseLasts
	return !fresh, true
}

// Glanced takes in such a reading. It is for eyes only: nothing that the machine decides depends on it.
func (m *Machine) Glanced(now time.Time, of Incarnation, u Usage) {
	if !of.same(m.mem.Incarnation) || m.status != StatusRunning {
		return
	}
	before := u.Before
	if before.At.IsZero() && m.glimpse.of.same(of) {
		before = m.glimpse.meter
	}
	m.glimpse = glimpse{meter: u.Now, of: of, at: now}
	if r, ok := between(before, u.Now, m.traits.cpuPeriod); ok {
		m.show(r, u.Now.At)
	}
}

// readable: a reading is about the worker as it is known to be.
func (m *Machine) readable() bool {
	return m.status == StatusRunning && m.looked && m.barred == HeldNot && !m.Anew()
}

func (m *Machine) show(r rates, at time.Time) {
	m.shown, m.shownOf = Share{At: at, CPUs: r.cpus, Throttled: r.throttled}, m.mem.Incarnation
}

// share is what is known of the life that is. What an earlier one used is nobody's use now.
func (m *Machine) share() Share {
	if m.status != StatusRunning || !m.shownOf.same(m.mem.Incarnation) {
		return Share{}
	}
	return m.shown
}
