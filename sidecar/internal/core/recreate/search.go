package recreate

import (
	"fmt"
	"regexp"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// search looks for what an earlier transaction left. A container that lacks the labels of one is not touched, whatever its
// name.
func (t *Transaction) search(now time.Time, o worker.Outcome, report *worker.StepReport) {
	if report.Seen == nil {
		t.unasked(o)
		return
	}
	key := t.req.Action.Key
	for _, name := range []worker.Key{key + worker.NewSuffix, key} {
		made, ok := report.Seen[string(name)]
		of, marked := replaces(made, key)
		if !ok || made.Key != name || !marked { // a name may also find an ID that begins like it
			continue
		}
		if t.overAlready(made, of, report) {
			continue
		}
		t.begin(now, of, made.ID)
		t.run.resumed, t.state.Touched = true, true
		t.phase = adopting
		if by := made.Labels[worker.MarkBy]; by != t.req.Owner && containerID.MatchString(ownerID(by)) {
			t.repeat.owner = ownerID(by)
		}
		return
	}
	if old, ok := report.Seen[t.req.OldID]; ok && t.req.OldID != "" && old.Key == key+worker.BackupSuffix {
		t.begin(now, old.ID, "")
		t.run.resumed, t.state.Touched = true, true
		t.phase = adopting
		return
	}
	if t.req.ResumeOnly {
		t.nothing(report)
		return
	}
	t.check(o, report)
}

// overAlready reports whether a marked container is the result of a transaction that is over: it has the name and was started
// once, and the one that it replaced does not stand under the backup name.
func (t *Transaction) overAlready(made worker.Snapshot, of string, report *worker.StepReport) bool {
	key := t.req.Action.Key
	old, ok := report.Seen[string(key+worker.BackupSuffix)]
	backup := ok && old.ID == of && old.Key == key+worker.BackupSuffix
	return made.Key == key && !backup && (!made.StartedAt.IsZero() || made.StartError != "")
}

// replaces is the ID of the container that another one replaces or is to replace under this name.
func replaces(s worker.Snapshot, key worker.Key) (of string, ok bool) {
	name, of, ok := worker.ReplacementOf(s.Labels)
	return of, ok && name == key
}

var containerID = regexp.MustCompile("^[0-9a-f]{64}$")

// ownerID is the ID of the container that an owner is, where it is one.
func ownerID(owner string) string {
	for i, r := range owner {
		if r == '/' {
			return owner[:i]
		}
	}
	return owner
}

// adopt goes on or back with an earlier transaction. Another Stoker's is left alone for a while, unless that Stoker was a
// container of this engine that does not run any more.
func (t *Transaction) adopt(now time.Time, o worker.Outcome, report *worker.StepReport) {
	if report.Seen == nil {
		t.unasked(o)
		return
	}
	made, ok := report.Seen[t.run.newID]
	if t.run.newID != "" && !ok || t.run.newID == "" && !t.onlyBackup(report) { // its owner works on it, or has ended it between the two inspects
		t.phase = searching
		t.begin(now, t.req.OldID, "")
		return
	}
	if ok && t.othersWork(now, made, report) {
		t.run.trouble.why = fmt.Errorf("by %s since %s: %w", made.Labels[worker.MarkBy], made.Created.Format(time.RFC3339), errUnderWay)
		t.end(Busy)
		return
	}
	t.run.like = t.req.Definition
	if old, ok := report.Seen[t.run.oldID]; ok {
		t.run.like = t.likeOf(old)
	}
	t.phase, t.result.Untouched = running, false
	t.observe(report.Seen)
	t.run.lost, t.state.OperatorRemoved = lost{}, false
	t.state.Rollback = rollsBack(t.state, t.req.Verify)
}

// onlyBackup reports whether the old container still has its backup name and no new one is there. The inspects of a step are made one after
// the other, so that a new container which is renamed meanwhile may be missed under both of its names.
func (t *Transaction) onlyBackup(report *worker.StepReport) bool {
	key := t.req.Action.Key
	if old, ok := report.Seen[t.run.oldID]; !ok || old.Key != key+worker.BackupSuffix {
		return false
	}
	for _, name := range []worker.Key{key + worker.NewSuffix, key} {
		made, ok := report.Seen[string(name)]
		if _, marked := replaces(made, key); ok && marked && made.Key == name {
			return false
		}
	}
	return true
}

func (t *Transaction) othersWork(now time.Time, made worker.Snapshot, report *worker.StepReport) bool {
	if made.Labels[worker.MarkBy] == t.req.Owner || t.engineNow(now).Sub(made.Created) >= ownersLease {
		return false
	}
	owner := t.repeat.owner
	if owner == "" {
		return true
	}
	s, exists := report.Seen[owner]
	return exists && (s.Status == worker.StatusRunning || s.Status == worker.StatusPaused || s.Status == worker.StatusRestarting)
}

// engineNow is the engine's clock.
func (t *Transaction) engineNow(now time.Time) time.Time { return now.Add(t.req.Skew) }

// check finds the old container as it should be: under its name, in a state that may be changed; or gone, and the name free.
func (t *Transaction) check(o worker.Outcome, report *worker.StepReport) {
	if report.Seen == nil {
		t.unasked(o)
		return
	}
	key := t.req.Action.Key
	old, exists := report.Seen[t.req.OldID]
	exists = exists && old.ID == t.req.OldID
	if exists {
		t.run.old, t.run.like = &old, t.likeOf(old)
	}
	t.run.gone = !exists
	err := t.namesFree(report)
	switch {
	case err != nil:
	case !exists:
		err = t.checkMissing(report)
	case old.Key != key:
		err = changedf("container %s is called %s now, not %s", old.ID, old.Key, key)
	case old.Status == worker.StatusPaused:
		err = changedf("it is paused")
	case t.state.OperatorStopped:
		err = errStopped
	default:
		if why := t.req.Expect.refuses(old); why != "" {
			err = changedf("%s", why)
		}
	}
	if t.phase == over { // it was recreated before
		return
	}
	if err != nil {
		t.uncreated(err)
		return
	}
	t.phase = running
	t.observe(report.Seen)
	t.state.Todo = []Step{CreateNew}
}

// likeOf is what the new container is to be like.
func (t *Transaction) likeOf(old worker.Snapshot) []byte {
	if old.ID == t.req.OldID && len(t.req.Like) > 0 {
		return t.req.Like
	}
	return old.Definition
}

func changedf(format string, args ...any) error {
	return refusal{why: fmt.Sprintf(format, args...), changed: true}
}

// namesFree reports which name of the transaction another container has.
func (t *Transaction) namesFree(report *worker.StepReport) error {
	key := t.req.Action.Key
	for _, name := range []worker.Key{key + worker.NewSuffix, key + worker.BackupSuffix} {
		third, ok := report.Seen[string(name)]
		switch {
		case !ok || third.Key != name:
		case name == key+worker.NewSuffix && third.Labels[worker.MarkAttempt] != "": // since the look for a leftover
			return errUnderWay
		default:
			return refusal{why: fmt.Sprintf("the name %s is needed and container %s has it, which is no part of this: rename or remove it", name, third.ID)}
		}
	}
	return nil
}

// checkMissing: there is no old container. An earlier transaction may have recreated this very one, without its result having become known.
func (t *Transaction) checkMissing(report *worker.StepReport) error {
	key := t.req.Action.Key
	holder, taken := report.Seen[string(key)]
	taken = taken && holder.Key == key
	switch of, marked := replaces(holder, key); {
	case taken && marked && of == t.req.OldID:
		t.run.newID = holder.ID
		t.end(Done)
		return nil
	case taken:
		return changedf("container %s has the name %s now: somebody else recreated the worker", holder.ID, key)
	case len(t.req.Definition) == 0:
		return refusal{why: fmt.Sprintf("container %s is gone, and its definition is not known", t.req.OldID)}
	}
	t.run.like = t.req.Definition
	return nil
}
