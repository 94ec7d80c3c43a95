package worker

import (
	"math"
	"time"
)

// Boost is a temporarily raised quota.
type Boost struct {
	From float64 `json:"from"` // CPUs; the quota to restore
	To   float64 `json:"to"`
}

// updateDeadline bounds one docker update, with the inspect before it.
const updateDeadline = 20 * time.Second

// boostFactor is the boost if the label sets none.
const boostFactor = 2

// Host sets the number of CPUs of the worker's host; 0 is unknown.
func (m *Machine) Host(cpus int) { m.container.hostCPUs = float64(cpus) }

// requestBoost raises the quota if the host has more CPUs. A container with devices of a driver (GPUs) is left alone: an update
// drops them (nvidia/nvidia-docker issues).
func (m *Machine) requestBoost(now time.Time) {
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

// wantedQuota returns the quota that the worker is to have now; false if Stoker does not set it.
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

// boosting reports whether the boost lasts: until the grace is over, or the worker recovers.
func (m *Machine) boosting() bool {
	return m.starving() && m.container.status == StatusRunning && !m.quota.boostOver
}

// sameQuota tolerates the engine's rounding of a quota given as a pair.
func sameQuota(a, b float64) bool { return math.Abs(a-b) < 0.0005 }

// keepQuota plans the update that the quota needs, and drops a boost that is over.
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
		m.saved.Boost, m.quota.boostOver, m.quota.updateAt = nil, false, time.Time{} // another client set it since; that is the quota now
		return
	}
	if m.quota.updateAt.IsZero() {
		m.quota.updateAt = now
	}
}

// planUpdate inserts the update among the due actions. A boost is restored before the worker is stopped. It is restored before a
// recreate in any case, because the new container would keep it. A dead worker's start does not wait.
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

// finishUpdate applies an update; what the engine shows afterwards counts. A failed update is retried with a doubling delay. A
// boost that cannot be restored is never dropped.
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
