package worker

import (
	"time"

	"stoker/sidecar/internal/core/policy"
)

// absorb takes in a look. What the events said later than the look was taken wins over it.
func (m *Machine) absorb(now time.Time, s Snapshot) {
	first := !m.looked
	if !m.looked {
		m.gathered = now.Add(timeoutGather)
	}
	m.looked, m.unanswered, m.vanishedAt = true, false, time.Time{}
	m.learn(s)
	m.signalledEarly()
	known := m.mem.Incarnation.StartedAt
	newLife := !s.StartedAt.Equal(known)
	unheard := newLife && !begunAt(known, s)
	if m.overtaken && m.older(s) {
		if s.StartedAt.After(known) {
			m.mem.Incarnation = s.Incarnation
		}
		m.wishLook(now.Add(settle), ReasonUncertain)
		return
	}
	before := m.status
	m.mem.Incarnation = s.Incarnation
	m.status, m.health = s.Status, s.Health
	if newLife || s.StartedAt.After(m.startedAt) {
		m.startedAt = s.StartedAt
	}
	if s.Status != StatusRunning {
		m.wellSince = time.Time{}
	}
	if unheard && !known.IsZero() {
		m.outgrow(s)
	}
	if before == StatusPaused {
		m.resumedAt = latest(m.resumedAt, m.probe.At)
	}
	switch s.Status {
	case StatusRunning:
		m.foundRunning(now, s, unheard && !known.IsZero())
	case StatusRestarting:
		if m.mem.Held != HeldOperator || newLife { // else the look is older than the stop
			m.mem.Held, m.delayed = HeldDocker, true
		}
		m.wishLook(now.Add(m.nextLook()), ReasonWaitsDocker)
	case StatusExited, StatusCreated:
		m.foundDown(now, s, picture{before: before, first: first, newLife: newLife, unheard: unheard})
	case StatusPaused, StatusDead, StatusRemoving, StatusUnknown, StatusGone:
	}
}

// outgrow forgets what is not about the life that a look found, but about one before it. A life of which an event has told is not
// found, but known.
func (m *Machine) outgrow(s Snapshot) {
	if i := m.mem.StopIntent; i != nil && i.At.Before(s.StartedAt) {
		m.mem.StopIntent = nil
	}
	m.engineTook = m.engineTook && !s.StartedAt.After(m.bootedAt)
	m.unseenEnd, m.mem.Alone = time.Time{}, false
}

// learn keeps the facts that a life does not change.
func (m *Machine) learn(s Snapshot) {
	m.traits = traits{
		restart: s.RestartPolicy, autoRemove: s.AutoRemove, stopTimeout: s.StopTimeout, stopSignal: s.StopSignal,
		healthcheck: s.HasHealthcheck, cpus: s.CPUs, cpuPeriod: s.CPUPeriod, probeEvery: s.ProbeEvery, devices: s.Devices,
	}
	m.mem.Labels = s.Labels
	m.mem.AutoRemove = s.AutoRemove
	leaving := s.Status == StatusRemoving || s.Status == StatusDead                         // nothing is made anew from what is being taken apart
	if m.mem.Boost == nil && !leaving && string(m.mem.Definition) != string(s.Definition) { // what is remembered has the worker's own quota
		m.mem.Definition = s.Definition
		m.changes++
	}
	if p, ok := s.LastProbe(); ok {
		m.probe = p
	}
}

// older tells whether the events know better than the look. Both carry the engine's clock, and both are about the
// same process, so that a step of the clock between them would have to fall into the same few milliseconds.
func (m *Machine) older(s Snapshot) bool {
	switch {
	case s.Status == StatusRunning && m.status == StatusExited:
		return !m.endedAt.IsZero() && !s.StartedAt.After(m.endedAt)
	case s.Status == StatusExited && m.status == StatusRunning:
		return !m.startedAt.IsZero() && m.startedAt.After(s.FinishedAt) && m.startedAt.After(s.StartedAt)
	case s.Status == StatusRunning && m.mem.Held == HeldOperator: // the stop event may come before the end's
		return !s.StartedAt.After(m.mem.HeldAt)
	}
	return false
}

