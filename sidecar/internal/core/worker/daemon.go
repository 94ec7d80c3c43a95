package worker

import "time"

// engineCutIt reports whether the incarnation that ended belonged to an earlier engine process and was expected to run.
func (m *Machine) engineCutIt() bool {
	if m.life.end.byDaemon {
		return true
	}
	return m.saved.Expected && m.life.bootedAt.After(m.saved.Incarnation.StartedAt) && !m.saved.Incarnation.StartedAt.IsZero()
}

// engineRestarted clears what looked like an operator's stop and was the engine's shutdown: signals from its last moments, and
// actions after it had closed its sockets, at any time (28.5.2 on a busy host, 5 s between its first signal and its last).
func (m *Machine) engineRestarted(now time.Time, in EngineRestarted) {
	m.life.bootedAt = in.BootedAt
	m.container.inspected, m.networks.unseenStart = false, true // the policy's start may have failed before the engine went down, and succeed now
	m.requestInspect(now, ReasonChanged)
	if in.StopsSince.IsZero() {
		return
	}
	own := func(at time.Time) bool {
		return m.foreign.inspectFailed && !at.Before(in.EarliestStop) || !at.Before(in.StopsSince)
	}
	if h := m.saved.State.Hold; m.heldFor(HeldOperator) && !h.Confirmed && own(h.At) {
		m.release()
		m.saved.Expected, m.life.end.byDaemon = true, true
	}
	if i := m.saved.StopIntent; i != nil && !i.Confirmed && own(i.At) {
		m.saved.StopIntent = nil
		m.life.end.byDaemon = true
	}
}
