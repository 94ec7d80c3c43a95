package worker

import "time"

// finish applies the outcome of the action in flight. Answers to other actions are late and ignored.
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
		return // it concerns the container that is gone
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
	case Stop, Kill:
		m.finishStop(now, o)
	case Update:
		m.finishUpdate(now, o)
	case Connect:
		m.finishConnect(now, o)
	case Collect:
		m.finishCollect(now, o)
	case Recreate, RecreateStep, ListDependents, RestartDependent, ReadStats, ReadLogs, AskSource, RunProbe, Clone, RemoveClone: // the first is handled above, the others by the fleet
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
	m.inspects.appliedAt = now
	m.applyInspect(now, *o.Snapshot)
	m.recordEvent()
}

// confirm: the engine answered after the stop was seen, so the engine was not shutting down.
func (m *Machine) confirm() {
	m.foreign.confirming, m.foreign.inspectFailed = false, false
	if m.heldFor(HeldOperator) {
		m.saved.State.Hold.Confirmed = true
	}
	if i := m.saved.StopIntent; i != nil {
		confirmed := *i
		confirmed.Confirmed = true
		m.saved.StopIntent = &confirmed
	}
}

func (m *Machine) finishStart(now time.Time, o Outcome) {
	switch o.Result {
	case Skipped:
		m.skip(now)
	case Done:
		m.startWorked(now, o.Snapshot)
		m.applyOrInspect(now, o)
	case Unknown:
		m.inspects.outcomeUnknown, m.networks.unseenStart = true, m.networks.unseenStart || !o.Accepted
		m.requestInspect(now.Add(firstRetry), ReasonUncertain)
	case Failed, Refused:
		m.life.start.awaited = time.Time{}
		m.startFailed(now, o)
	}
}

// startWorked: Stoker began the incarnation in the answer, whatever late events showed meanwhile.
func (m *Machine) startWorked(now time.Time, s *Snapshot) {
	if s == nil || s.Status != StatusRunning || (m.inspects.stale && m.older(*s)) {
		return
	}
	if m.phase() == PhaseBackingOff {
		m.to(PhaseStarting)
	}
	m.life.start.eventMissing = !m.life.start.awaited.IsZero()
	if m.life.start.eventMissing {
		m.life.start.awaited = earliestOf(m.life.start.awaited, now.Add(startNotice))
	}
}

// startFailed: the engine refused, and the container is still down. Whatever ended the worker first, the failed start now keeps
// it down.
func (m *Machine) startFailed(now time.Time, o Outcome) {
	h := m.heal()
	if !h.Open() {
		m.requestInspect(now, ReasonUncertain)
		return
	}
	if o.Snapshot != nil && o.Snapshot.Status == StatusRunning && !o.Unreachable {
		m.hiddenFailure(o)
		m.startWorked(now, o.Snapshot)
		m.applyInspect(now, *o.Snapshot)
		return
	}
	if m.container.status == StatusRunning {
		m.startedInstead(now, o)
		return
	}
	if m.phase() == PhaseStarting {
		m.to(PhaseBackingOff)
	}
	if o.Snapshot != nil {
		m.noteNetworks(now, *o.Snapshot)
	}
	if o.Unreachable || o.ParentDown { // for the second the fleet allows no start before the parent runs
		m.refund()
		m.saved.State.Due = now.Add(firstRetry)
		return
	}
	if i := m.saved.StopIntent; i != nil { // it arrived while the start was under way
		m.hold(now, HeldOperator, i.At)
		return
	}
	action := h.Action
	if h.byDemand() {
		action = HealStart
	}
	m.openHeal(now, cause{fault: FaultStartFailed, intent: h.Intent, reason: ReasonStartFailed, action: action, detail: o.Err})
}

// startedInstead: another client's start succeeded beside the one that failed. Only its event shows that: the answer has no inspect,
// or an older one. The next inspect decides, for nothing may be done to a worker that runs.
func (m *Machine) startedInstead(now time.Time, o Outcome) {
	if o.Unreachable || o.ParentDown {
		m.refund()
	}
	m.hiddenFailure(o)
	m.inspects.outcomeUnknown = true
	m.requestInspect(now, ReasonUncertain)
}

// hiddenFailure: another client's start succeeded right after Stoker's had failed, so that an inspect no longer shows why. A network
// that is missing may be lost only if the start failed for one.
func (m *Machine) hiddenFailure(o Outcome) {
	m.networks.unseenStart = m.networks.unseenStart || o.NetworkFailed
}

