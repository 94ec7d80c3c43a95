package fleet

import (
	"strings"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// classes is the number of action classes.
const classes = int(worker.ClassUpdate) + 1

// schedule holds the due times of all members.
type schedule struct {
	future     queue          // not due yet
	ready      [classes]queue // due, and waiting for capacity
	held       queue          // due, and held by the overload guard
	stats      queue          // readings not due yet
	statsReady queue          // readings that are due, in flight or waiting for capacity
	dependents queue          // restarts of dependents
}

// plan schedules a member after an input.
func (f *Fleet) plan(m *member, due time.Time) {
	if f.byID[m.id] != m { // forgotten
		f.unplan(m)
		return
	}
	if due.IsZero() {
		m.action.move(nil, due)
	} else {
		m.action.move(&f.schedule.future, due)
	}
	if _, at, ok := m.machine.StatsDue(); ok {
		m.stats.move(&f.schedule.stats, at)
	} else {
		m.stats.move(nil, at)
	}
	if _, at, ok := m.machine.DependentsDue(); ok {
		m.dependents.move(&f.schedule.dependents, at)
	} else {
		m.dependents.move(nil, at)
	}
	f.planProbe(m)
	f.probes.count(m)
}

// unplan removes a member from all queues.
func (f *Fleet) unplan(m *member) {
	m.action.move(nil, time.Time{})
	m.stats.move(nil, time.Time{})
	m.dependents.move(nil, time.Time{})
	m.outside.next.move(nil, time.Time{})
	f.giveUpProbe(m)
	f.probes.remove(m)
}

// grantDue makes one pass over what is due, ordered by (due, key) within each class, and reports whether it started an action.
func (f *Fleet) grantDue(now time.Time) bool {
	for s := f.schedule.future.pop(now); s != nil; s = f.schedule.future.pop(now) {
		s.move(&f.schedule.ready[s.m.class], s.due)
	}
	f.releaseHeld(now)
	granted := false
	for class := range f.schedule.ready {
		granted = f.grantClass(now, worker.ActionClass(class)) || granted //nolint:gosec // a handful
	}
	return granted
}

// releaseHeld makes ready again what the overload guard may allow now.
func (f *Fleet) releaseHeld(now time.Time) {
	if f.overload.on && !f.overload.trickles(now) {
		return
	}
	for len(f.schedule.held.slots) > 0 {
		s := f.schedule.held.slots[0]
		s.move(&f.schedule.ready[s.m.class], s.due)
	}
}

// grantClass starts what is ready in one class while there is capacity.
func (f *Fleet) grantClass(now time.Time, class worker.ActionClass) bool {
	ready := &f.schedule.ready[class]
	granted := false
	var blocked []*slot
	for f.classOpen(class) {
		s := ready.pop(now)
		if s == nil {
			break
		}
		switch until := f.killedWithParentUntil(now, s.m); {
		case class == worker.ClassStart && now.Before(until):
			s.move(&f.schedule.future, until)
		case !f.allowed(s.m):
			blocked = append(blocked, s)
		case f.guarded(class) && !s.m.passedGuard() && !f.overload.allows(now, s.m):
			s.move(&f.schedule.held, s.due)
		default:
			f.grant(now, s.m)
			granted = true
		}
	}
	for _, s := range blocked {
		s.move(ready, s.due)
	}
	return granted
}

// classOpen reports whether there is capacity in the class.
func (f *Fleet) classOpen(class worker.ActionClass) bool {
	limit := [classes]int{
		worker.ClassInspect: maxInspects, worker.ClassStart: f.set.Parallel, worker.ClassStop: maxStops,
		worker.ClassRecreate: maxRecreates, worker.ClassUpdate: maxUpdates,
	}
	if !f.stream.engine.Connected { // without events the state of a worker is unknown, even whether it is stable
		return false
	}
	return class == worker.ClassNone || f.actions.inClass[class] < limit[class]
}

// allowed reports whether an action on the member may start now.
func (f *Fleet) allowed(m *member) bool {
	if m.class == worker.ClassNone {
		return true
	}
	free := f.bound(m) && !f.ofTransaction(m)
	if f.startWaits(m) || f.tookWorkMeanwhile(m) {
		return false
	}
	return free && (!f.closing || m.machine.StoppedForHeal()) && (m.class == worker.ClassInspect || !f.heldByPause(m))
}

// ofTransaction reports whether a transaction has a member's name, or its container, which may have a backup name. A transaction that is to be
// continued counts, because an action on the container could still be under way by then.
func (f *Fleet) ofTransaction(m *member) bool {
	name := worker.Key(strings.TrimSuffix(string(m.key()), worker.BackupSuffix))
	return f.recreates.unfinished[name] != nil || f.recreates.transactions[name] != nil || f.Recreating(m.id)
}

// guarded reports whether the overload guard applies to the class.
func (f *Fleet) guarded(class worker.ActionClass) bool {
	return class == worker.ClassStop || class == worker.ClassRecreate
}
