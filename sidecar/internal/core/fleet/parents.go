package fleet

import (
	"strings"
	"time"

	"stoker/sidecar/internal/core/dependents"
	"stoker/sidecar/internal/core/worker"
)

// parentSettle is how long the end of a worker that was killed may lead the end of the parent whose process namespace it shares.
const parentSettle = time.Second

// parentOf is the worker that a reference to a namespace means; previous reports whether it holds an ID that the worker had once.
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

// waitsForParent reports whether a worker that is down cannot start, because another one whose namespaces it shares does not run or is
// about to be stopped. It is no use to try, and would cost attempts.
func (f *Fleet) waitsForParent(m *member) bool {
	return m.machine.Down() && f.lacksParent(m)
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

// killedWithParentUntil is until when the end of a worker may turn out to be that of its parent; zero when it cannot be. It is Stoker's clock,
// and never longer than parentSettle from now, whatever either clock does.
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

// adoptParent tells a worker that is down that it holds the ID of a container that its parent had once: a start would fail.
func (f *Fleet) adoptParent(now time.Time, m *member) bool {
	for _, ref := range m.machine.Parents() {
		if p, previous := f.parentOf(m, ref); p != nil && previous && !m.machine.Saved().Dependents.NeedsNewParentID {
			f.step(now, m, worker.Orphaned{Parent: p.key(), Heal: worker.HealRecreate, Since: p.machine.Saved().Incarnation.StartedAt})
			return true
		}
	}
	return false
}
