package worker

import (
	"syscall"
	"time"
)

// removeWindow is how long after its SIGKILL the removal by docker rm -f may come. The engine unmounts and deletes in
// between, which takes a second on a busy one; a person who kills and then removes takes longer, or is taken for rm -f.
const removeWindow = 10 * time.Second

// Missing tells whether the worker has no container, and is to have one.
func (m *Machine) Missing() bool { return m.status == StatusGone && !m.over }

// miss: there is no container. What was wished for concerned it.
func (m *Machine) miss() {
	m.status, m.health = StatusGone, HealthNone
	m.look, m.unanswered, m.early, m.wellSince = wish{}, false, nil, time.Time{}
	if m.mem.Heal != nil {
		heal := *m.mem.Heal
		heal.Missing = true
		m.mem.Heal = &heal
	}
}

// killedAlone tells whether a SIGKILL is all that somebody sent. A signal behind it whose meaning only a look will tell is a stop's:
// nobody has anything else to say to a worker that was killed.
func (m *Machine) killedAlone() bool {
	i := m.mem.StopIntent
	if i == nil || i.Signal != int(syscall.SIGKILL) || i.Complete {
		return false
	}
	return m.early == nil || m.early.o.At.Before(i.At)
}

// leaving tells whether the engine is about to remove the worker because its end has come (--rm). One that never ran has not
// ended: a start that the engine refuses before it tries, as when a mount is gone, leaves such a container there for good.
func (m *Machine) leaving() bool { return m.mem.AutoRemove && m.status == StatusExited }

// vanished: the engine does not know the container any more. The answer may be ahead of the events, which tell whether the
// worker was stopped first; they get a moment to arrive.
func (m *Machine) vanished(now time.Time) {
	if m.vanishedAt.IsZero() {
		m.vanishedAt, m.unanswered = now, true
	}
	if left := m.vanishedAt.Add(settle).Sub(now); left > 0 {
		m.wishLook(now.Add(left), ReasonUncertain)
		return
	}
	m.gone(now, m.endedAt)
}

// gone: the container was removed, at that time on the engine's clock. That is the end, unless the removal was the crash's
// own (--rm), or nobody had stopped the worker first and its label asks for it back.
func (m *Machine) gone(now, at time.Time) {
	if m.Missing() {
		return
	}
	c, back := m.comesBack(at)
	switch {
	case !back:
		m.status = StatusGone
		m.over = true
		m.mem.Heal = nil
		m.note(Note{At: now, Kind: NoteReleased, Reason: m.mem.Held})
	case m.mem.Heal != nil && m.mem.Heal.Step == StepRecreate:
		m.miss()
	default:
		m.release()
		m.mem.Killed = false
		m.miss()
		m.openHeal(now, c)
	}
}

// comesBack tells whether a removed worker is to be made again, and why. The removal of one that was down already says
// nothing of the kind: docker compose down sends no stop to a worker that waits for its next attempt.
func (m *Machine) comesBack(at time.Time) (cause, bool) {
	c := cause{fault: FaultMissing, intent: IntentNone, reason: ReasonRemoved, heal: HealRecreate}
	heal := m.mem.Heal
	switch {
	case len(m.mem.Definition) == 0 || m.barred != HeldNot:
		return c, false
	case m.mem.AutoRemove && heal != nil && heal.Step == StepRecreate:
		return c, true
	case m.mem.AutoRemove && m.mem.Held == HeldNot && m.engineCutIt():
		c.intent, c.reason = IntentEngine, ReasonEngineRestarted
		return c, true
	}
	killed := m.mem.Killed && m.mem.Held == HeldOperator && !m.mem.AutoRemove
	return c, killed && m.policy.OnMissing == policyRecreate && at.Sub(m.mem.HeldAt) < removeWindow
}
