package worker

import "time"

// waitForDocker waits for Docker's restart policy. Docker decides under the container's lock before it sends die, so an inspect
// right after it shows whether Docker will restart the container. Podman does not show it: it restarts the container within a
// moment, or not at all.
func (m *Machine) waitForDocker(now time.Time) {
	m.to(PhaseDocker)
	m.inspects.tries = 0
	if m.life.noStopEvents {
		now = now.Add(dockerSettle)
	}
	m.requestInspect(now, ReasonWaitsDocker)
}

// dockerGaveUp handles a policy that no longer restarts the container. Either its own start failed (the engine never retries,
// moby monitor.go), or on-failure:N is used up. If neither explains it, an operator killed the container during its restart
// delay: the engine sends no event for that (20.10.24). A delay that ended without an event may also be a stop whose event is
// still to come: no signal is sent then.
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
		m.life.end.byDaemon = false
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
