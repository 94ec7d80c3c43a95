package worker

import (
	"time"

	"stoker/sidecar/internal/core/policy"
)

func (m *Machine) judgeHealth(now time.Time, s Snapshot) {
	if s.Health == HealthUnhealthy && !m.checks.resumedAt.IsZero() && !m.checks.probe.At.After(m.checks.resumedAt) {
		m.checks.status = HealthStarting // set by the pause, not by a probe; the next lists are compared with it
	}
	switch m.health() {
	case HealthNone, HealthHealthy:
		m.checks.unhealthyAt = time.Time{}
		m.noLongerLeft(now)
		m.markHealthy(now)
	case HealthUnhealthy:
		m.judgeUnhealthy(now, s)
	case HealthStarting, HealthUnknown: // only at the beginning of an incarnation
		m.checks.healthySince, m.checks.unhealthyAt = time.Time{}, time.Time{}
	}
}

// judgeUnhealthy decides about a running worker whose health check or probe from outside fails.
func (m *Machine) judgeUnhealthy(now time.Time, s Snapshot) {
	m.checks.healthySince = time.Time{}
	if m.checks.unhealthyAt.IsZero() {
		m.checks.unhealthyAt = now
	}
	switch m.phase() {
	case PhaseStopDue, PhaseRecreateDue:
		m.probeFailsNow(s)
		m.otherCheckFails(m.unhealthyCause(s))
		return
	case PhaseStopping, PhaseRecreating, PhaseExhausted:
		return
	case PhaseWatching, PhaseHeld, PhaseAsleep, PhaseDocker, PhaseBackingOff, PhaseStarting, PhaseVerifying:
	}
	switch {
	case m.id.Policy.OnUnhealthy == policy.OnUnhealthyIgnore:
		m.leaveUnhealthy(now, HeldIgnored)
		return
	case m.id.Policy.OnUnhealthy == policy.OnUnhealthyNotify:
		m.notifyUnhealthy(now)
		return
	case m.container.config.autoRemove && m.checks.leftReason == HeldNeedsRecreate: // and its stop would remove it
		return
	}
	c := m.unhealthyCause(s)
	if m.id.Policy.OnUnhealthy == policy.OnUnhealthyStop {
		c.action = HealStop
	}
	m.openHeal(now, c)
}

func (m *Machine) leaveUnhealthy(now time.Time, why Reason) {
	if m.checks.leftReason != why {
		m.checks.leftReason = why
		m.emit(Event{At: now, Kind: EventHeld, HealDetails: HealDetails{Fault: FaultUnhealthy, Output: m.healthOutput()}, Reason: why})
	}
}

// notifyUnhealthy emits the event of an unhealthy worker once it has been unhealthy for the time in its label.
func (m *Machine) notifyUnhealthy(now time.Time) {
	if due := m.checks.unhealthyAt.Add(m.id.Policy.UnhealthyFor); due.After(now) {
		m.requestInspect(due, ReasonProbeFailed)
		return
	}
	if m.checks.leftReason != HeldNotified {
		m.checks.leftReason = HeldNotified
		m.emit(Event{At: now, Kind: EventUnhealthy, HealDetails: HealDetails{Fault: FaultUnhealthy, Output: m.healthOutput()}, Reason: HeldNotified})
	}
}

// noLongerLeft: an unhealthy worker that was left alone is healthy again.
func (m *Machine) noLongerLeft(now time.Time) {
	if m.checks.leftReason == HeldNotified {
		m.emit(Event{At: now, Kind: EventRecovered, HealDetails: HealDetails{Fault: FaultUnhealthy}, Reason: ReasonRecovered})
	}
	m.checks.leftReason = HeldNot
}
