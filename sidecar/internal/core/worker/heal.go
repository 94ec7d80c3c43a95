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
	if prev := m.mem.Heal; prev != nil && prev.Attempt <= m.mem.Attempts {
		m.note(m.healNote(now, NoteHealFailed, c.detail))
	}
	if m.stopSent() {
		c.before = *m.mem.Heal
	}
	m.mem.Heal = nil
	if m.spent() {
		m.exhaust(now, c)
		return
	}
	attempt := m.mem.Attempts + 1
	delay := m.policy.Delay(attempt, policy.Seed(string(m.mem.Key), attempt))
	m.release()
	m.begin(now, c, now.Add(delay))
}

// begin sets the heal up and tells of it.
func (m *Machine) begin(now time.Time, c cause, due time.Time) {
	heal := OpenHeal{
		Fault: c.fault, Intent: c.intent, Reason: c.reason, Heal: m.rung(c), Output: c.output, Missing: m.status == StatusGone,
		Attempt: m.mem.Attempts + 1, Step: StepStart, OpenedAt: now, Due: due, ExitCode: m.exitCode,
		StopSentAt: c.before.StopSentAt, Grace: c.before.Grace,
	}
	if heal.Heal == HealRecreate {
		heal.Step, heal.StopSentAt = StepRecreate, time.Time{}
	}
	if m.status == StatusRunning {
		if heal.StopSentAt = (time.Time{}); heal.Step == StepStart {
			heal.Step = StepStop
		}
		heal.Due = latest(due, m.unhealthyAt.Add(m.policy.UnhealthyFor))
		m.alone = heal.Due
		if c.reason == ReasonProbeTimedOut {
			heal.Due = latest(heal.Due, now.Add(timeoutGather))
		}
	}
	if m.spent() {
		heal.Attempt = m.mem.Attempts
	}
	if heal.StopSentAt.IsZero() {
		m.ownSignals, m.ownStopped, m.ownTermAt = 0, false, time.Time{}
	}
	m.mem.Heal = &heal
	m.answered, m.lacking, m.askAt, m.boostOver = false, false, time.Time{}, false
	m.mem.Expected = true
	n := m.healNote(now, NoteFault, c.detail)
	n.Delay = heal.Due.Sub(now)
	m.note(n)
}

// timeoutGather is how long a probe that timed out waits for company, counted from when it is known that it did: if most
// workers on the host time out together, the host is ill, and the fleet holds the restarts. A probe that really failed
// waits for nothing.
const timeoutGather = 3 * time.Second

// rung is the heal that the ladder asks for: a recreate where nothing less will do, after so many restarts in a row that
// did not help, or because the label says so.
func (m *Machine) rung(c cause) Heal {
	asked := c.fault == FaultUnhealthy && m.policy.OnUnhealthy == policy.OnUnhealthyRecreate
	due := m.policy.RecreateAfter > 0 && m.mem.RestartsInARow >= m.policy.RecreateAfter
	if asked || due || m.mem.Stranded || m.mem.AutoRemove || m.status == StatusGone {
		return HealRecreate
	}
	return c.heal
}

// spent tells whether the budget of attempts is used up.
func (m *Machine) spent() bool {
	return m.policy.MaxAttempts > 0 && m.mem.Attempts >= m.policy.MaxAttempts
}

// exhaust gives up, or goes on at a slow pace. Retries past the budget do not count against it.
func (m *Machine) exhaust(now time.Time, c cause) {
	if m.mem.Held != HeldExhausted {
		m.mem.Held, m.mem.HeldAt = HeldExhausted, now
		m.note(Note{At: now, Kind: NoteExhausted, Fault: c.fault, Intent: c.intent, Reason: c.reason, Attempt: m.mem.Attempts, ExitCode: m.exitCode, Detail: c.detail})
	}
	if m.policy.WhenExhausted == policy.WhenExhaustedRetry {
		m.begin(now, c, now.Add(m.policy.RetryEvery))
		return
	}
	m.mem.Alone = c.fault == FaultStranded
}

// hold leaves the worker alone, until someone starts it.
func (m *Machine) hold(now time.Time, reason Reason, at time.Time) {
	if m.mem.Held != reason {
		m.note(Note{At: now, Kind: NoteHeld, Reason: reason, ExitCode: m.exitCode})
	}
	m.mem.Killed = reason == HeldOperator && m.killedAlone()
	sure := reason == HeldOperator && m.mem.StopIntent != nil && m.mem.StopIntent.Sure
	m.confirming = m.confirming && reason == HeldOperator && m.mem.StopIntent != nil
	m.mem.Heal, m.mem.StopIntent = nil, nil
	m.mem.Held, m.mem.HeldAt, m.mem.HeldSure = reason, at, sure
	m.mem.Expected = false
	if reason == HeldOperator && !sure && !m.confirming {
		m.wishLook(now, ReasonUncertain)
	}
	m.unseenEnd, m.unjudged = time.Time{}, false
}

func (m *Machine) release() {
	m.mem.Held, m.mem.HeldAt, m.mem.HeldSure, m.mem.Killed = HeldNot, time.Time{}, false, false
	m.goneSince = false
}

// well: running, and healthy if it has a health check.
func (m *Machine) well(now time.Time) {
	if m.wellSince.IsZero() {
		m.wellSince = now
	}
	if (m.mem.Held == HeldExhausted && !m.mem.Alone) || m.mem.Held == HeldDryRun {
		m.release()
	}
	heal := m.mem.Heal
	switch {
	case heal == nil:
	case heal.Step == StepVerify:
		m.note(m.healNote(now, NoteHealed, ""))
		m.mem.Heal = nil
	case heal.StopSentAt.IsZero() && heal.Step != StepStart && heal.Fault == FaultUnhealthy:
		m.recovered(now, ReasonRecovered)
	}
}

// recovered ends a heal that turned out not to be needed.
func (m *Machine) recovered(now time.Time, reason Reason) {
	n := m.healNote(now, NoteRecovered, "")
	n.Reason = reason
	m.note(n)
	m.mem.Heal = nil
}

// stable: the slate is clean.
func (m *Machine) stable(now time.Time) {
	m.note(Note{At: now, Kind: NoteStable, Attempt: m.mem.Attempts})
	m.mem.Attempts, m.mem.RestartsInARow = 0, 0
	if m.mem.Alone {
		m.rejoin(now, "")
	}
}

func (m *Machine) healNote(now time.Time, kind NoteKind, detail string) Note {
	h := m.mem.Heal
	return Note{
		At: now, Kind: kind, Fault: h.Fault, Intent: h.Intent, Heal: h.Heal, Reason: h.Reason, Attempt: h.Attempt,
		Duration: now.Sub(h.OpenedAt), ExitCode: h.ExitCode, Output: h.Output, Detail: detail,
	}
}
