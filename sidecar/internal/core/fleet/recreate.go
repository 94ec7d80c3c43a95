package fleet

import (
	"maps"
	"slices"
	"syscall"
	"time"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/recreate"
	"stoker/sidecar/internal/core/worker"
)

// maxBuffered is the maximum number of buffered events of a new container during its transaction.
const maxBuffered = 64

// recreation is one transaction in progress: a worker's, a dependent's, or an unfinished one of another Stoker. Its steps are ordinary actions.
type recreation struct {
	tx       *recreate.Transaction
	name     worker.Key
	session  uint64 // in which it started
	member   *member
	action   worker.Action // of the member's machine, which waits for its outcome
	finished func(now time.Time, r recreate.Result)

	buffered []worker.Observation // of the new container, passed on when it becomes the worker
	covered  int                  // how many of them are older than the inspects of the last step
	notified map[string]bool      // containers that an operator stopped and that were not started since
	again    bool                 // one of them was started again: it was a restart
}

// recreates is the state of all transactions, in progress and unfinished.
type recreates struct {
	transactions map[worker.Key]*recreation         // in progress
	recreations  map[string]*recreation             // those of workers, by the ID of the old container
	unfinished   map[worker.Key]*unfinishedRecreate // unfinished, by the worker's name
	replacedIDs  map[string]uint64                  // containers that were replaced or discarded, with the round of that
	outlived     map[string]outlived                // new containers that are no longer part of a transaction, by ID
	early        map[string][]worker.Observation    // of new containers whose transaction the previous Stoker started, by the old ID
	replacements map[string]replacement             // by ID; marked containers of the current or last complete list
	backups      map[string]backup                  // old containers of that list, by ID
	removed      map[string]uint64                  // old containers whose replacement a client removed, with the round of that, by ID
}

func newRecreates() recreates {
	return recreates{
		transactions: map[worker.Key]*recreation{}, recreations: map[string]*recreation{}, unfinished: map[worker.Key]*unfinishedRecreate{},
		replacedIDs: map[string]uint64{}, early: map[string][]worker.Observation{}, outlived: map[string]outlived{},
		removed: map[string]uint64{},
	}
}

// replacement is a marked container of the current list. A recreated worker keeps its marks, so that two containers may be marked for one name.
type replacement struct {
	name   worker.Key // of the worker
	of     string
	key    worker.Key // its current name
	status worker.Status
}

// backup is a listed container that has a backup name.
type backup struct {
	key  worker.Key
	ours bool // its labels make it a worker of this Stoker
}

// beginMember starts the transaction that a machine has requested.
func (f *Fleet) beginMember(now time.Time, m *member, a worker.Action) {
	p := f.begin(now, recreate.Request{
		Action: a, OldID: a.Incarnation.ID, Definition: a.Definition, Like: a.Like, KeepRemoved: m.machine.Policy().OnMissing == policy.OnMissingRecreate,
		Followed: true, Timing: recreate.Timing{Wait: a.Deadline - worker.RecreateMargin}, Ran: m.machine.Runs(a.Incarnation),
		Expect: &recreate.Expectation{
			Gone: len(a.Definition) > 0, StartedAt: a.Incarnation.StartedAt, OnlyIfUnhealthy: a.OnlyIfUnhealthy,
		},
	})
	p.member, p.action, p.buffered = m, a, f.recreates.early[m.id]
	delete(f.recreates.early, m.id)
	f.recreates.recreations[m.id] = p
	f.actions.inClass[worker.ClassRecreate]++
	f.followStop(now, m)
	f.replayStop(now, m, p)
}

// begin starts a transaction.
func (f *Fleet) begin(now time.Time, req recreate.Request) *recreation {
	names := f.names()
	maps.Copy(names, req.Action.Names)
	req.Action.Names, req.Owner, req.Skew = names, f.set.Owner, f.stream.engine.Skew
	f.actions.lastID++
	if req.Action.ID == 0 {
		req.Action.ID = f.actions.lastID
	}
	p := &recreation{tx: recreate.New(now, req), name: req.Action.Key, session: f.stream.session, notified: map[string]bool{}}
	f.recreates.transactions[p.name] = p
	return p
}