func (m *Machine) foundRunning(now time.Time, s Snapshot, newLife bool) {
	m.mem.Expected = true
	m.unseenEnd, m.engineTook, m.unjudged = time.Time{}, false, false
	if m.barred != HeldNot {
		return
	}
	heal := m.mem.Heal
	switch {
	case heal != nil && heal.Step == StepStart && heal.StartSent:
		m.ownLife = true
		verify := *heal
		verify.Step, verify.StopSentAt = StepVerify, time.Time{}
		m.ownStopped = false
		m.mem.Heal = &verify
		if m.mem.Held == HeldDocker {
			m.release()
		}
	case heal != nil && (heal.Step == StepStart || (newLife && heal.Step != StepVerify)):
		m.startedByOther(now, m.mem.Held == HeldDocker)
	case heal != nil && heal.Step == StepStop:
		m.stillStopping(now)
	case m.mem.Held == HeldReplaced && !newLife: // renamed while it runs: it is on its way out all the same
	case m.mem.Held != HeldNot && m.mem.Held != HeldExhausted && m.mem.Held != HeldDryRun:
		m.startedByOther(now, m.mem.Held == HeldDocker)
	}
	m.judgeHealth(now, s)
}

// stillStopping: a stop of Stoker's own whose answer never came. The engine may yet do it; past the grace and a margin
// it will not, and the stop is due again.
func (m *Machine) stillStopping(now time.Time) {
	if m.mem.Heal.StopSentAt.IsZero() || m.busy != nil {
		return
	}
	if now.Sub(m.mem.Heal.StopSentAt) < m.mem.Heal.Grace+stopMargin {
		m.wishLook(now.Add(m.nextLook()), ReasonUncertain)
		return
	}
	heal := *m.mem.Heal
	heal.StopSentAt, heal.Due = time.Time{}, now
	m.mem.Heal = &heal
	m.ownSignals, m.ownStopped = 0, false
}

func (m *Machine) judgeHealth(now time.Time, s Snapshot) {
	if s.Health == HealthUnhealthy && !m.resumedAt.IsZero() && !m.probe.At.After(m.resumedAt) {
		m.health = HealthStarting // set by the pause, not by a probe; the next lists are compared with this
	}
	switch m.health {
	case HealthNone, HealthHealthy:
		m.unhealthyAt, m.unhealed = time.Time{}, HeldNot
		m.well(now)
	case HealthUnhealthy:
		m.judgeUnhealthy(now, s)
	case HealthStarting, HealthUntold: // only ever at the beginning of a life
		m.wellSince, m.unhealthyAt = time.Time{}, time.Time{}
	}
}

// judgeUnhealthy decides on a running worker whose health check fails.
func (m *Machine) judgeUnhealthy(now time.Time, s Snapshot) {
	m.wellSince = time.Time{}
	if m.unhealthyAt.IsZero() {
		m.unhealthyAt = now
	}
	heal := m.mem.Heal
	if heal != nil && (heal.Step == StepStop || heal.Step == StepRecreate) {
		return
	}
	switch {
	case m.policy.OnUnhealthy == policy.OnUnhealthyIgnore:
		m.leaveUnhealthy(now, HeldIgnored)
		return
	case m.traits.autoRemove && m.unhealed == HeldNeedsRecreate: // and its stop would be its removal
		return
	case m.mem.Held == HeldExhausted && heal == nil:
		return
	}
	c := cause{fault: FaultUnhealthy, intent: IntentNone, reason: ReasonProbeFailed, heal: HealRestart}
	if p, ok := s.LastProbe(); ok {
		c.output = p.Output
		if p.ExitCode == ProbeTimedOut {
			c.reason = ReasonProbeTimedOut
		}
	}
	m.openHeal(now, c)
}

func (m *Machine) leaveUnhealthy(now time.Time, why Reason) {
	if m.unhealed != why {
		m.unhealed = why
		m.note(Note{At: now, Kind: NoteHeld, Fault: FaultUnhealthy, Reason: why, Output: m.probe.Output})
	}
}

// picture is what a look is compared with.
type picture struct {
	before  Status
	first   bool // nothing is known of before
	newLife bool
	unheard bool // a new life, and no event told that it began
}

// begunAt tells whether a life that is known by the time of its start event is the one that a look shows: the engine notes
// the start a little before it tells of it.
func begunAt(event time.Time, s Snapshot) bool {
	lag := event.Sub(s.StartedAt)
	return lag >= 0 && lag < settle
}

