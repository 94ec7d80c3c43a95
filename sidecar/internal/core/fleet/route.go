package fleet

import (
	"maps"
	"slices"
	"time"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// Keep reports whether an observation of a container can concern the fleet at all. The watch calls it first, so that events of unmanaged
// containers cost next to nothing. It depends only on the settings and is safe for concurrent use.
func (s Settings) Keep(o worker.Observation) bool {
	if o.ID == s.Self && s.Self != "" {
		return false
	}
	if _, _, ok := worker.ReplacementOf(o.Labels); ok || o.Key.IsBackupName() {
		return true // or one in a worker's namespaces: it may be part of an unfinished transaction
	}
	return s.Rules.MayManage(o.Labels)
}

// route passes an observation to its machine. It makes one when a worker is observed for the first time.
func (f *Fleet) route(now time.Time, o worker.Observation) {
	if (o.ID == f.set.Self && o.ID != "") || f.readBefore(now, o) {
		return
	}
	f.noteRead(o)
	f.followClock(now, o)
	missed := f.rejected[o.ID].stop
	if f.isDaemonBootStop(o) {
		if m := f.byID[o.ID]; m != nil {
			m.machine.Passed(o)
		}
		return
	}
	if f.ofRecreation(now, o) || f.rejects(o) {
		return
	}
	m := f.byID[o.ID]
	if m == nil {
		if m = f.adopt(o); m == nil {
			return
		}
		f.replayMissed(now, m, missed)
	}
	if o.Kind == worker.Gone && f.abandoned(m) {
		f.forget(m)
		return
	}
	if m.round = f.stream.round; o.Kind == worker.Listed && o.Key == m.key() {
		m.listedAt = o.At
	}
	if p := f.recreates.recreations[m.id]; p != nil {
		p.startedAgain(o)
	}
	f.notifyExit(now, f.recreates.recreations[m.id], o)
	f.rename(m, o)
	if o.Kind != worker.Listed && o.At.After(m.lastEventAt) {
		m.lastEventAt = o.At
	}
	if o.Order == worker.OrderUnknown && m.machine.Saved().Incarnation.StartedAt.After(f.stream.engine.Engine.Now) {
		o.Origin = worker.OriginLive // the clock stepped back in this incarnation, so that its events seem older than it is
	}
	f.seenDone(now, o)
	f.step(now, m, o)
}

// noteRead records how far the event stream was read. A live event that is much older than the one before it shows that the engine's clock has
// stepped back.
func (f *Fleet) noteRead(o worker.Observation) {
	if o.Kind == worker.Listed {
		return
	}
	f.stream.booted = f.stream.booted || !o.At.Before(f.stream.engine.Engine.BootedAt)
	behind := f.stream.bookmark.EventAt.Sub(o.At)
	if behind < 0 || !f.stream.opening && behind > clockStep {
		f.stream.bookmark.EventAt = o.At
	}
}

// clockStep is more than the delay of events. A larger change of the difference between the two clocks is a step of one of them.
const clockStep = time.Minute

// followClock updates the difference between the clocks. Without it, events after a step would seem an hour away from those right before. Events
// are late and never early, so that the difference is at least what each of them shows; the first one after a step may be seconds late.
func (f *Fleet) followClock(now time.Time, o worker.Observation) {
	if f.stream.opening || o.Kind == worker.Listed {
		return
	}
	if skew := o.At.Sub(now); skew > f.stream.engine.Skew || f.stream.engine.Skew-skew > clockStep {
		f.stream.engine.Skew = skew
	}
}

// readBefore reports whether the previous Stoker read an event of a replay, if the times of the incarnations cannot decide it: the event is from
// the future, and the clock has stepped back since. The engine then replays everything.
func (f *Fleet) readBefore(now time.Time, o worker.Observation) bool {
	toCome := o.At.After(now.Add(f.stream.engine.Skew + clockStep))
	return o.Order == worker.OrderUnknown && f.stream.opening && o.Kind != worker.Listed && toCome && !o.At.After(f.stream.readTo)
}

// isDaemonBootStop reports whether a stop came from a booting engine: after the engine was killed, it stops containers that still run, before it
// answers any client. It cannot be an operator's. Its events are the first ones of the stream. If the clock has stepped back since the boot, only
// an event from the future is known to come from before the step.
func (f *Fleet) isDaemonBootStop(o worker.Observation) bool {
	stops := o.Kind == worker.Signalled || o.Kind == worker.Stopped
	engine := f.stream.engine.Engine
	stepped := engine.BootedAt.After(engine.Now) && !o.At.After(engine.Now)
	return stops && o.History() && !stepped && !f.stream.booted && o.At.Before(engine.BootedAt)
}

// rejects reports whether a container is known to be no worker.
func (f *Fleet) rejects(o worker.Observation) bool {
	r, known := f.rejected[o.ID]
	if !known {
		return false
	}
	if o.Kind == worker.Listed && r.session != f.stream.session { // an update between the sessions may have been lost
		delete(f.rejected, o.ID)
		return false
	}
	r.round = f.stream.round
	switch o.Kind { //nolint:exhaustive // the others are not about a stop
	case worker.Signalled:
		r.stop = &o
	case worker.Started, worker.Exited:
		r.stop = nil
	}
	f.rejected[o.ID] = r
	return !f.reconsider(o)
}

// reconsider forgets the rejection of a container after an update, which may have given it the quota that makes it a worker.
func (f *Fleet) reconsider(o worker.Observation) bool {
	if o.Kind == worker.Updated || o.Kind == worker.Gone {
		delete(f.rejected, o.ID)
	}
	return o.Kind == worker.Updated
}

// adopt makes a machine for a new container, if it is a worker or may be one.
func (f *Fleet) adopt(o worker.Observation) *member {
	if o.Kind == worker.Gone || f.actionPending(o.ID) {
		return nil
	}
	id, ok := f.identify(o.Key, o.ID, o.Labels)
	if !ok {
		return nil
	}
	holder := f.members[o.Key]
	switch {
	case holder == nil:
	case o.Kind == worker.Listed && holder.ahead(o.At):
		return nil // the list is older than the events of the renames
	case o.Kind != worker.Listed && o.History():
		return f.registerUnnamed(newMachine(id, o), id) // it may have had another name then; the list will show it
	case o.Kind != worker.Listed && holder.listedSince(o.At):
		return nil // the event is late: a list has shown another container under the name since, and this one no longer
	}
	return f.register(f.replacementOf(id, o), id)
}

// replacementOf returns a machine with the history of the container that this one replaced, if it did.
func (f *Fleet) replacementOf(id worker.Identity, o worker.Observation) *worker.Machine {
	key, of, ok := worker.ReplacementOf(o.Labels)
	if old := f.byID[of]; ok && old != nil && key == o.Key {
		mem := old.machine.Saved()
		mem.Labels, mem.Definition = o.Labels, nil
		return worker.NewReplacement(id, mem)
	}
	m := worker.Saved{Labels: o.Labels}
	if id.Task && o.Kind != worker.Listed {
		m.Budget = f.formerTask(o.Labels)
	}
	return worker.Restore(id, m)
}

// formerTask returns the budget of the previous task in the slot: kills of tasks in one slot are backed off.
func (f *Fleet) formerTask(labels map[string]string) worker.Budget {
	place, last, at := policy.TaskOf(labels), worker.Budget{}, time.Time{}
	for _, m := range f.byID {
		saved := m.machine.Saved()
		if policy.TaskOf(saved.Labels) == place && saved.Incarnation.StartedAt.After(at) {
			last, at = saved.Budget, saved.Incarnation.StartedAt
		}
	}
	return worker.Budget{Attempts: last.Attempts}
}

// newMachine returns a machine that has the labels from the start, so that its record shows why it is unmanageable, even if it was never
// inspected.
func newMachine(id worker.Identity, o worker.Observation) *worker.Machine {
	return worker.Restore(id, worker.Saved{Labels: o.Labels})
}

// actionPending reports whether an action on a container is in flight. A container that was forgotten meanwhile is gone, even if later events
// arrive.
func (f *Fleet) actionPending(id string) bool {
	for _, fl := range f.actions.inFlight {
		if fl.id == id {
			return true
		}
	}
	return f.recreates.recreations[id] != nil
}

// recall restores a machine from the journal.
func (f *Fleet) recall(mem worker.Saved) {
	id, ok := f.identify(mem.Key, mem.Incarnation.ID, mem.Labels)
	if !ok || mem.Incarnation.ID == "" || mem.Incarnation.ID == f.set.Self {
		f.out.Drop = append(f.out.Drop, mem.Key)
		return
	}
	f.register(worker.Restore(id, mem), id)
}

func (f *Fleet) identify(key worker.Key, container string, labels map[string]string) (worker.Identity, bool) {
	r := f.set.Rules.Read(policy.Candidate{Labels: labels})
	if !r.Take && !r.Undecided {
		return worker.Identity{}, false
	}
	id := worker.Identity{Key: key, ID: container, Policy: r.Policy, Problems: r.Problems, Tentative: r.Undecided, Zone: f.set.Zone}
	switch {
	case policy.SwarmTask(labels) && r.Policy.Swarm == policy.SwarmKill && len(r.Problems) == 0:
		id.Task, id.Policy = true, r.Policy.ForTask()
	case policy.SwarmTask(labels):
		id.Unmanageable = worker.HeldSwarm
	case policy.OneOff(labels):
		id.Unmanageable = worker.HeldOneOff
	case len(r.Problems) > 0:
		id.Unmanageable = worker.HeldBadLabels
	}
	return id, true
}

// register binds the machine to its name; another member with the name loses it.
func (f *Fleet) register(machine *worker.Machine, id worker.Identity) *member {
	m := f.registerUnnamed(machine, id)
	f.bindName(m)
	return m
}

// registerUnnamed adds the machine without a name.
func (f *Fleet) registerUnnamed(machine *worker.Machine, id worker.Identity) *member {
	m := &member{machine: machine, id: id.ID, lastSeen: lastSeen{round: f.stream.round}, undecided: id.Tentative}
	m.action.m, m.stats.m, m.dependents.m, m.outside.next.m = m, m, m, m
	f.byID[id.ID] = m
	machine.Host(f.stream.engine.Engine.CPUs)
	machine.EngineGrace(f.stream.engine.Engine.GraceUnknown)
	return m
}

// rename moves a container and its history to its new name.
func (f *Fleet) rename(m *member, o worker.Observation) {
	old := o.Kind == worker.Gone || (o.History() && o.Kind != worker.Listed) || (o.Kind == worker.Listed && m.ahead(o.At))
	same := o.Key == m.key() && (f.bound(m) || o.Kind != worker.Listed) // a member that lost a name gets it back only by a list
	// A replay made it beside the former holder of its name, which is gone by now. Its events and the list agree on the name.
	free := o.Kind == worker.Listed && o.Key == m.key() && f.members[o.Key] == nil
	if o.Kind == worker.Listed && o.Key == m.key() && m.machine.Recreating() && !old && f.members[o.Key] == nil && f.recreates.recreations[m.id] == nil {
		f.bindName(m) // the container that had its name during the transaction is gone, and this one was renamed back
		return
	}
	if o.Key == "" || old && !free || same || m.machine.Recreating() || o.Key.IsTemporaryName(o.Labels) {
		return
	}
	f.unbindName(m)
	m.machine.Rename(o.Key)
	f.bindName(m)
	if !m.undecided {
		f.out.Save = append(f.out.Save, m.machine.Saved())
	}
}

// bindName binds a member to its name. A previous holder does nothing until it is observed under another name, or as gone.
func (f *Fleet) bindName(m *member) {
	if holder := f.members[m.key()]; holder != nil && holder != m {
		f.unbindName(holder)
		if holder.machine.Missing() && !f.actionPending(holder.id) {
			f.unplan(holder)
			delete(f.byID, holder.id) // another client has recreated the worker
		}
	}
	f.members[m.key()] = m
	f.demands.pending = append(f.demands.pending, m)
}

func (f *Fleet) unbindName(m *member) {
	key := m.key()
	if f.members[key] != m {
		return
	}
	delete(f.members, key)
	f.leaveGroup(m)
	f.leaveRecycles(m)
	f.demands.pending = append(f.demands.pending, m) // its group may be empty now
	f.out.Drop = append(f.out.Drop, key)
	f.out.Save = slices.DeleteFunc(f.out.Save, func(mem worker.Saved) bool { return mem.Key == key })
}

func (f *Fleet) bound(m *member) bool { return f.members[m.key()] == m }

func (m *member) key() worker.Key { return m.machine.Key() }

func (f *Fleet) forget(m *member) {
	f.unbindName(m)
	f.unplan(m)
	delete(f.recreates.early, m.id)
	if f.byID[m.id] == m {
		delete(f.byID, m.id)
	}
}

// decided decides whether a tentative container is a worker, once its quota is known.
func (f *Fleet) decided(m *member, o worker.Outcome) bool {
	if !m.undecided || o.Snapshot == nil {
		return true
	}
	r := f.set.Rules.Read(policy.Candidate{Labels: o.Snapshot.Labels, CPUs: o.Snapshot.CPUs, QuotaKnown: true})
	if !r.Take {
		f.rejected[m.id] = rejection{round: f.stream.round, session: f.stream.session}
		f.forget(m)
		return false
	}
	m.undecided = false
	m.machine.Confirm()
	f.demands.pending = append(f.demands.pending, m)
	return true
}

// listEnded forgets containers that were not listed, unless they were made after the list. The machine gets a Gone, as from the engine.
func (f *Fleet) listEnded(now time.Time, o worker.Observation) {
	maps.DeleteFunc(f.rejected, func(_ string, r rejection) bool { return r.round != f.stream.round })
	for _, m := range f.sorted() {
		switch {
		case m.round == f.stream.round || m.ahead(o.At):
		case f.abandoned(m):
			f.forget(m)
		default:
			f.step(now, m, worker.Observation{Kind: worker.Gone, At: o.At, ID: m.id})
		}
	}
	f.findUnfinished(now)
	f.stream.engine.Synced = now
	if f.stream.opening {
		f.stream.opening = false
		f.connected(now)
	}
}
