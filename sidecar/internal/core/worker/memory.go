package worker

import (
	"fmt"
	"syscall"
	"time"
)

// oomWindow is how far from an exit the out-of-memory event may be: normally the same moment.
const oomWindow = 5 * time.Second

// memoryReadingAge is the maximum age of a memory reading that explains an exit.
const memoryReadingAge = time.Minute

// outOfMemory handles the out-of-memory event. It comes before the exit that the kernel's kill causes, or, on a busy host, up to
// half a second after it (engine 20.10.24): the two reach the engine by different paths. A heal that is open by then gets the
// right fault. If nothing exits, an inspect follows.
func (m *Machine) outOfMemory(now time.Time, o Observation) {
	m.life.oom.at = o.At
	late := m.container.status == StatusExited && o.At.Sub(m.life.end.at) < oomWindow
	h := &m.saved.State.Heal
	switch {
	case h.Open() && late && (h.Reason == ReasonCrashed || h.Reason == ReasonLikelyOOM):
		h.Fault, h.Reason = FaultOOM, ReasonOutOfMemory
	case m.container.status == StatusRunning && !m.life.oom.reported:
		m.requestInspect(now.Add(settle), ReasonUncertain)
	}
}

// outOfMemoryInside reports once per incarnation that the kernel killed a process in the worker, but not the main one. The worker
// may be broken: only its health check can show it.
func (m *Machine) outOfMemoryInside(now time.Time, s Snapshot) {
	if m.life.oom.reported || !s.OOMKilled && !m.life.oom.at.After(s.StartedAt) {
		return
	}
	m.life.oom.reported = true
	m.emit(Event{At: now, Kind: EventOutOfMemory, Reason: ReasonOutOfMemory, Detail: "the kernel killed a process in it, and its first process goes on"})
}

// likelyOOM handles a worker killed under a memory limit to which no signal was sent through the engine. It cannot be
// distinguished from a kill on the host. A worker that shares a PID namespace is killed with its parent.
func (m *Machine) likelyOOM(e exitFacts, at time.Time) exitFacts {
	const killed = 128 + int(syscall.SIGKILL)
	meant := m.saved.StopIntent != nil || m.stopSent() || e.intent == IntentEngine
	if e.oom || meant || e.code != killed || m.container.config.memoryLimit == 0 || m.container.config.pidParent != "" {
		return e
	}
	e.likely = true
	e.detail = "killed, but no signal was sent through the engine; " + m.memoryEvidence(at)
	return e
}

// memoryEvidence describes what is known of the memory before an exit at that time (the engine's clock).
func (m *Machine) memoryEvidence(at time.Time) string {
	const mib = 1 << 20
	limit := m.container.config.memoryLimit / mib
	last := m.cpu.display.meter
	if m.cpu.lastStats.At.After(last.At) {
		last = m.cpu.lastStats
	}
	age := at.Sub(last.At)
	if last.Memory == 0 || age < 0 || age > memoryReadingAge || last.At.Before(m.saved.Incarnation.StartedAt) {
		return fmt.Sprintf("its memory limit is %d MiB", limit)
	}
	return fmt.Sprintf("%s before it used %d MiB of its %d MiB of memory", age.Round(time.Second), last.Memory/mib, limit)
}
