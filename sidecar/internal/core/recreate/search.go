package recreate

import (
	"fmt"
	"regexp"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// search looks for leftovers of an earlier transaction. A container without a transaction's labels is not touched, whatever its
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
		if !ok || made.Key != name || !marked { // a name may also match an ID with this prefix
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

// overAlready reports whether a marked container is the result of a completed transaction: it has the name, was started once, and
// the one that it replaced does not have the backup name.
func (t *Transaction) overAlready(made worker.Snapshot, of string, report *worker.StepReport) bool {
	key := t.req.Action.Key
	old, ok := report.Seen[string(key+worker.BackupSuffix)]
	backup := ok && old.ID == of && old.Key == key+worker.BackupSuffix
	return made.Key == key && !backup && (!made.StartedAt.IsZero() || made.StartError != "")
}

// replaces returns the ID of the container that s replaces or is to replace under this name.
func replaces(s worker.Snapshot, key worker.Key) (of string, ok bool) {
	name, of, ok := worker.ReplacementOf(s.Labels)
	return of, ok && name == key
}

var containerID = regexp.MustCompile("^[0-9a-f]{64}$")

// ownerID returns the container ID in an owner, if the owner is a container.
func ownerID(owner string) string {
	for i, r := range owner {
		if r == '/' {
			return owner[:i]
		}
	}
	return owner
}

// adopt resumes or rolls back an earlier transaction. That of another Stoker is left alone for a while, unless that Stoker was a
// container of this engine that no longer runs.
func (t *Transaction) adopt(now time.Time, o worker.Outcome, report *worker.StepReport) {
	if report.Seen == nil {
		t.unasked(o)
		return
	}
	made, ok := report.Seen[t.run.newID]
	if t.run.newID != "" && !ok || t.run.newID == "" && !t.onlyBackup(report) { // its owner is working on it, or ended it between the two inspects
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

// onlyBackup reports whether the old container still has its backup name and there is no new one. The inspects of a step run one
// after the other, so a new container that is renamed meanwhile may be missed under both names.
func (t *Transaction) onlyBackup(report *worker.StepReport) bool {
	key := t.req.Action.Key
	if old, ok := report.Seen[t.run.oldID]; !ok || old.Key != key+worker.BackupSuffix {
		return false
	}
	for _, name := range []worker.Key{key + worker.NewSuffix, key} {
		made, ok := report.Seen[string(name)]
		if of, marked := replaces(made, key); ok && marked && of == t.run.oldID && made.Key == name {
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

// engineNow converts a time to the engine's clock.
func (t *Transaction) engineNow(now time.Time) time.Time { return now.Add(t.req.Skew) }

// check requires the old container under its name, in a state that may be changed; or no old container and a free name.
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

// likeOf is the inspect that the new container has to match.
func (t *Transaction) likeOf(old worker.Snapshot) []byte {
	if old.ID == t.req.OldID && len(t.req.Like) > 0 {
		return t.req.Like
	}
	return old.Definition
}

func changedf(format string, args ...any) error {
	return refusal{why: fmt.Sprintf(format, args...), changed: true}
}

// namesFree returns an error if another container has one of the transaction's names.
func (t *Transaction) namesFree(report *worker.StepReport) error {
	key := t.req.Action.Key
	for _, name := range []worker.Key{key + worker.NewSuffix, key + worker.BackupSuffix} {
		third, ok := report.Seen[string(name)]
		switch {
		case !ok || third.Key != name:
		case name == key+worker.NewSuffix && third.Labels[worker.MarkAttempt] != "": // since the search for a leftover
			return errUnderWay
		default:
			return refusal{why: fmt.Sprintf("the name %s is needed and container %s has it, which is no part of this: rename or remove it", name, third.ID)}
		}
	}
	return nil
}

// checkMissing handles a missing old container. An earlier transaction may have recreated it without its result having been
// recorded.
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
		return changedf("container %s has the name %s now: another client recreated the worker", holder.ID, key)
	case len(t.req.Definition) == 0:
		return refusal{why: fmt.Sprintf("container %s is gone, and its definition is not known", t.req.OldID)}
	}
	t.run.like = t.req.Definition
	return nil
}
