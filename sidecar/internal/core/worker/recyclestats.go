package worker

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/policy"
)

// memoryBound is the memory in bytes above which the worker is restarted; 0 is none.
func (m *Machine) memoryBound() int64 {
	return m.id.Policy.Recycle.MaxMemory.Of(m.container.config.memoryLimit)
}

// overMemory reports whether the memory was above the bound for the configured time.
func (m *Machine) overMemory() bool {
	over := m.recycle.overSince
	known := !over.IsZero() && m.recycle.memoryOf.same(m.saved.Incarnation)
	return known && m.memoryBound() > 0 && m.recycle.memory.At.Sub(over) >= m.id.Policy.Recycle.MaxMemoryFor
}

// judgeMemory applies a reading of the memory. After a long gap it shows nothing about the time between.
func (m *Machine) judgeMemory(reading Stats) {
	bound := m.memoryBound()
	if bound == 0 {
		return
	}
	gap := reading.At.Sub(m.recycle.memory.At)
	if gap > memoryGap || gap < 0 || !m.recycle.memoryOf.same(m.saved.Incarnation) {
		m.recycle.overSince = time.Time{}
	}
	m.recycle.memory, m.recycle.memoryOf = reading, m.saved.Incarnation
	switch {
	case reading.Memory <= uint64(bound): //nolint:gosec // positive
		m.recycle.overSince = time.Time{}
		if r := m.recycling(); r.Stage.Pending() && r.Fault == FaultMemory {
			m.saved.State.Recycle = Recycle{}
		}
	case m.recycle.overSince.IsZero():
		m.recycle.overSince = reading.At
	}
}

// Intervals of memory readings, and of readings that show whether a worker to be restarted is idle.
const (
	memoryInterval    = 15 * time.Second
	memoryGap         = 4 * memoryInterval
	recycleIdleLooks  = 5 * time.Second
	memoryReadings    = 4 // in max-memory-for
	minMemoryInterval = 5 * time.Second
)

// recycleInterval is the interval between two readings for a recycle; 0 is none.
func (m *Machine) recycleInterval() time.Duration {
	switch {
	case !m.Recyclable():
		return 0
	case m.recycling().Stage == RecycleWaitsForIdle:
		return recycleIdleLooks
	case m.memoryBound() > 0:
		return min(max(m.id.Policy.Recycle.MaxMemoryFor/memoryReadings, minMemoryInterval), memoryInterval)
	}
	return 0
}

// judgeRecycleIdle applies the worker's use between two readings.
func (m *Machine) judgeRecycleIdle(r rates) {
	m.recycle.idle = m.recycling().Stage == RecycleWaitsForIdle && r.cpus < m.idleBound()
}

// memoryLimitKnown holds a worker whose bound is a share of a missing memory limit, as for any other label problem.
func (m *Machine) memoryLimitKnown(now time.Time) {
	bound := m.id.Policy.Recycle.MaxMemory
	if bound.Share == 0 || m.container.config.memoryLimit > 0 || m.id.Unmanageable != HeldNot {
		return
	}
	p := policy.NoMemoryLimit(bound)
	m.id.Unmanageable = HeldBadLabels
	if slices.Contains(m.id.Problems, p) {
		return
	}
	m.id.Problems = append(slices.Clone(m.id.Problems), p)
	m.emit(Event{At: now, Kind: EventProblem, Reason: HeldBadLabels, Detail: p.String()})
}

// memoryLimitChanged: an update may have set a limit. The next inspect decides.
func (m *Machine) memoryLimitChanged() {
	p := policy.NoMemoryLimit(m.id.Policy.Recycle.MaxMemory)
	if len(m.id.Problems) == 1 && m.id.Problems[0] == p && m.id.Unmanageable == HeldBadLabels {
		m.id.Problems, m.id.Unmanageable = nil, HeldNot
	}
}
