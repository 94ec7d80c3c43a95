package pool

import (
	"fmt"
	"time"

	"stoker/workerimage/internal/checkpoint"
	"stoker/workerimage/internal/task"
)

// Progress formats the state of a ledger as log lines. It is not safe for concurrent use.
type Progress struct {
	task task.Task
	at   time.Time
	seen checkpoint.State
}

// NewProgress measures from this state on.
func NewProgress(t task.Task, now time.Time, state checkpoint.State) *Progress {
	return &Progress{task: t, at: now, seen: state}
}

// Line reports how far the round is, the rate since the last line, and the time that the rest takes at that rate.
func (p *Progress) Line(now time.Time, state checkpoint.State) string {
	rate := p.rate(now, state)
	p.at, p.seen = now, state
	chunks := p.task.Chunks()
	line := fmt.Sprintf("round %d: %.1f %% (%d of %d chunks), %s/s",
		state.Round, 100*float64(state.Done())/float64(chunks), state.Done(), chunks, Count(rate))
	if rate > 0 {
		left := float64(p.task.Range.Len()-state.Sum.Items) / rate
		line += fmt.Sprintf(", about %s left", time.Duration(left*float64(time.Second)).Round(time.Second))
	}
	return line
}

// rate is in numbers per second. A round that ended in between counts in full.
func (p *Progress) rate(now time.Time, state checkpoint.State) float64 {
	seconds := now.Sub(p.at).Seconds()
	if seconds <= 0 {
		return 0
	}
	items := float64(state.Round-p.seen.Round) * float64(p.task.Range.Len())
	items += float64(state.Sum.Items) - float64(p.seen.Sum.Items)
	return items / seconds
}

// Count formats a number: 940, 2.4 k, 3.1 M.
func Count(n float64) string {
	for _, unit := range []struct {
		size float64
		name string
	}{{1e9, " G"}, {1e6, " M"}, {1e3, " k"}} {
		if n >= unit.size {
			return fmt.Sprintf("%.1f%s", n/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%.0f", n)
}
