package worker

import (
	"syscall"
	"time"

	"stoker/sidecar/internal/core/policy"
)

// intentSlack is how much longer than the container's own grace an operator's stop may take and still explain the exit. After it
// only the stop event does: a worker that handled SIGTERM and continued must not count as stopped for ever.
const intentSlack = 10 * time.Second

// graceSlack is how much earlier than its grace a stop's SIGKILL may appear to come. The engine counts the grace from the first
// signal, so it comes earlier only if the clock is slewed.
const graceSlack = 50 * time.Millisecond

// lateSettle is how long a heal waits for a stop event if an old signal might explain the exit. On a busy engine the stop event
// comes up to two seconds after die (engine 20.10.24).
const lateSettle = 5 * time.Second

// foreignStopMax bounds how long Stoker leaves a running worker alone after another client's stop signal. docker stop -t may wait
// for any time, and the engine's API does not show that it still waits. A docker kill -s TERM that the worker ignored looks the
// same.
const foreignStopMax = time.Hour

// deliberateCode reports whether a stop may leave this exit code: 0, 128+SIGKILL or 128+SIGTERM. It is a hint, no proof.
func deliberateCode(code int) bool {
	return code == 0 || code == 128+int(syscall.SIGKILL) || code == 128+int(syscall.SIGTERM)
}

// signalled handles a kill event. It always precedes its die (moby kill.go holds the container's lock), so a stop signal seen
// before the exit reliably shows intent. Signals that do not mean stop (HUP, USR1) show none.
func (m *Machine) signalled(now time.Time, o Observation) {
	if m.stoppedBeforeStartEvent(now) || m.earlierLife(now, o) {
		return
	}
	if !m.container.inspected && !m.meansStop(o.Signal) {
		if m.ownSignal(now, o) {
			return
		}
		m.foreign.pending = append(m.foreign.pending, pendingSignal{at: now, o: o}) // it may be the container's own stop signal; an inspect decides
		return
	}
	if !m.meansStop(o.Signal) || m.ownSignal(now, o) || m.stopSuperseded(now) {
		return
	}
	m.operatorStop(now, StopIntent{ID: o.ID, At: o.At, Signal: int(o.Signal)})
	m.foreign.window, m.foreign.until = now.Add(m.stopWindow()), now.Add(foreignStopMax)
}

// operatorStop records an operator's stop. SIGKILL and the stop event end the same stop and do not change when it began. An
// inspect that is answered decides whose stop it is, so one is requested. Another signal behind a SIGKILL is a second client's
// stop: then the worker was not only killed.
func (m *Machine) operatorStop(now time.Time, i StopIntent) {
	if was := m.saved.StopIntent; m.stoppedByOperator(now, i.At) {
		i.At, i.Confirmed = was.At, was.Confirmed
		if i.Signal == 0 || i.Signal == int(syscall.SIGKILL) {
			i.Signal = was.Signal
		}
	} else {
		m.foreign.confirming, m.foreign.inspectFailed = false, false
	}
	m.saved.StopIntent = &i
	if !i.Confirmed && !m.foreign.confirming {
		m.requestInspect(now, ReasonUncertain)
	}
}

// pendingSignal is a signal that arrived before the first inspect.
type pendingSignal struct {
	at time.Time // Stoker's clock
	o  Observation
}

// applyPendingSignals applies the pending signals once the first inspect shows their meaning. If the exit also came before the
// inspect, they are applied before that exit is judged.
func (m *Machine) applyPendingSignals() {
	pending := m.foreign.pending
	m.foreign.pending = nil
	for _, e := range pending {
		m.signalled(e.at, e.o)
	}
}

// stopWindow is how long another client's stop may take and still explain the exit. It uses the container's own grace, because
// other clients do not use Stoker's.
func (m *Machine) stopWindow() time.Duration {
	grace := m.container.config.stopTimeout
	if grace == 0 {
		grace = policy.DefaultGrace
	}
	return max(grace, m.id.Policy.Grace(grace)) + intentSlack
}

