package recreate

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// Ending is the state after a transaction.
type Ending string

// The endings.
const (
	// Done: the new container has the name, runs and is like the old one, which is gone.
	Done Ending = "done"
	// Refused: the worker cannot or may not be recreated now. It is as it was, or it was put back.
	Refused Ending = "refused"
	// Busy: another Stoker is recreating this worker. Nothing was touched.
	Busy Ending = "busy"
	// Undone: something failed, and the old container has its name back, or never lost it. If it ran, it runs again, unless Err
	// explains why not.
	Undone Ending = "undone"
	// Unproven: there was no old container to go back to. The new one has the name and was not seen to stay up.
	Unproven Ending = "unproven"
	// Lost: there was no old container, and no new one was created, or it is already gone (--rm), or an operator removed the
	// worker. Only the definition is left.
	Lost Ending = "lost"
	// Unknown: the engine could not be asked any more, or did not do what it reported. A later transaction continues.
	Unknown Ending = "unknown"
	// Nothing: a ResumeOnly transaction found nothing unfinished.
	Nothing Ending = "nothing"
)

// Result is the result of a transaction.
type Result struct {
	Ending  Ending
	OldID   string
	ID      string // of the container that has the name now; empty if unknown
	Holder  *worker.Snapshot
	Err     error     // why it is not Done, or why there is a Leftover
	Notes   []string  // how the new container differs from the old one
	EndedAt time.Time // of the old container's last incarnation, the engine's clock
	// Gone: there was no old container at the first inspect.
	Gone bool
	// Untouched: no request that changes anything was sent.
	Untouched bool
	// Restarted: the transaction itself started the old container again.
	Restarted bool
	// OperatorStopped: an operator stopped or removed the worker meanwhile, so nothing was started.
	OperatorStopped bool
	// Leftover is the old container under its backup name if it could not be removed.
	Leftover string
	obstacle
}

// Result is valid once the transaction is Over.
func (t *Transaction) Result() Result { return t.result }

// end ends a run that has not created anything.
func (t *Transaction) end(e Ending) {
	r := &t.result
	r.Ending, r.Err, r.Gone = e, t.run.trouble.why, t.run.gone
	r.unreachable, r.forbidden = t.run.trouble.unreachable, t.run.trouble.forbidden
	r.OldID = t.run.oldID
	id := t.run.oldID
	if e == Done {
		id = t.run.newID
	}
	r.OperatorStopped = e != Done && t.state.OperatorStopped
	t.setHolder(id)
	t.finishRun()
}

func (t *Transaction) setHolder(id string) {
	t.result.ID, t.result.Holder = "", nil
	if s, ok := t.inspected.byID[id]; ok {
		t.result.ID, t.result.Holder = id, &s
	}
}

// unasked ends the run: the engine could not be asked before anything was sent.
func (t *Transaction) unasked(o worker.Outcome) {
	t.run.trouble.why = fmt.Errorf("%s: %s", InspectState, o.Err)
	t.run.trouble.unreachable = o.Unreachable
	t.end(Unknown)
}

// nothing ends a ResumeOnly transaction that is done or had nothing to do.
func (t *Transaction) nothing(report *worker.StepReport) {
	if t.repeat.rounds > 0 {
		t.phase = over
		return
	}
	t.result.Ending = Nothing
	if s, ok := report.Seen[string(t.req.Action.Key)]; ok && s.Key == t.req.Action.Key {
		t.result.ID, t.result.Holder = s.ID, &s
	}
	t.phase = over
}

// uncreated ends a run without a new container.
func (t *Transaction) uncreated(err error) {
	trouble := &t.run.trouble
	if trouble.why == nil {
		trouble.why = err
	}
	again := t.repeat.rounds > 0
	switch {
	case errors.Is(trouble.why, errUnderWay):
		t.end(Busy)
	case again && isChanged(trouble.why): // by the rollback of the earlier transaction
		t.end(Undone)
	case isRefusal(trouble.why):
		t.end(Refused)
	case trouble.unsure && !t.result.Untouched:
		t.end(Unknown)
	case t.run.gone:
		t.end(Lost)
	default:
		t.end(Undone)
	}
}

// unfinished ends a rollback that could not be completed.
func (t *Transaction) unfinished(err error) {
	r, trouble := &t.result, t.run.trouble
	r.Ending, r.Err, r.Gone = Unknown, err, t.run.gone
	if trouble.why != nil {
		r.Err = fmt.Errorf("%w; and on the way back: %w", trouble.why, err)
	}
	t.setHolder(t.state.Holder)
	if t.state.Verified { // only the removal of the old container is left
		r.Ending, r.Leftover = Done, t.run.oldID
		t.setHolder(t.run.newID)
	}
	t.finishRun()
}

