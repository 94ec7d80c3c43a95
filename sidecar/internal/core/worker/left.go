package worker

import "time"

// leaveUnhealthy leaves an unhealthy worker so, and says once why.
func (m *Machine) leaveUnhealthy(now time.Time, why Reason) {
	if m.checks.leftReason != why {
		m.checks.leftReason = why
		m.emit(Event{At: now, Kind: EventHeld, Fault: FaultUnhealthy, Reason: why, Output: m.healthOutput()})
	}
}

// notifyUnhealthy tells people of an unhealthy worker, once it has been so for as long as its label asks for.
func (m *Machine) notifyUnhealthy(now time.Time) {
	if due := m.checks.unhealthyAt.Add(m.id.Policy.UnhealthyFor); due.After(now) {
		m.requestInspect(due, ReasonProbeFailed)
		return
	}
	if m.checks.leftReason != HeldNotified {
		m.checks.leftReason = HeldNotified
		m.emit(Event{At: now, Kind: EventUnhealthy, Fault: FaultUnhealthy, Reason: HeldNotified, Output: m.healthOutput()})
	}
}

// noLongerLeft: an unhealthy worker that was left so is healthy again.
func (m *Machine) noLongerLeft(now time.Time) {
	if m.checks.leftReason == HeldNotified {
		m.emit(Event{At: now, Kind: EventRecovered, Fault: FaultUnhealthy, Reason: ReasonRecovered})
	}
	m.checks.leftReason = HeldNot
}
