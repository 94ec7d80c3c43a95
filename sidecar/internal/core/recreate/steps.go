package recreate

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// send returns the call of a step.
func (t *Transaction) send(now time.Time, step Step) *worker.Action {
	key, call := t.req.Action.Key, worker.RecreateCall{Do: worker.CallRename, ID: t.run.oldID}
	touches := false
	switch step {
	case CreateNew:
		t.run.marks = t.newMarks(now)
		call = worker.RecreateCall{Do: worker.CallCreate, Name: key + worker.NewSuffix, OldID: t.run.oldID, OldGone: t.run.gone, Like: t.run.like, Marks: t.run.marks}
	case Connect:
		call = worker.RecreateCall{Do: worker.CallConnect, ID: t.run.newID, Plan: t.run.plan}
	case CopyFiles:
		call = worker.RecreateCall{Do: worker.CallCopy, ID: t.run.newID, OldID: t.run.oldID, Plan: t.run.plan}
	case Compare:
		call = worker.RecreateCall{Do: worker.CallCompare, ID: t.run.newID, Like: t.run.like, Plan: t.run.plan}
	case StopOld:
		call.Do, touches = worker.CallStop, true
	case RenameOld:
		call.Name, touches = key+worker.BackupSuffix, true
	case RenameNew:
		call.ID, call.Name, touches = t.run.newID, key, true
	case StartNew:
		call.Do, call.ID = worker.CallStart, t.run.newID
	case RemoveOld:
		call.Do = worker.CallRemove
		t.run.did.removing[t.run.oldID] = true
	case StopNew:
		call.Do, call.ID = worker.CallStop, t.run.newID
		t.run.did.stopSent = true
	case UndoRename:
		call.ID, call.Name = t.run.newID, key+worker.NewSuffix
	case RestoreOld:
		call.Name = key
	case StartOld:
		call.Do = worker.CallStart
	case RemoveNew:
		call.Do, call.ID = worker.CallRemove, t.run.newID
		t.run.did.removing[t.run.newID] = true
	case InspectState, Verify, WaitRemoval, WaitStop, CollectOld, Finished:
		return t.inspectState()
	}
	t.state.Touched = t.state.Touched || touches
	call.Observe = t.observed(step)
	return t.action(step, call)
}

// collect collects evidence of the old container. Its command may end the container.
func (t *Transaction) collect() *worker.Action {
	t.state.Touched = t.state.Touched || len(t.req.Action.Evidence.Command) > 0
	return t.action(CollectOld, worker.RecreateCall{Do: worker.CallCollect, ID: t.run.oldID, Observe: t.observed(CollectOld)})
}

func (t *Transaction) inspectState() *worker.Action {
	return t.action(InspectState, worker.RecreateCall{Do: worker.CallInspect, Observe: t.observed(InspectState)})
}

// observed returns the containers to inspect after a step: both by ID, because steps change the names; and the name if neither is
// expected to have it.
func (t *Transaction) observed(step Step) []string {
	key := t.req.Action.Key
	refs := []string{t.run.newID, t.run.oldID}
	if step == CreateNew || t.run.newID == "" {
		refs[0] = string(key + worker.NewSuffix)
	}
	ours := t.state.place(t.state.New) == atName || t.state.place(t.state.Old) == atName
	if !ours || step == RenameOld || step == UndoRename {
		refs = append(refs, string(key))
	}
	return refs
}

// newMarks are the labels of the new container. They are permanent, as labels cannot be changed.
func (t *Transaction) newMarks(now time.Time) map[string]string {
	marks := map[string]string{
		worker.MarkOf: t.run.oldID, worker.MarkName: string(t.req.Action.Key), worker.MarkBy: t.req.Owner,
		worker.MarkAttempt: fmt.Sprintf("%x-%x", now.UnixNano(), t.req.Action.ID),
	}
	if t.run.gone {
		marks[worker.MarkMissing] = "true"
	}
	return marks
}

func (t *Transaction) ownMarks(s worker.Snapshot) bool {
	return s.Labels[worker.MarkAttempt] == t.run.marks[worker.MarkAttempt] && s.Labels[worker.MarkBy] == t.req.Owner
}

// waitFor waits until the engine has carried out another client's request.
func (t *Transaction) waitFor(now time.Time, step Step) {
	const pause, most = 200 * time.Millisecond, 50
	t.repeat.tries[step]++
	switch {
	case t.repeat.tries[step] <= most:
		t.run.bound.steps = 0
		t.inspected.stale, t.at = true, now.Add(pause)
	case step == WaitStop:
		t.state.GivenUp[WaitStop] = true
	default:
		t.stop(now, errors.New("the engine does not finish the removal of the old container, which still has the name"))
	}
}

func containerOf(s worker.Snapshot) *Container {
	c := &Container{
		ID: s.ID, Name: s.Key, Status: s.Status, Ran: !s.StartedAt.IsZero(), AutoRemove: s.AutoRemove,
		Missing: s.Labels[worker.MarkMissing] == "true", Connected: s.Labels[worker.MarkNetworks] == fmt.Sprint(len(s.Networks)),
	}
	c.Failed = s.StartError != "" && !c.up()
	if c.Ran && s.FinishedAt.After(s.StartedAt) {
		c.Life = s.FinishedAt.Sub(s.StartedAt)
	}
	return c
}

// keep stores the inspects of a report by ID.
func (t *Transaction) keep(seen map[string]worker.Snapshot) {
	t.inspected.byID = map[string]worker.Snapshot{}
	for s := range maps.Values(seen) {
		t.inspected.byID[s.ID] = s
	}
	t.exits.noteRunning(t.inspected.byID)
}
