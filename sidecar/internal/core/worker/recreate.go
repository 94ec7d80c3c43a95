package worker

import (
	"slices"
	"time"
)

// RecreateMargin is how long a recreate may take besides its grace (docs/recreate.md).
const RecreateMargin = 3 * time.Minute

// maxPreviousIDs bounds the saved IDs of a worker that is recreated repeatedly.
const maxPreviousIDs = 8

// Recreating reports whether a recreate was sent whose result is unknown: it is under way, or the engine or Stoker ended during
// it. Until then the worker is up to two containers, and their events only concern the transaction.
func (m *Machine) Recreating() bool {
	return m.phase() == PhaseRecreating
}

// observeRecreating handles events of the old container during a recreate. Only another client's stop counts. The transaction's
// own stop, renames and removals are ignored.
func (m *Machine) observeRecreating(now time.Time, o Observation) {
	if o.ID != m.saved.Incarnation.ID {
		m.stopWhileRecreating(o, false) // the only event of the new container that the fleet passes on
		return
	}
	switch o.Kind { //nolint:exhaustive // see above
	case Exited:
		m.exitedWhileRecreating(now, o)
	case Signalled:
		if m.meansStop(o.Signal) && !m.ownRecreateSignal(now, o) {
			m.stopWhileRecreating(o, false)
		}
	case Started:
		m.saved.StopIntent = nil // another client started it again; the transaction itself starts nothing after a stop
		m.ownStopsOver()
	case Stopped:
		if m.saved.OwnStops.Stops++; m.saved.OwnStops.Stops > m.stopsSent() {
			m.stopWhileRecreating(o, true)
		}
	}
}

// stopWhileRecreating records another client's stop. It began with its first signal, and that time separates a daemon shutdown
// from an operator's stop.
func (m *Machine) stopWhileRecreating(o Observation, complete bool) {
	i := StopIntent{ID: o.ID, At: o.At, Signal: int(o.Signal), Complete: complete}
	if was := m.saved.StopIntent; was != nil && was.ID == i.ID && i.At.Sub(was.At) <= m.stopWindow() {
		i.At, i.Signal = was.At, was.Signal
	}
	m.saved.StopIntent = &i
}

// Interrupted reports that the engine has an unfinished transaction for the worker without a record: Stoker was killed during it,
// and its journal was lost.
type Interrupted struct{}

func (Interrupted) input() {}

// interrupted treats the transaction as the machine's own. A stop of the worker that was seen was then part of it.
func (m *Machine) interrupted(now time.Time) {
	if m.Recreating() || m.id.Unmanageable != HeldNot {
		return
	}
	m.release()
	m.saved.StopIntent, m.foreign = nil, foreignStop{inspectFailed: m.foreign.inspectFailed, pending: m.foreign.pending}
	m.begin(now, cause{fault: FaultExited, intent: IntentSelf, reason: ReasonHealInterrupted, action: HealRecreate}, now)
	s := m.saved.State
	s.Heal.Action = HealRecreate
	s.Phase, s.Due, s.Stop.At = PhaseRecreating, now, now
	m.enter(s)
	m.saved.OwnStops = OwnStops{}
	if !m.container.inspected {
		m.saved.Incarnation.StartedAt = time.Time{} // from an event at most, which is a little later
	}
}

// StoppedWhileRecreating reports whether another client stopped the old container since the transaction was sent.
func (m *Machine) StoppedWhileRecreating() bool {
	i := m.saved.StopIntent
	return m.Recreating() && i != nil && i.ID == m.saved.Incarnation.ID
}

// StoppedBeforeRename reports whether an operator had stopped the worker when a transaction gave its container a backup name.
func (m *Machine) StoppedBeforeRename() bool {
	was := m.container.savedBeforeRename
	if was == nil {
		return false
	}
	return was.StopIntent != nil || was.State.Phase == PhaseHeld && was.State.Hold.Reason == HeldOperator
}

