package worker

import (
	"hash/fnv"
	"time"
)

// Readings for idle-after: four in its time, so that it is noticed within a quarter more.
const (
	idleReadings     = 4
	minStatsInterval = 5 * time.Second
	maxStatsInterval = time.Minute
)

// probeCost is what one run of a health check costs the worker's own cgroup at most: starting the exec alone takes some 30 ms
// (engine 20.10.24). Without it a worker that hangs would look busy by its probes.
const probeCost = 50 * time.Millisecond

// planStats keeps the readings going while they would mean something.
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
	case m.cpu.statsAt.Sub(now) > every: // they are wanted more often than before
		m.cpu.statsAt = now.Add(every)
	}
}

// watchesIdleness reports whether idleness would be a fault: not right after a start that is not through, nor while anything else is being
// done about the worker.
func (m *Machine) watchesIdleness() bool {
	return m.id.Policy.IdleAfter > 0 && !m.boredRightly() && m.idle() && m.saved.Boost == nil && m.health() != HealthStarting
}

// statsInterval is the time between two readings; 0 is none.
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

// Phase is a worker's own place in a period, so that a hundred of them are not read at once.
func (k Key) Phase(period time.Duration) time.Duration {
	h := fnv.New64a()
	_, _ = h.Write([]byte(k))                                // never fails
	return time.Duration(h.Sum64() % uint64(max(period, 1))) //nolint:gosec // both are positive
}

func (m *Machine) scheduleStats(now time.Time) { m.cpu.statsAt = now.Add(m.statsInterval()) }

// judgeStats compares a reading with the one before.
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

// judgeIdle opens a heal when there was nothing but idleness for idle-after.
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

// idleBound is the use below which the worker is idle, in CPUs: its share of its quota, or of one CPU if it has none, and
// what its probes cost.
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
