package worker

import "time"

// waitForDocker: Docker has decided under the container's lock before it sends die, so that an inspect at once reports whether
// it is going to restart the container. Podman shows no such thing: it restarts the container within a moment, or does not.
func (m *Machine) waitForDocker(now time.Time) {
	m.to(PhaseDocker)
	m.inspects.tries = 0
	if m.life.noStopEvents {
		now = now.Add(dockerSettle)
	}
	m.requestInspect(now, ReasonWaitsDocker)
}

// dockerGaveUp: the restart policy's own start failed (the engine never tries again, moby monitor.go), or
// on-failure:N is used up. A container that was waiting for its restart and is not any more, with none of these to explain
// it, was killed by someone: the engine sends no event for that (20.10.24). A wait for the next restart that ended without a word may be a stop whose event is still on
// its way: it sends no signal then.
func (m *Machine) dockerGaveUp(now time.Time, s Snapshot, p inspectContext) {
	m.life.delayed = m.life.delayed && !p.newLife
	if (p.before == StatusRestarting || p.first) && s.StartError == "" {
		m.requestInspect(now.Add(settle), ReasonUncertain)
		return
	}
	waited := m.life.delayed
	m.life.delayed = false
	e := exitFacts{code: s.ExitCode, oom: s.OOMKilled, intent: IntentNone}
	switch {
	case m.inspectedEvidence(now, s.FinishedAt, s).requested(), waited && s.StartError == "" && !s.retriesUsedUp() && !m.engineCutIt():
		m.hold(now, HeldOperator, s.FinishedAt)
		return
	case m.engineCutIt():
		e.intent, e.reason = IntentEngine, ReasonEngineRestarted
		m.life.stoppedByDaemon = false
	case s.ExitCode != 0 || s.StartError != "":
		e.reason = ReasonDockerGaveUp
	}
	if s.StartError != "" {
		e.fault, e.detail = FaultStartFailed, s.StartError
	} else if !p.first {
		e = m.likelyOOM(e, s.FinishedAt)
	}
	m.judgeCause(now, e)
}
