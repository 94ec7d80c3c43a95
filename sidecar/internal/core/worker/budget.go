package worker

import "time"

// Budget counts the attempts to heal a worker. One budget serves all faults: every attempt since the worker was last
// stable counts.
type Budget struct {
	Attempts int `json:"attempts,omitempty"`
	// RestartsInARow since the last recreate.
	RestartsInARow int `json:"restarts_in_a_row,omitempty"`
	// ExhaustedAt is when the limit was reached (Stoker's clock); zero while it is not.
	ExhaustedAt time.Time `json:"exhausted_at,omitzero"`
}

// spent reports whether a limit of attempts is reached; 0 is no limit.
func (b Budget) spent(limit int) bool { return limit > 0 && b.Attempts >= limit }

// exhausted reports whether the worker was given up, or is retried slowly.
func (b Budget) exhausted() bool { return !b.ExhaustedAt.IsZero() }

// next is the number of the attempt that a heal decided on now has. Retries past the limit keep its number.
func (b Budget) next(limit int) int {
	if b.spent(limit) {
		return b.Attempts
	}
	return b.Attempts + 1
}

// charge counts an attempt when its first call goes out.
func (b *Budget) charge(attempt int) {
	if attempt > b.Attempts {
		b.Attempts = attempt
		b.RestartsInARow++
	}
}

// refund takes a charge back: the engine was never asked.
func (b *Budget) refund(attempt int) {
	if attempt != b.Attempts || b.Attempts == 0 {
		return
	}
	b.Attempts--
	b.RestartsInARow = max(b.RestartsInARow-1, 0)
}

// reset begins again: the worker is stable, or an operator started it.
func (b *Budget) reset() { b.Attempts, b.RestartsInARow = 0, 0 }
