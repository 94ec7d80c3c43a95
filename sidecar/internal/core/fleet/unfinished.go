package fleet

import (
	"maps"
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/core/recreate"
	"stoker/sidecar/internal/core/worker"
)

// unfinishedRecreate is a transaction that was found on the engine and has no machine: Stoker was killed and its journal lost, or another Stoker
// has not returned.
type unfinishedRecreate struct {
	of    string // ID of the old container
	left  leftover
	due   time.Time
	tries int
}

// leftover is what is left of an unfinished transaction.
type leftover uint8

const (
	leftReplacement leftover = iota // the container to replace the old one
	leftBackup                      // only the old one, so that an observed stop of it is not part of the transaction
	leftRemoved                     // only the old one, which is no worker: a client removed the other. It gets its name back, and is not started
)

// stopped reports whether an operator's word keeps the old container down.
func (u *unfinishedRecreate) stopped(m *member) bool {
	return u.left == leftRemoved || u.left == leftBackup && m != nil && m.machine.StoppedBeforeRename()
}

// findUnfinished finds transactions in the list that no Stoker carries out.
func (f *Fleet) findUnfinished(now time.Time) {
	for _, id := range slices.Sorted(maps.Keys(f.recreates.replacements)) {
		r := f.recreates.replacements[id]
		name, m := r.name, f.byID[r.of]
		known := f.recreates.unfinished[name] != nil || (m != nil && f.resuming(m)) || f.recreates.transactions[name] != nil
		if known || f.leftStopped(id) || !r.unfinished(f.recreates.backups) {
			continue
		}
		if m != nil && m.key() == name && !m.undecided && f.bound(m) {
			f.step(now, m, worker.Interrupted{}) // it continues the transaction
			continue
		}
		f.recreates.unfinished[name] = &unfinishedRecreate{of: r.of, due: now}
	}
	f.findBackups(now)
	maps.DeleteFunc(f.recreates.unfinished, func(name worker.Key, u *unfinishedRecreate) bool {
		if f.recreates.backups[u.of].key == name+worker.BackupSuffix {
			return false
		}
		for _, r := range f.recreates.replacements {
			if r.name == name && r.unfinished(f.recreates.backups) {
				return false
			}
		}
		return f.recreates.transactions[name] == nil
	})
}

// findBackups finds containers in the list that have a backup name and no replacement: an engine may carry out a rename long after its
// transaction was given up. For a container that is no worker, the marks of its removed replacement show that the name is a transaction's.
func (f *Fleet) findBackups(now time.Time) {
	replaced := map[string]bool{}
	for _, r := range f.recreates.replacements {
		replaced[r.of] = true
	}
	for id, b := range f.recreates.backups {
		name := worker.Key(strings.TrimSuffix(string(b.key), worker.BackupSuffix))
		busy := f.recreates.unfinished[name] != nil || f.recreates.transactions[name] != nil || f.Recreating(id)
		left := leftBackup
		if !b.ours {
			left = leftRemoved
		}
		_, removed := f.recreates.removed[id]
		if (b.ours || removed) && !busy && !replaced[id] && f.members[name] == nil {
			f.recreates.unfinished[name] = &unfinishedRecreate{of: id, left: left, due: now}
		}
	}
}

// leftStopped reports whether a transaction has left its new container unchanged, because an operator had stopped the worker.
func (f *Fleet) leftStopped(id string) bool {
	m := f.byID[id]
	return m != nil && f.bound(m) && m.machine.View().Held == worker.HeldOperator
}

// resuming reports whether a member's transaction is in progress, or will be continued. A member whose name another container has taken does
// nothing any more.
func (f *Fleet) resuming(m *member) bool {
	return m.machine.Recreating() && (f.bound(m) || f.recreates.recreations[m.id] != nil)
}

// abandoned reports whether a member's transaction is unfinished and will not be continued, because another container has its name.
func (f *Fleet) abandoned(m *member) bool { return m.machine.Recreating() && !f.resuming(m) }

// unfinished reports whether the replacement does not have its name yet, was never started, or the old container still has its backup name.
func (r replacement) unfinished(backups map[string]backup) bool {
	switch r.key {
	case r.name + worker.NewSuffix:
		return true
	case r.name:
		return r.status == worker.StatusCreated || backups[r.of].key == r.name+worker.BackupSuffix
	}
	return false
}

// resumeDue starts to finish each unfinished transaction.
func (f *Fleet) resumeDue(now time.Time) {
	if !f.stream.engine.Connected || f.closing || f.set.DryRun {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(f.recreates.unfinished)) {
		u := f.recreates.unfinished[name]
		if f.recreates.transactions[name] != nil || u.due.After(now) || f.actions.inClass[worker.ClassRecreate] >= maxRecreates {
			continue
		}
		f.actions.inClass[worker.ClassRecreate]++
		p := f.begin(now, recreate.Request{
			Action: worker.Action{Key: name, Reason: worker.ReasonUncertain, StopArgs: worker.StopArgs{Grace: -1}}, OldID: u.of, ResumeOnly: true,
		})
		p.finished = func(now time.Time, r recreate.Result) { f.resumed(now, p, r) }
		if u.stopped(f.byID[u.of]) {
			p.stopped(now, u.of)
		}
	}
}

// resumed handles the container that has the name now like one of a list.
func (f *Fleet) resumed(now time.Time, p *recreation, r recreate.Result) {
	f.actions.inClass[worker.ClassRecreate]--
	u := f.recreates.unfinished[p.name]
	if u == nil {
		return
	}
	if r.Ending == recreate.Unknown || r.Ending == recreate.Busy || r.Ending == recreate.Refused {
		u.due = now.Add(min(time.Second<<u.tries, 30*time.Second))
		u.tries = min(u.tries+1, 5)
		return
	}
	delete(f.recreates.unfinished, p.name)
	s := r.Holder
	if s == nil {
		return
	}
	seen := worker.Observation{
		Kind: worker.Listed, At: f.engineTime(now), ID: s.ID, Key: s.Key, Labels: s.Labels, ListState: worker.ListState{Status: s.Status, Health: s.Health},
	}
	if s.ID != u.of {
		f.recreates.replacedIDs[u.of] = f.stream.round
	}
	f.route(now, seen)
	if m := f.byID[s.ID]; m != nil {
		f.step(now, m, worker.Observation{Kind: worker.Updated, At: seen.At, ID: s.ID, Key: s.Key})
	}
}
