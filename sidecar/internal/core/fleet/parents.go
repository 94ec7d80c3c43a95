package fleet

import (
	"strings"
	"time"

	"stoker/sidecar/internal/core/dependents"
	"stoker/sidecar/internal/core/worker"
)

// parentSettle is how much earlier a killed worker may exit than the parent whose process namespace it shares.
const parentSettle = time.Second

// parentOf returns the worker that a reference to a namespace means; previous reports whether it is an earlier ID of the worker.
func (f *Fleet) parentOf(m *member, ref string) (p *member, previous bool) {
	if p := f.byID[ref]; p != nil {
		return p, false
	}
	for _, other := range f.sorted() {
		if other == m {
			continue
		}
		if dependents.Names(ref, other.id) || strings.TrimPrefix(ref, "/") == string(other.key()) && f.bound(other) {
			return other, false
		}
		for _, id := range other.machine.Saved().PreviousIDs {
			if dependents.Names(ref, id) {
				return other, true
			}
		}
	}
	return nil, false
}

// waitsForParent reports whether a worker that is down cannot start, because a worker whose namespaces it shares does not run or is about to be
// stopped. A start would fail and cost an attempt.
func (f *Fleet) waitsForParent(m *member) bool {
	return m.machine.Down() && f.lacksParent(m)
}

// startWaits reports whether the next action of a worker starts it, itself or as a recreate, and waits for its parent.
func (f *Fleet) startWaits(m *member) bool {
	return (m.class == worker.ClassStart || m.class == worker.ClassRecreate) && f.waitsForParent(m)
}

// lacksParent reports whether a worker could not start now for that reason, if it were down.
func (f *Fleet) lacksParent(m *member) bool {
	for _, ref := range m.machine.Parents() {
		if p, _ := f.parentOf(m, ref); p != nil && !p.machine.Joinable() {
			return true
		}
	}
	return false
}

// killedWithParentUntil returns until when the exit of a worker may turn out to be that of its parent; zero when it cannot be. It is on Stoker's
// clock, and at most parentSettle from now, for any step of either clock.
func (f *Fleet) killedWithParentUntil(now time.Time, m *member) time.Time {
	ref, endedAt, killed := m.machine.KilledInNamespace()
	if !killed {
		return time.Time{}
	}
	if p, _ := f.parentOf(m, ref); p == nil || !p.machine.Joinable() || p.machine.Saved().Incarnation.StartedAt.After(endedAt) {
		return time.Time{}
	}
	until := m.machine.Saved().State.Heal.OpenedAt.Add(parentSettle)
	if until.Sub(now) > parentSettle {
		return time.Time{}
	}
	return until
}

// adoptParent notifies a worker that is down that it refers to an earlier ID of its parent: a start would fail.
func (f *Fleet) adoptParent(now time.Time, m *member) bool {
	for _, ref := range m.machine.Parents() {
		if p, previous := f.parentOf(m, ref); p != nil && previous && !m.machine.Saved().Dependents.NeedsNewParentID {
			f.step(now, m, worker.Orphaned{Parent: p.key(), Heal: worker.HealRecreate, Since: p.machine.Saved().Incarnation.StartedAt})
			return true
		}
	}
	return false
}