// foundDown: a look found no process. Where an event told the end, it is judged already.
func (m *Machine) foundDown(now time.Time, s Snapshot, p picture) {
	heal := m.mem.Heal
	switch {
	case m.barred != HeldNot:
	case p.unheard && m.heldUntilStarted() && s.StartedAt.After(m.mem.HeldAt):
		m.outlived(now, s)
	case m.unjudged && m.intended(now, m.endedAt): // its own grace is known only now
		m.hold(now, HeldOperator, m.mem.StopIntent.At)
	case m.unjudged && m.meant(now, s) && !m.stopSent():
		m.hold(now, HeldOperator, m.endedAt)
	case m.unjudged && m.unsaid && s.Ending != EndingOwn && !m.stopSent(): // then a stop event is all that can tell
		m.unjudged = false
		m.unseen(now, s)
	case m.unjudged:
		m.unjudged = false
		m.judgeExit(now, m.lateEnd(s))
	case heal != nil && heal.Step == StepStop && !heal.StopSentAt.IsZero():
		m.foundStopped(now, s)
	case heal != nil && heal.Step == StepRecreate && m.intended(now, s.FinishedAt): // before the transaction was under way
		m.hold(now, HeldOperator, m.mem.StopIntent.At)
	case heal != nil && heal.Step == StepRecreate && m.mem.Held != HeldDocker:
		if m.leaving() {
			m.wishLook(now.Add(m.nextLook()), ReasonUncertain) // the removal is not through
		}
	case heal != nil && heal.Step == StepStart && heal.StartSent && p.newLife:
		m.diedAtOnce(now, s)
	case heal != nil && heal.Step == StepStart && heal.StartSent:
		m.startCameToNothing(now, s)
	case heal != nil && heal.Step == StepStart:
	case m.mem.Held == HeldDocker:
		m.dockerGaveUp(now, s, p)
	case m.engineTook:
		m.unseen(now, s)
	case m.mem.Held == HeldExhausted && heal != nil: // in a slow retry past the budget
		m.unseen(now, s)
	case m.mem.Held != HeldNot:
	case p.before == StatusExited && !m.unexplained():
	default:
		m.unseen(now, s)
	}
}

// outlived: what the worker was held for was an earlier life, and someone has started it since. How that life ended a replay
// may have shown; if not, nothing is remembered of it.
func (m *Machine) outlived(now time.Time, s Snapshot) {
	m.release()
	if m.endedAt.After(s.StartedAt) {
		m.mem.Expected = true
		m.judgeExit(now, m.lateEnd(s))
		return
	}
	m.unseen(now, s)
}

// diedAtOnce: the start worked, and the look behind it came too late to see the worker alive. The events will tell.
func (m *Machine) diedAtOnce(now time.Time, s Snapshot) {
	heal := *m.mem.Heal
	heal.Step, heal.StopSentAt = StepVerify, time.Time{}
	m.mem.Heal = &heal
	m.unseen(now, s)
}

// foundStopped: Stoker's own stop worked, or someone stopped the worker for good while it was under way. The end's own
// event comes behind every signal that was sent before it, so that the start waits a moment for it.
func (m *Machine) foundStopped(now time.Time, s Snapshot) {
	if m.intended(now, s.FinishedAt) {
		m.hold(now, HeldOperator, m.mem.StopIntent.At)
		return
	}
	m.stoppedForHeal(now.Add(settle))
}

// startCameToNothing: the answer to a start was lost, and the worker is down.
func (m *Machine) startCameToNothing(now time.Time, s Snapshot) {
	m.awaitStart = time.Time{}
	if i := m.mem.StopIntent; i != nil { // it came by while the start was on its way
		m.hold(now, HeldOperator, i.At)
		return
	}
	detail := s.StartError
	if detail == "" {
		detail = "the engine gave no answer to the start, and the worker is not running"
	}
	m.openHeal(now, cause{fault: FaultStartFailed, intent: IntentNone, reason: ReasonStartFailed, heal: HealStart, detail: detail})
}

