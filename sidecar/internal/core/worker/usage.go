package worker

import "time"

// displayStats is a reading for people, kept to be compared with the next one.
type displayStats struct {
	meter Stats
	of    Incarnation
	at    time.Time // Stoker's clock
}

// displayStatsMaxAge bounds how old a reading may be that another one is compared with: the mean of an hour is not what a worker
// uses now.
const displayStatsMaxAge = 3 * time.Minute

// DisplayStatsDue reports whether a reading of the worker would show people something, and whether it has to show a share by itself, for
// there is none that it could be compared with. Anyone who is read for a decision anyway needs no other.
func (m *Machine) DisplayStatsDue(now time.Time) (span, ok bool) {
	if !m.readable() || m.id.Tentative || m.container.removed || !m.cpu.askAt.IsZero() || !m.cpu.statsAt.IsZero() {
		return false, false
	}
	fresh := m.cpu.display.of.same(m.saved.Incarnation) && now.Sub(m.cpu.display.at).Abs() <= displayStatsMaxAge
	return !fresh, true
}

// DisplayStatsRead takes in such a reading. It is for eyes only: nothing that the machine decides depends on it.
func (m *Machine) DisplayStatsRead(now time.Time, of Incarnation, u Usage) {
	if !of.same(m.saved.Incarnation) || m.container.status != StatusRunning {
		return
	}
	before := u.Before
	if before.At.IsZero() && m.cpu.display.of.same(of) {
		before = m.cpu.display.meter
	}
	m.cpu.display = displayStats{meter: u.Now, of: of, at: now}
	if r, ok := between(before, u.Now, m.container.config.cpuPeriod); ok {
		m.show(r, u.Now.At)
	}
}

// readable: a reading is about the worker as it is known to be.
func (m *Machine) readable() bool {
	return m.container.status == StatusRunning && m.container.inspected && (m.id.Unmanageable == HeldNot || m.observedTask()) && !m.Recreating()
}

func (m *Machine) show(r rates, at time.Time) {
	m.cpu.shown, m.cpu.shownOf = Share{At: at, CPUs: r.cpus, Throttled: r.throttled, ThrottlingUnknown: !r.counted}, m.saved.Incarnation
}

// share is what is known of the life that is. What an earlier one used is nobody's use now.
func (m *Machine) share() Share {
	if m.container.status != StatusRunning || !m.cpu.shownOf.same(m.saved.Incarnation) {
		return Share{}
	}
	return m.cpu.shown
}