func (m *Machine) finishStop(now time.Time, o Outcome) {
	switch o.Result {
	case Skipped:
		m.skip(now)
	case Done:
		if m.container.status != StatusRunning {
			return
		}
		m.stopEndedBefore(now, o)
		m.requestInspect(now, ReasonVerifying) // the exit event comes after the answer
	case Unknown:
		if m.own.carriedOut {
			m.stopEndedBefore(now, o)
		}
		m.inspects.outcomeUnknown = true
		m.requestInspect(now.Add(firstRetry), ReasonUncertain)
	case Refused:
		own := m.own
		m.stopNotSent(now)
		m.attributeStop(now, own)
		m.applyOrInspect(now, o)
	case Failed:
		m.stopFailed(now, o)
	}
}

// stopEndedBefore: another client started the worker since, and no signal arrived in the new incarnation: the stop ended before
// it.
func (m *Machine) stopEndedBefore(now time.Time, o Outcome) {
	if m.phase() == PhaseStopping && m.own.signals == 0 && !m.saved.Incarnation.same(o.Action.Incarnation) {
		m.startedByOther(now, m.life.start.by)
	}
}

// stopNotSent: the inspect before the stop differed from the decision, so none of Stoker's own stops is under way. A fault that
// persists waits a moment, to avoid a busy loop of refusals.
func (m *Machine) stopNotSent(now time.Time) {
	if !m.heal().Open() {
		return
	}
	m.refund()
	switch {
	case m.phase() == PhaseStopping && m.heal().byDemand():
		m.staysAwake(now, "")
		return
	case m.phase() == PhaseStopping:
		m.toDue(PhaseStopDue, now.Add(m.refusedRetry()))
		return
	}
	m.dropOwnStop()
}

// dropOwnStop: no event of a stop of Stoker's own is expected any more.
func (m *Machine) dropOwnStop() {
	m.saved.State.Stop = SentStop{}
	m.own = ownStop{}
}

// attributeStop attributes signals to other clients that arrived while Stoker's own stop seemed to be under way and was not.
func (m *Machine) attributeStop(now time.Time, own ownStop) {
	if own.signals == 0 && !own.stopped {
		return
	}
	at := own.termAt
	if at.IsZero() {
		at = m.life.end.at
	}
	m.saved.StopIntent = &StopIntent{ID: m.saved.Incarnation.ID, At: at, Complete: own.stopped}
	if m.container.status == StatusExited {
		m.hold(now, HeldOperator, at)
	}
}

func (m *Machine) stopFailed(now time.Time, o Outcome) {
	h := m.heal()
	switch {
	case !h.Open():
		m.requestInspect(now, ReasonUncertain)
	case o.Unreachable:
		m.stopNotSent(now)
	case m.phase() == PhaseStopping && h.byDemand():
		m.staysAwake(now, o.Err)
	case m.phase() == PhaseStopping && h.Fault.Recycles():
		m.recycleFailed(now, o.Err)
	case m.phase() == PhaseStopping:
		m.to(PhaseStopDue)
		m.openHeal(now, cause{fault: h.Fault, intent: h.Intent, reason: h.Reason, action: h.Action, detail: o.Err, output: h.Output})
		m.requestInspect(now, ReasonUncertain)
	default: // the exit was seen anyway
	}
}

func (m *Machine) applyOrInspect(now time.Time, o Outcome) {
	if o.Snapshot == nil {
		m.requestInspect(now, ReasonVerifying)
		return
	}
	m.applyInspect(now, *o.Snapshot)
}

// skip ends a dry run where the first call would be sent.
func (m *Machine) skip(now time.Time) {
	m.life.start.awaited = time.Time{}
	if m.heal().byDemand() {
		m.skipDemand(now)
		return
	}
	if m.heal().Fault.Recycles() && m.container.status == StatusRunning {
		m.skipRecycle(now)
		return
	}
	if m.heal().Open() {
		m.refund()
	}
	if m.heal().Fault == FaultIdle && m.container.status == StatusRunning {
		m.skipIdle(now)
		return
	}
	expected := m.saved.Expected
	m.hold(now, HeldDryRun, now)
	m.saved.Expected = expected
}

// skipIdle: a dry run reports an idle worker, and continues to watch it: no event shows that it computes again, which would end a hold.
func (m *Machine) skipIdle(now time.Time) {
	e := m.healEvent(now, EventHeld, "")
	e.Reason = HeldDryRun
	m.emit(e)
	m.to(PhaseWatching)
	m.cpu.idleSince = time.Time{}
}
