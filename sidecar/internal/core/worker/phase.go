package worker

import "time"

// phase is the phase of the worker.
func (m *Machine) phase() Phase { return m.saved.State.Phase }

// heal is the open heal; a zero Heal if there is none.
func (m *Machine) heal() Heal { return m.saved.State.Heal }

// heldFor reports whether the worker is held for that reason.
func (m *Machine) heldFor(reason Reason) bool {
	return m.phase() == PhaseHeld && m.saved.State.Hold.Reason == reason
}

// keepsStop reports whether events of Stoker's own stop may still come in the phase.
func (p Phase) keepsStop() bool {
	return p == PhaseStopping || p == PhaseAsleep || p == PhaseExhausted || p == PhaseBackingOff || p == PhaseStarting || p == PhaseRecreateDue || p == PhaseRecreating
}

// enter is the only place where a worker changes its phase. It drops what the new phase does not have.
func (m *Machine) enter(s State) {
	if s.Phase != PhaseHeld {
		s.Hold = Hold{}
	}
	if !s.Phase.healing() && s.Phase != PhaseDocker {
		s.Heal, s.Due = Heal{}, time.Time{}
	}
	if s.Phase != PhaseWatching {
		s.Recycle = Recycle{}
	}
	if !s.Phase.keepsStop() && s.Hold.Reason != HeldUnhealthy {
		s.Stop = SentStop{}
	}
	if !s.Stop.Sent() {
		m.own = ownStop{}
	}
	if s.Phase != PhaseRecreating {
		s.Undone = ""
	}
	if s.Phase != PhaseDocker {
		m.life.delayed = false
	}
	m.saved.State = s
}

// to enters a phase and keeps what belongs to the present one.
func (m *Machine) to(p Phase) {
	s := m.saved.State
	s.Phase = p
	m.enter(s)
}

// toDue enters a phase whose next action is due at that time.
func (m *Machine) toDue(p Phase, due time.Time) {
	s := m.saved.State
	s.Phase, s.Due = p, due
	m.enter(s)
}

// release ends a hold.
func (m *Machine) release() {
	m.saved.Budget.ExhaustedAt = time.Time{}
	m.foreign.inspectFailed = false
	if p := m.phase(); p == PhaseHeld || p == PhaseAsleep || p == PhaseDocker || p == PhaseExhausted {
		m.to(PhaseWatching)
	}
}

// stopSent reports whether Stoker sent a stop to the present or the last incarnation. Its signals, its exit and its stop event
// may still come, some also after the answer.
func (m *Machine) stopSent() bool { return m.saved.State.Stop.Sent() }

// ownStopUnderWay reports whether events may still be those of Stoker's own stop: one that was carried out in the previous
// incarnation has none left, even if its answer is still to come.
func (m *Machine) ownStopUnderWay() bool { return m.stopSent() && !m.own.carriedOut }

// stoppedForHeal: the stop of a restart succeeded, and the start is due; or the worker was stopped for lack of work.
func (m *Machine) stoppedForHeal(now, due time.Time) {
	if m.own.signals == 0 && m.container.config.restart.Active() { // it may have exited before the stop, and Docker's own start have failed
		m.networks.unseenStart = true
	}
	m.requestLogs(m.life.end.at, m.life.end.code)
	switch m.heal().Action {
	case HealSleep:
		m.fallAsleep(now)
		return
	case HealStop:
		m.stoppedForGood(now)
		return
	case HealKill:
		m.taskEnded(now)
		return
	case HealNone, HealStart, HealRestart, HealRecreate, HealWake:
	}
	m.toDue(PhaseBackingOff, due)
}

// idle reports whether no action on the worker is under way and none is blocked.
func (m *Machine) idle() bool {
	return m.phase() == PhaseWatching && !m.saved.Budget.exhausted() && m.id.Unmanageable == HeldNot
}
