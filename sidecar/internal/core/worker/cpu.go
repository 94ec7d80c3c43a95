package worker

import (
	"cmp"
	"time"

	"stoker/sidecar/internal/core/policy"
)

// Stats is the CPU accounting of a container's cgroup at one moment. All counters begin again with each life.
type Stats struct {
	At  time.Time // the engine's clock
	CPU time.Duration
	// Periods of the quota, in which something wanted to run. All engines that count them have some once a probe has run; 0 means
	// that nobody counts: no quota, Podman, Kata, youki (docs/quota.md).
	Periods   uint64
	Throttled uint64 // of these, in which it had to wait
	Memory    uint64 // bytes in use without the inactive file cache; 0 is not measured
}

// Usage is what a Sample found. Before is about a second earlier, and zero for a cheap one.
type Usage struct{ Before, Now Stats }

// rates are what two readings show.
type rates struct {
	cpus      float64 // used, in CPUs
	throttled float64 // share of the periods in which something wanted to run that it had to wait in
	active    float64 // share of all periods in which something wanted to run
	counted   bool    // somebody counts the periods; else the two shares say nothing
}

// between is false when the readings are not of one life, in order.
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

// defaultPeriod is the kernel's, and what docker run --cpus sets.
const defaultPeriod = 100 * time.Millisecond

// StatsRead is the answer to a Sample: readings, or why there are none.
type StatsRead struct {
	Incarnation Incarnation
	Span        bool // it was asked for two readings
	Usage       *Usage
	Host        *HostLoad // nil where it is not known
	Err         string
}

func (StatsRead) input() {}

// senseWait is how long the question whether a worker is starved may hold up its heal. The engine takes one to two seconds for
// an answer that shows a share; one that takes longer is of no use.
const senseWait = 5 * time.Second

// The bounds of starved and hung. A worker that computes uses its quota to the last bit and is throttled in nearly every
// period. One that hangs is not even runnable in most of them. One that is neither wants to run and does not get what its
// quota grants: the host is short of CPU, and what others go through tells more (rule 15).
const (
	starvedUse      = 0.8 // of the quota
	starvedThrottle = 0.2
	hungUse         = 0.3 // of the quota, for a probe is a burst
	hungActive      = 0.5
)

// sense asks for the readings that a decision needs: whether a worker with a quota whose probe timed out is starved, and
// whether one with idle-after is idle.
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

// askingStarved: with on-starved=restart the answer would change nothing.
func (m *Machine) askingStarved() bool {
	waits := m.phase() == PhaseStopDue || m.phase() == PhaseRecreateDue
	if !waits || m.heal().Reason != ReasonProbeTimedOut {
		return false
	}
	return m.ownQuota() > 0 && m.id.Policy.OnStarved != policy.OnStarvedRestart && m.cpu.question != questionAnswered
}

// StatsDue is when readings are wanted, and whether they shall show a share by themselves; false when none are.
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
		if in.Span { // else it was asked for before there was a question
			m.answer(now, in)
		}
	case in.Usage == nil:
		m.scheduleStats(now)
	default:
		m.judgeStats(now, in.Usage.Now)
	}
}

// answer settles the question whether the worker is starved. Without readings it is decided as if nobody had asked.
func (m *Machine) answer(now time.Time, in StatsRead) {
	again := m.cpu.question == questionHostStarved
	m.cpu.question, m.cpu.askAt = questionAnswered, time.Time{}
	if in.Usage == nil && m.cpu.wasStarved {
		m.starve(now) // as it was
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

// starve: the probe had no CPU left. The worker computes, and a restart would cost its work and change nothing.
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
		m.wishBoost(now)
	}
}

// hung: the probe had all the CPU that it could want, so that company would tell nothing about the host.
func (m *Machine) hung(now time.Time) {
	m.saved.State.Heal.Reason = ReasonHung
	if !m.checks.dueAlone.IsZero() {
		m.saved.State.Due = m.checks.dueAlone
	}
	m.emit(m.healEvent(now, EventHung, ""))
}

// starving reports whether the worker is given time because it is starved.
func (m *Machine) starving() bool { return m.heal().Reason == ReasonStarved }

// ownQuota is the worker's own, in CPUs, without a boost; 0 is none.
func (m *Machine) ownQuota() float64 {
	if m.saved.Boost != nil {
		return m.saved.Boost.From
	}
	return m.container.config.cpus
}

// Share is what a worker was last seen to use in its present life.
type Share struct {
	At        time.Time // the engine's clock; zero when it was never measured
	CPUs      float64
	Throttled float64 // share of the periods
	// ThrottlingUnknown: nobody counts the periods, so that Throttled is no measurement.
	ThrottlingUnknown bool
}
