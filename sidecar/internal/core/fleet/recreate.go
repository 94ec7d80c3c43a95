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

// maxBuffered bounds what is kept of a new container's events while the transaction lasts.
const maxBuffered = 64

// recreation is one transaction under way: a worker's, a dependent's, or one that was left behind by another Stoker. Its steps are ordinary
// actions.
type recreation struct {
	tx       *recreate.Transaction
	name     worker.Key
	session  uint64 // in which it began
	member   *member
	action   worker.Action // of the member's machine, which waits for its outcome
	finished func(now time.Time, r recreate.Result)

	buffered []worker.Observation // of the new container, for when it is the worker
	covered  int                  // how many of them the inspects of the last step are newer than
	notified map[string]bool      // containers that an operator stopped, and nobody has started since
	again    bool                 // one of them was started again after that: it was a restart
}

// recreates are all transactions, under way and left behind, and what the engine shows of them.
type recreates struct {
	transactions map[worker.Key]*recreation         // under way
	recreations  map[string]*recreation             // those of them that are workers', by the ID of the old container
	unfinished   map[worker.Key]*unfinishedRecreate // left behind, by the worker's name
	replacedIDs  map[string]uint64                  // containers that were replaced, or were to replace one and are gone, with the round of that
	outlived     map[string]outlived                // new containers that are no part of a transaction any more, by ID
	early        map[string][]worker.Observation    // of new containers whose transaction the Stoker before this one began, by the old ID
	replacements map[string]replacement             // by ID; marked containers of the list under way or last complete
	backups      map[string]backup                  // old containers of that list, by ID
}

func newRecreates() recreates {
	return recreates{
		transactions: map[worker.Key]*recreation{}, recreations: map[string]*recreation{}, unfinished: map[worker.Key]*unfinishedRecreate{},
		replacedIDs: map[string]uint64{}, early: map[string][]worker.Observation{}, outlived: map[string]outlived{},
	}
}

// replacement is a marked container of the list under way. A worker that was recreated has marks for good, so that two containers
// may be marked for one name.
type replacement struct {
	name   worker.Key // of the worker
	of     string
	key    worker.Key // that it has
	status worker.Status
}

// backup is a container of the list that has a backup name.
type backup struct {
	key  worker.Key
	ours bool // by its labels it is a worker of this Stoker's
}

