package worker

import "time"

// longestEngineGrace is the assumed maximum of a stop to which an unknown default of the engine applies. If an operator sets a
// longer default, each of Stoker's stops is sent again.
const longestEngineGrace = 10 * time.Minute

// EngineGrace sets whether the engine may have another default than Docker's 10 s between the stop signal and SIGKILL. Since 29.7
// the daemon has an option for it, default-stop-timeout, which no API call returns.
func (m *Machine) EngineGrace(unknown bool) { m.container.graceUnknown = unknown }

// ownGrace reports whether neither the labels nor the container set a grace, so the engine's default applies.
func (m *Machine) ownGrace() bool {
	return m.container.inspected && m.id.Policy.StopTimeout < 0 && m.container.config.stopTimeout == 0
}

// stopNow returns a stop that is sent now.
func (m *Machine) stopNow(now time.Time) SentStop {
	if m.id.Task {
		return SentStop{At: now} // by SIGKILL
	}
	s := SentStop{At: now, Grace: m.id.Policy.Grace(m.container.config.stopTimeout)}
	if m.ownGrace() && m.container.graceUnknown {
		s.Grace, s.Any = longestEngineGrace, true
	}
	return s
}

// requestGrace is the grace in the request: none if the engine's default applies.
func (m *Machine) requestGrace(s SentStop) time.Duration {
	if m.ownGrace() {
		return -1
	}
	return s.Grace
}

// least is the earliest time after which a SIGKILL can belong to this stop.
func (s SentStop) least() time.Duration {
	if s.Any {
		return 0
	}
	return s.Grace
}
