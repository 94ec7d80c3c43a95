package worker

import (
	"fmt"
	"syscall"
	"time"
)

// oomWindow is how far from an end the kernel's kill may have been reported: the same moment, in practice.
const oomWindow = 5 * time.Second

// memoryReadingAge is how old a reading of the memory may be that explains an end.
const memoryReadingAge = time.Minute

// outOfMemory: the kernel's kill is told before the end that it causes, or, on a busy host, up to half a second after it
// (engine 20.10.24): the two take different ways to the engine. A heal that is open by then gets its right name. If nothing ends,
// an inspect tells.
func (m *Machine) outOfMemory(now time.Time, o Observation) {
	m.life.oomAt = o.At
	late := m.container.status == StatusExited && o.At.Sub(m.life.endedAt) < oomWindow
	h := &m.saved.State.Heal
	switch {
	case h.Open() && late && (h.Reason == ReasonCrashed || h.Reason == ReasonLikelyOOM):
		h.Fault, h.Reason = FaultOOM, ReasonOutOfMemory
	case m.container.status == StatusRunning && !m.life.oomTold:
		m.requestInspect(now.Add(settle), ReasonUncertain)
	}
}

// outOfMemoryInside tells once a life that the kernel killed a process in the worker and the first one lives. The worker may be
// crippled: only its health check can tell.
func (m *Machine) outOfMemoryInside(now time.Time, s Snapshot) {
	if m.life.oomTold || !s.OOMKilled && !m.life.oomAt.After(s.StartedAt) {
		return
	}
	m.life.oomTold = true
	m.emit(Event{At: now, Kind: EventOutOfMemory, Reason: ReasonOutOfMemory, Detail: "the kernel killed a process in it, and its first process goes on"})
}

// likelyOOM: killed under a memory limit, and nobody has sent a signal through the engine. Of a kill from the host that cannot be
// told. One that shares a process namespace is killed with its parent.
func (m *Machine) likelyOOM(e exitFacts, at time.Time) exitFacts {
	const killed = 128 + int(syscall.SIGKILL)
	meant := m.saved.StopIntent != nil || m.stopSent() || e.intent == IntentEngine
	if e.oom || meant || e.code != killed || m.container.config.memoryLimit == 0 || m.container.config.pidParent != "" {
		return e
	}
	e.likely = true
	e.detail = "killed, and nobody sent a signal through the engine; " + m.memoryEvidence(at)
	return e
}

// memoryEvidence says what is known of the memory before an end at that time (the engine's clock).
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
