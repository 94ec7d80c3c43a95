package worker

import (
	"slices"
	"time"
)

// Budget counts the attempts to heal a worker. One budget serves all faults: every attempt since the worker was last
// stable counts.
type Budget struct {
	Attempts int `json:"attempts,omitempty"`
	// RestartsInARow since the last recreate.
	RestartsInARow int `json:"restarts_in_a_row,omitempty"`
	// ExhaustedAt is when the limit was reached (Stoker's clock); zero while it is not.
	ExhaustedAt time.Time `json:"exhausted_at,omitzero"`
}

// spent reports whether the retry limit is reached; 0 is no limit.
func (b Budget) spent(limit int) bool { return limit > 0 && b.Attempts >= limit }

// exhausted reports whether the limit was reached: the worker was given up, or is retried slowly.
func (b Budget) exhausted() bool { return !b.ExhaustedAt.IsZero() }

// charge counts an attempt when its first call is sent, and reports whether it is a new one.
func (b *Budget) charge(attempt int) bool {
	if attempt <= b.Attempts {
		return false
	}
	b.Attempts = attempt
	b.RestartsInARow++
	return true
}

// refund takes back a charge because the engine was never reached, and reports whether there was one.
func (b *Budget) refund(attempt int) bool {
	if attempt != b.Attempts || b.Attempts == 0 {
		return false
	}
	b.Attempts--
	b.RestartsInARow = max(b.RestartsInARow-1, 0)
	return true
}

// reset clears the counts: the worker is stable, or an operator started it.
func (b *Budget) reset() { b.Attempts, b.RestartsInARow = 0, 0 }

// budgetSpent reports whether the retry limit or that of the rolling window is reached.
func (m *Machine) budgetSpent(now time.Time) bool {
	p := m.id.Policy
	if p.AttemptsWindow == 0 {
		return m.saved.Budget.spent(p.MaxAttempts)
	}
	return p.MaxAttempts > 0 && len(m.recentAttempts(now)) >= p.MaxAttempts
}

// recentAttempts returns the attempts within the window. One in the future was made before the clock stepped back, and counts.
func (m *Machine) recentAttempts(now time.Time) []time.Time {
	since := now.Add(-m.id.Policy.AttemptsWindow)
	return slices.DeleteFunc(slices.Clone(m.saved.RecentAttempts), func(at time.Time) bool { return !at.After(since) })
}

// nextAttempt is the number of an attempt that is decided on now. Retries past the limit keep its number.
func (m *Machine) nextAttempt(now time.Time) int {
	if m.budgetSpent(now) {
		return m.saved.Budget.Attempts
	}
	return m.saved.Budget.Attempts + 1
}

// charge counts the attempt of the open heal when its first call is sent.
func (m *Machine) charge(now time.Time) {
	if m.saved.Budget.charge(m.heal().Attempt) && m.id.Policy.AttemptsWindow > 0 {
		m.saved.RecentAttempts = append(m.recentAttempts(now), now)
		m.changes++
	}
}

func (m *Machine) refund() {
	if recent := m.saved.RecentAttempts; m.saved.Budget.refund(m.heal().Attempt) && len(recent) > 0 {
		m.saved.RecentAttempts = slices.Clone(recent[:len(recent)-1])
		m.changes++
	}
}

// resetBudget clears the budget because an operator started the worker. A task takes over the attempts of its predecessor.
func (m *Machine) resetBudget() {
	if m.id.Task {
		return
	}
	m.saved.Budget.reset()
	m.saved.RecentAttempts = nil
}
