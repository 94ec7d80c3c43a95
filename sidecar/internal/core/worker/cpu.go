package worker

import (
	"cmp"
	"time"

	"stoker/sidecar/internal/core/policy"
)

// Stats is the CPU accounting of a container's cgroup at one moment. All counters restart at 0 with each incarnation.
type Stats struct {
	At  time.Time // the engine's clock
	CPU time.Duration
	// Periods of the quota in which a task was runnable. Engines that count them report some once a probe has run. 0 means that
	// they are not counted: no quota, Podman, Kata, youki (docs/quota.md).
	Periods   uint64
	Throttled uint64 // of these, throttled ones
	Memory    uint64 // bytes in use without the inactive file cache; 0 if not measured
}

// Usage is the result of ReadStats. Before is about a second earlier, and zero for a single reading.
type Usage struct{ Before, Now Stats }

// rates are computed from two readings.
type rates struct {
	cpus      float64 // used, in CPUs
	throttled float64 // share of the active periods that were throttled
	active    float64 // share of all periods in which a task was runnable
	counted   bool    // the periods are counted; otherwise the two shares are meaningless
}

// between returns false if the readings are not of one incarnation, in order.
func between(a, b Stats, period time.Duration) (rates, bool) {
	took := b.At.Sub(a.At)
	if a.At.IsZero() || took <= 0 || b.CPU < a.CPU || b.Periods < a.Periods || b.Throttled < a.Throttled {
		return rates{}, false
	}
	r := rates{cpus: float64(b.CPU-a.CPU) / float64(took), counted: b.Periods > 0}
	if periods := b.Periods - a.Periods; periods > 0 {
		r.throttled = float64(b.Throttled-a.Throttled) / float64(periods)
		r.active = float64(periods) * float64(cmp.Or(period, defaultPeriod)) / float64(took)
	}
	return r, true
}

// defaultPeriod is the kernel's default, and what docker run --cpus sets.
const defaultPeriod = 100 * time.Millisecond

// StatsRead is the answer to ReadStats: readings, or why there are none.
type StatsRead struct {
	Incarnation Incarnation
	Span        bool // two readings were requested
	Usage       *Usage
	Host        *HostLoad // nil if unknown
	Err         string
}

func (StatsRead) input() {}

// senseWait bounds how long the starved question delays a heal. The engine takes one to two seconds to measure a share; a slower
// answer is of no use.
const senseWait = 5 * time.Second

// The bounds of starved and hung. A computing worker uses its whole quota and is throttled in nearly every period. A hung one is
// not even runnable in most periods. One in between is runnable but does not get its quota: the host is short of CPU, and the
// state of other workers decides (rule 15).
const (
	starvedUse      = 0.8 // of the quota
	starvedThrottle = 0.2
	hungUse         = 0.3 // of the quota; a probe is a burst
	hungActive      = 0.5
)

// sense requests the readings that a decision needs: for a worker with a quota whose probe timed out, whether it is starved; for
// one with idle-after, whether it is idle.
func (m *Machine) sense(now time.Time) {
	readable := m.readable()
	switch {
	case !readable || !m.askingStarved():
		if m.cpu.askAt = (time.Time{}); m.cpu.question == questionHostStarved {
			m.cpu.question = questionOpen
		}
	case m.cpu.askAt.IsZero():
		m.cpu.askAt = now
	}
	m.planStats(now, readable)
}

// askingStarved reports whether the answer matters: with on-starved=restart it would change nothing.
func (m *Machine) askingStarved() bool {
	waits := m.phase() == PhaseStopDue || m.phase() == PhaseRecreateDue
	if !waits || m.heal().Reason != ReasonProbeTimedOut {
		return false
	}
	return m.ownQuota() > 0 && m.id.Policy.OnStarved != policy.OnStarvedRestart && m.cpu.question != questionAnswered
}

