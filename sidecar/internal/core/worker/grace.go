package worker

import "time"

// longestEngineGrace is how long a stop may take for which the engine's own default counts and is not known. An operator who sets a longer
// one than that has each stop of Stoker's sent again.
const longestEngineGrace = 10 * time.Minute

// EngineGrace tells the machine whether the engine may have another default than Docker's 10 s between the stop signal and SIGKILL. From
// 29.7 on the daemon has an option for it, default-stop-timeout, and no call tells its value.
func (m *Machine) EngineGrace(unknown bool) { m.container.graceUnknown = unknown }

// ownGrace reports whether neither the labels nor the container set a grace, so that the engine's default counts.
func (m *Machine) ownGrace() bool {
	return m.container.inspected && m.id.Policy.StopTimeout < 0 && m.container.config.stopTimeout == 0
}

// stopNow is a stop that is sent now.
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

// requestGrace is the grace in the request: none where the engine's default counts.
func (m *Machine) requestGrace(s SentStop) time.Duration {
	if m.ownGrace() {
		return -1
	}
	return s.Grace
}

// least is the time before which a SIGKILL is not the stop's own.
func (s SentStop) least() time.Duration {
	if s.Any {
		return 0
	}
	return s.Grace
}
