package worker

import (
	"hash/fnv"
	"time"
)

// Readings for idle-after: four per interval, so that idleness is detected at most a quarter late.
const (
	idleReadings     = 4
	minStatsInterval = 5 * time.Second
	maxStatsInterval = time.Minute
)

// probeCost is the maximum CPU cost of one health check run in the worker's own cgroup: starting the exec alone takes about 30 ms
// (engine 20.10.24). Without it a hung worker would look busy because of its probes.
const probeCost = 50 * time.Millisecond

// planStats schedules readings while they are meaningful.
func (m *Machine) planStats(now time.Time, readable bool) {
	if !m.watchesIdleness() {
		m.cpu.idleSince = time.Time{}
	}
	every := m.statsInterval()
	switch {
	case !readable || every == 0:
		m.cpu.statsAt, m.cpu.lastStats, m.cpu.idleSince = time.Time{}, Stats{}, time.Time{}
	case m.cpu.statsAt.IsZero():
		m.cpu.statsAt = now.Add(m.saved.Key.Phase(every))
	case m.cpu.statsAt.Sub(now) > every: // they are needed more often than before
		m.cpu.statsAt = now.Add(every)
	}
}

// watchesIdleness reports whether idleness would be a fault: not until a start is complete, nor while another action on the
// worker is under way.
func (m *Machine) watchesIdleness() bool {
	return m.id.Policy.IdleAfter > 0 && !m.idleWithoutWork() && m.idle() && m.saved.Boost == nil && m.health() != HealthStarting
}

// statsInterval is the interval between two readings; 0 is none.
func (m *Machine) statsInterval() time.Duration {
	every := m.recycleInterval()
	if !m.watchesIdleness() {
		return every
	}
	idle := min(max(m.id.Policy.IdleAfter/idleReadings, minStatsInterval), maxStatsInterval)
	if every == 0 {
		return idle
	}
	return min(idle, every)
}

// Phase is a worker's own offset in a period, so that a hundred workers are not read at once.
func (k Key) Phase(period time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(k))                                // never fails
	return time.Duration(h.Sum64() % uint64(max(period, 1))) //nolint:gosec // both are positive
}

func (m *Machine) scheduleStats(now time.Time) { m.cpu.statsAt = now.Add(m.statsInterval()) }

// judgeStats compares a reading with the previous one.
func (m *Machine) judgeStats(now time.Time, reading Stats) {
	last := m.cpu.lastStats
	m.cpu.lastStats = reading
	m.scheduleStats(now)
	m.judgeMemory(reading)
	r, ok := between(last, reading, m.container.config.cpuPeriod)
	if !ok {
		m.cpu.idleSince = time.Time{}
		return
	}
	m.show(r, reading.At)
	m.judgeRecycleIdle(r)
	if m.watchesIdleness() {
		m.judgeIdle(now, last, reading, r)
	}
}

// judgeIdle opens a heal if all readings for idle-after were idle.
func (m *Machine) judgeIdle(now time.Time, last, reading Stats, r rates) {
	switch {
	case r.cpus >= m.idleBound():
		m.cpu.idleSince = time.Time{}
		return
	case m.cpu.idleSince.IsZero():
		m.cpu.idleSince = last.At
	}
	if reading.At.Sub(m.cpu.idleSince) >= m.id.Policy.IdleAfter {
		m.openHeal(now, cause{fault: FaultIdle, intent: IntentNone, reason: ReasonIdle, action: HealRestart})
	}
}

// idleBound is the use in CPUs below which the worker is idle: its share of its quota, or of one CPU without a quota, plus the
// cost of its probes.
func (m *Machine) idleBound() float64 {
	base := m.ownQuota()
	if base == 0 {
		base = 1
	}
	bound := base * m.id.Policy.IdleBelow
	if every := m.container.config.probeEvery; m.container.config.healthcheck && every > 0 {
		bound += float64(probeCost) / float64(every)
	}
	return bound
}
