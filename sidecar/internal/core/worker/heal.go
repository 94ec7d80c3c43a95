package worker

import (
	"encoding/binary"
	"hash/fnv"
	"time"

	"stoker/sidecar/internal/core/policy"
)

// cause is why a heal is opened, and its kind.
type cause struct {
	fault  Fault
	intent Intent
	reason Reason
	action HealAction
	detail string
	output string
	stop   SentStop // Stoker's own stop, if the worker was not started since
}

// openHeal decides on a heal. A heal that was open has failed.
func (m *Machine) openHeal(now time.Time, c cause) {
	if h := m.heal(); h.Open() && h.Attempt <= m.saved.Budget.Attempts && h.Action != HealSleep {
		m.emit(m.healEvent(now, EventHealFailed, c.detail))
	}
	c.stop = m.saved.State.Stop
	if m.budgetSpent(now) && c.action != HealStop {
		m.exhaust(now, c)
		return
	}
	attempt := m.saved.Budget.Attempts + 1
	delay := m.id.Policy.Delay(attempt, policy.Seed(string(m.saved.Key), attempt))
	if c.action == HealStop {
		delay = 0
	}
	m.release()
	m.begin(now, c, now.Add(delay))
}

// begin opens the heal in the phase that waits for its first action.
func (m *Machine) begin(now time.Time, c cause, due time.Time) {
	s := State{Phase: PhaseBackingOff, Due: due, Stop: c.stop, Heal: Heal{
		Fault: c.fault, Intent: c.intent, Reason: c.reason, Action: m.nextAction(c), Output: c.output, OpenedAt: now,
		Missing: m.container.status == StatusGone, Attempt: m.attempt(now, c.fault), ExitCode: m.life.end.code,
	}}
	if s.Heal.Action == HealStop {
		s.Heal.Attempt = 0
	}
	s.Heal.ID = m.healID(now, s.Heal)
	if m.container.status == StatusRunning {
		s.Phase = PhaseStopDue
		s.Due = latest(due, m.checks.unhealthyAt.Add(m.id.Policy.UnhealthyFor))
		m.checks.dueAlone = s.Due
		if c.reason.cutOff() {
			s.Due = latest(s.Due, now.Add(groupWindow))
		}
	}
	if s.Heal.Action == HealRecreate {
		s.Phase = PhaseRecreateDue
	}
	m.enter(s)
	if m.container.status.Down() {
		m.requestLogs(m.life.end.at, m.life.end.code)
	}
	m.cpu.question, m.cpu.askAt, m.cpu.wasStarved, m.quota.boostOver = questionOpen, time.Time{}, false, false
	m.saved.Expected = true
	e := m.healEvent(now, EventFault, c.detail)
	e.Delay = s.Due.Sub(now)
	m.emit(e)
}

// attempt is the attempt number of a heal of that fault.
func (m *Machine) attempt(now time.Time, f Fault) int {
	if f.Recycles() && !m.heal().Open() {
		return 0
	}
	return m.nextAttempt(now)
}

// probeFailsNow: the probe of a worker whose restart waits timed out before and fails now, so it no longer indicates a busy host.
func (m *Machine) probeFailsNow(s Snapshot) {
	st := m.saved.State
	if p, ok := s.LastProbe(); ok && st.Heal.Reason == ReasonProbeTimedOut && p.ExitCode != ProbeTimedOut {
		st.Heal.Reason, st.Heal.Output = ReasonProbeFailed, p.Output
		m.enter(st)
	}
}

// healID returns a number that is unique with overwhelming probability. It fits into a float64, as JSON readers need.
func (m *Machine) healID(now time.Time, h Heal) uint64 {
	m.opened++
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(m.saved.Key)) // never fails
	for _, n := range []int64{now.UnixNano(), int64(h.Attempt), int64(m.opened)} {
		_ = binary.Write(hash, binary.LittleEndian, n)
	}
	return hash.Sum64()>>11 | 1
}

// groupWindow is how long a probe that timed out waits for those of other workers, counted from when the timeout is known. If
// most workers on the host time out together, the host is overloaded, and the fleet delays the restarts. A probe that really
// failed does not wait.
const groupWindow = 3 * time.Second

// nextAction is a recreate if nothing less helps, after that many failed restarts in a row, or if the label asks for it.
// Otherwise it is a restart.
func (m *Machine) nextAction(c cause) HealAction {
	if m.id.Task {
		return HealKill
	}
	if c.action == HealStop {
		return HealStop
	}
	asked := c.fault == FaultUnhealthy && m.id.Policy.OnUnhealthy == policy.OnUnhealthyRecreate
	due := m.id.Policy.RecreateAfter > 0 && m.saved.Budget.RestartsInARow >= m.id.Policy.RecreateAfter
	if asked || due || m.saved.Dependents.NeedsNewParentID || m.saved.AutoRemove || m.container.status == StatusGone {
		return HealRecreate
	}
	return c.action
}

