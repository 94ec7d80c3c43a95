package fleet

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// ViewedFor is how long stats are read after a request for the workers. An open page polls every few seconds, Prometheus with its usual settings
// at least every minute.
const ViewedFor = 2 * time.Minute

const (
	// displayStatsInterval is the time between two display readings of one worker. One costs Stoker some 2 ms of CPU (docs/performance.md).
	displayStatsInterval = 30 * time.Second
	// displayStatsScan is the time between two scans of the workers for due readings.
	displayStatsScan = 250 * time.Millisecond
	// maxDisplayStats is the maximum number in flight: at the first view, all workers are due together.
	maxDisplayStats = 8
)

// viewers is the state of the views of the workers.
type viewers struct {
	scanAt  time.Time // when to scan the workers again
	waiting bool      // some were due without capacity
	nextAt  time.Time // when the next of the others is due
	began   time.Time // start of the current series of requests
	last    time.Time
}

// displayStats is the state of a member's display readings.
type displayStats struct {
	asked time.Time
	next  time.Time
}

// Viewed records when the workers were last viewed; a zero time is never. It takes effect with the next input. Workers are read for display only
// while they are viewed.
func (f *Fleet) Viewed(at time.Time) {
	if at.IsZero() || at.Equal(f.viewers.last) {
		return
	}
	if at.Sub(f.viewers.last).Abs() > ViewedFor {
		f.viewers.began, f.viewers.scanAt = at, time.Time{}
	}
	f.viewers.last = at
}

func (f *Fleet) viewed(now time.Time) bool {
	return !f.viewers.last.IsZero() && now.Sub(f.viewers.last).Abs() <= ViewedFor
}

// displayStatsDue requests display readings, by name if there is not capacity for all.
func (f *Fleet) displayStatsDue(now time.Time) {
	if !f.viewed(now) || f.actions.reading[forPeople] >= maxDisplayStats || now.Before(f.viewers.scanAt) && now.Add(displayStatsScan).After(f.viewers.scanAt) {
		return
	}
	f.viewers.scanAt, f.viewers.nextAt = now.Add(displayStatsScan), time.Time{}
	var due []*member
	for _, m := range f.byID {
		if at := f.displayStatsAt(now, m); at.After(now) {
			f.viewers.nextAt = earliest(f.viewers.nextAt, at)
		}
		_, sensible := m.machine.DisplayStatsDue(now)
		if sensible && !m.reading[forPeople] && f.bound(m) && !f.displayStatsAt(now, m).After(now) {
			due = append(due, m)
		}
	}
	slices.SortFunc(due, byKey)
	f.viewers.waiting = len(due) > maxDisplayStats-f.actions.reading[forPeople]
	for _, m := range due[:min(len(due), maxDisplayStats-f.actions.reading[forPeople])] {
		m.displayStats = displayStats{asked: now, next: nextDisplayStats(now, m.key())}
		span, _ := m.machine.DisplayStatsDue(now)
		f.readStats(m, forPeople, span)
	}
}

// displayStatsAt returns when a member is due: at once at the first view, then by its name. A time too far ahead is from before a step of the
// clock.
func (f *Fleet) displayStatsAt(now time.Time, m *member) time.Time {
	if m.displayStats.asked.Before(f.viewers.began) || m.displayStats.next.Sub(now) > 2*displayStatsInterval {
		return now
	}
	return m.displayStats.next
}

// nextDisplayStats returns a time in the next period that depends on the key, so that a hundred workers are not read at once.
func nextDisplayStats(now time.Time, key worker.Key) time.Time {
	own := key.Phase(displayStatsInterval)
	return now.Add(displayStatsInterval / 2).Add(-own).Truncate(displayStatsInterval).Add(displayStatsInterval + own)
}

// displayStatsWake returns when the next reading is due.
func (f *Fleet) displayStatsWake(now time.Time) time.Time {
	if !f.viewed(now) {
		return time.Time{}
	}
	if f.viewers.waiting {
		return latest(f.viewers.scanAt, now.Add(displayStatsScan))
	}
	if f.viewers.nextAt.IsZero() {
		return time.Time{}
	}
	return latest(latest(f.viewers.scanAt, f.viewers.nextAt), now.Add(time.Millisecond))
}
