package worker

import "time"

// Resume resets the attempts of a worker that reached the retry limit, as an operator's start does. It has no effect on any other
// worker.
type Resume struct{}

func (Resume) input() {}

// Exhausted reports whether the retry limit is reached.
func (m *Machine) Exhausted() bool { return m.saved.Budget.exhausted() }

func (m *Machine) resume(now time.Time) {
	if !m.Exhausted() {
		return
	}
	running := m.container.status == StatusRunning
	m.release()
	m.resetBudget()
	if m.heal().Open() { // retried slowly
		m.saved.State.Due = now
		return
	}
	if !running {
		m.openHeal(now, cause{fault: FaultExited, intent: IntentNone, reason: ReasonResumed, action: HealStart})
		return
	}
	m.requestInspect(now, ReasonResumed)
}

// OpenFault returns the event of the present fault, as if it had just been detected; false without a fault.
func (m *Machine) OpenFault(now time.Time) (Event, bool) {
	h := m.heal()
	if h.Fault == FaultNone {
		return Event{}, false
	}
	e := m.healEvent(now, EventFault, "")
	e.Key, e.ID, e.Delay = m.saved.Key, m.saved.Incarnation.ID, max(m.saved.State.Due.Sub(now), 0)
	return e, true
}