func (m *Machine) fillRecreate(now time.Time, a *Action) {
	s := m.saved.State
	heal := s.Heal
	m.resent = s.Phase == PhaseRecreating
	if m.container.inspected {
		next := m.stopNow(s.Stop.At)
		s.Stop.Grace, s.Stop.Any = next.Grace, next.Any
	}
	s.Phase = PhaseRecreating
	m.enter(s)
	if !m.resent { // otherwise a stop seen meanwhile also applies to the resumed transaction
		m.saved.StopIntent = nil
	}
	m.charge(now)
	m.saved.Budget.RestartsInARow = 0
	a.Verb, a.Reason, a.Attempt, a.Grace = Recreate, heal.Reason, heal.Attempt, m.requestGrace(s.Stop)
	if s.Stop.Grace == 0 && !m.container.inspected {
		a.Grace = -1 // the container's own grace, unknown here
	}
	a.OnlyIfUnhealthy = heal.Fault == FaultUnhealthy && !heal.Missing && !m.resent && !m.failsOutside()
	if r := m.evidenceRequest(); m.container.status == StatusRunning && (r.Keep || len(r.Command) > 0) {
		a.Evidence = &r
	}
	a.Deadline = s.Stop.Grace + RecreateMargin
	if heal.Missing {
		a.Definition = m.saved.Definition
	} else if !m.whole() {
		a.Like = m.saved.Definition
	}
}

func (m *Machine) finishRecreate(now time.Time, o Outcome) {
	if !m.heal().Open() {
		m.inspectRecreated(now)
		return
	}
	m.networks.unseenStart = true // some starts in the transaction may have failed
	if i := m.saved.StopIntent; i != nil && i.ID != m.saved.Incarnation.ID && !o.OperatorStopped && o.Result != Unknown {
		m.saved.StopIntent = nil // the transaction's own, during its rollback
	}
	restored := m.restored
	m.restored = time.Time{}
	switch o.Result {
	case Skipped:
		m.clearRecreate(now)
		m.skip(now)
	case Done:
		m.recreated(now, o)
	case Refused:
		m.recreateNotBegun(now, o, restored)
	case Unknown:
		if m.restored = restored; o.Restarted && o.Snapshot != nil {
			m.restored = o.Snapshot.StartedAt
		}
		m.delayRecreate(now)
	case Failed:
		m.recreateFailed(now, o)
	}
}

// recreateNotBegun: the first inspect differed from the decision. If it shows the incarnation that an unfinished recreate started, at
// restored, that recreate was rolled back.
func (m *Machine) recreateNotBegun(now time.Time, o Outcome, restored time.Time) {
	if s := o.Snapshot; s != nil && !restored.IsZero() && s.StartedAt.Equal(restored) {
		m.undone(now, o)
		return
	}
	m.clearRecreate(now)
	m.refund()
	switch {
	case m.heal().Missing:
		m.stillMissing(now, o)
	case o.Missing:
		m.vanished(now)
	default:
		m.applyRecreated(now, o)
	}
}

// stillMissing: there is no container, unless another client renamed it during the transaction, which then no longer found it.
func (m *Machine) stillMissing(now time.Time, o Outcome) {
	if o.Snapshot == nil || o.Snapshot.ID != m.saved.Incarnation.ID {
		m.delayRecreate(now)
		return
	}
	prev := m.heal()
	m.to(PhaseWatching)
	m.backTo(now, prev, o)
}

// backTo continues with the old container, as after a restart.
func (m *Machine) backTo(now time.Time, prev Heal, o Outcome) {
	m.setContainer(*o.Snapshot)
	m.applyInspect(now, *o.Snapshot)
	if !m.heal().Open() && m.container.status.Down() {
		m.openHeal(now, cause{fault: prev.Fault, intent: prev.Intent, reason: prev.Reason, action: HealStart, detail: o.Err, output: prev.Output})
	}
}