// stepRecreations sends the due steps, and handles transactions that have ended. It does nothing while events are not followed, because an
// operator's stop must be known before the next step. It reports whether a transaction has ended.
func (f *Fleet) stepRecreations(now time.Time) bool {
	ended := false
	for _, name := range slices.Sorted(maps.Keys(f.recreates.transactions)) {
		p := f.recreates.transactions[name]
		if p == nil { // ended by another one
			continue
		}
		if due, ok := p.tx.Due(); !f.stream.engine.Connected || !ok || due.After(now) {
			continue
		}
		if a := p.tx.Next(now); a != nil {
			p.covered = len(p.buffered)
			f.notifyStop(now, p, a.Call)
			a.Call.Transaction = a.ID
			f.send(inFlight{id: p.tx.Old(), recreation: p, session: f.stream.session}, *a)
			continue
		}
		ended = f.endIfOver(now, p) || ended
	}
	return ended
}

// notifyStop notifies a worker of a stop that its transaction is about to send.
func (f *Fleet) notifyStop(now time.Time, p *recreation, call *worker.RecreateCall) {
	switch {
	case p.member == nil || call.Do != worker.CallStop:
	case call.ID == p.member.id:
		f.step(now, p.member, worker.RecreateStop{})
	case call.ID == p.tx.New():
		f.step(now, p.member, worker.RecreateUndone{ID: call.ID})
	}
}

// stopFailed notifies a worker that a stop sent by its transaction had no effect.
func (f *Fleet) stopFailed(now time.Time, p *recreation, o worker.Outcome) {
	m, call := p.member, o.Action.Call
	if m != nil && call != nil && call.Do == worker.CallStop && call.ID == m.id && o.Result == worker.Failed {
		f.step(now, m, worker.RecreateStopFailed{})
	}
}

// recreationWake returns when the next step is due.
func (f *Fleet) recreationWake(now time.Time) time.Time {
	var wake time.Time
	for _, p := range f.recreates.transactions {
		if due, ok := p.tx.Due(); ok && due.After(now) {
			wake = earliest(wake, due)
		}
	}
	return wake
}

func (f *Fleet) endIfOver(now time.Time, p *recreation) bool {
	if !p.tx.Over() {
		return false
	}
	delete(f.recreates.transactions, p.name)
	if id := p.tx.Discarded(); id != "" && f.byID[id] == nil { // it is no worker, and its events may come after the answers
		f.recreates.replacedIDs[id] = f.stream.round
	}
	if p.member == nil {
		p.finished(now, p.tx.Result())
		return true
	}
	f.actions.inClass[worker.ClassRecreate]--
	out := p.tx.Result().Outcome(p.action)
	out.Broken = p.session != f.stream.session || !f.stream.engine.Connected
	m := p.member
	if f.byID[m.id] == m && f.decided(m, out) {
		f.replaced(now, m, p, out)
	}
	delete(f.recreates.recreations, p.action.Incarnation.ID)
	if m.machine.Missing() && !f.bound(m) {
		f.forget(m) // another client has recreated the worker
	}
	return true
}

// ofRecreation handles observations of a container that is about to replace a worker. Until it has the name it is no worker, and its events are
// buffered during the transaction.
func (f *Fleet) ofRecreation(now time.Time, o worker.Observation) bool {
	if _, old := f.recreates.replacedIDs[o.ID]; old {
		return true
	}
	if o.Kind == worker.Listed && o.Key.IsBackupName() {
		_, ours := f.identify(o.Key, o.ID, o.Labels)
		f.recreates.backups[o.ID] = backup{key: o.Key, ours: ours}
	}
	key, of, ok := worker.ReplacementOf(o.Labels)
	if !ok {
		return o.Key.IsBackupName() && f.byID[o.ID] == nil
	}
	if o.Kind == worker.Listed {
		f.recreates.replacements[o.ID] = replacement{name: key, of: of, key: o.Key, status: o.Status}
	}
	if o.Kind == worker.Gone && o.Key == key && o.Labels[worker.MarkBy] == f.set.Owner { // a transaction removes it by its temporary name
		f.recreates.removed[of] = f.stream.round
	}
	if m := f.byID[of]; m != nil && f.resuming(m) && f.partOf(m, key, o) {
		f.observeReplacement(now, m, o)
		return true
	}
	return o.Key.IsTemporaryName(o.Labels) && f.byID[o.ID] == nil
}

