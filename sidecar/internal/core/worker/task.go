package worker

import (
	"syscall"
	"time"

	"stoker/sidecar/internal/core/policy"
)

// taskRetry is the wait after a kill of a task was refused, as during an update of its service.
const taskRetry = 10 * time.Second

// observedTask reports whether the worker is a task of a Swarm service that is only displayed: it is inspected and measured, and
// no more.
func (m *Machine) observedTask() bool { return m.id.Unmanageable == HeldSwarm && !m.id.Tentative }

// planObserved inspects a displayed task once per incarnation.
func (m *Machine) planObserved(now time.Time) (ActionClass, time.Time) {
	if m.container.status != StatusRunning || m.inspects.request.due.IsZero() {
		return ClassNone, time.Time{}
	}
	return ClassInspect, latest(m.inspects.request.due, now)
}

// observeTask requests the inspect of a displayed task: neither a list nor an event has its quota.
func (m *Machine) observeTask(now time.Time) {
	if m.observedTask() && m.container.status == StatusRunning && !m.container.inspected {
		m.requestInspect(now, ReasonNew)
	}
}

// ownKill separates Stoker's own SIGKILL of a task from other clients' signals.
func (m *Machine) ownKill(now time.Time, o Observation) bool {
	if o.Signal != syscall.SIGKILL || m.own.signals > 0 {
		return false
	}
	m.own.signals, m.own.termAt, m.own.termSeen = 1, o.At, now
	m.saved.OwnStops.first(now, o.At)
	return true
}

// taskEnded holds a task that has ended, for any reason: Swarm replaces it.
func (m *Machine) taskEnded(now time.Time) {
	m.life.end.state = exitSettled
	if m.heldFor(HeldSwarm) {
		return
	}
	if m.stopSent() && m.heal().Action == HealKill {
		m.requestLogs(m.life.end.at, m.life.end.code)
		m.emit(m.healEvent(now, EventStopped, ""))
	}
	m.hold(now, HeldSwarm, m.life.end.at)
}

// noteLostTask reports a task that was unhealthy and exited with 0. For Swarm it is complete, and under the restart condition
// on-failure it is not replaced: its agent stops an unhealthy task, and only a code other than 0 makes it a failed one (moby,
// daemon/cluster/executor/container/controller.go).
func (m *Machine) noteLostTask(now time.Time, o Observation, unhealthy bool) {
	place := policy.TaskOf(m.saved.Labels)
	if !unhealthy || o.ExitCode != 0 || o.History() || place.Service == "" {
		return
	}
	m.emit(Event{
		At: now, Kind: EventTaskLost, Group: place.Service, HealDetails: HealDetails{Fault: FaultUnhealthy}, Reason: ReasonExitedZero,
		Detail: "Swarm replaces it under the restart condition any, and not under on-failure",
	})
}

// refusedRetry is the wait after a refused stop.
func (m *Machine) refusedRetry() time.Duration {
	if m.id.Task {
		return taskRetry
	}
	return firstRetry
}

// senseWait is how long a stop waits for the answer to the starved question.
func (m *Machine) senseWait() time.Duration {
	if m.cpu.wasStarved {
		return m.id.Policy.StarvedGrace // it was starved, and is killed only once it is known not to be
	}
	return senseWait
}

// askTaskAgain: a starved task is never killed. The starved question is repeated when the grace is over.
func (m *Machine) askTaskAgain(now time.Time) {
	s := &m.saved.State
	if !m.id.Task || s.Phase != PhaseStopDue || s.Heal.Reason != ReasonStarved || s.Due.After(now) {
		return
	}
	s.Heal.Reason = ReasonProbeTimedOut
	m.cpu.question, m.cpu.wasStarved, m.cpu.askAt = questionOpen, true, now
}
