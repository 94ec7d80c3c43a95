package worker

import "time"

// applyInspect applies an inspect. Events that are newer than the inspect take precedence.
func (m *Machine) applyInspect(now time.Time, s Snapshot) {
	first := !m.container.inspected
	if first {
		m.checks.groupDeadline = now.Add(groupWindow)
	}
	m.container.inspected, m.inspects.outcomeUnknown, m.inspects.vanishedAt = true, false, time.Time{}
	known := m.saved.Incarnation.StartedAt
	newLife := !s.StartedAt.Equal(known)
	noStartEvent := newLife && !startEventOf(s.StartedAt, known)
	m.networks.unseenStart = m.networks.unseenStart || m.hidesStart(s, noStartEvent)
	m.noteNetworks(now, s)
	m.updateConfig(s)
	m.memoryLimitKnown(now)
	m.noteEnded(s.FinishedAt)
	m.applyPendingSignals()
	if m.inspects.stale && m.older(s) {
		if s.StartedAt.After(known) {
			m.saved.Incarnation = s.Incarnation
		}
		m.requestInspect(now.Add(settle), ReasonUncertain)
		return
	}
	before := m.container.status
	m.saved.Incarnation = s.Incarnation
	m.container.status, m.checks.status = s.Status, s.Health
	if m.life.end.inspected = (time.Time{}); s.Status.Down() && s.FinishedAt.After(s.StartedAt) {
		m.life.end.inspected = s.FinishedAt
	}
	if newLife || s.StartedAt.After(m.life.startedAt) {
		m.life.startedAt = s.StartedAt
	}
	if s.Status != StatusRunning {
		m.checks.healthySince = time.Time{}
	}
	if noStartEvent && !known.IsZero() {
		m.dropOldState(s)
		if !first && !m.awaiting(now) {
			m.life.start.behind = now.Add(startNotice)
		}
	}
	if before == StatusPaused {
		m.checks.resumedAt = latest(m.checks.resumedAt, m.checks.probe.At)
	}
	m.applyStatus(now, s, inspectContext{before: before, first: first, newLife: newLife, noStartEvent: noStartEvent, known: known})
}

// applyStatus evaluates the status of an inspect.
func (m *Machine) applyStatus(now time.Time, s Snapshot, p inspectContext) {
	m.startExplained(s)
	switch s.Status {
	case StatusRunning:
		m.foundRunning(now, s, p.noStartEvent && !p.known.IsZero())
	case StatusRestarting:
		if !m.heldFor(HeldOperator) || p.newLife { // otherwise the inspect is older than the stop
			m.to(PhaseDocker)
			m.life.delayed = true
		}
		m.requestInspect(now.Add(m.inspectBackoff()), ReasonWaitsDocker)
	case StatusExited, StatusCreated:
		m.foundDown(now, s, p)
	case StatusPaused:
		if m.phase() == PhaseStarting && s.StartedAt.After(m.life.end.at) { // a client paused the incarnation that the start began
			m.life.start.by = startedByStoker
			m.to(PhaseVerifying)
		}
	case StatusDead, StatusRemoving, StatusUnknown, StatusGone:
	}
}

// dropOldState drops state of an earlier incarnation than the one inspected. It keeps the state if an event already announced
// this incarnation.
func (m *Machine) dropOldState(s Snapshot) {
	if i := m.saved.StopIntent; i != nil && i.At.Before(s.StartedAt) {
		m.saved.StopIntent, m.foreign.until, m.foreign.window = nil, time.Time{}, time.Time{}
	}
	m.life.end.byDaemon = m.life.end.byDaemon && !s.StartedAt.After(m.life.bootedAt)
	if m.life.end.state == exitUnobserved { // an exit that was seen may belong to the present incarnation
		m.life.end.state = exitSettled
	}
	m.saved.Dependents.RestartPending = false
}

// updateConfig stores the facts that do not change during an incarnation.
func (m *Machine) updateConfig(s Snapshot) {
	m.container.config = containerConfig{
		restart: s.RestartPolicy, autoRemove: s.AutoRemove, stopTimeout: s.StopTimeout, stopSignal: s.StopSignal,
		healthcheck: s.HasHealthcheck, memoryLimit: s.MemoryLimit, cpus: s.CPUs, cpuPeriod: s.CPUPeriod, probeEvery: s.ProbeEvery, devices: s.Devices,
		parents: s.Parents, pidParent: s.PIDParent,
	}
	m.saved.Labels = s.Labels
	m.saved.AutoRemove, m.saved.StopSignal = s.AutoRemove, s.StopSignal
	leaving, definition := s.Status == StatusRemoving || s.Status == StatusDead, m.definition(s) // a container that is being removed is no model for a recreate
	if m.saved.Boost == nil && !leaving && string(m.saved.Definition) != string(definition) {    // the saved definition has the worker's own quota
		m.saved.Definition = definition
		m.changes++
	}
	if p, ok := s.LastProbe(); ok {
		m.checks.probe = p
	}
}

