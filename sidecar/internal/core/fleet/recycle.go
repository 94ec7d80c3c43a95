package fleet

import (
	"cmp"
	"slices"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/worker"
)

// recycles selects the next worker of each group to recycle: one at a time.
type recycles struct {
	groups  map[string][]*member // members whose labels ask for it, unordered
	waiting []*member            // waiting for their restart, in the order in which they became due
	dirty   bool                 // waiting is unsorted
}

// recycling is a member's state for recycling.
type recycling struct {
	group string // empty: its labels do not ask for it
	state worker.RecycleState
}

// joinRecycles adds a member whose labels ask for it to its group.
func (f *Fleet) joinRecycles(m *member) {
	if m.recycling.group != "" || m.undecided || !f.bound(m) || !m.machine.Policy().Recycle.Set() {
		return
	}
	m.recycling.group, _ = groupOf(m)
	f.recycles.groups[m.recycling.group] = append(f.recycles.groups[m.recycling.group], m)
	f.recycleChanged(m)
}

// leaveRecycles removes the member.
func (f *Fleet) leaveRecycles(m *member) {
	name := m.recycling.group
	if name == "" {
		return
	}
	is := func(o *member) bool { return o == m }
	f.recycles.groups[name] = slices.DeleteFunc(f.recycles.groups[name], is)
	if len(f.recycles.groups[name]) == 0 {
		delete(f.recycles.groups, name)
	}
	f.recycles.waiting = slices.DeleteFunc(f.recycles.waiting, is)
	m.recycling = recycling{}
}

// recycleChanged updates the recycle state of a member.
func (f *Fleet) recycleChanged(m *member) {
	if m.recycling.group == "" {
		return
	}
	was, is := m.recycling.state, m.machine.RecycleState()
	m.recycling.state = is
	switch {
	case is.Stage.Pending() && !was.Stage.Pending():
		f.recycles.waiting = append(f.recycles.waiting, m)
	case was.Stage.Pending() && !is.Stage.Pending():
		f.recycles.waiting = slices.DeleteFunc(f.recycles.waiting, func(o *member) bool { return o == m })
	}
	f.recycles.dirty = f.recycles.dirty || !was.Due.Equal(is.Due)
}

// recycleDue gives turns to waiting members, and starts those that need not wait any longer. It reports whether anything changed. While the host
// is overloaded, it restarts no healthy worker.
func (f *Fleet) recycleDue(now time.Time) bool {
	if len(f.recycles.waiting) == 0 || !f.reads() || f.overload.on {
		return false
	}
	if f.recycles.dirty {
		slices.SortFunc(f.recycles.waiting, byRecycleDue)
		f.recycles.dirty = false
	}
	moved := false
	occupied := map[string]bool{}
	for _, m := range slices.Clone(f.recycles.waiting) { // a step removes one
		moved = f.recycle(now, m, occupied) || moved
	}
	return moved
}

func byRecycleDue(a, b *member) int {
	return cmp.Or(a.recycling.state.Due.Compare(b.recycling.state.Due), byKey(a, b))
}

// recycle makes the next step for a waiting member. A group is checked once per pass.
func (f *Fleet) recycle(now time.Time, m *member, occupied map[string]bool) bool {
	name, state := m.recycling.group, m.recycling.state
	if !f.mayRecycle(m) {
		return false
	}
	if state.Stage == worker.RecycleWaitsForIdle {
		if f.othersOccupy(m) {
			return false
		}
		busy := f.recycleBusy(m)
		if late := !now.Before(state.Since.Add(m.machine.Policy().Recycle.Wait)); busy && !late {
			return false
		}
		f.step(now, m, worker.RecycleNow{Busy: busy})
		return true
	}
	taken, known := occupied[name]
	if !known {
		taken = slices.ContainsFunc(f.recycles.groups[name], f.occupies)
	}
	occupied[name] = taken
	if taken || state.Due.After(now) {
		return false
	}
	f.step(now, m, worker.RecycleTurn{})
	occupied[name] = true
	return true
}

// mayRecycle reports whether a member may be restarted. Without its parent it could not start again.
func (f *Fleet) mayRecycle(m *member) bool {
	return m.recycling.group != "" && m.machine.Recyclable() && !f.heldByPause(m) && !f.lacksParent(m)
}

// occupies reports whether the others of its group wait for a member. A paused one is not waited for.
func (f *Fleet) occupies(m *member) bool {
	return m.recycling.state.Occupies && (!f.heldByPause(m) || m.machine.BeingRecycled())
}

// othersOccupy reports whether another member of the group comes first: it has failed since this one got its turn, or was paused at that time.
func (f *Fleet) othersOccupy(m *member) bool {
	return slices.ContainsFunc(f.recycles.groups[m.recycling.group], func(o *member) bool {
		later := o.recycling.state.Stage == worker.RecycleWaitsForIdle && byRecycleDue(m, o) < 0
		return o != m && f.occupies(o) && !later
	})
}

// recycleBusy reports whether a member works on something: by its items if the sources of its group report their holders, otherwise by its CPU.
func (f *Fleet) recycleBusy(m *member) bool {
	if m.group != nil && f.reportsHolders(m.group) {
		return f.inHand(m.group, m) > 0
	}
	return !m.recycling.state.Idle
}

// reportsHolders reports whether all sources of a group currently report who holds which items.
func (f *Fleet) reportsHolders(g *group) bool {
	return len(g.settings.Sources) > 0 && !slices.ContainsFunc(g.settings.Sources, func(key demand.Source) bool {
		s := f.demands.sources[key]
		return s.State != demand.SourceAnswered || s.Reading.InHand.ByAddress == nil
	})
}

// recycleWake returns when the wait of the member that has its turn ends.
func (f *Fleet) recycleWake(now time.Time) time.Time {
	var wake time.Time
	if !f.reads() || f.overload.on {
		return wake
	}
	for _, m := range f.recycles.waiting {
		if s := m.recycling.state; s.Stage == worker.RecycleWaitsForIdle && f.mayRecycle(m) && !f.othersOccupy(m) {
			wake = earliest(wake, latest(s.Since.Add(m.machine.Policy().Recycle.Wait), now.Add(time.Millisecond)))
		}
	}
	return wake
}
