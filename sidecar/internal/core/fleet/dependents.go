package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/core/dependents"
	"stoker/sidecar/internal/core/recreate"
	"stoker/sidecar/internal/core/worker"
)

// Deadlines of the actions on dependents. A restart may include a slow stop.
const (
	listDeadline    = 30 * time.Second
	restartDeadline = 5 * time.Minute
)

// maxDependents is how many dependents are healed at the same time.
const maxDependents = 4

// dependentsGather is how long dependents wait for those of other workers whose starts are in flight: a burst of starts ends one by one, and each
// needs a full list.
const dependentsGather = time.Second

// dependentGroup is the dependents of all workers that were due at the same time. Groups are healed one after the other; otherwise a container
// could be healed twice.
type dependentGroup struct {
	parents []worker.Parent
	leaders []*member
	begun   map[string]dependents.Begun // by the ID of a parent when the containers were listed
	waiting []dependents.Affected       // for their parents
	ready   []dependents.Affected       // to heal now
	busy    int
	healed  []healedDependent
	absent  map[string]bool // parents that did not run when the containers were listed, by ID: paused, or in a later incarnation
	err     string          // why the dependents could not be listed
	again   bool            // some could not be healed, and will be retried
}

// followers is the dependents that are being healed.
type followers struct {
	group    *dependentGroup // that is being healed
	leftDown map[string]bool // containers that a heal has left down
}

// healedDependent is the result for one dependent.
type healedDependent struct {
	dependents.Affected
	parent worker.Key
	heal   worker.HealAction
	err    string
}

// restartDependents continues with the dependents of workers that began a new incarnation. It reports whether a whole group is healed.
func (f *Fleet) restartDependents(now time.Time) bool {
	if !f.stream.engine.Connected || f.closing || f.set.DryRun {
		return false
	}
	if f.followers.group == nil {
		f.followers.group = f.groupDue(now)
		if f.followers.group == nil {
			return false
		}
		f.send(inFlight{group: f.followers.group, session: f.stream.session}, worker.Action{
			Key: f.followers.group.parents[0].Key, Verb: worker.ListDependents, Reason: worker.ReasonParentRestarted, Deadline: listDeadline,
		})
		f.followers.group.busy++
	}
	return f.healNext(now)
}

// groupDue returns the workers whose dependents are due; nil for none.
func (f *Fleet) groupDue(now time.Time) *dependentGroup {
	g := &dependentGroup{begun: map[string]dependents.Begun{}, absent: map[string]bool{}}
	var first time.Time
	for _, slot := range f.schedule.dependents.sorted() {
		m := slot.m
		p, due, ok := m.machine.DependentsDue()
		if !ok || due.After(now) || !f.bound(m) || f.heldByPause(m) {
			continue
		}
		if first.IsZero() || due.Before(first) {
			first = due
		}
		g.parents, g.leaders = append(g.parents, p), append(g.leaders, m)
		g.begun[p.ID] = dependents.Begun{Key: p.Key, Incarnation: p.Incarnation, EndedAt: p.EndedAt}
	}
	if len(g.parents) == 0 || f.gathers(now, first) {
		return nil
	}
	return g
}

// gathers reports whether to wait for more workers, given since when the first one waits.
func (f *Fleet) gathers(now, first time.Time) bool {
	return f.actions.inClass[worker.ClassStart] > 0 && now.Sub(first) < dependentsGather
}

// dependentsWake returns when the next dependents are due.
func (f *Fleet) dependentsWake(now time.Time) time.Time {
	var wake time.Time
	if f.followers.group != nil {
		return wake
	}
	for _, s := range f.schedule.dependents.slots {
		due := s.due
		if f.gathers(now, due) {
			due = due.Add(dependentsGather)
		}
		if due.After(now) {
			wake = earliest(wake, due)
		}
	}
	return wake
}