func (m *Machine) recreateFailed(now time.Time, o Outcome) {
	switch {
	case o.OperatorStopped && (o.Missing || (o.Snapshot == nil && m.Missing())):
		m.removedWhileRecreating(now, o)
	case o.OperatorStopped:
		m.operatorStopped(now, o)
	case o.Unreachable && m.resent:
		m.delayRecreate(now)
	case o.Unreachable:
		m.clearRecreate(now)
		m.refund()
		if m.saved.StopIntent != nil {
			m.inspectRecreated(now)
		}
	case o.Missing:
		m.lost(now, o)
	case o.CannotRecreate && m.heal().Missing:
		m.emitRefusal(now, o)
		m.clearRecreate(now)
		m.refund()
		m.delayRecreate(now)
	case o.CannotRecreate && (o.Snapshot == nil || o.Snapshot.StartedAt.Equal(m.saved.Incarnation.StartedAt)):
		m.recreateRefused(now, o)
	default:
		m.undone(now, o)
	}
}

// clearRecreate: no transaction is under way any more.
func (m *Machine) clearRecreate(now time.Time) {
	m.toDue(PhaseRecreateDue, latest(m.saved.State.Due, now.Add(firstRetry)))
}

func (m *Machine) delayRecreate(now time.Time) {
	m.saved.State.Due = now.Add(m.inspectBackoff())
}

// inspectRecreated drops the container's state, because its events were not followed.
func (m *Machine) inspectRecreated(now time.Time) {
	m.container.inspected = false
	m.requestInspect(now, ReasonUncertain)
}

func (m *Machine) applyRecreated(now time.Time, o Outcome) {
	if o.Snapshot == nil {
		m.inspectRecreated(now)
		return
	}
	m.applyInspect(now, *o.Snapshot)
}

// recreated: the worker has a new container, which was seen running.
func (m *Machine) recreated(now time.Time, o Outcome) {
	if o.Snapshot == nil {
		m.inspectRecreated(now)
		return
	}
	s := m.saved.State
	s.Phase, s.Stop, s.Heal.Missing, s.Heal.Note = PhaseStarting, SentStop{}, false, o.Err
	m.enter(s)
	m.saved.StopIntent = nil
	m.saved.Dependents.NeedsNewParentID = false
	m.noteEnded(o.EndedAt)
	m.setContainer(*o.Snapshot)
	m.life.start.eventMissing = true
	m.applyInspect(now, *o.Snapshot)
}

// setContainer switches to another container or incarnation without an event for it.
func (m *Machine) setContainer(s Snapshot) {
	if id := m.saved.Incarnation.ID; s.ID != id {
		m.saved.PreviousIDs = appendPreviousID(m.saved.PreviousIDs, id, s.ID)
		m.changes++
	}
	if !s.same(m.saved.Incarnation) {
		m.saved.OwnStops = OwnStops{}
	}
	m.saved.Incarnation = Incarnation{ID: s.ID}
	m.newLife()
	m.own = ownStop{}
	m.life.startedAt, m.life.end.at, m.life.oom.at, m.life.start.awaited, m.life.start.behind = time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
	m.life.start.late = time.Time{}
	m.inspects.stale, m.life.start.by, m.container.inspected, m.inspects.tries = false, startedByOther, false, 0
	m.container.status, m.checks.probe = StatusUnknown, Probe{}
}

// appendPreviousID adds a previous ID of a worker, unless it is its present one.
func appendPreviousID(ids []string, id, has string) []string {
	ids = append(slices.Clone(ids), id)
	ids = slices.DeleteFunc(ids, func(old string) bool { return old == has })
	return ids[max(0, len(ids)-maxPreviousIDs):]
}

// operatorStopped: an operator stopped the worker meanwhile, and the transaction left it stopped.
func (m *Machine) operatorStopped(now time.Time, o Outcome) {
	i := m.saved.StopIntent
	if i == nil && o.Snapshot != nil { // the engine's own shutdown stopped it (engineRestarted)
		m.to(PhaseWatching)
		m.setContainer(*o.Snapshot)
		m.saved.Expected, m.life.end.byDaemon = true, true
		m.applyInspect(now, *o.Snapshot)
		return
	}
	if i != nil && o.Snapshot != nil && o.Snapshot.ID == i.ID && o.Snapshot.Status == StatusRunning {
		m.beingStopped(now, *o.Snapshot, *i)
		return
	}
	at := now
	if i != nil {
		at = i.At
	}
	if o.Snapshot != nil {
		at = latest(at, o.Snapshot.StartedAt) // a stop of the old container also holds the new one
		m.setContainer(*o.Snapshot)
		m.noteNetworks(now, *o.Snapshot)
		m.updateConfig(*o.Snapshot)
		m.saved.Incarnation, m.container.status, m.container.inspected = o.Snapshot.Incarnation, o.Snapshot.Status, true
	}
	m.hold(now, HeldOperator, at)
	m.saved.State.Hold.Confirmed = !o.Broken // then the engine has answered since, so it was not shutting down
}

