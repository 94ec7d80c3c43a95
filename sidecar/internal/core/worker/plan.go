package worker

import "time"

// stopMargin is how long past its grace a stop may take: the engine waits 10 s for a killed process (moby kill.go).
const stopMargin = 30 * time.Second

// Deadlines of the calls. A busy engine takes seconds for a start; a minute without an answer is none.
const (
	inspectDeadline = 20 * time.Second
	startDeadline   = time.Minute
)

// Inspects without a usable answer are repeated after 1 s, 2 s, 4 s … 30 s.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

// freshInspect is the maximum age of an inspect for a stop without another one.
const freshInspect = 500 * time.Millisecond

func (m *Machine) inspectBackoff() time.Duration {
	d := lastRetry
	if m.inspects.tries < 5 {
		d = firstRetry << m.inspects.tries
	}
	m.inspects.tries++
	return d
}

// plan returns the next action. It is recomputed after each input, so no action outlives its reason.
func (m *Machine) plan(now time.Time) (ActionClass, time.Time) {
	if m.container.removed || m.inFlight != nil || (m.id.Unmanageable != HeldNot && !m.observedTask() && !m.id.Tentative) {
		return ClassNone, time.Time{}
	}
	if m.observedTask() {
		return m.planObserved(now)
	}
	if m.Recreating() || m.Missing() {
		return m.planRecreate()
	}
	if !m.container.inspected || m.inspects.outcomeUnknown {
		return ClassInspect, latest(m.inspects.request.due, now)
	}
	lane, due := m.planHeal()
	if m.inspectsBeforeStart(lane, latest(due, now)) {
		lane = ClassInspect
	}
	lane, due = m.planUpdate(now, lane, due)
	lane, due = m.planConnect(now, lane, due)
	if lane == ClassNone {
		due = earliestOf(m.stableAt(), m.recycleWake(now))
	}
	if m.inspects.request.due.IsZero() {
		return lane, due
	}
	if lane == ClassStart && !due.After(now) {
		return lane, due // a start that is due does not wait, and does no harm if the worker runs
	}
	sooner := due.IsZero() || m.inspects.request.due.Before(due) || (lane == ClassStop && !m.inspects.request.due.After(latest(due, now)))
	if sooner {
		return ClassInspect, m.inspects.request.due
	}
	return lane, due
}

// stableAt is when the attempts are reset; zero if there are none, or the worker is not healthy.
func (m *Machine) stableAt() time.Time {
	if m.saved.Budget.Attempts == 0 || m.checks.healthySince.IsZero() {
		return time.Time{}
	}
	return m.checks.healthySince.Add(m.id.Policy.StableAfter)
}

// planRecreate needs no inspect before the transaction, which inspects itself.
func (m *Machine) planRecreate() (ActionClass, time.Time) {
	if !m.heal().Open() {
		return ClassNone, time.Time{}
	}
	return ClassRecreate, m.saved.State.Due
}

func (m *Machine) planHeal() (ActionClass, time.Time) {
	s := m.saved.State
	running, down := m.container.status == StatusRunning, m.container.status.Down()
	known := s.Heal.Fault != FaultUnhealthy || m.health() == HealthUnhealthy || m.stopBegun() // it is not after a pause
	switch {
	case s.Phase == PhaseBackingOff && down:
		return ClassStart, s.Due
	case s.Phase == PhaseRecreateDue && down && !m.beingAutoRemoved():
		return ClassRecreate, s.Due
	case s.Phase == PhaseStopDue && running && known:
		return ClassStop, m.stopAllowedAt()
	case s.Phase == PhaseRecreateDue && running && known:
		return ClassRecreate, m.stopAllowedAt()
	}
	return ClassNone, time.Time{}
}

// stopAllowedAt is when a running worker may be stopped: not during another client's stop.
func (m *Machine) stopAllowedAt() time.Time {
	due := m.saved.State.Due
	if m.saved.StopIntent != nil {
		due = latest(due, m.foreign.until)
	}
	if m.heal().Reason.cutOff() {
		due = latest(due, m.checks.groupDeadline)
		if !m.cpu.askAt.IsZero() && m.cpu.question != questionHostStarved {
			due = latest(due, m.cpu.askAt.Add(m.senseWait()))
		}
	}
	return due
}

// clampDelays shortens waits that are longer than any valid one. A wait that was saved before a step of the clock would otherwise
// last as long as the step.
func (m *Machine) clampDelays(now time.Time) {
	s := &m.saved.State
	if !s.Heal.Open() {
		return
	}
	p := m.id.Policy
	longest := max(p.BackoffMax, p.UnhealthyFor) + groupWindow
	if m.saved.Budget.exhausted() {
		longest = max(longest, p.RetryEvery)
	}
	if s.Heal.Reason == ReasonStarved {
		longest = max(longest, p.StarvedGrace)
	}
	if s.Due.Sub(now) > longest {
		s.Due = now.Add(longest)
	}
	if s.Stop.At.After(now) {
		s.Stop.At = now
	}
	if m.own.termSeen.After(now) {
		m.own.termSeen = now
	}
}

// grant turns what is due into an action.
func (m *Machine) grant(now time.Time, id uint64) *Action {
	class, due := m.plan(now)
	if due.IsZero() || due.After(now) {
		return nil
	}
	a := Action{ID: id, Key: m.saved.Key, Incarnation: m.saved.Incarnation}
	m.inspects.stale = false
	switch class {
	case ClassNone: // otherwise Step has done what was due
		if at := m.stableAt(); !at.IsZero() && !at.After(now) {
			m.stable(now)
		}
		return nil
	case ClassInspect:
		a.Verb, a.Reason, a.Deadline = Inspect, m.inspects.request.reason, inspectDeadline
		m.inspects.request = inspectRequest{}
		if a.Reason == "" { // before a start
			a.Reason = ReasonVerifying
		}
		m.foreign.confirming = m.heldFor(HeldOperator) || m.saved.StopIntent != nil
	case ClassStart:
		m.fillStart(now, &a)
	case ClassStop:
		if m.collects() {
			m.fillCollect(now, &a)
		} else {
			m.fillStop(now, &a)
		}
	case ClassRecreate:
		m.fillRecreate(now, &a)
	case ClassUpdate:
		if m.connectsNow(now) {
			m.fillConnect(&a)
		} else {
			m.fillUpdate(&a)
		}
	}
	m.inFlight = &a
	return &a
}

func (m *Machine) fillStart(now time.Time, a *Action) {
	m.to(PhaseStarting)
	m.saved.StopIntent = nil
	m.life.start.awaited, m.life.start.late = now.Add(startDeadline), time.Time{}
	m.charge(now)
	a.Verb, a.Reason, a.Attempt, a.Deadline = Start, m.heal().Reason, m.heal().Attempt, startDeadline
}

func (m *Machine) fillStop(now time.Time, a *Action) {
	a.OnlyIfUnhealthy = m.onlyIfUnhealthy()
	s := m.saved.State
	s.Phase, s.Stop = PhaseStopping, m.stopNow(now)
	verb := Stop
	if m.id.Task {
		verb = Kill
	}
	m.enter(s)
	m.own.issuedHere = true
	m.saved.OwnStops.Sent++
	m.charge(now)
	a.Verb, a.Reason, a.Attempt = verb, s.Heal.Reason, s.Heal.Attempt
	a.Grace = m.requestGrace(s.Stop)
	a.Inspected = now.Sub(m.inspects.appliedAt) < freshInspect
	a.Deadline = s.Stop.Grace + stopMargin
}