// beginMember begins the transaction that a machine has asked for.
func (f *Fleet) beginMember(now time.Time, m *member, a worker.Action) {
	p := f.begin(now, recreate.Request{
		Action: a, OldID: a.Incarnation.ID, Definition: a.Definition, Like: a.Like, KeepRemoved: m.machine.Policy().OnMissing == policy.OnMissingRecreate,
		Followed: true, Wait: a.Deadline - worker.RecreateMargin, Ran: m.machine.Runs(a.Incarnation),
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

// begin begins a transaction.
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

// stepRecreations sends the steps that are due, and takes in the transactions that are over. Nothing is done while the engine is not followed: an
// operator's stop has to be known before the next step.
// It reports whether a transaction has ended.
func (f *Fleet) stepRecreations(now time.Time) bool {
	ended := false
	for _, name := range slices.Sorted(maps.Keys(f.recreates.transactions)) {
		p := f.recreates.transactions[name]
		if p == nil { // the end of another one has ended it
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

// notifyStop tells a worker which stop of its transaction is about to be sent.
func (f *Fleet) notifyStop(now time.Time, p *recreation, call *worker.RecreateCall) {
	switch {
	case p.member == nil || call.Do != worker.CallStop:
	case call.ID == p.member.id:
		f.step(now, p.member, worker.RecreateStop{})
	case call.ID == p.tx.New():
		f.step(now, p.member, worker.RecreateUndone{ID: call.ID})
	}
}

// stopFailed tells a worker that a stop of its container which the transaction sent has come to nothing.
func (f *Fleet) stopFailed(now time.Time, p *recreation, o worker.Outcome) {
	m, call := p.member, o.Action.Call
	if m != nil && call != nil && call.Do == worker.CallStop && call.ID == m.id && o.Result == worker.Failed {
		f.step(now, m, worker.RecreateStopFailed{})
	}
}

// recreationWake is when the next step is due.
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
	if id := p.tx.Discarded(); id != "" && f.byID[id] == nil { // its events may come behind the answers, and it is no worker
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
		f.forget(m) // somebody else has recreated the worker
	}
	return true
}

// ofRecreation takes in what concerns a container that is about to replace a worker. Until it has the name it is nobody's worker, and
// while the transaction lasts its events are kept for later.
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
	if m := f.byID[of]; m != nil && f.resuming(m) && f.partOf(m, key, o) {
		f.observeReplacement(now, m, o)
		return true
	}
	return o.Key.IsTemporaryName(o.Labels) && f.byID[o.ID] == nil
}

// partOf reports whether a marked container is the one that a member's transaction has made, or may be the one that it will go on with: it finds
// it by its name.
func (f *Fleet) partOf(m *member, name worker.Key, o worker.Observation) bool {
	p := f.recreates.recreations[m.id]
	return o.Key == name || o.Key.IsTemporaryName(o.Labels) || p != nil && p.tx.New() == o.ID
}

func (f *Fleet) observeReplacement(now time.Time, m *member, o worker.Observation) {
	p := f.recreates.recreations[m.id]
	switch {
	case o.Kind == worker.Listed:
		return
	case p == nil: // replayed, before the transaction of the Stoker before this one is gone on with
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
		f.step(now, m, o) // whether it was the daemon's own shutdown may yet be found out
		p.stopped(now, o.ID)
	}
}

// notifyExit tells a transaction that one of its containers has ended.
func (f *Fleet) notifyExit(now time.Time, p *recreation, o worker.Observation) {
	if p != nil && o.Kind == worker.Exited {
		p.tx.Exited(now, o.ID, o.At)
	}
}

// replayStop: between the death of the Stoker that began the transaction and the replay an operator has stopped the new container,
// and nobody has started it since. One that was renamed back was stopped by Stoker, on its way back.
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

// stopped tells the transaction that an operator has stopped one of its containers.
func (p *recreation) stopped(now time.Time, id string) {
	if !p.notified[id] {
		p.notified[id], p.again = true, false
		p.tx.OperatorStopped(now, id)
	}
}

// startedAgain notes that somebody has started a container which an operator had stopped.
func (p *recreation) startedAgain(o worker.Observation) {
	if o.Kind == worker.Started && p.notified[o.ID] {
		p.again = true
		delete(p.notified, o.ID)
	}
}

// followStop tells a transaction what its machine has found out about the old container.
func (f *Fleet) followStop(now time.Time, m *member) {
	if p := f.recreates.recreations[m.id]; p != nil && m.machine.StoppedWhileRecreating() {
		p.stopped(now, m.id)
	}
}

// withdrawStops: a daemon that shut down stopped the containers, and not an operator.
func (f *Fleet) withdrawStops() {
	for _, p := range f.recreates.recreations {
		if len(p.notified) > 0 && p.member.machine.Saved().StopIntent == nil {
			p.notified = map[string]bool{}
			p.tx.StopWithdrawn()
		}
	}
}

// names are the workers by all IDs that anything may still refer to them by.
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

// replaced gives the member the container that a transaction made, and tells it what its events were since.
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
		if seen.ID == m.id && p.isNews(i) && f.byID[m.id] == m {
			f.step(now, m, seen)
		}
	}
}

// isNews reports whether a buffered event says more than the inspect that ended the transaction. What the event says of the container's state the
// inspect shows, if it was asked for later; whose stop it was only an event shows.
func (p *recreation) isNews(i int) bool {
	always := []worker.Kind{worker.Started, worker.Signalled, worker.Stopped, worker.Gone}
	state := []worker.Kind{worker.Exited, worker.OutOfMemory, worker.Unhealthy, worker.Healthy, worker.Paused, worker.Resumed}
	kind := p.buffered[i].Kind
	return slices.Contains(always, kind) || i >= p.covered && slices.Contains(state, kind)
}

// reportTemporary tells the member which new containers had its name, and did not become it.
func (f *Fleet) reportTemporary(now time.Time, m *member, p *recreation) {
	for _, seen := range p.buffered {
		if seen.ID != m.id && seen.Key == m.key() && f.byID[m.id] == m {
			f.step(now, m, worker.TemporaryContainer{ID: seen.ID})
		}
	}
}

// beginRound forgets the marked containers of the list before.
func (f *Fleet) beginRound() {
	f.stream.round++
	f.recreates.replacements, f.recreates.backups = map[string]replacement{}, map[string]backup{}
	maps.DeleteFunc(f.recreates.outlived, func(_ string, o outlived) bool { return f.stream.round > o.round+2 })
	maps.DeleteFunc(f.recreates.replacedIDs, func(_ string, round uint64) bool { return f.stream.round > round+2 })
}

// Recreating reports whether a transaction is under way that replaces the container of this ID.
func (f *Fleet) Recreating(oldID string) bool {
	for _, p := range f.recreates.transactions {
		if p.tx.Old() == oldID || p.action.Incarnation.ID == oldID {
			return true
		}
	}
	return false
}

// Transactions is how many recreates are under way.
func (f *Fleet) Transactions() int { return len(f.recreates.transactions) }