// dockerGaveUp: the restart policy's own start failed (the engine never tries again, moby monitor.go), or
// on-failure:N is used up. A container that was waiting for its restart and is not any more, with none of these to explain
// it, was killed by someone: the engine sends no event for that (20.10.24). A wait for the next restart that ended without a word may be a stop whose event is still on
// its way: it sends no signal then.
func (m *Machine) dockerGaveUp(now time.Time, s Snapshot, p picture) {
	m.delayed = m.delayed && !p.newLife
	if (p.before == StatusRestarting || p.first) && s.StartError == "" {
		m.wishLook(now.Add(settle), ReasonUncertain)
		return
	}
	waited := m.delayed
	m.delayed = false
	e := end{code: s.ExitCode, oom: s.OOMKilled, intent: IntentNone}
	switch {
	case m.meant(now, s), waited && s.StartError == "" && !s.retriesUsedUp() && !m.engineCutIt():
		m.hold(now, HeldOperator, s.FinishedAt)
		return
	case m.engineCutIt():
		e.intent, e.reason = IntentEngine, ReasonEngineRestarted
		m.engineTook = false
	case s.ExitCode != 0 || s.StartError != "":
		e.reason = ReasonDockerGaveUp
	}
	if s.StartError != "" {
		e.fault, e.detail = FaultStartFailed, s.StartError
	}
	m.judgeEnd(now, e)
}

// unseen: it is down, and no event says why. The event gets a moment to arrive; then the end is judged without it.
func (m *Machine) unseen(now time.Time, s Snapshot) {
	wait := settle
	if m.traits.restart.Active() {
		wait = dockerSettle
	}
	if m.unseenEnd.IsZero() {
		m.unseenEnd = now
	}
	if left := m.unseenEnd.Add(wait).Sub(now); left > 0 {
		m.wishLook(now.Add(left), ReasonUncertain)
		return
	}
	m.unseenEnd = time.Time{}
	m.endedAt = latest(m.endedAt, s.FinishedAt)
	m.judgeUnseen(now, s)
}

// judgeUnseen is the contract's rule 8, with rule 6 before it.
func (m *Machine) judgeUnseen(now time.Time, s Snapshot) {
	e := end{code: s.ExitCode, oom: s.OOMKilled, intent: IntentUnknown, reason: ReasonEndUnseen}
	if s.StartError != "" {
		e.fault, e.reason, e.detail = FaultStartFailed, ReasonStartFailed, s.StartError
	}
	neverRan := s.StartedAt.IsZero()
	switch {
	case m.intended(now, s.FinishedAt) && !m.engineTook:
		m.hold(now, HeldOperator, m.mem.StopIntent.At)
	case m.meant(now, s) && m.mem.Heal == nil: // with a heal open it may have been Stoker's own stop
		m.hold(now, HeldOperator, s.FinishedAt)
	case m.engineCutIt():
		e.intent, e.reason = IntentEngine, ReasonEngineRestarted
		m.engineTook = false
		m.judgeEnd(now, e)
	case s.Ending == EndingHidden && m.mem.Heal == nil && !s.OOMKilled && deliberateCode(s.ExitCode):
		m.hold(now, HeldEndUnseen, s.FinishedAt) // podman stop makes no event of its own
	case m.mem.Expected, e.fault == FaultStartFailed:
		m.judgeEnd(now, e)
	case neverRan:
		m.hold(now, HeldNeverStarted, s.FinishedAt)
	case s.OOMKilled || !deliberateCode(s.ExitCode):
		m.judgeEnd(now, e)
	default:
		m.hold(now, HeldEndUnseen, s.FinishedAt)
	}
}

// engineCutIt tells whether the life that ended was one of an earlier engine process, and was to go on.
func (m *Machine) engineCutIt() bool {
	if m.engineTook {
		return true
	}
	return m.mem.Expected && m.bootedAt.After(m.mem.Incarnation.StartedAt) && !m.mem.Incarnation.StartedAt.IsZero()
}

// engineRestarted takes back what an engine's shutdown made look like an operator's stop: what came in its last moments, and what an
// engine that had closed its sockets already did at whatever time (28.5.2 on a busy host, 5 s between its first signal and its last).
func (m *Machine) engineRestarted(now time.Time, in EngineRestarted) {
	m.bootedAt = in.BootedAt
	m.looked = false
	m.wishLook(now, ReasonChanged)
	if in.StopsSince.IsZero() {
		return
	}
	own := func(at time.Time) bool { return m.goneSince || !at.Before(in.StopsSince) }
	if m.mem.Held == HeldOperator && !m.mem.HeldSure && own(m.mem.HeldAt) {
		m.release()
		m.mem.Expected, m.engineTook = true, true
	}
	if i := m.mem.StopIntent; i != nil && !i.Sure && own(i.At) {
		m.mem.StopIntent = nil
		m.engineTook = true
	}
}