// partOf reports whether a marked container was made by a member's transaction, or is the one that the transaction will continue with, which it
// finds by name.
func (f *Fleet) partOf(m *member, name worker.Key, o worker.Observation) bool {
	p := f.recreates.recreations[m.id]
	return o.Key == name || o.Key.IsTemporaryName(o.Labels) || p != nil && p.tx.New() == o.ID
}

func (f *Fleet) observeReplacement(now time.Time, m *member, o worker.Observation) {
	p := f.recreates.recreations[m.id]
	switch {
	case o.Kind == worker.Listed:
		return
	case p == nil: // replayed, before the previous Stoker's transaction is continued
		if len(f.recreates.early[m.id]) < maxBuffered {
			f.recreates.early[m.id] = append(f.recreates.early[m.id], o)
		}
		return
	}
	if len(p.buffered) < maxBuffered {
		p.buffered = append(p.buffered, o)
	}
	f.notifyExit(now, p, o)
	p.startedAgain(o)
	if o.Kind == worker.Signalled && m.machine.MeansStop(o.Signal) {
		f.step(now, m, o) // it may still turn out to be the daemon's own shutdown
		p.stopped(now, o.ID)
	}
}

// notifyExit notifies a transaction of the exit of one of its containers.
func (f *Fleet) notifyExit(now time.Time, p *recreation, o worker.Observation) {
	if p != nil && o.Kind == worker.Exited {
		p.tx.Exited(now, o.ID, o.At)
	}
}

// replayStop handles an operator's stop of the new container between the previous Stoker's death and the replay, without a start since. A
// container that was renamed back was stopped by Stoker, in the rollback.
func (f *Fleet) replayStop(now time.Time, m *member, p *recreation) {
	var stop *worker.Observation
	undone, begun := m.machine.Saved().State.Undone, false
	for i, o := range p.buffered {
		switch {
		case o.Kind == worker.Signalled && o.ID == undone && (!begun || o.Signal == syscall.SIGKILL): // the transaction's own stop
			begun = true
		case o.Kind == worker.Signalled && m.machine.MeansStop(o.Signal):
			stop = &p.buffered[i]
		case o.Kind == worker.Started, o.Kind == worker.Renamed && o.Key.IsTemporaryName(o.Labels), o.Kind == worker.Gone:
			stop = nil
		}
	}
	if stop != nil {
		f.step(now, m, *stop)
		p.stopped(now, stop.ID)
	}
}

// stopped notifies the transaction that an operator has stopped one of its containers.
func (p *recreation) stopped(now time.Time, id string) {
	if !p.notified[id] {
		p.notified[id], p.again = true, false
		p.tx.OperatorStopped(now, id)
	}
}

// startedAgain records the start of a container that an operator had stopped.
func (p *recreation) startedAgain(o worker.Observation) {
	if o.Kind == worker.Started && p.notified[o.ID] {
		p.again = true
		delete(p.notified, o.ID)
	}
}

// followStop notifies a transaction of its machine's conclusion about the old container.
func (f *Fleet) followStop(now time.Time, m *member) {
	if p := f.recreates.recreations[m.id]; p != nil && m.machine.StoppedWhileRecreating() {
		p.stopped(now, m.id)
	}
}

// withdrawStops withdraws stops that were the daemon's shutdown, and not an operator's.
func (f *Fleet) withdrawStops() {
	for _, p := range f.recreates.recreations {
		if len(p.notified) > 0 && p.member.machine.Saved().StopIntent == nil {
			p.dropStops()
			p.notified = map[string]bool{}
			p.tx.StopWithdrawn()
		}
	}
}

