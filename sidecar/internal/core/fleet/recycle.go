package fleet

import (
	"cmp"
	"slices"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/worker"
)

// recycles is who of a group is restarted next although nothing is wrong with it: one at a time.
type recycles struct {
	groups  map[string][]*member // those whose labels ask for it, in no order
	waiting []*member            // their restart waits, in the order in which they became due
	dirty   bool                 // waiting is not in order
}

// recycling is what a member's group knows of its recycle.
type recycling struct {
	group string // empty: its labels do not ask for it
	state worker.RecycleState
}

// joinRecycles puts a member whose labels ask for it among those of its group.
func (f *Fleet) joinRecycles(m *member) {
	if m.recycling.group != "" || m.undecided || !f.bound(m) || !m.machine.Policy().Recycle.Set() {
		return
	}
	m.recycling.group, _ = groupOf(m)
	f.recycles.groups[m.recycling.group] = append(f.recycles.groups[m.recycling.group], m)
	f.recycleChanged(m)
}

// leaveRecycles takes it out again.
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

// recycleChanged notes how far the recycle of a member is.
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

// recycleDue gives turns to those that wait, and begins with those that need not wait any more. It reports whether anything moves. While
// the host is overloaded nothing is restarted that runs well.
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
	for _, m := range slices.Clone(f.recycles.waiting) { // a step takes one out
		moved = f.recycle(now, m, occupied) || moved
	}
	return moved
}

func byRecycleDue(a, b *member) int {
	return cmp.Or(a.recycling.state.Due.Compare(b.recycling.state.Due), byKey(a, b))
}

// recycle does what can be done about one that waits. A group is looked through once.
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

// mayRecycle reports whether a member may be restarted at all. Without its parent it could not start again.
func (f *Fleet) mayRecycle(m *member) bool {
	return m.recycling.group != "" && m.machine.Recyclable() && !f.heldByPause(m) && !f.lacksParent(m)
}

// occupies reports whether the others of its group wait for a member; not for one that an operator has paused.
func (f *Fleet) occupies(m *member) bool {
	return m.recycling.state.Occupies && (!f.heldByPause(m) || m.machine.BeingRecycled())
}

// othersOccupy reports whether another one of the group has fallen ill since the member got its turn, or was paused when it did: it comes
// first.
func (f *Fleet) othersOccupy(m *member) bool {
	return slices.ContainsFunc(f.recycles.groups[m.recycling.group], func(o *member) bool {
		later := o.recycling.state.Stage == worker.RecycleWaitsForIdle && byRecycleDue(m, o) < 0
		return o != m && f.occupies(o) && !later
	})
}

// recycleBusy reports whether a member works on something: where the sources of its group tell who holds what, by that; else by the CPU.
func (f *Fleet) recycleBusy(m *member) bool {
	if m.group != nil && f.reportsHolders(m.group) {
		return f.inHand(m.group, m) > 0
	}
	return !m.recycling.state.Idle
}

// reportsHolders reports whether all sources of a group tell now who holds which items.
func (f *Fleet) reportsHolders(g *group) bool {
	return len(g.settings.Sources) > 0 && !slices.ContainsFunc(g.settings.Sources, func(key demand.Source) bool {
		s := f.demands.sources[key]
		return s.State != demand.SourceAnswered || s.Reading.InHand.ByAddress == nil
	})
}

// recycleWake is when the wait of one that has its turn is over.
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
