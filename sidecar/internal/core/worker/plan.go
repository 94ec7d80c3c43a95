package worker

import "time"

// stopMargin is how long past its grace a stop may take: the engine waits 10 s for a killed process (moby kill.go).
const stopMargin = 30 * time.Second

// Deadlines of the calls. A busy engine takes seconds for a start; a minute without an answer is none.
const (
	inspectDeadline = 20 * time.Second
	startDeadline   = time.Minute
)

// Looks that brought nothing are repeated after 1 s, 2 s, 4 s … 30 s.
const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
)

func (m *Machine) inspectBackoff() time.Duration {
	d := lastRetry
	if m.inspects.tries < 5 {
		d = firstRetry << m.inspects.tries
	}
	m.inspects.tries++
	return d
}

// plan says what the machine wants next. It is recomputed after each input, so that nothing that was wanted
// before outlives its reason.
func (m *Machine) plan(now time.Time) (ActionClass, time.Time) {
	if m.container.removed || m.inFlight != nil || (m.id.Unmanageable != HeldNot && !m.id.Tentative) {
		return ClassNone, time.Time{}
	}
	if m.Recreating() || m.Missing() {
		return m.planRecreate()
	}
	if !m.container.inspected || m.inspects.outcomeUnknown {
		return ClassInspect, latest(m.inspects.request.due, now)
	}
	lane, due := m.planHeal()
	lane, due = m.planUpdate(now, lane, due)
	if lane == ClassNone && m.saved.Attempts > 0 && !m.checks.healthySince.IsZero() {
		due = m.checks.healthySince.Add(m.id.Policy.StableAfter)
	}
	if m.inspects.request.due.IsZero() {
		return lane, due
	}
	if lane == ClassStart && !due.After(now) {
		return lane, due // a start that is due waits for nothing, and does no harm where a look would have found it running
	}
	sooner := due.IsZero() || m.inspects.request.due.Before(due) || (lane == ClassStop && !m.inspects.request.due.After(latest(due, now)))
	if sooner {
		return ClassInspect, m.inspects.request.due
	}
	return lane, due
}

// planAnew: there is nothing to look at before the transaction, which looks itself.
func (m *Machine) planRecreate() (ActionClass, time.Time) {
	if m.saved.Heal == nil {
		return ClassNone, time.Time{}
	}
	return ClassRecreate, m.saved.Heal.Due
}

func (m *Machine) planHeal() (ActionClass, time.Time) {
	heal := m.saved.Heal
	switch {
	case heal == nil, m.saved.Held == HeldDocker: // Docker's first
	case heal.Step == StepStart && !heal.StartSent && m.container.status.Down():
		return ClassStart, heal.Due
	case heal.Step == StepRecreate && m.container.status.Down() && !m.beingAutoRemoved():
		return ClassRecreate, heal.Due
	case heal.Fault == FaultUnhealthy && heal.Step != StepVerify && m.checks.status != HealthUnhealthy: // not known since a pause
	case heal.Step == StepStop && heal.StopSentAt.IsZero() && m.container.status == StatusRunning:
		return ClassStop, m.stopAllowedAt(*heal)
	case heal.Step == StepRecreate && m.container.status == StatusRunning:
		return ClassRecreate, m.stopAllowedAt(*heal)
	}
	return ClassNone, time.Time{}
}

// yielding is when a running worker may be stopped: not while somebody else's stop of it is under way.
func (m *Machine) stopAllowedAt(heal OpenHeal) time.Time {
	due := latest(heal.Due, m.foreign.until)
	if heal.Reason == ReasonProbeTimedOut {
		due = latest(due, m.checks.groupDeadline)
		if !m.cpu.askAt.IsZero() && !m.cpu.hostStarved {
			due = latest(due, m.cpu.askAt.Add(senseWait))
		}
	}
	return due
}

// shorten ends what waits longer than any wait does: a wait that was remembered across a step of the clock would last as
// long as the step.
func (m *Machine) clampDelays(now time.Time) {
	if m.saved.Heal == nil {
		return
	}
	p, heal := m.id.Policy, *m.saved.Heal
	longest := max(p.BackoffMax, p.UnhealthyFor) + groupWindow
	if m.saved.Held == HeldExhausted {
		longest = max(longest, p.RetryEvery)
	}
	if heal.Reason == ReasonStarved {
		longest = max(longest, p.StarvedGrace)
	}
	if heal.Due.Sub(now) > longest {
		heal.Due = now.Add(longest)
	}
	if heal.StopSentAt.After(now) {
		heal.StopSentAt = now
	}
	if heal != *m.saved.Heal {
		m.saved.Heal = &heal
	}
}

// grant turns the wish that is due into an action.
func (m *Machine) grant(now time.Time, id uint64) *Action {
	lane, due := m.plan(now)
	if due.IsZero() || due.After(now) {
		return nil
	}
	a := Action{ID: id, Key: m.saved.Key, Incarnation: m.saved.Incarnation}
	m.inspects.stale = false
	switch lane {
	case ClassNone:
		m.stable(now)
		return nil
	case ClassInspect:
		a.Verb, a.Reason, a.Deadline = Inspect, m.inspects.request.reason, inspectDeadline
		m.inspects.request = inspectRequest{}
		m.foreign.confirming = m.saved.Held == HeldOperator || m.saved.StopIntent != nil
	case ClassStart:
		m.fillStart(now, &a)
	case ClassStop:
		m.fillStop(now, &a)
	case ClassRecreate:
		m.fillRecreate(now, &a)
	case ClassUpdate:
		m.fillUpdate(&a)
	}
	m.inFlight = &a
	return &a
}

func (m *Machine) fillStart(now time.Time, a *Action) {
	heal := *m.saved.Heal
	heal.StartSent = true
	m.saved.Heal = &heal
	m.saved.StopIntent = nil
	m.life.awaitStart = now.Add(startDeadline)
	m.count(heal)
	a.Verb, a.Reason, a.Attempt, a.Deadline = Start, heal.Reason, heal.Attempt, startDeadline
}

func (m *Machine) fillStop(now time.Time, a *Action) {
	heal := *m.saved.Heal
	heal.StopSentAt, heal.Grace = now, m.id.Policy.Grace(m.container.config.stopTimeout)
	m.saved.Heal, m.own.issuedHere = &heal, true
	m.count(heal)
	a.Verb, a.Reason, a.Attempt = Stop, heal.Reason, heal.Attempt
	a.Grace = heal.Grace
	a.OnlyIfUnhealthy = heal.Fault == FaultUnhealthy
	a.Deadline = a.Grace + stopMargin
}

// count charges the heal to the budget when its first call goes out.
func (m *Machine) count(heal OpenHeal) {
	if heal.Attempt > m.saved.Attempts {
		m.saved.Attempts = heal.Attempt
		m.saved.RestartsInARow++
	}
}

// refund takes the charge back: the engine was never asked.
func (m *Machine) refund(heal OpenHeal) {
	if heal.Attempt == m.saved.Attempts && m.saved.Attempts > 0 {
		m.saved.Attempts--
		if m.saved.RestartsInARow > 0 {
			m.saved.RestartsInARow--
		}
	}
}