// dropStops drops the buffered signals and stops of the containers that seemed to be stopped by an operator.
func (p *recreation) dropStops() {
	var kept []worker.Observation
	covered := 0
	for i, o := range p.buffered {
		if stops := o.Kind == worker.Signalled || o.Kind == worker.Stopped; stops && p.notified[o.ID] {
			continue
		}
		if kept = append(kept, o); i < p.covered {
			covered = len(kept)
		}
	}
	p.buffered, p.covered = kept, covered
}

// names returns the workers by all IDs that may still be referred to.
func (f *Fleet) names() map[string]worker.Key {
	names := map[string]worker.Key{}
	for _, m := range f.byID {
		mem := m.machine.Saved()
		names[m.id] = mem.Key
		for _, id := range mem.PreviousIDs {
			names[id] = mem.Key
		}
	}
	return names
}

// replaced makes the container of a transaction the member's, and passes its events since then.
func (f *Fleet) replaced(now time.Time, m *member, p *recreation, o worker.Outcome) {
	delete(f.recreates.recreations, m.id)
	o.OperatorStopped = o.OperatorStopped && !p.again
	if o.Snapshot == nil || o.Snapshot.ID == m.id || o.Snapshot.ID == "" {
		f.step(now, m, o)
		f.reportTemporary(now, m, p)
		f.keepOutlived(now, p, o)
		return
	}
	f.recreates.replacedIDs[m.id] = f.stream.round
	delete(f.byID, m.id)
	m.id = o.Snapshot.ID
	if double := f.byID[m.id]; double != nil {
		f.forget(double)
	}
	f.byID[m.id] = m
	f.step(now, m, o)
	for i, seen := range p.buffered {
		if i >= p.began(m.id) && seen.ID == m.id && p.isNews(i) && f.byID[m.id] == m {
			f.step(now, m, seen)
		}
	}
}

// began returns the index of the last buffered start of a container; 0 if there is none. Events before it concern earlier incarnations, whatever
// their times are.
func (p *recreation) began(id string) int {
	for i, o := range slices.Backward(p.buffered) {
		if o.Kind == worker.Started && o.ID == id {
			return i
		}
	}
	return 0
}

// isNews reports whether a buffered event adds to the inspect that ended the transaction. A later inspect includes the container's state; only an
// event shows who stopped it.
func (p *recreation) isNews(i int) bool {
	always := []worker.Kind{worker.Started, worker.Signalled, worker.Stopped, worker.Gone}
	state := []worker.Kind{worker.Exited, worker.OutOfMemory, worker.Unhealthy, worker.Healthy, worker.Paused, worker.Resumed}
	kind := p.buffered[i].Kind
	return slices.Contains(always, kind) || i >= p.covered && slices.Contains(state, kind)
}

// reportTemporary notifies the member of new containers that had its name and did not replace it.
func (f *Fleet) reportTemporary(now time.Time, m *member, p *recreation) {
	for _, seen := range p.buffered {
		if seen.ID != m.id && seen.Key == m.key() && f.byID[m.id] == m {
			f.step(now, m, worker.TemporaryContainer{ID: seen.ID})
		}
	}
}

// beginRound drops the marked containers of the previous list.
func (f *Fleet) beginRound() {
	f.stream.round++
	f.recreates.replacements, f.recreates.backups = map[string]replacement{}, map[string]backup{}
	maps.DeleteFunc(f.recreates.outlived, func(_ string, o outlived) bool { return f.stream.round > o.round+2 })
	maps.DeleteFunc(f.recreates.removed, func(_ string, round uint64) bool { return f.stream.round > round+2 })
	maps.DeleteFunc(f.recreates.replacedIDs, func(_ string, round uint64) bool { return f.stream.round > round+2 })
}

// Recreating reports whether a transaction in progress replaces the container with this ID.
func (f *Fleet) Recreating(oldID string) bool {
	for _, p := range f.recreates.transactions {
		if p.tx.Old() == oldID || p.action.Incarnation.ID == oldID {
			return true
		}
	}
	return false
}

// Transactions returns the number of recreates in progress.
func (f *Fleet) Transactions() int { return len(f.recreates.transactions) }
