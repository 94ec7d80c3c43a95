package fleet

import (
	"maps"
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// mostBuffered bounds what is kept of an heir's events while the transaction lasts.
const mostBuffered = 64

// resumeDeadline bounds the finishing or undoing of a transaction that was left behind.
const resumeDeadline = 5 * time.Minute

// Word tells the transaction under way that someone else has stopped one of its containers.
type StopNotice struct {
	Action uint64
	ID     string
}

// pair is one worker in the middle of a transaction of this Stoker.
type recreation struct {
	action   uint64
	buffered []worker.Observation // of the heir, for when it is the worker
	notified map[string]bool      // containers that were named in a Word
	again    bool                 // that container was started again after that: it was a restart
}

// orphan is a transaction that was found on the engine and that no machine remembers: Stoker was killed and its journal
// lost, or another Stoker's that never came back.
type unfinishedRecreate struct {
	of     string // ID of the old container
	due    time.Time
	tries  int
	flying bool
}

// heir is a marked container of the list under way.
type replacement struct {
	of     string
	key    worker.Key // that it has
	status worker.Status
}

// ofPair takes in what concerns a container that is about to replace a worker. Until it has the name it is nobody's
// worker, and while the transaction lasts its events are kept for later.
func (f *Fleet) ofRecreation(now time.Time, o worker.Observation) bool {
	if _, old := f.replacedIDs[o.ID]; old {
		return true
	}
	if o.Kind == worker.Listed && o.Key.IsBackupName() {
		f.backups[o.ID] = o.Key
	}
	key, of, ok := worker.ReplacementOf(o.Labels)
	if !ok {
		return o.Key.IsBackupName() && f.byID[o.ID] == nil
	}
	if o.Kind == worker.Listed {
		f.replacements[key] = replacement{of: of, key: o.Key, status: o.Status}
	}
	if m := f.byID[of]; m != nil && m.machine.Recreating() {
		f.observeReplacement(now, m, o)
		return true
	}
	return o.Key.IsTemporaryName(o.Labels) && f.byID[o.ID] == nil
}

func (f *Fleet) observeReplacement(now time.Time, m *member, o worker.Observation) {
	p := f.recreations[m.id]
	switch {
	case o.Kind == worker.Listed:
		return
	case p == nil: // replayed, before the transaction of the Stoker before this one is gone on with
		if len(f.early[m.id]) < mostBuffered {
			f.early[m.id] = append(f.early[m.id], o)
		}
		return
	}
	if len(p.buffered) < mostBuffered {
		p.buffered = append(p.buffered, o)
	}
	p.again = p.again || (o.Kind == worker.Started && p.notified[o.ID])
	if o.Kind == worker.Signalled && m.machine.MeansStop(o.Signal) {
		f.step(now, m, o) // whose word it was an engine that goes down may yet settle
		f.sendStopNotice(p, o.ID)
	}
}

// retell: between the death of the Stoker that began the transaction and the replay someone has stopped the heir, and nobody has
// started it since. The transaction that goes on with it must not either. One that was renamed back was stopped by Stoker,
// on its way back.
func (f *Fleet) replayStop(now time.Time, m *member, p *recreation) {
	var stop *worker.Observation
	for i, o := range p.buffered {
		switch {
		case o.Kind == worker.Signalled && m.machine.MeansStop(o.Signal):
			stop = &p.buffered[i]
		case o.Kind == worker.Started, o.Kind == worker.Renamed && o.Key.IsTemporaryName(o.Labels), o.Kind == worker.Gone:
			stop = nil
		}
	}
	if stop != nil {
		f.step(now, m, *stop)
		f.sendStopNotice(p, stop.ID)
	}
}

// pass tells the transaction that someone has stopped one of the two.
func (f *Fleet) sendStopNotice(p *recreation, id string) {
	if !p.notified[id] {
		p.notified[id] = true
		f.out.StopNotices = append(f.out.StopNotices, StopNotice{Action: p.action, ID: id})
	}
}

// overhear passes on what the machine has found out about the old container.
func (f *Fleet) forwardStop(m *member) {
	if p := f.recreations[m.id]; p != nil && m.machine.StoppedWhileRecreating() {
		f.sendStopNotice(p, m.id)
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

// replaced gives the member the container that a transaction made, and tells it what was heard of that since.
func (f *Fleet) replaced(now time.Time, m *member, o worker.Outcome) {
	p := f.recreations[m.id]
	delete(f.recreations, m.id)
	o.OperatorStopped = o.OperatorStopped && (p == nil || !p.again)
	if o.Snapshot == nil || o.Snapshot.ID == m.id || o.Snapshot.ID == "" {
		f.step(now, m, o)
		f.reportTemporary(now, m, p)
		return
	}
	f.replacedIDs[m.id] = f.round
	delete(f.byID, m.id)
	m.id = o.Snapshot.ID
	if double := f.byID[m.id]; double != nil {
		f.forget(double)
	}
	f.byID[m.id] = m
	f.step(now, m, o)
	if p == nil {
		return
	}
	for _, heard := range p.buffered {
		if heard.ID == m.id && ofALife(heard.Kind) && f.byID[m.id] == m {
			f.step(now, m, heard)
		}
	}
}

// tellUnderstudies tells the member which heirs had its name, and did not become it.
func (f *Fleet) reportTemporary(now time.Time, m *member, p *recreation) {
	if p == nil {
		return
	}
	for _, heard := range p.buffered {
		if heard.ID != m.id && heard.Key == m.key() && f.byID[m.id] == m {
			f.step(now, m, worker.TemporaryContainer{ID: heard.ID})
		}
	}
}

func ofALife(kind worker.Kind) bool {
	kinds := []worker.Kind{
		worker.Started, worker.Exited, worker.Signalled, worker.Stopped, worker.OutOfMemory, worker.Unhealthy,
		worker.Healthy, worker.Paused, worker.Resumed, worker.Gone,
	}
	return slices.Contains(kinds, kind)
}

// beginRound forgets the marked containers of the list before.
func (f *Fleet) beginRound() {
	f.round++
	f.replacements, f.backups = map[worker.Key]replacement{}, map[string]worker.Key{}
	maps.DeleteFunc(f.replacedIDs, func(_ string, round uint64) bool { return f.round > round+2 })
}

// findOrphans looks through the list for transactions that nobody is at.
func (f *Fleet) findUnfinished(now time.Time) {
	for name, h := range f.replacements {
		m := f.byID[h.of]
		known := f.unfinished[name] != nil || (m != nil && f.resuming(m)) || f.recreating(name)
		if known || !h.unfinished(name, f.backups) {
			continue
		}
		if m != nil && m.key() == name && !m.undecided && f.bound(m) {
			f.step(now, m, worker.Interrupted{}) // it goes on with it
			continue
		}
		f.unfinished[name] = &unfinishedRecreate{of: h.of, due: now}
	}
	maps.DeleteFunc(f.unfinished, func(name worker.Key, o *unfinishedRecreate) bool {
		h, listed := f.replacements[name]
		return !o.flying && (!listed || !h.unfinished(name, f.backups))
	})
}

// resumes reports whether a member is at its transaction, or goes on with it. One whose name somebody else has taken meanwhile does
// nothing any more.
func (f *Fleet) resuming(m *member) bool {
	return m.machine.Recreating() && (f.bound(m) || f.recreations[m.id] != nil)
}

// inPair reports whether a transaction of this Stoker's own is under way for the name.
func (f *Fleet) recreating(name worker.Key) bool {
	m := f.members[name]
	return m != nil && f.recreations[m.id] != nil
}

// unfinished: it has not its name yet, or has it and was never started, or the old one still stands aside.
func (h replacement) unfinished(name worker.Key, asides map[string]worker.Key) bool {
	switch h.key {
	case name + worker.NewSuffix:
		return true
	case name:
		return h.status == worker.StatusCreated || asides[h.of] == name+worker.BackupSuffix
	}
	return false
}

// resumeDue asks for the end of each transaction that was left behind.
func (f *Fleet) resumeDue(now time.Time) {
	if !f.engine.Connected || f.closing || f.set.DryRun {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(f.unfinished)) {
		o := f.unfinished[name]
		if o.flying || o.due.After(now) || f.inClass[worker.ClassRecreate] >= maxRecreates {
			continue
		}
		o.flying = true
		f.send(inFlight{id: o.of, orphan: name, class: worker.ClassRecreate, session: f.session}, worker.Action{
			Key: name, Incarnation: worker.Incarnation{ID: o.of}, Verb: worker.ResumeRecreate, Reason: worker.ReasonUncertain,
			Grace: -1, Deadline: resumeDeadline, Names: f.names(),
		})
	}
}

// resumed: whoever has the name now is looked at like a container of the list.
func (f *Fleet) resumed(now time.Time, name worker.Key, o worker.Outcome) {
	orphan := f.unfinished[name]
	if orphan == nil {
		return
	}
	if o.Result == worker.Unknown || o.Result == worker.Refused || o.Unreachable {
		orphan.flying, orphan.due = false, now.Add(min(time.Second<<orphan.tries, 30*time.Second))
		orphan.tries = min(orphan.tries+1, 5)
		return
	}
	delete(f.unfinished, name)
	s := o.Snapshot
	if s == nil {
		return
	}
	seen := worker.Observation{
		Kind: worker.Listed, At: f.engineTime(now), ID: s.ID, Key: s.Key, Labels: s.Labels, Status: s.Status, Health: s.Health,
	}
	if s.ID != orphan.of {
		f.replacedIDs[orphan.of] = f.round
	}
	f.route(now, seen)
	if m := f.byID[s.ID]; m != nil {
		f.step(now, m, worker.Observation{Kind: worker.Updated, At: seen.At, ID: s.ID, Key: s.Key})
	}
}
