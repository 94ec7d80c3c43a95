package worker

import "time"

// stopMargin is how long past its grace a stop may take: the engine waits 10 s for a killed process (moby kill.go).
const stopMargin = 30 * time.Second

// Deadlines of the calls. A busy engine takes seconds for a start; a minute without an answer is none.
const (
	lookDeadline  = 20 * time.Second
	startDeadline = time.Minute
)

// Looks that brought nothing are repeated after 1 s, 2 s, 4 s … 30 s.
const (
	firstLook = time.Second
	lastLook  = 30 * time.Second
)

func (m *Machine) nextLook() time.Duration {
	d := lastLook
	if m.lookTries < 5 {
		d = firstLook << m.lookTries
	}
	m.lookTries++
	return d
}

// plan says what the machine wants next. It is worked out anew after each input, so that nothing that was wanted
// before outlives its reason.
func (m *Machine) plan(now time.Time) (Lane, time.Time) {
	if m.over || m.busy != nil || (m.barred != HeldNot && !m.tentative) {
		return LaneNone, time.Time{}
	}
	if m.Anew() || m.Missing() {
		return m.planAnew()
	}
	if !m.looked || m.unanswered {
		return LaneLook, latest(m.look.due, now)
	}
	lane, due := m.planHeal()
	lane, due = m.planUpdate(now, lane, due)
	if lane == LaneNone && m.mem.Attempts > 0 && !m.wellSince.IsZero() {
		due = m.wellSince.Add(m.policy.StableAfter)
	}
	if m.look.due.IsZero() {
		return lane, due
	}
	if lane == LaneStart && !due.After(now) {
		return lane, due // a start that is due waits for nothing, and does no harm where a look would have found it running
	}
	sooner := due.IsZero() || m.look.due.Before(due) || (lane == LaneStop && !m.look.due.After(latest(due, now)))
	if sooner {
		return LaneLook, m.look.due
	}
	return lane, due
}

// planAnew: there is nothing to look at before the transaction, which looks itself.
func (m *Machine) planAnew() (Lane, time.Time) {
	if m.mem.Heal == nil {
		return LaneNone, time.Time{}
	}
	return LaneRecreate, m.mem.Heal.Due
}

func (m *Machine) planHeal() (Lane, time.Time) {
	heal := m.mem.Heal
	switch {
	case heal == nil, m.mem.Held == HeldDocker: // Docker's first
	case heal.Step == StepStart && !heal.StartSent && m.status.Down():
		return LaneStart, heal.Due
	case heal.Step == StepRecreate && m.status.Down() && !m.leaving():
		return LaneRecreate, heal.Due
	case heal.Fault == FaultUnhealthy && heal.Step != StepVerify && m.health != HealthUnhealthy: // not known since a pause
	case heal.Step == StepStop && heal.StopSentAt.IsZero() && m.status == StatusRunning:
		return LaneStop, m.yielding(*heal)
	case heal.Step == StepRecreate && m.status == StatusRunning:
		return LaneRecreate, m.yielding(*heal)
	}
	return LaneNone, time.Time{}
}

// yielding is when a running worker may be stopped: not while somebody else's stop of it is under way.
func (m *Machine) yielding(heal OpenHeal) time.Time {
	due := latest(heal.Due, m.yieldUntil)
	if heal.Reason == ReasonProbeTimedOut {
		due = latest(due, m.gathered)
		if !m.askAt.IsZero() && !m.lacking {
			due = latest(due, m.askAt.Add(senseWait))
		}
	}
	return due
}

// shorten ends what waits longer than any wait does: a wait that was remembered across a step of the clock would last as
// long as the step.
func (m *Machine) shorten(now time.Time) {
	if m.mem.Heal == nil {
		return
	}
	p, heal := m.policy, *m.mem.Heal
	longest := max(p.BackoffMax, p.UnhealthyFor) + timeoutGather
	if m.mem.Held == HeldExhausted {
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
	if heal != *m.mem.Heal {
		m.mem.Heal = &heal
	}
}

// grant turns the wish that is due into an action.
func (m *Machine) grant(now time.Time, id uint64) *Action {
	lane, due := m.plan(now)
	if due.IsZero() || due.After(now) {
		return nil
	}
	a := Action{ID: id, Key: m.mem.Key, Incarnation: m.mem.Incarnation}
	m.overtaken = false
	switch lane {
	case LaneNone:
		m.stable(now)
		return nil
	case LaneLook:
		a.Verb, a.Reason, a.Deadline = Look, m.look.reason, lookDeadline
		m.look = wish{}
		m.confirming = m.mem.Held == HeldOperator || m.mem.StopIntent != nil
	case LaneStart:
		m.fillStart(now, &a)
	case LaneStop:
		m.fillStop(now, &a)
	case LaneRecreate:
		m.fillRecreate(now, &a)
	case LaneUpdate:
		m.fillUpdate(&a)
	}
	m.busy = &a
	return &a
}

func (m *Machine) fillStart(now time.Time, a *Action) {
	heal := *m.mem.Heal
	heal.StartSent = true
	m.mem.Heal = &heal
	m.mem.StopIntent = nil
	m.awaitStart = now.Add(startDeadline)
	m.count(heal)
	a.Verb, a.Reason, a.Attempt, a.Deadline = Start, heal.Reason, heal.Attempt, startDeadline
}

func (m *Machine) fillStop(now time.Time, a *Action) {
	heal := *m.mem.Heal
	heal.StopSentAt, heal.Grace = now, m.policy.Grace(m.traits.stopTimeout)
	m.mem.Heal, m.stopper = &heal, true
	m.count(heal)
	a.Verb, a.Reason, a.Attempt = Stop, heal.Reason, heal.Attempt
	a.Grace = heal.Grace
	a.OnlyIfUnhealthy = heal.Fault == FaultUnhealthy
	a.Deadline = a.Grace + stopMargin
}

// count charges the heal to the budget when its first call goes out.
func (m *Machine) count(heal OpenHeal) {
	if heal.Attempt > m.mem.Attempts {
		m.mem.Attempts = heal.Attempt
		m.mem.RestartsInARow++
	}
}

// refund takes the charge back: the engine was never asked.
func (m *Machine) refund(heal OpenHeal) {
	if heal.Attempt == m.mem.Attempts && m.mem.Attempts > 0 {
		m.mem.Attempts--
		if m.mem.RestartsInARow > 0 {
			m.mem.RestartsInARow--
		}
	}
}