// healNext inspects the next dependents, a few at a time, and ends the group when all are healed.
func (f *Fleet) healNext(now time.Time) bool {
	g := f.followers.group
	for g.busy < maxDependents && len(g.ready) > 0 {
		d := g.ready[0]
		g.ready = g.ready[1:]
		g.busy++
		f.send(inFlight{id: d.ID, group: g, dependent: &d, session: f.stream.session}, worker.Action{
			Key: d.Key, Verb: worker.Inspect, Incarnation: worker.Incarnation{ID: d.ID}, Reason: worker.ReasonParentRestarted, Deadline: listDeadline,
		})
	}
	if g.busy > 0 {
		return false
	}
	if len(g.waiting) > 0 {
		g.ready, g.waiting = dependents.Round(g.waiting)
		return f.healNext(now)
	}
	f.endGroup(now, g)
	return true
}

// finishDependents handles the outcome of an action of a group.
func (f *Fleet) finishDependents(now time.Time, fl inFlight, o worker.Outcome) {
	g := fl.group
	g.busy--
	switch o.Action.Verb { //nolint:exhaustive // a group has no others
	case worker.ListDependents:
		f.listedDependents(g, o)
	case worker.Inspect:
		f.inspectedDependent(now, g, *fl.dependent, o)
	case worker.RestartDependent:
		f.restartedDependent(g, fl, o)
	}
}

// listedDependents finds the dependents of the parents. A parent that has ended since is handled after its next start.
func (f *Fleet) listedDependents(g *dependentGroup, o worker.Outcome) {
	if o.Result != worker.Done {
		g.err, g.again = o.Err, true
		return
	}
	parents := slices.DeleteFunc(slices.Clone(g.parents), func(p worker.Parent) bool {
		m := f.byID[p.ID]
		runs := m != nil && m.machine.Runs(p.Incarnation)
		g.absent[p.ID] = !runs
		return !runs
	})
	var all, undecided []worker.Dependent
	for _, d := range o.Dependents {
		switch {
		case d.ID == f.set.Self: // Stoker itself may share a worker's network
		case f.inTransaction(d), f.byID[d.ID] != nil && f.byID[d.ID].undecided:
			undecided = append(undecided, d)
		default:
			all = append(all, d)
		}
	}
	known := func(id string) bool { return f.byID[id] != nil }
	g.waiting = dependents.Find(all, parents, known)
	// A replacement may have joined the old incarnation; a container that may be a worker is healed as one, or by its parent.
	g.again = g.again || len(dependents.Find(undecided, parents, known)) > 0
}

// inTransaction reports whether a container is about to replace one that is being recreated.
func (f *Fleet) inTransaction(d worker.Dependent) bool {
	_, of, ok := worker.ReplacementOf(d.Labels)
	return ok && f.Recreating(of)
}

// inspectedDependent starts the action that a dependent needs.
func (f *Fleet) inspectedDependent(now time.Time, g *dependentGroup, d dependents.Affected, o worker.Outcome) {
	if o.Missing || f.inTransaction(d.Dependent) {
		return
	}
	if o.Snapshot == nil {
		g.err, g.again = cmp.Or(g.err, string(d.Key)+": "+o.Err), true
		return
	}
	s := *o.Snapshot
	heal, parent := dependents.RequiredAction(d, s, g.begun, f.followers.leftDown[d.ID])
	h := healedDependent{Affected: d, heal: heal, parent: parent}
	switch {
	case heal == worker.HealNone:
	case d.Managed:
		g.healed = append(g.healed, h)
	case heal == worker.HealRecreate:
		f.recreateDependent(now, g, h, s)
	default:
		g.busy++
		f.send(inFlight{id: d.ID, group: g, dependent: &d, healed: h, session: f.stream.session}, worker.Action{
			Key:         d.Key,
			Verb:        worker.RestartDependent,
			Incarnation: s.Incarnation,
			Reason:      worker.ReasonParentRestarted,
			Deadline:    restartDeadline,
			StopArgs:    worker.StopArgs{Grace: -1},
			Down:        s.Status.Down(),
		})
	}
}

// restartedDependent handles the outcome of a restart. If the engine refused the start and left the container down, Stoker retries it.
func (f *Fleet) restartedDependent(g *dependentGroup, fl inFlight, o worker.Outcome) {
	h := fl.healed
	up := o.Snapshot != nil && o.Snapshot.Status == worker.StatusRunning
	delete(f.followers.leftDown, h.ID)
	switch {
	case o.Result == worker.Done && up:
		g.begun[h.ID] = dependents.Begun{Key: h.Key, Incarnation: o.Snapshot.Incarnation, EndedAt: o.Snapshot.FinishedAt}
	case o.Result == worker.Done && o.Snapshot != nil:
		h.err = fmt.Sprintf("it is %s after the restart, exit code %d", o.Snapshot.Status, o.Snapshot.ExitCode)
	case o.Missing:
		h.err = "it ended at once, and is gone"
	default:
		h.err = o.Err
		g.again = g.again || !o.Forbidden
		if o.Snapshot != nil && o.Snapshot.Status.Down() {
			f.followers.leftDown[h.ID] = true
		}
	}
	g.healed = append(g.healed, h)
}

