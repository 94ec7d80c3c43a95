package fleet

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// ViewedFor is how long after somebody looked at the workers readings are taken for the next request. A page that is open asks
// every few seconds, Prometheus every minute at most by its usual settings.
const ViewedFor = 2 * time.Minute

const (
	// displayStatsInterval is the time between two readings of one worker for people. One costs Stoker some 2 ms of CPU (docs/performance.md).
	displayStatsInterval = 30 * time.Second
	// displayStatsScan is the time between two looks through all workers for those that are due.
	displayStatsScan = 250 * time.Millisecond
	// maxDisplayStats bounds them at once: when somebody begins to look, all workers are due together.
	maxDisplayStats = 8
)

// viewers are the people that look at the workers, of whom nothing is known but when they looked.
type viewers struct {
	scanAt  time.Time // when the workers are looked through again
	waiting bool      // some were due and had to wait
	nextAt  time.Time // when the next of those that were not due then is
	began   time.Time // the present spell, in which no request was far from the last one
	last    time.Time
}

// displayStats is what is kept of a member's readings for people.
type displayStats struct {
	asked time.Time
	next  time.Time
}

// Viewed tells the fleet when somebody last looked at what the workers use; a zero time is never. It takes effect with the next
// turn. While somebody looks, each running worker is read now and then; nobody is otherwise.
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

// displayStatsDue asks for readings for people, by name where there is not room for all.
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

// displayStatsAt is when a member is due: at once when the looking begins, then by its name. A time further off than any is from
// before a step of the clock.
func (f *Fleet) displayStatsAt(now time.Time, m *member) time.Time {
	if m.displayStats.asked.Before(f.viewers.began) || m.displayStats.next.Sub(now) > 2*displayStatsInterval {
		return now
	}
	return m.displayStats.next
}

// nextDisplayStats is a time of the worker's own in the period that follows, so that a hundred are not read at once.
func nextDisplayStats(now time.Time, key worker.Key) time.Time {
	own := key.Phase(displayStatsInterval)
	return now.Add(displayStatsInterval / 2).Add(-own).Truncate(displayStatsInterval).Add(displayStatsInterval + own)
}

// displayStatsWake is when the next one is due.
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
