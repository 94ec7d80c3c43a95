package worker

import (
	"math"
	"time"
)

// Boost is a quota that was raised for a while.
type Boost struct {
	From float64 `json:"from"` // CPUs; what it goes back to
	To   float64 `json:"to"`
}

// updateDeadline bounds one docker update, with the inspect before it.
const updateDeadline = 20 * time.Second

// boostFactor is the boost where the label does not say how much.
const boostFactor = 2

// Host tells the machine how many CPUs its host has; 0 is not known.
func (m *Machine) Host(cpus int) { m.container.hostCPUs = float64(cpus) }

// wishBoost raises the quota, if there is room above it. A container with devices of a driver (GPUs) is left alone: an update
// of it drops them (nvidia/nvidia-docker issues).
func (m *Machine) wishBoost(now time.Time) {
	to := m.id.Policy.BoostCPUs
	if to == 0 {
		to = boostFactor * m.ownQuota()
	}
	if m.container.hostCPUs > 0 {
		to = min(to, m.container.hostCPUs)
	}
	if m.saved.Boost != nil || m.container.config.devices || to <= m.ownQuota() {
		return
	}
	m.saved.Boost = &Boost{From: m.ownQuota(), To: to}
	m.quota.updateAt = now
}

// wanted is the quota that the worker is to have now, and false if Stoker has no say in it.
func (m *Machine) wantedQuota() (float64, bool) {
	own := m.container.config.cpus
	if b := m.saved.Boost; b != nil {
		if m.boosting() {
			return b.To, true
		}
		return b.From, true
	}
	switch {
	case m.container.config.devices:
		return 0, false
	case m.id.Policy.CPUsExplicit:
		return m.id.Policy.CPUs, true
	case m.id.Policy.CPUsWhereNone && own == 0:
		return m.id.Policy.CPUs, true
	}
	return 0, false
}

// boosting: the time of a boost is the grace, unless the worker recovers before.
func (m *Machine) boosting() bool {
	return m.starving() && m.container.status == StatusRunning && !m.quota.boostOver
}

// sameQuota allows for what the engine's own rounding does to a quota that is given as a pair.
func sameQuota(a, b float64) bool { return math.Abs(a-b) < 0.0005 }

// keepQuota plans the update that the quota needs, and forgets a boost that is through.
func (m *Machine) keepQuota(now time.Time) {
	if m.saved.Boost != nil && m.starving() && !m.saved.State.Due.After(now) {
		m.quota.boostOver = true
	}
	want, ok := m.wantedQuota()
	known := m.container.inspected && m.inFlight == nil && !m.Recreating() && (m.container.status == StatusRunning || m.container.status.Down())
	if !known || !ok || sameQuota(want, m.container.config.cpus) {
		if b := m.saved.Boost; known && ok && b != nil && !m.boosting() {
			m.saved.Boost, m.quota.boostOver = nil, false
		}
		m.quota.updateAt = time.Time{}
		return
	}
	if b := m.saved.Boost; b != nil && !sameQuota(m.container.config.cpus, b.From) && !sameQuota(m.container.config.cpus, b.To) {
		m.saved.Boost, m.quota.boostOver, m.quota.updateAt = nil, false, time.Time{} // someone else has set it since: that is the quota now
		return
	}
	if m.quota.updateAt.IsZero() {
		m.quota.updateAt = now
	}
}

// planUpdate puts the update into its place: a boost is given back before the worker is stopped, and before it is recreated
// whatever that takes, for the new one would keep it. A dead worker's start waits for nothing.
func (m *Machine) planUpdate(now time.Time, lane ActionClass, due time.Time) (ActionClass, time.Time) {
	if m.quota.updateAt.IsZero() || (lane == ClassStart && !due.After(now)) {
		return lane, due
	}
	first := m.saved.Boost != nil && (lane == ClassRecreate || (lane == ClassStop && m.quota.updateTries == 0))
	if first || due.IsZero() || m.quota.updateAt.Before(due) {
		return ClassUpdate, m.quota.updateAt
	}
	return lane, due
}

func (m *Machine) fillUpdate(a *Action) {
	want, _ := m.wantedQuota()
	a.Verb, a.Reason, a.Deadline = Update, ReasonQuotaMismatch, updateDeadline
	a.From, a.CPUs = m.container.config.cpus, want
	if m.saved.Boost != nil {
		a.Reason = ReasonStarved
	}
}

// finishUpdate: what the engine shows afterwards counts. One that cannot be done is tried again at each doubling of the wait, and a
// boost that cannot be given back is never forgotten.
func (m *Machine) finishUpdate(now time.Time, o Outcome) {
	switch o.Result {
	case Done, Refused:
		m.quota.updateTries, m.quota.updateAt = 0, time.Time{}
		if o.Result == Done {
			m.emit(Event{At: now, Kind: EventQuota, Reason: o.Action.Reason, QuotaChange: QuotaChange{From: o.Action.From, CPUs: o.Action.CPUs}})
		}
		m.applyOrInspect(now, o)
	case Skipped:
		m.quota.updateAt = now.Add(lastRetry)
	case Failed, Unknown:
		if m.quota.updateTries == 0 {
			m.emit(Event{At: now, Kind: EventQuotaFailed, Reason: o.Action.Reason, QuotaChange: QuotaChange{From: o.Action.From, CPUs: o.Action.CPUs}, Detail: o.Err})
		}
		m.quota.updateAt = now.Add(min(firstRetry<<min(m.quota.updateTries, 10), time.Minute))
		m.quota.updateTries++
		if o.Result == Unknown || o.Snapshot != nil {
			m.applyOrInspect(now, o)
		}
	}
}
