package worker

import "time"

// engineCutIt reports whether the life that ended was one of an earlier engine process, and was to go on.
func (m *Machine) engineCutIt() bool {
	if m.life.stoppedByDaemon {
		return true
	}
	return m.saved.Expected && m.life.bootedAt.After(m.saved.Incarnation.StartedAt) && !m.saved.Incarnation.StartedAt.IsZero()
}

// engineRestarted takes back what an engine's shutdown made look like an operator's stop: what came in its last moments, and what an
// engine that had closed its sockets already did at whatever time (28.5.2 on a busy host, 5 s between its first signal and its last).
func (m *Machine) engineRestarted(now time.Time, in EngineRestarted) {
	m.life.bootedAt = in.BootedAt
	m.container.inspected, m.networks.unseenStart = false, true // a policy's start may have failed before the engine went down, and works now
	m.requestInspect(now, ReasonChanged)
	if in.StopsSince.IsZero() {
		return
	}
	own := func(at time.Time) bool {
		return m.foreign.inspectFailed && !at.Before(in.EarliestStop) || !at.Before(in.StopsSince)
	}
	if h := m.saved.State.Hold; m.heldFor(HeldOperator) && !h.Confirmed && own(h.At) {
		m.release()
		m.saved.Expected, m.life.stoppedByDaemon = true, true
	}
	if i := m.saved.StopIntent; i != nil && !i.Confirmed && own(i.At) {
		m.saved.StopIntent = nil
		m.life.stoppedByDaemon = true
	}
}
