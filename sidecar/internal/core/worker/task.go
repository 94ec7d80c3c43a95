package worker

import (
	"syscall"
	"time"

	"stoker/sidecar/internal/core/policy"
)

// taskRetry is the wait after a kill of a task was refused, as it is while its service is being updated.
const taskRetry = 10 * time.Second

// observedTask reports whether the worker is a task of a Swarm service that Stoker only shows: it is inspected and measured, and no more.
func (m *Machine) observedTask() bool { return m.id.Unmanageable == HeldSwarm && !m.id.Tentative }

// planObserved inspects a task that is only shown, once for each life.
func (m *Machine) planObserved(now time.Time) (ActionClass, time.Time) {
	if m.container.status != StatusRunning || m.inspects.request.due.IsZero() {
		return ClassNone, time.Time{}
	}
	return ClassInspect, latest(m.inspects.request.due, now)
}

// observeTask asks for the inspect of a task that is only shown: neither a list nor an event has its quota.
func (m *Machine) observeTask(now time.Time) {
	if m.observedTask() && m.container.status == StatusRunning && !m.container.inspected {
		m.requestInspect(now, ReasonNew)
	}
}

// ownKill tells Stoker's own SIGKILL of a task from signals of others.
func (m *Machine) ownKill(now time.Time, o Observation) bool {
	if o.Signal != syscall.SIGKILL || m.own.signals > 0 {
		return false
	}
	m.own.signals, m.own.termAt, m.own.termSeen = 1, o.At, now
	m.saved.OwnStops.first(now, o.At)
	return true
}

// taskEnded holds a task that has ended, for whatever reason: its replacement is up to Swarm.
func (m *Machine) taskEnded(now time.Time) {
	m.life.exit = exitSettled
	if m.heldFor(HeldSwarm) {
		return
	}
	if m.stopSent() && m.heal().Action == HealKill {
		m.requestLogs(m.life.endedAt, m.life.exitCode)
		m.emit(m.healEvent(now, EventStopped, ""))
	}
	m.hold(now, HeldSwarm, m.life.endedAt)
}

// noteLostTask tells of a task that was unhealthy and ended with 0. To Swarm it is complete, and under the restart condition on-failure it is not
// replaced: its agent stops an unhealthy task, and only another code than 0 makes it a failed one (moby, daemon/cluster/executor/container/controller.go).
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

// refusedRetry is the wait after a stop that was refused.
func (m *Machine) refusedRetry() time.Duration {
	if m.id.Task {
		return taskRetry
	}
	return firstRetry
}

// senseWait is how long a stop waits for the answer whether the worker is starved.
func (m *Machine) senseWait() time.Duration {
	if m.cpu.wasStarved {
		return m.id.Policy.StarvedGrace // it was, and is killed only when it is known that it is not
	}
	return senseWait
}

// askTaskAgain: a starved task is never killed. Whether it still is starved is asked again when the grace is over.
func (m *Machine) askTaskAgain(now time.Time) {
	s := &m.saved.State
	if !m.id.Task || s.Phase != PhaseStopDue || s.Heal.Reason != ReasonStarved || s.Due.After(now) {
		return
	}
	s.Heal.Reason = ReasonProbeTimedOut
	m.cpu.question, m.cpu.wasStarved, m.cpu.askAt = questionOpen, true, now
}
