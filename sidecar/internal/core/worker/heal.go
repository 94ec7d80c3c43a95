package worker

import (
	"time"

	"stoker/sidecar/internal/core/policy"
)

// cause is why a heal is opened and what it is to be.
type cause struct {
	fault  Fault
	intent Intent
	reason Reason
	heal   Heal
	detail string
	output string
	before OpenHeal // the heal that stopped the worker, if nothing has started it since
}

// openHeal decides on a heal. One budget serves all faults of a worker: whatever was tried since it was last stable
// counts.
func (m *Machine) openHeal(now time.Time, c cause) {
	if prev := m.saved.Heal; prev != nil && prev.Attempt <= m.saved.Attempts {
		m.emit(m.healEvent(now, EventHealFailed, c.detail))
	}
	if m.stopSent() {
		c.before = *m.saved.Heal
	}
	m.saved.Heal = nil
	if m.budgetExhausted() {
		m.exhaust(now, c)
		return
	}
	attempt := m.saved.Attempts + 1
	delay := m.id.Policy.Delay(attempt, policy.Seed(string(m.saved.Key), attempt))
	m.release()
	m.begin(now, c, now.Add(delay))
}

// begin sets the heal up and tells of it.
func (m *Machine) begin(now time.Time, c cause, due time.Time) {
	heal := OpenHeal{
		Fault: c.fault, Intent: c.intent, Reason: c.reason, Heal: m.nextAction(c), Output: c.output, Missing: m.container.status == StatusGone,
		Attempt: m.saved.Attempts + 1, Step: StepStart, OpenedAt: now, Due: due, ExitCode: m.life.exitCode,
		StopSentAt: c.before.StopSentAt, Grace: c.before.Grace,
	}
	if heal.Heal == HealRecreate {
		heal.Step, heal.StopSentAt = StepRecreate, time.Time{}
	}
	if m.container.status == StatusRunning {
		if heal.StopSentAt = (time.Time{}); heal.Step == StepStart {
			heal.Step = StepStop
		}
		heal.Due = latest(due, m.checks.unhealthyAt.Add(m.id.Policy.UnhealthyFor))
		m.checks.dueAlone = heal.Due
		if c.reason == ReasonProbeTimedOut {
			heal.Due = latest(heal.Due, now.Add(groupWindow))
		}
	}
	if m.budgetExhausted() {
		heal.Attempt = m.saved.Attempts
	}
	if heal.StopSentAt.IsZero() {
		m.own.signals, m.own.stopped, m.own.termAt = 0, false, time.Time{}
	}
	m.saved.Heal = &heal
	m.cpu.answered, m.cpu.hostStarved, m.cpu.askAt, m.quota.boostOver = false, false, time.Time{}, false
	m.saved.Expected = true
	n := m.healEvent(now, EventFault, c.detail)
	n.Delay = heal.Due.Sub(now)
	m.emit(n)
}

// timeoutGather is how long a probe that timed out waits for company, counted from when it is known that it did: if most
// workers on the host time out together, the host is ill, and the fleet holds the restarts. A probe that really failed
// waits for nothing.
const groupWindow = 3 * time.Second

// rung is the heal that the ladder asks for: a recreate where nothing less will do, after so many restarts in a row that
// did not help, or because the label says so.
func (m *Machine) nextAction(c cause) Heal {
	asked := c.fault == FaultUnhealthy && m.id.Policy.OnUnhealthy == policy.OnUnhealthyRecreate
	due := m.id.Policy.RecreateAfter > 0 && m.saved.RestartsInARow >= m.id.Policy.RecreateAfter
	if asked || due || m.saved.NeedsNewParentID || m.saved.AutoRemove || m.container.status == StatusGone {
		return HealRecreate
	}
	return c.heal
}

// spent reports whether the budget of attempts is used up.
func (m *Machine) budgetExhausted() bool {
	return m.id.Policy.MaxAttempts > 0 && m.saved.Attempts >= m.id.Policy.MaxAttempts
}

// exhaust gives up, or goes on at a slow pace. Retries past the budget do not count against it.
func (m *Machine) exhaust(now time.Time, c cause) {
	if m.saved.Held != HeldExhausted {
		m.saved.Held, m.saved.HeldAt = HeldExhausted, now
		m.emit(Event{At: now, Kind: EventExhausted, Fault: c.fault, Intent: c.intent, Reason: c.reason, Attempt: m.saved.Attempts, ExitCode: m.life.exitCode, Detail: c.detail})
	}
	if m.id.Policy.WhenExhausted == policy.WhenExhaustedRetry {
		m.begin(now, c, now.Add(m.id.Policy.RetryEvery))
		return
	}
	m.saved.RestartPending = c.fault == FaultOrphaned
}

// hold leaves the worker alone, until someone starts it.
func (m *Machine) hold(now time.Time, reason Reason, at time.Time) {
	if m.saved.Held != reason {
		m.emit(Event{At: now, Kind: EventHeld, Reason: reason, ExitCode: m.life.exitCode})
	}
	m.saved.Killed = reason == HeldOperator && m.onlyKilled()
	sure := reason == HeldOperator && m.saved.StopIntent != nil && m.saved.StopIntent.Sure
	m.foreign.confirming = m.foreign.confirming && reason == HeldOperator && m.saved.StopIntent != nil
	m.saved.Heal, m.saved.StopIntent = nil, nil
	m.saved.Held, m.saved.HeldAt, m.saved.HeldSure = reason, at, sure
	m.saved.Expected = false
	if reason == HeldOperator && !sure && !m.foreign.confirming {
		m.requestInspect(now, ReasonUncertain)
	}
	m.life.exitUnobserved, m.life.exitPending = time.Time{}, false
}

func (m *Machine) release() {
	m.saved.Held, m.saved.HeldAt, m.saved.HeldSure, m.saved.Killed = HeldNot, time.Time{}, false, false
	m.foreign.inspectFailed = false
}

// well: running, and healthy if it has a health check.
func (m *Machine) markHealthy(now time.Time) {
	if m.checks.healthySince.IsZero() {
		m.checks.healthySince = now
	}
	if (m.saved.Held == HeldExhausted && !m.saved.RestartPending) || m.saved.Held == HeldDryRun {
		m.release()
	}
	heal := m.saved.Heal
	switch {
	case heal == nil:
	case heal.Step == StepVerify:
		m.emit(m.healEvent(now, EventHealed, ""))
		m.saved.Heal = nil
	case heal.StopSentAt.IsZero() && heal.Step != StepStart && heal.Fault == FaultUnhealthy:
		m.recovered(now, ReasonRecovered)
	}
}

// recovered ends a heal that turned out not to be needed.
func (m *Machine) recovered(now time.Time, reason Reason) {
	n := m.healEvent(now, EventRecovered, "")
	n.Reason = reason
	m.emit(n)
	m.saved.Heal = nil
}

// stable: the slate is clean.
func (m *Machine) stable(now time.Time) {
	m.emit(Event{At: now, Kind: EventStable, Attempt: m.saved.Attempts})
	m.saved.Attempts, m.saved.RestartsInARow = 0, 0
	if m.saved.RestartPending {
		m.openOrphanedHeal(now, "")
	}
}

func (m *Machine) healEvent(now time.Time, kind EventKind, detail string) Event {
	h := m.saved.Heal
	return Event{
		At: now, Kind: kind, Fault: h.Fault, Intent: h.Intent, Heal: h.Heal, Reason: h.Reason, Attempt: h.Attempt,
		Duration: now.Sub(h.OpenedAt), ExitCode: h.ExitCode, Output: h.Output, Detail: detail,
	}
}