// MeansStop reports whether a signal ends the worker, as far as known.
func (m *Machine) MeansStop(s syscall.Signal) bool { return m.meansStop(s) }

func (m *Machine) meansStop(s syscall.Signal) bool {
	switch s {
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL:
		return true
	}
	return s != 0 && s == m.container.config.stopSignal
}

// ownSignal separates Stoker's own stop from an operator's during it. A stop sends the container's stop signal once, and SIGKILL
// after the grace. A second first signal, or an early SIGKILL, is another client's.
func (m *Machine) ownSignal(now time.Time, o Observation) bool {
	if !m.ownStopUnderWay() {
		return false
	}
	if o.History() && m.own.signals > 0 && o.At.Equal(m.own.termAt) {
		return true // the previous Stoker was killed between this event's replay and its first inspect
	}
	if m.id.Task {
		return m.ownKill(now, o)
	}
	if m.own.signals == 0 && m.firstSignal(o.Signal) {
		seen := now
		if o.History() && m.own.issuedHere { // the connection was lost, so it may have been sent at once
			seen = m.saved.State.Stop.At
		}
		m.own.signals, m.own.termAt, m.own.termSeen = 1, o.At, seen
		m.saved.OwnStops.first(seen, o.At)
		return true
	}
	if o.Signal == syscall.SIGKILL && m.own.signals < 2 && m.graceOver(now, o) {
		m.own.signals = 2
		m.saved.OwnStops.Kills++
		return true
	}
	return false
}

// graceOver reports whether Stoker's own stop may have reached its SIGKILL.
func (m *Machine) graceOver(now time.Time, o Observation) bool {
	if m.own.signals == 0 {
		return m.firstUnseen(!m.own.issuedHere, o)
	}
	if !m.own.issuedHere && o.At.Before(m.own.termAt) { // the previous Stoker sent it, so Stoker's clock does not show it either after a step
		return true
	}
	return m.graceSince(now, o, m.own.termAt, m.own.termSeen)
}

// graceSince reports whether a SIGKILL came at least the grace after the first signal of Stoker's own stop: termAt on the
// engine's clock, termSeen on Stoker's.
//
// One of the two clocks is enough: the engine's may step meanwhile, and events may be late. For a replayed signal only the
// engine's clock counts.
//
// If the signal appears to come before the first one, the engine's clock has stepped. Then the time since the stop was sent
// counts, because the event of the first signal may have been late. For a replayed signal nothing shows it.
func (m *Machine) graceSince(now time.Time, o Observation, termAt, termSeen time.Time) bool {
	least := m.saved.State.Stop.least() - graceSlack
	switch stepped := o.At.Before(termAt); {
	case o.At.Sub(termAt) >= least:
		return true
	case o.History():
		return stepped
	case stepped:
		return now.Sub(m.saved.State.Stop.At) >= least
	}
	return now.Sub(termSeen) >= least
}

// firstUnseen reports whether a SIGKILL may be that of Stoker's own stop although none of its signals was seen before. The first
// one may have been lost with Stoker's last process, or while the connection was down. The clocks may differ. If this process
// sent the stop and follows the stream, it sees the first signal first: without it that stop has not reached the worker.
func (m *Machine) firstUnseen(recalled bool, o Observation) bool {
	stop := m.saved.State.Stop
	return (recalled || o.History()) && !o.At.Before(stop.At.Add(stop.least()-settle))
}

// firstSignal reports whether a stop of this container begins with that signal. Before the first inspect any signal but SIGKILL
// may.
func (m *Machine) firstSignal(s syscall.Signal) bool {
	switch {
	case m.container.config.stopSignal != 0:
		return s == m.container.config.stopSignal
	case !m.container.inspected:
		return s != syscall.SIGKILL
	}
	return s == syscall.SIGTERM
}

