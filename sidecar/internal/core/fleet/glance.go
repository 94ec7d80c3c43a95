package fleet

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// WatchLasts is how long after somebody looked at the workers readings are taken for the next look. A page that is open asks
// every few seconds, Prometheus every minute at most by its usual settings.
const WatchLasts = 2 * time.Minute

const (
	// glanceEvery is the time between two readings of one worker for people. One costs Stoker some 2 ms of CPU (docs/performance.md).
	glanceEvery = 30 * time.Second
	// maxGlances bounds them at once: when somebody begins to look, all workers are due together.
	maxGlances = 8
)

// watchers are the people that look at the workers, of whom nothing is known but when they looked.
type watchers struct {
	began time.Time // the present spell, in which no look was far from the last one
	last  time.Time
}

// glance is what is kept of a member's readings for people.
type glance struct {
	asked time.Time
	next  time.Time
}

// Watched tells the fleet when somebody last looked at what the workers use; a zero time is never. It takes effect with the next
// turn. While somebody looks, each running worker is read now and then; nobody is otherwise.
func (f *Fleet) Watched(at time.Time) {
	if at.IsZero() || at.Equal(f.watchers.last) {
		return
	}
	if at.Sub(f.watchers.last).Abs() > WatchLasts {
		f.watchers.began = at
	}
	f.watchers.last = at
}

func (f *Fleet) watched(now time.Time) bool {
	return !f.watchers.last.IsZero() && now.Sub(f.watchers.last).Abs() <= WatchLasts
}

// glanceDue asks for readings for people, by name where there is not room for all.
func (f *Fleet) glanceDue(now time.Time) {
	if !f.watched(now) || f.reading[forPeople] >= maxGlances {
		return
	}
	var due []*member
	for _, m := range f.byID {
		_, sensible := m.machine.Glance(now)
		if sensible && !m.reading[forPeople] && f.seated(m) && !f.glanceAt(now, m).After(now) {
			due = append(due, m)
		}
	}
	slices.SortFunc(due, byKey)
	for _, m := range due[:min(len(due), maxGlances-f.reading[forPeople])] {
		m.glance = glance{asked: now, next: nextGlance(now, m.key())}
		span, _ := m.machine.Glance(now)
		f.sample(m, forPeople, span)
	}
}

// glanceAt is when a member is due: at once when the looking begins, then by its name. A time further off than any is from
// before a step of the clock.
func (f *Fleet) glanceAt(now time.Time, m *member) time.Time {
	if m.glance.asked.Before(f.watchers.began) || m.glance.next.Sub(now) > 2*glanceEvery {
		return now
	}
	return m.glance.next
}

// nextGlance is a time of the worker's own in the period that follows, so that a hundred are not read at once.
func nextGlance(now time.Time, key worker.Key) time.Time {
	own := key.Phase(glanceEvery)
	return now.Add(glanceEvery / 2).Add(-own).Truncate(glanceEvery).Add(glanceEvery + own)
}

// glanceWake is when the next one is due.
func (f *Fleet) glanceWake(now, wake time.Time) time.Time {
	if !f.watched(now) {
		return wake
	}
	for _, m := range f.byID {
		if at := f.glanceAt(now, m); at.After(now) && (wake.IsZero() || at.Before(wake)) {
			wake = at
		}
	}
	return wake
}