// conclude derives the result from the last state.
func (t *Transaction) conclude() {
	r, trouble := &t.result, &t.run.trouble
	r.OldID, r.Gone = t.run.oldID, t.run.gone
	t.setHolder(t.state.Holder)
	r.Ending = t.ending()
	switch {
	case r.Ending == Done, r.Ending == Unproven:
		t.setHolder(t.run.newID)
	case r.Ending == Undone && t.state.oldRenamed():
		t.setHolder(t.run.oldID)
	}
	if r.Ending != Done && trouble.why == nil {
		trouble.why = errInterference
		if t.run.resumed {
			trouble.why = errLeft
		}
	}
	r.Err = trouble.why
	r.OperatorStopped = (t.state.OperatorStopped || t.state.OperatorRemoved) && r.Ending != Done
	if r.Leftover = ""; t.state.place(t.state.Old) == atBackup {
		r.Leftover = t.state.Old.ID
	}
	t.finishRun()
}

func (t *Transaction) ending() Ending {
	s, why := t.state, t.run.trouble.why
	switch {
	case s.New != nil && s.Verified:
		return Done
	case s.place(s.New) == atName, s.New != nil && s.place(s.New) == elsewhere && !s.Old.usable(): // renamed by another client
		return Unproven
	case s.place(s.New) == atTemporary, t.run.trouble.unsure && s.Touched: // an unanswered call may still take effect
		return Unknown
	case s.taken():
		t.run.trouble.why = changedf("container %s has the name %s now", s.Holder, s.Name)
		return Refused
	case s.OperatorRemoved:
		return Lost
	case !s.Touched && isRefusal(why):
		return Refused
	case s.Old.usable() && s.place(s.Old) == atName, s.oldRenamed():
		return Undone
	}
	return Lost
}

// finishRun continues after an earlier transaction was resolved. If the old container is the worker again, the requested recreate
// follows. If no recreate was requested, another search follows: a lost race may have left one leftover of each kind.
func (t *Transaction) finishRun() {
	adopted := t.run.resumed && t.result.Ending != Busy
	t.phase = over
	if !adopted {
		return
	}
	t.repeat.rounds++
	ending := t.result.Ending
	switch {
	case t.repeat.rounds > 2, ending == Unknown:
		return
	case t.req.ResumeOnly:
		t.restart(searching)
	case (ending == Undone || ending == Done) && t.result.ID == t.req.OldID:
		t.restart(checking)
	}
}

func (t *Transaction) restart(p phase) {
	t.phase, t.repeat.owner = p, ""
	t.begin(t.at, t.req.OldID, "")
}

// Outcome converts a result into the outcome of an action.
func (r Result) Outcome(a worker.Action) worker.Outcome {
	out := worker.Outcome{Action: a, Answer: worker.Answer{Snapshot: r.holder(), EndedAt: r.EndedAt}, Failure: worker.Failure{Err: r.text()}}
	switch {
	case r.Ending == Unknown && !r.Untouched:
		out.Result, out.Restarted = worker.Unknown, r.Restarted
	case r.OperatorStopped:
		out.Result, out.OperatorStopped = worker.Failed, true
		out.Missing = r.Ending == Lost
	case r.Ending == Done, r.Ending == Unproven, r.Ending == Nothing:
		out.Result = worker.Done
	case r.Ending == Busy:
		out.Result, out.Snapshot = worker.Refused, nil
	case r.Ending == Refused:
		r.refused(a, &out)
	case r.Untouched: // a call was unanswered or refused
		out.Result, out.Unreachable, out.CannotRecreate = worker.Failed, r.unreachable, r.forbidden
	default: // Undone, Lost
		out.Result, out.Missing = worker.Failed, r.Ending == Lost
		out.CannotRecreate = r.Ending == Undone && r.forbidden
	}
	return out
}

// refused separates refusals that the next inspect may lift from permanent ones.
func (r Result) refused(a worker.Action, out *worker.Outcome) {
	switch {
	case r.Gone && len(a.Definition) == 0 && r.Untouched:
		out.Result, out.Missing, out.Snapshot = worker.Refused, true, nil
	case r.Gone && len(a.Definition) == 0:
		out.Result, out.Missing, out.Snapshot = worker.Failed, true, nil
	case isChanged(r.Err):
		out.Result = worker.Refused
	default:
		out.Result, out.CannotRecreate = worker.Failed, true
	}
}

// holder is the worker's container after the transaction; nil if another container has its name, or none.
func (r Result) holder() *worker.Snapshot {
	if r.ID != r.OldID && r.Ending != Done && r.Ending != Unproven && r.Ending != Nothing {
		return nil
	}
	return r.Holder
}

// text is the text for people about a transaction, also about one that succeeded.
func (r Result) text() string {
	var all []string
	if r.Err != nil {
		all = append(all, r.Err.Error())
	}
	if r.Leftover != "" {
		all = append(all, "the old container "+r.Leftover+" still exists")
	}
	if r.Ending == Done || r.Ending == Unproven {
		all = append(all, r.Notes...)
	}
	return strings.Join(all, "; ")
}