// StatsDue returns when readings are due, and whether they must show a share on their own; false if none are.
func (m *Machine) StatsDue() (span bool, due time.Time, ok bool) {
	switch {
	case m.id.Tentative || m.container.removed:
		return false, time.Time{}, false
	case !m.cpu.askAt.IsZero():
		return true, m.cpu.askAt, true
	}
	return false, m.cpu.statsAt, !m.cpu.statsAt.IsZero()
}

func (m *Machine) statsRead(now time.Time, in StatsRead) {
	switch {
	case !in.Incarnation.same(m.saved.Incarnation) || m.container.status != StatusRunning:
		m.cpu.statsAt = time.Time{}
	case m.askingStarved():
		if in.Span { // otherwise it was requested before there was a question
			m.answer(now, in)
		}
	case in.Usage == nil:
		m.scheduleStats(now)
	default:
		m.judgeStats(now, in.Usage.Now)
	}
}

// answer decides whether the worker is starved. Without readings the heal proceeds as if they had not been requested.
func (m *Machine) answer(now time.Time, in StatsRead) {
	again := m.cpu.question == questionHostStarved
	m.cpu.question, m.cpu.askAt = questionAnswered, time.Time{}
	if in.Usage == nil && m.cpu.wasStarved {
		m.starve(now) // unchanged
		return
	}
	if in.Usage == nil {
		if !again {
			m.emit(m.healEvent(now, EventStatsUnavailable, in.Err))
		}
		m.hostStarvedAnswer(now, in.Host)
		return
	}
	r, ok := between(in.Usage.Before, in.Usage.Now, m.container.config.cpuPeriod)
	if !ok {
		m.emit(m.healEvent(now, EventStatsUnavailable, "the readings are not of one life"))
		return
	}
	m.show(r, in.Usage.Now.At)
	switch share := r.cpus / m.ownQuota(); {
	case share >= starvedUse && r.throttled >= starvedThrottle:
		m.starve(now)
	case r.counted && share < hungUse && r.active < hungActive:
		m.hung(now)
	default:
		m.hostStarvedAnswer(now, in.Host)
	}
}

// starve delays the heal: the probe had no CPU left. The worker is computing; a restart would lose its work and change nothing.
func (m *Machine) starve(now time.Time) {
	s := &m.saved.State
	s.Heal.Reason = ReasonStarved
	s.Due = latest(s.Due, m.checks.unhealthyAt.Add(m.id.Policy.StarvedGrace))
	if m.id.Task {
		s.Due = now.Add(m.id.Policy.StarvedGrace)
	}
	if m.cpu.wasStarved {
		return
	}
	m.emit(Event{
		At: now, Kind: EventHeld, HealDetails: HealDetails{HealID: s.Heal.ID, Fault: s.Heal.Fault, Attempt: s.Heal.Attempt, Delay: s.Due.Sub(now),
			Output: s.Heal.Output}, Reason: HeldStarved,
	})
	if m.id.Policy.OnStarved == policy.OnStarvedBoost {
		m.requestBoost(now)
	}
}

// hung starts the heal at once: the probe had enough CPU, so other workers' probes would show nothing about the host.
func (m *Machine) hung(now time.Time) {
	m.saved.State.Heal.Reason = ReasonHung
	if !m.checks.dueAlone.IsZero() {
		m.saved.State.Due = m.checks.dueAlone
	}
	m.emit(m.healEvent(now, EventHung, ""))
}

// starving reports whether the heal is delayed because the worker is starved.
func (m *Machine) starving() bool { return m.heal().Reason == ReasonStarved }

// ownQuota is the worker's own quota in CPUs, without a boost; 0 is none.
func (m *Machine) ownQuota() float64 {
	if m.saved.Boost != nil {
		return m.saved.Boost.From
	}
	return m.container.config.cpus
}

// Share is the last measured use of a worker in its present incarnation.
type Share struct {
	At        time.Time // the engine's clock; zero if never measured
	CPUs      float64
	Throttled float64 // share of the periods
	// ThrottlingUnknown: the periods are not counted, so Throttled is no measurement.
	ThrottlingUnknown bool
}