// beingStopped: another client's stop of the worker's container has begun, and the container still runs. Its exit will follow.
func (m *Machine) beingStopped(now time.Time, s Snapshot, i StopIntent) {
	m.to(PhaseWatching)
	m.setContainer(s)
	m.applyInspect(now, s)
	m.operatorStop(now, i)
	m.foreign.window, m.foreign.until = now.Add(m.stopWindow()), now.Add(foreignStopMax)
}

// removedWhileRecreating: the worker has no container any more, and none is to be created.
func (m *Machine) removedWhileRecreating(now time.Time, o Outcome) {
	m.container.removed, m.container.status = true, StatusGone
	m.emit(Event{At: now, Kind: EventUnmanaged, HealDetails: HealDetails{HealID: m.heal().ID}, Reason: ReasonRemoved, Detail: o.Err})
	m.to(PhaseWatching)
}

// lost: the worker has no container any more. The saved definition is enough to create it again.
func (m *Machine) lost(now time.Time, o Outcome) {
	if len(m.saved.Definition) == 0 {
		m.removedWhileRecreating(now, o)
		return
	}
	prev := m.heal()
	m.markMissing()
	m.clearRecreate(now)
	m.openHeal(now, cause{fault: FaultMissing, intent: prev.Intent, reason: prev.Reason, action: HealRecreate, detail: o.Err})
}

// recreateRefused: the container cannot be recreated without a loss. It is restarted at once instead.
func (m *Machine) recreateRefused(now time.Time, o Outcome) {
	m.emitRefusal(now, o)
	m.clearRecreate(now)
	s := m.saved.State
	s.Due, s.Phase, s.Heal.Action = now, PhaseBackingOff, HealStart
	if m.container.status == StatusRunning {
		s.Phase, s.Heal.Action = PhaseStopDue, HealRestart
	}
	m.enter(s)
	if m.container.status == StatusRunning && (m.saved.AutoRemove || m.saved.Dependents.NeedsNewParentID) { // its stop would remove it, or it could not start again
		m.to(PhaseWatching)
		m.leaveUnhealthy(now, HeldNeedsRecreate)
	}
	m.applyRecreated(now, o)
}

func (m *Machine) emitRefusal(now time.Time, o Outcome) {
	if m.container.lastRefusal == o.Err {
		return
	}
	m.container.lastRefusal = o.Err
	n := m.healEvent(now, EventRefused, o.Err)
	n.Reason = HeldNeedsRecreate
	m.emit(n)
}

// undone: the transaction failed and the old container was restored. If it runs again, it is as after a restart.
func (m *Machine) undone(now time.Time, o Outcome) {
	prev := m.heal()
	if o.Snapshot == nil {
		m.clearRecreate(now)
		m.openHeal(now, cause{fault: prev.Fault, intent: prev.Intent, reason: prev.Reason, action: HealRecreate, detail: o.Err, output: prev.Output})
		m.applyRecreated(now, o)
		return
	}
	m.emit(m.healEvent(now, EventHealFailed, o.Err))
	same, stop := o.Snapshot.same(m.saved.Incarnation), m.saved.State.Stop
	if same && o.Snapshot.Status == StatusRunning && m.stopUnderWay() {
		m.awaitOwnStop(now, o)
		return
	}
	m.to(PhaseWatching)
	m.backTo(now, prev, o)
	if same && m.container.status.Down() && m.heal().Open() {
		m.stopOfSameLife(stop)
	}
	if same && prev.Fault == FaultOrphaned && m.container.status == StatusRunning { // it never stopped, so it is still orphaned
		m.saved.Dependents.RestartPending = true
	}
}