// older reports whether the events are newer than the inspect. Both use the engine's clock for the same process, so a clock step
// could only mislead within the same few milliseconds.
func (m *Machine) older(s Snapshot) bool {
	switch {
	case s.Status == StatusRunning && m.container.status == StatusExited:
		return !m.life.end.at.IsZero() && !s.StartedAt.After(m.life.end.at)
	case s.Status == StatusExited && m.container.status == StatusRunning:
		return !m.life.startedAt.IsZero() && m.life.startedAt.After(s.FinishedAt) && m.life.startedAt.After(s.StartedAt)
	case s.Status == StatusRunning && m.heldFor(HeldOperator): // the stop event may come before the exit event
		return !s.StartedAt.After(m.saved.State.Hold.At)
	}
	return false
}

func (m *Machine) foundRunning(now time.Time, s Snapshot, newLife bool) {
	m.saved.Expected = true
	m.life.end.state, m.life.end.byDaemon = exitSettled, false
	if m.id.Unmanageable != HeldNot {
		return
	}
	m.outOfMemoryInside(now, s)
	switch p := m.phase(); p {
	case PhaseStarting:
		m.life.start.by = startedByStoker
		m.to(PhaseVerifying)
	case PhaseBackingOff, PhaseDocker:
		by := s.startedBy()
		if p == PhaseDocker {
			by = startedByDocker
		}
		m.startedByOther(now, by)
	case PhaseStopping:
		if newLife {
			m.startedByOther(now, s.startedBy())
		} else {
			m.stillStopping(now)
		}
	case PhaseStopDue, PhaseRecreateDue, PhaseExhausted:
		if newLife {
			m.startedByOther(now, s.startedBy())
		}
	case PhaseHeld:
		onItsWayOut := m.heldFor(HeldReplaced) && !newLife // renamed while it runs: it will be removed anyway
		if !onItsWayOut && !m.heldFor(HeldDryRun) {
			m.startedByOther(now, s.startedBy())
		}
	case PhaseAsleep:
		m.startedByOther(now, s.startedBy())
	case PhaseWatching, PhaseVerifying, PhaseRecreating:
	}
	m.judgeHealth(now, s)
}

// stillStopping handles one of Stoker's own stops that was never answered. The engine may still carry it out. After the grace and
// a margin it will not, and the stop is due again.
func (m *Machine) stillStopping(now time.Time) {
	if m.inFlight != nil {
		return
	}
	stop := m.saved.State.Stop
	if !m.own.issuedHere && m.own.adopted.IsZero() { // the clock may have stepped since the previous Stoker sent it
		m.own.adopted = now
	}
	since := latest(latest(stop.At, m.own.termSeen), m.own.adopted)
	if now.Sub(since) < stop.Grace+stopMargin {
		m.requestInspect(now.Add(m.inspectBackoff()), ReasonUncertain)
		return
	}
	if m.own.former { // what was to be healed has ended with the previous incarnation
		m.startedByOther(now, m.life.start.by)
		return
	}
	m.toDue(PhaseStopDue, now)
}

// inspectContext is what an inspect is compared with.
type inspectContext struct {
	before       Status
	first        bool // nothing was known before
	newLife      bool
	noStartEvent bool      // a new incarnation without a start event
	known        time.Time // the start of the previously known incarnation
}

// startedSince reports whether an incarnation without a start event began after a time in the known one. If it began before the
// known one, the engine's clock has stepped.
func (p inspectContext) startedSince(at time.Time, s Snapshot) bool {
	stepped := s.StartedAt.Before(p.known) && !at.Before(p.known)
	return p.noStartEvent && (s.StartedAt.After(at) || stepped)
}

// foundDown handles an inspect without a process. If an event reported the exit, it is already judged.
func (m *Machine) foundDown(now time.Time, s Snapshot, p inspectContext) {
	phase := m.phase()
	switch {
	case m.id.Unmanageable != HeldNot:
	case m.id.Task:
		m.taskEnded(now)
	case m.heldUntilStarted() && p.startedSince(m.saved.State.Hold.At, s):
		m.startedSinceHold(now, s)
	case phase == PhaseAsleep:
		m.foundAsleep(now, s)
	case m.life.end.state == exitPending:
		m.judgePending(now, s)
	case phase == PhaseStopping, m.stopBegun():
		m.foundStopped(now, s)
	case (phase == PhaseRecreateDue || phase == PhaseBackingOff) && m.stoppedByOperator(now, s.FinishedAt):
		// the signal came after the inspect that showed the exit
		m.hold(now, HeldOperator, m.saved.StopIntent.At)
	case phase == PhaseRecreateDue || phase == PhaseRecreating:
		if m.beingAutoRemoved() {
			m.requestInspect(now.Add(m.inspectBackoff()), ReasonUncertain) // the removal is not complete
		}
	case phase == PhaseStarting && p.newLife:
		m.diedAtOnce(now, s)
	case phase == PhaseStarting:
		m.startCameToNothing(now, s)
	case phase == PhaseBackingOff:
	case phase == PhaseDocker:
		m.dockerGaveUp(now, s, p)
	case m.life.end.byDaemon:
		m.exitNotObserved(now, s)
	case phase == PhaseHeld || phase == PhaseExhausted:
	case p.before == StatusExited && !p.noStartEvent && !m.unexplained():
	default:
		m.exitNotObserved(now, s)
	}
}

