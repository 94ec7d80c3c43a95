package worker

import (
	"slices"
	"syscall"
	"time"
)

// removeWindow is how long after its SIGKILL the removal by docker rm -f may come. The engine unmounts and deletes in between,
// which takes a second on a busy host. An operator who kills and then removes takes longer, or counts as rm -f.
const removeWindow = 10 * time.Second

// Missing reports whether the worker has no container but should have one.
func (m *Machine) Missing() bool { return m.container.status == StatusGone && !m.container.removed }

// markMissing: there is no container. Requests that concerned it are dropped.
func (m *Machine) markMissing() {
	m.container.status, m.checks.status = StatusGone, HealthNone
	m.inspects.request, m.inspects.outcomeUnknown, m.foreign.pending, m.checks.healthySince = inspectRequest{}, false, nil, time.Time{}
	if m.heal().Open() {
		m.saved.State.Heal.Missing = true
	}
}

// onlyKilled reports whether a SIGKILL is the only signal that was sent. A pending signal behind it, whose meaning only an
// inspect shows, counts as a stop: no other signal makes sense for a worker that was killed.
func (m *Machine) onlyKilled() bool {
	i := m.saved.StopIntent
	if i == nil || i.Signal != int(syscall.SIGKILL) || i.Complete {
		return false
	}
	return !slices.ContainsFunc(m.foreign.pending, func(s pendingSignal) bool { return !s.o.At.Before(i.At) })
}

// beingAutoRemoved reports whether the engine is about to remove the worker because it exited (--rm). A container that never ran
// has not exited: if the engine refuses a start early, as with a missing mount, the container stays for good.
func (m *Machine) beingAutoRemoved() bool {
	return m.saved.AutoRemove && m.container.status == StatusExited
}

// vanished: the engine no longer has the container. The answer may be ahead of the events that show whether the worker was
// stopped first, so Stoker waits a moment for them.
func (m *Machine) vanished(now time.Time) {
	if m.inspects.vanishedAt.IsZero() {
		m.inspects.vanishedAt, m.inspects.outcomeUnknown = now, true
	}
	if left := m.inspects.vanishedAt.Add(settle).Sub(now); left > 0 {
		m.requestInspect(now.Add(left), ReasonUncertain)
		return
	}
	at := m.life.end.at
	if i := m.saved.StopIntent; i != nil && m.stoppedByOperator(now, at) { // and the exit event was lost, or is far behind
		at = latest(at, i.At)
		m.hold(now, HeldOperator, i.At)
	}
	m.gone(now, at)
}

// gone: the container was removed at that time on the engine's clock. That ends the worker, unless the crash removed it (--rm),
// or it was not stopped first and its label asks for a recreate.
func (m *Machine) gone(now, at time.Time) {
	if m.Missing() {
		return
	}
	c, back := m.comesBack(at)
	switch {
	case !back:
		m.container.status = StatusGone
		m.container.removed = true
		m.emit(Event{At: now, Kind: EventUnmanaged, HealDetails: HealDetails{HealID: m.heal().ID}, Reason: m.leftAlone()})
		m.to(PhaseWatching)
	case m.phase() == PhaseRecreateDue || m.phase() == PhaseRecreating:
		m.markMissing()
	default:
		m.release()
		m.markMissing()
		m.openHeal(now, c)
	}
}

// observeMissing: events of the container may come after the answer that showed it missing. A stop by another client among them
// is obeyed, as if it had come in time. Replayed events were taken into account before.
func (m *Machine) observeMissing(now time.Time, o Observation) {
	if o.ID != m.saved.Incarnation.ID || o.History() || o.Kind == Listed {
		return
	}
	m.observeRecreating(now, o)
	if o.Kind == Exited {
		m.life.end.at, m.life.end.code = o.At, o.ExitCode
	}
	if o.Kind == Gone && !m.Recreating() && m.stoppedByOperator(now, latest(m.life.end.at, m.saved.Incarnation.StartedAt)) {
		m.container.status = StatusExited
		m.hold(now, HeldOperator, m.saved.StopIntent.At)
		m.gone(now, o.At)
	}
}

// comesBack reports whether a removed worker is to be created again, and why. The removal of a worker that was already down shows
// no intent: docker compose down sends no stop to a worker that waits for its next attempt.
func (m *Machine) comesBack(at time.Time) (cause, bool) {
	c := cause{fault: FaultMissing, intent: IntentNone, reason: ReasonRemoved, action: HealRecreate}
	recreates := m.phase() == PhaseRecreateDue || m.phase() == PhaseRecreating
	switch {
	case len(m.saved.Definition) == 0 || m.id.Unmanageable != HeldNot, m.saved.Key.IsBackupName(): // another container has its name
		return c, false
	case m.saved.AutoRemove && recreates:
		return c, true
	case m.saved.AutoRemove && m.leftAlone() == HeldNot && m.engineCutIt():
		c.intent, c.reason = IntentEngine, ReasonEngineRestarted
		return c, true
	}
	hold := m.saved.State.Hold
	killed := hold.Killed && m.heldFor(HeldOperator) && !m.saved.AutoRemove
	after := at.Sub(hold.At) // far below zero after a step of the clock, which shows nothing
	return c, killed && m.id.Policy.OnMissing == policyRecreate && after > -settle && after < removeWindow
}