// stopped handles the stop event. It comes before or after the exit, and alone for a container in Docker's own restart delay.
func (m *Machine) stopped(now time.Time, o Observation) {
	if m.stoppedBeforeStartEvent(now) || m.earlierLife(now, o) {
		return
	}
	if m.ownStopUnderWay() && !m.own.stopped {
		m.own.stopped = true
		m.saved.OwnStops.Stops++
		return
	}
	if m.stopSuperseded(now) || m.heldFor(HeldReplaced) || m.id.Task && m.container.status != StatusRunning {
		return
	}
	if m.container.status == StatusRunning || m.awaiting(now) {
		m.operatorStop(now, StopIntent{ID: o.ID, At: o.At, Complete: true})
		return
	}
	again := o.History() && o.At.Sub(m.saved.State.Hold.At) > m.stopWindow() // of a later incarnation whose start was not seen
	m.inspects.stale = m.inFlight != nil
	if !m.heldFor(HeldOperator) || again {
		m.hold(now, HeldOperator, o.At)
	}
	m.saved.State.Hold.Killed = false // there was more than a SIGKILL
}

// stopSuperseded handles a stop of the previous incarnation whose event arrives after Stoker's start succeeded. If the start
// fails, the stop still holds.
func (m *Machine) stopSuperseded(now time.Time) bool {
	return m.awaiting(now) && m.container.status == StatusRunning
}

func (m *Machine) exited(now time.Time, o Observation) {
	if m.awaiting(now) {
		return
	}
	if m.earlierLife(now, o) {
		m.requestInspect(now, ReasonUncertain) // or the clock stepped back
		return
	}
	known := m.container.status == StatusExited && !m.unexplained() // by an inspect, or by an earlier copy of this event
	unhealthy := !m.checks.unhealthyAt.IsZero()                     // also if an inspect was ahead of this event
	m.container.status = StatusExited
	m.life.end.at, m.life.end.code = o.At, o.ExitCode
	m.checks.healthySince, m.checks.unhealthyAt = time.Time{}, time.Time{}
	m.life.end.state, m.inspects.stale = exitSettled, m.inFlight != nil
	if !m.container.inspected && !m.judgedBefore() {
		m.life.end.state = exitPending
	}
	m.life.noStopEvents, m.life.end.restarting = o.NoStopEvents, o.Restarting
	m.noteLostTask(now, o, unhealthy)
	by := m.evidence(now, o.At).EndedBy()
	switch {
	case m.id.Unmanageable != HeldNot, m.heldFor(HeldReplaced):
	case m.id.Task:
		m.taskEnded(now)
	case by == EndedByOperator:
		m.hold(now, HeldOperator, m.saved.StopIntent.At)
	case m.heldUntilStarted(), !m.container.inspected:
	case by == EndedByStoker && m.startFailedSinceStop():
	case by == EndedByStoker && m.phase() != PhaseRecreateDue && m.phase() != PhaseExhausted: // the starts after it have already failed
		if !known {
			m.graceTooShort(now, o)
		}
		m.stoppedForHeal(now, now)
	case known:
	case by == EndedByUnknown:
		m.life.end.state = exitPending
		m.requestInspect(now, ReasonUncertain)
	default:
		m.judgeExit(now, m.observedExit(o))
	}
}

// startFailedSinceStop reports whether a start after Stoker's own stop has already failed. Then the exit of that stop does not
// change when the next start is due.
func (m *Machine) startFailedSinceStop() bool {
	waits := m.phase() == PhaseBackingOff || m.phase() == PhaseRecreateDue
	return waits && m.stopSent() && m.heal().OpenedAt.After(m.saved.State.Stop.At)
}

// heldUntilStarted reports whether only an operator's start ends the hold, whatever the exit looks like.
func (m *Machine) heldUntilStarted() bool {
	return m.asleep() || m.phase() == PhaseHeld && !m.heldFor(HeldDryRun)
}

// judgedBefore reports whether the previous Stoker saw the exit and handled it. A replay begins shortly before the last event
// that it read, so it may begin between the signal and the exit.
func (m *Machine) judgedBefore() bool {
	switch m.phase() {
	case PhaseHeld, PhaseAsleep, PhaseDocker, PhaseExhausted, PhaseBackingOff:
		return true
	case PhaseStarting:
		return m.life.startedAt.IsZero() // nothing shows that the start succeeded
	case PhaseWatching, PhaseStopDue, PhaseStopping, PhaseVerifying, PhaseRecreateDue, PhaseRecreating:
	}
	return false
}