// judgePending decides on an exit that was seen before the inspect that shows its cause.
func (m *Machine) judgePending(now time.Time, s Snapshot) {
	m.life.end.state = exitSettled
	switch m.inspectedEvidence(now, m.life.end.at, s).EndedBy() {
	case EndedByOperator:
		at := m.life.end.at
		if m.stoppedByOperator(now, at) {
			at = m.saved.StopIntent.At
		}
		m.hold(now, HeldOperator, at)
	case EndedByUnknown:
		m.exitNotObserved(now, s)
	case EndedByStoker, EndedByDaemon, EndedByItself:
		m.judgeExit(now, m.lateExit(s))
	}
}

// startedSinceHold: the hold concerned an earlier incarnation, and an operator has started the worker since. A replay may have
// shown how that incarnation ended; otherwise nothing is known of it.
func (m *Machine) startedSinceHold(now time.Time, s Snapshot) {
	m.release()
	if m.life.end.at.After(s.StartedAt) {
		m.saved.Expected = true
		m.judgeExit(now, m.lateExit(s))
		return
	}
	m.exitNotObserved(now, s)
}

// diedAtOnce: the start succeeded, and the worker exited before the inspect. The events will show the exit.
func (m *Machine) diedAtOnce(now time.Time, s Snapshot) {
	m.to(PhaseVerifying)
	m.exitNotObserved(now, s)
}

// foundStopped: Stoker's own stop succeeded, or an operator stopped the worker meanwhile. The exit event comes after every signal
// that was sent before it, so the start waits a moment for it.
func (m *Machine) foundStopped(now time.Time, s Snapshot) {
	if m.stoppedByOperator(now, s.FinishedAt) {
		m.hold(now, HeldOperator, m.saved.StopIntent.At)
		return
	}
	m.stoppedForHeal(now, now.Add(settle))
}

// startCameToNothing: the answer to a start was lost, and the worker is down. The engine may still be starting it.
func (m *Machine) startCameToNothing(now time.Time, s Snapshot) {
	m.life.start.awaited, m.life.start.late = time.Time{}, now.Add(startDeadline)
	if i := m.saved.StopIntent; i != nil { // it arrived while the start was under way
		m.hold(now, HeldOperator, i.At)
		return
	}
	detail := s.StartError
	if detail == "" {
		detail = "the engine gave no answer to the start, and the worker is not running"
	}
	m.openHeal(now, cause{fault: FaultStartFailed, intent: IntentNone, reason: ReasonStartFailed, action: HealStart, detail: detail})
}

// exitNotObserved: it is down, and no event explains why. The exit is judged without the event after a short wait.
func (m *Machine) exitNotObserved(now time.Time, s Snapshot) {
	wait := settle
	if m.container.config.restart.Active() {
		wait = dockerSettle
	}
	if m.life.end.state != exitUnobserved {
		m.life.end.state, m.life.end.unobservedSince = exitUnobserved, now
	}
	if left := m.life.end.unobservedSince.Add(wait).Sub(now); left > 0 {
		m.requestInspect(now.Add(left), ReasonUncertain)
		return
	}
	m.life.end.state = exitSettled
	m.life.end.at = latest(m.life.end.at, s.FinishedAt)
	m.judgeUnobserved(now, s)
}

// judgeUnobserved applies rule 8, after rule 6.
func (m *Machine) judgeUnobserved(now time.Time, s Snapshot) {
	e := exitFacts{code: s.ExitCode, oom: s.OOMKilled, intent: IntentUnknown, reason: ReasonExitNotObserved}
	if s.StartError != "" {
		e.fault, e.reason, e.detail = FaultStartFailed, ReasonStartFailed, s.StartError
	}
	neverRan := s.StartedAt.IsZero()
	evidence := m.inspectedEvidence(now, s.FinishedAt, s)
	switch {
	case evidence.OperatorStop && !m.life.end.byDaemon:
		m.hold(now, HeldOperator, m.saved.StopIntent.At)
	case evidence.requested() && !m.heal().Open(): // with an open heal it may have been Stoker's own stop
		m.hold(now, HeldOperator, s.FinishedAt)
	case m.engineCutIt():
		e.intent, e.reason = IntentEngine, ReasonEngineRestarted
		m.life.end.byDaemon = false
		m.judgeCause(now, e)
	case s.ExitCause == ExitCauseHidden && !m.heal().Open() && !s.OOMKilled && deliberateCode(s.ExitCode):
		m.hold(now, HeldExitNotObserved, s.FinishedAt) // podman stop sends no event of its own
	case m.saved.Expected, e.fault == FaultStartFailed:
		m.judgeCause(now, e)
	case neverRan:
		m.rest(now, HeldNeverStarted, s.FinishedAt)
	case s.OOMKilled || !deliberateCode(s.ExitCode):
		m.judgeCause(now, e)
	default:
		m.hold(now, HeldExitNotObserved, s.FinishedAt)
	}
}