// recreateDependent replaces a dependent so that it refers to the current container of its parent.
func (f *Fleet) recreateDependent(now time.Time, g *dependentGroup, h healedDependent, s worker.Snapshot) {
	if f.recreates.transactions[h.Key] != nil {
		g.again = true
		return
	}
	g.busy++
	names := map[string]worker.Key{} // of dependents that were recreated before this one
	for id, b := range g.begun {
		names[id], names[b.ID] = b.Key, b.Key
	}
	p := f.begin(now, recreate.Request{
		Action: worker.Action{Key: h.Key, Reason: worker.ReasonParentRestarted, StopArgs: worker.StopArgs{Grace: -1}, RecreateArgs: worker.RecreateArgs{Names: names}}, OldID: h.ID,
		Expect: &recreate.Expectation{StartedAt: s.StartedAt, Status: s.Status},
	})
	p.finished = func(_ time.Time, r recreate.Result) { f.recreatedDependent(g, h, r) }
}

func (f *Fleet) recreatedDependent(g *dependentGroup, h healedDependent, r recreate.Result) {
	g.busy--
	out := r.Outcome(worker.Action{})
	h.err = out.Err
	delete(f.followers.leftDown, h.ID)
	switch {
	case out.Result == worker.Done && out.Snapshot != nil:
		g.begun[h.ID] = dependents.Begun{Key: h.Key, Incarnation: out.Snapshot.Incarnation, EndedAt: r.EndedAt}
	case out.Result == worker.Refused && r.Ending == recreate.Refused: // another client has changed it, and is responsible for it
		return
	case out.Result != worker.Done && !out.CannotRecreate:
		g.again = true
	}
	if s := out.Snapshot; s != nil && s.ID == h.ID && s.Status.Down() {
		f.followers.leftDown[h.ID] = true
	}
	g.healed = append(g.healed, h)
}

// endGroup reports the results to the parents, and to dependents that are workers that they are orphaned. A parent may have another container by
// now.
func (f *Fleet) endGroup(now time.Time, g *dependentGroup) {
	f.followers.group = nil
	for i, p := range g.parents {
		f.reportDependents(now, p, g)
		m := g.leaders[i]
		if f.byID[m.id] == m {
			f.step(now, m, worker.DependentsRestarted{Incarnation: p.Incarnation, Again: g.again || g.absent[p.ID]})
		}
	}
	for _, d := range g.healed {
		if m := f.byID[d.ID]; d.Managed && m != nil {
			f.step(now, m, worker.Orphaned{Parent: d.parent, Heal: d.heal, Since: sinceOf(g.parents, d.parent)})
		}
	}
}

func sinceOf(parents []worker.Parent, key worker.Key) time.Time {
	for _, p := range parents {
		if p.Key == key {
			return p.StartedAt
		}
	}
	return time.Time{}
}

// reportDependents emits one event with the results of a parent's dependents.
func (f *Fleet) reportDependents(now time.Time, p worker.Parent, g *dependentGroup) {
	var results []string
	for _, d := range g.healed {
		switch {
		case d.parent != p.Key:
		case d.err != "":
			results = append(results, fmt.Sprintf("%s: %s failed: %s", d.Key, d.heal, d.err))
		default:
			results = append(results, fmt.Sprintf("%s: %s", d.Key, d.heal))
		}
	}
	if g.err != "" {
		results = append(results, g.err)
	}
	if len(results) == 0 {
		return
	}
	f.out.Events = append(f.out.Events, worker.Event{
		At: now, Kind: worker.EventDependentsRestarted, Key: p.Key, ID: p.ID, Reason: worker.ReasonParentRestarted, Detail: strings.Join(results, "; "),
	})
}