// judgeExit decides on an exit once the container's configuration is known.
func (m *Machine) judgeExit(now time.Time, e exitFacts) {
	switch {
	case m.stopSent(), m.stopBegun():
		m.stoppedForHeal(now, now)
	case m.life.end.restarting && !m.container.config.restart.Active(): // restarted by an operator: the start is under way
		m.waitForDocker(now.Add(dockerSettle))
	case m.container.config.autoRemove: // recreated once the engine's removal is complete
		m.judgeCause(now, e)
		m.requestInspect(now.Add(settle), ReasonUncertain)
	case m.container.config.restart.Active():
		m.waitForDocker(now)
	default:
		m.judgeCause(now, e)
	}
}

// unexplained: an inspect found it down, and the event may still come.
func (m *Machine) unexplained() bool { return m.life.end.state == exitUnobserved }

// exitFacts are the known facts of an exit.
type exitFacts struct {
	code   int
	oom    bool
	likely bool // no out-of-memory event arrived, but everything else indicates one
	intent Intent
	reason Reason
	fault  Fault  // FaultNone: derive it from code and oom
	detail string // the engine's text
}

func (m *Machine) observedExit(o Observation) exitFacts {
	e := exitFacts{code: o.ExitCode, intent: IntentNone}
	if o.History() && m.engineCutIt() {
		e.intent, e.reason = IntentEngine, ReasonEngineRestarted
	}
	e.oom = !m.life.oom.at.IsZero() && o.At.Sub(m.life.oom.at) < oomWindow && o.ExitCode != 0
	return m.likelyOOM(e, o.At)
}

// lateExit is an exit whose event came before the first inspect.
func (m *Machine) lateExit(s Snapshot) exitFacts {
	e := exitFacts{code: m.life.end.code, oom: s.OOMKilled, intent: IntentNone}
	if m.engineCutIt() {
		e.intent, e.reason = IntentEngine, ReasonEngineRestarted
	}
	return m.likelyOOM(e, m.life.end.at)
}

// judgeCause decides on an exit that no known stop explains.
func (m *Machine) judgeCause(now time.Time, e exitFacts) {
	m.life.end.code = e.code
	if m.finishes(e) {
		m.rest(now, HeldFinished, m.life.end.at)
		return
	}
	m.openHeal(now, cause{fault: e.kind(), intent: e.intent, reason: e.why(), action: HealStart, detail: e.detail})
	if m.saved.StopIntent != nil && m.heal().Open() && e.intent == IntentNone {
		m.saved.State.Due = latest(m.saved.State.Due, now.Add(lateSettle))
	}
}

// finishes reports whether an exit is no fault by the worker's policy. Exit 0 under Docker's on-failure means done, unless the
// worker's own label overrides it.
func (m *Machine) finishes(e exitFacts) bool {
	failed := e.code != 0 || e.oom || e.fault == FaultStartFailed
	if e.intent == IntentEngine {
		failed = true // ended by the engine's shutdown, whatever its exit code
	}
	ended := e.fault == FaultNone && !e.oom && !e.likely && e.intent != IntentEngine
	switch {
	case m.id.Policy.OnExit == policy.OnExitNever:
		return true
	case ended && m.id.Policy.FinalCodes.Has(e.code):
		return true
	case failed:
		return false
	case m.id.Policy.OnExit == policy.OnExitFailure:
		return true
	}
	return m.container.config.restart.Name == "on-failure" && !m.id.Policy.OnExitExplicit
}

func (e exitFacts) kind() Fault {
	switch {
	case e.fault != FaultNone:
		return e.fault
	case e.oom, e.likely:
		return FaultOOM
	}
	return FaultExited
}

func (e exitFacts) why() Reason {
	switch {
	case e.reason != "":
		return e.reason
	case e.oom:
		return ReasonOutOfMemory
	case e.likely:
		return ReasonLikelyOOM
	case e.code == 0:
		return ReasonExitedZero
	}
	return ReasonCrashed
}

func latest(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}
