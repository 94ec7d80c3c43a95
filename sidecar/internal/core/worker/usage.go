package worker

import "time"

// displayStats is a reading for display, kept for comparison with the next one.
type displayStats struct {
	meter Stats
	of    Incarnation
	at    time.Time // Stoker's clock
}

// displayStatsMaxAge bounds the age of a reading for comparison: the mean of an hour is not a worker's present use.
const displayStatsMaxAge = 3 * time.Minute

// DisplayStatsDue reports whether a reading of the worker would be useful for display. span: it must show a share on its own,
// because there is no earlier reading to compare with. A worker that is read for a decision needs no other reading.
func (m *Machine) DisplayStatsDue(now time.Time) (span, ok bool) {
	if !m.readable() || m.id.Tentative || m.container.removed || !m.cpu.askAt.IsZero() || !m.cpu.statsAt.IsZero() {
		return false, false
	}
	fresh := m.cpu.display.of.same(m.saved.Incarnation) && now.Sub(m.cpu.display.at).Abs() <= displayStatsMaxAge
	return !fresh, true
}

// DisplayStatsRead applies such a reading. It is only for display: the machine decides nothing by it.
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

// readable reports whether a reading belongs to the worker's known incarnation.
func (m *Machine) readable() bool {
	return m.container.status == StatusRunning && m.container.inspected && (m.id.Unmanageable == HeldNot || m.observedTask()) && !m.Recreating()
}

func (m *Machine) show(r rates, at time.Time) {
	m.cpu.shown, m.cpu.shownOf = Share{At: at, CPUs: r.cpus, Throttled: r.throttled, ThrottlingUnknown: !r.counted}, m.saved.Incarnation
}

// share is the use of the present incarnation. The use of an earlier one is not shown.
func (m *Machine) share() Share {
	if m.container.status != StatusRunning || !m.cpu.shownOf.same(m.saved.Incarnation) {
		return Share{}
	}
	return m.cpu.shown
}
