package worker

import "time"

// Resume gives a worker that has used up its attempts new ones, as a person's start does. It changes nothing about any other one.
type Resume struct{}

func (Resume) input() {}

// Exhausted reports whether the budget of attempts is used up.
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

// OpenFault is the event of the fault that the worker has now, as if it had just been found; false when it has none.
func (m *Machine) OpenFault(now time.Time) (Event, bool) {
	h := m.heal()
	if h.Fault == FaultNone {
		return Event{}, false
	}
	e := m.healEvent(now, EventFault, "")
	e.Key, e.ID, e.Delay = m.saved.Key, m.saved.Incarnation.ID, max(m.saved.State.Due.Sub(now), 0)
	return e, true
}
