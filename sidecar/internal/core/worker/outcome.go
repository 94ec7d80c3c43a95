package worker

import "time"

// finish takes in what became of the action in flight. Answers to anything else are late and ignored.
func (m *Machine) finish(now time.Time, o Outcome) {
	if m.inFlight == nil || m.inFlight.ID != o.Action.ID {
		return
	}
	m.inFlight = nil
	if o.Action.Verb == Recreate {
		m.finishRecreate(now, o)
		return
	}
	if m.Missing() {
		return // it is about the container that is gone
	}
	if o.Missing {
		m.vanished(now)
		return
	}
	switch o.Action.Verb {
	case Inspect:
		m.finishInspect(now, o)
	case Start:
		m.finishStart(now, o)
	case Stop:
		m.finishStop(now, o)
	case Update:
		m.finishUpdate(now, o)
	case Recreate, ResumeRecreate, RestartDependents, ReadStats: // the first has gone its own way, the others are the fleet's
	}
}

func (m *Machine) finishInspect(now time.Time, o Outcome) {
	if o.Result != Done || o.Snapshot == nil {
		m.foreign.inspectFailed = m.foreign.inspectFailed || (m.foreign.confirming && o.Unreachable)
		m.requestInspect(now.Add(m.inspectBackoff()), o.Action.Reason)
		return
	}
	if o.Snapshot.Status != StatusRestarting && !m.unexplained() {
		m.inspects.tries = 0
	}
	switch {
	case m.foreign.confirming && o.Broken: // another engine may have answered, or none
		m.foreign.confirming = false
		if _, unsure := m.StoppedAt(); unsure {
			m.requestInspect(now, ReasonUncertain)
		}
	case m.foreign.confirming:
		m.confirm()
	}
	m.applyInspect(now, *o.Snapshot)
}

// confirm: the engine answered after the stop was seen, so that the stop was not its own shutdown's.
func (m *Machine) confirm() {
	m.foreign.confirming, m.foreign.inspectFailed = false, false
	m.saved.HeldSure = m.saved.Held == HeldOperator
	if m.saved.StopIntent != nil {
		sure := *m.saved.StopIntent
		sure.Sure = true
		m.saved.StopIntent = &sure
	}
}

func (m *Machine) finishStart(now time.Time, o Outcome) {
	switch o.Result {
	case Skipped:
		m.skip(now)
	case Done:
		m.startWorked(o.Snapshot)
		m.applyOrInspect(now, o)
	case Unknown:
		m.inspects.outcomeUnknown = true
		m.requestInspect(now.Add(firstRetry), ReasonUncertain)
	case Failed, Refused:
		m.life.awaitStart = time.Time{}
		m.startFailed(now, o)
	}
}

// startWorked: whatever late events made of it meanwhile, the life that the answer shows is one that Stoker began.
func (m *Machine) startWorked(s *Snapshot) {
	heal := m.saved.Heal
	if s == nil || s.Status != StatusRunning || heal == nil || heal.Step != StepStart || (m.inspects.stale && m.older(*s)) {
		return
	}
	ours := *heal
	ours.StartSent = true
	m.saved.Heal = &ours
}

// startFailed: the engine said no, with the container still down. Whatever ended the worker first, what keeps it down
// now is its start.
func (m *Machine) startFailed(now time.Time, o Outcome) {
	heal := m.saved.Heal
	if heal == nil {
		m.requestInspect(now, ReasonUncertain)
		return
	}
	again := *heal
	again.StartSent = false
	m.saved.Heal = &again
	if o.Unreachable {
		m.refund(again)
		again.Due = now.Add(firstRetry)
		return
	}
	if o.Snapshot != nil && o.Snapshot.Status == StatusRunning {
		again.StartSent = true
		m.applyInspect(now, *o.Snapshot)
		return
	}
	if i := m.saved.StopIntent; i != nil { // it came by while the start was on its way
		m.hold(now, HeldOperator, i.At)
		return
	}
	m.openHeal(now, cause{fault: FaultStartFailed, intent: heal.Intent, reason: ReasonStartFailed, heal: heal.Heal, detail: o.Err})
}

func (m *Machine) finishStop(now time.Time, o Outcome) {
	switch o.Result {
	case Skipped:
		m.skip(now)
	case Done:
		m.applyOrInspect(now, o)
	case Unknown:
		m.inspects.outcomeUnknown = true
		m.requestInspect(now.Add(firstRetry), ReasonUncertain)
	case Refused:
		m.stopNotSent(now)
		m.attributeStop(now)
		m.applyOrInspect(now, o)
	case Failed:
		m.stopFailed(now, o)
	}
}

// stopNotSent: the look before the stop found something else than was decided on, so that no stop of Stoker's own is
// on its way. If the fault is still there, it waits a moment: a refusal must not spin.
func (m *Machine) stopNotSent(now time.Time) {
	if m.saved.Heal == nil {
		return
	}
	heal := *m.saved.Heal
	m.refund(heal)
	heal.StopSentAt = time.Time{}
	if heal.Step == StepStop {
		heal.Due = now.Add(firstRetry)
	}
	m.saved.Heal = &heal
}

// disown: signals that came while Stoker's own stop was thought to be on its way were somebody else's, for it was not.
func (m *Machine) attributeStop(now time.Time) {
	if m.own.signals == 0 && !m.own.stopped {
		return
	}
	at := m.own.termAt
	if at.IsZero() {
		at = m.life.endedAt
	}
	m.saved.StopIntent = &StopIntent{ID: m.saved.Incarnation.ID, At: at, Complete: m.own.stopped}
	m.own.signals, m.own.stopped, m.own.termAt = 0, false, time.Time{}
	if m.container.status == StatusExited {
		m.hold(now, HeldOperator, at)
	}
}

func (m *Machine) stopFailed(now time.Time, o Outcome) {
	if m.saved.Heal == nil {
		m.requestInspect(now, ReasonUncertain)
		return
	}
	if o.Unreachable {
		m.stopNotSent(now)
		return
	}
	heal := *m.saved.Heal
	if heal.Step != StepStop { // the end was seen all the same
		return
	}
	heal.StopSentAt = time.Time{}
	m.saved.Heal = &heal
	m.openHeal(now, cause{fault: heal.Fault, intent: heal.Intent, reason: heal.Reason, heal: heal.Heal, detail: o.Err, output: heal.Output})
	m.requestInspect(now, ReasonUncertain)
}

func (m *Machine) applyOrInspect(now time.Time, o Outcome) {
	if o.Snapshot == nil {
		m.requestInspect(now, ReasonVerifying)
		return
	}
	m.applyInspect(now, *o.Snapshot)
}

// skip: a dry run ends where the first call would have gone out.
func (m *Machine) skip(now time.Time) {
	m.life.awaitStart = time.Time{}
	if m.saved.Heal != nil {
		m.refund(*m.saved.Heal)
	}
	expected := m.saved.Expected
	m.hold(now, HeldDryRun, now)
	m.saved.Expected = expected
}