// exhaust gives up, or continues at a slow pace. Retries past the limit are not counted.
func (m *Machine) exhaust(now time.Time, c cause) {
	if !m.saved.Budget.exhausted() {
		m.saved.Budget.ExhaustedAt = now
		m.emit(Event{
			At: now, Kind: EventExhausted, HealDetails: HealDetails{HealID: m.heal().ID, Fault: c.fault, Intent: c.intent, Attempt: m.saved.Budget.Attempts, ExitCode: m.life.end.code}, Reason: c.reason, Detail: c.detail,
		})
	}
	if m.id.Policy.WhenExhausted == policy.WhenExhaustedRetry {
		m.begin(now, c, now.Add(m.id.Policy.RetryEvery))
		return
	}
	if m.container.status.Down() {
		m.requestLogs(m.life.end.at, m.life.end.code)
	}
	m.to(PhaseExhausted)
	m.saved.Dependents.RestartPending = c.fault == FaultOrphaned
}

// hold leaves the worker alone until an operator starts it.
func (m *Machine) hold(now time.Time, reason Reason, at time.Time) {
	if !m.heldFor(reason) {
		m.emit(Event{At: now, Kind: EventHeld, HealDetails: HealDetails{HealID: m.heal().ID, ExitCode: m.life.end.code}, Reason: reason})
	}
	h := Hold{Reason: reason, At: at}
	if reason == HeldOperator {
		h.Killed = m.onlyKilled()
		h.Confirmed = m.saved.StopIntent != nil && m.saved.StopIntent.Confirmed
	}
	m.foreign.confirming = m.foreign.confirming && reason == HeldOperator && m.saved.StopIntent != nil
	m.saved.StopIntent = nil
	m.saved.Budget.ExhaustedAt = time.Time{}
	m.saved.Expected = false
	m.enter(State{Phase: PhaseHeld, Hold: h})
	if reason == HeldOperator && !h.Confirmed && !m.foreign.confirming {
		m.requestInspect(now, ReasonUncertain)
	}
	m.life.end.state = exitSettled
}

// stoppedForGood: the stop of an unhealthy worker succeeded, and its label asks for no start. Its own event may still come.
func (m *Machine) stoppedForGood(now time.Time) {
	m.emit(m.healEvent(now, EventStopped, ""))
	m.enter(State{Phase: PhaseHeld, Hold: Hold{Reason: HeldUnhealthy, At: now}, Stop: m.saved.State.Stop})
	m.saved.Expected, m.life.end.state = false, exitSettled
}

// markHealthy handles a worker that runs, and is healthy if it has a health check.
func (m *Machine) markHealthy(now time.Time) {
	whole := m.whole() // otherwise it is unreachable
	if whole && m.checks.healthySince.IsZero() {
		m.checks.healthySince = now
	}
	if whole && (m.saved.Budget.exhausted() && !m.saved.Dependents.RestartPending || m.heldFor(HeldDryRun)) {
		m.release()
	}
	switch m.phase() {
	case PhaseVerifying:
		if !whole {
			return
		}
		kind := EventHealed
		if m.heal().byDemand() {
			kind = EventWoken
		}
		m.emit(m.healEvent(now, kind, m.heal().Note))
		fresh := m.heal().Fault.Recycles()
		m.to(PhaseWatching)
		if fresh {
			m.recycled(now)
		}
	case PhaseStopDue, PhaseRecreateDue:
		if m.heal().Fault == FaultUnhealthy && !m.stopBegun() {
			m.recovered(now, ReasonRecovered)
		}
	case PhaseWatching, PhaseHeld, PhaseAsleep, PhaseDocker, PhaseBackingOff, PhaseStarting, PhaseStopping, PhaseRecreating, PhaseExhausted:
	}
}

// recovered ends a heal that was not needed.
func (m *Machine) recovered(now time.Time, reason Reason) {
	e := m.healEvent(now, EventRecovered, "")
	e.Reason = reason
	m.emit(e)
	m.to(PhaseWatching)
}

// stable resets the attempts.
func (m *Machine) stable(now time.Time) {
	m.emit(Event{At: now, Kind: EventStable, HealDetails: HealDetails{Attempt: m.saved.Budget.Attempts}})
	m.saved.Budget.reset()
	if m.saved.Dependents.RestartPending {
		m.openOrphanedHeal(now, "")
	}
}

func (m *Machine) healEvent(now time.Time, kind EventKind, detail string) Event {
	h := m.heal()
	return Event{
		At: now, Kind: kind, Reason: h.Reason, Detail: detail,
		HealDetails: HealDetails{
			HealID: h.ID, Fault: h.Fault, Intent: h.Intent, Heal: h.Action, Attempt: h.Attempt,
			Duration: now.Sub(h.OpenedAt), ExitCode: h.ExitCode, Output: h.Output,
		},
	}
}
