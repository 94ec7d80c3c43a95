package recreate

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// Finish applies the outcome of the step under way.
func (t *Transaction) Finish(now time.Time, o worker.Outcome) {
	step := t.last.step
	t.last.busy, t.last.step, t.at = false, Finished, now
	report := o.Report
	if report == nil {
		report = &worker.StepReport{}
	}
	if report.Seen != nil {
		t.keep(report.Seen)
	}
	switch t.phase {
	case searching:
		t.search(now, o, report)
	case adopting:
		t.adopt(now, o, report)
	case checking:
		t.check(o, report)
	case running:
		t.finishStep(now, step, o, report)
	case over:
	}
}

// refusal is a recreate that is not carried out because of the state on the engine.
type refusal struct {
	why string
	// changed: the container differs from the one that was decided on. Otherwise the recreate is refused again until an operator
	// changes something.
	changed bool
}

func (r refusal) Error() string { return r.why }

// unstable is a new container that did not stay up.
type unstable struct{ why string }

func (u unstable) Error() string { return u.why }

var (
	errUnderWay = errors.New("it is being recreated already")
	errStopped  = refusal{why: "an operator stopped the worker meanwhile", changed: true}
	errRemoved  = refusal{why: "an operator removed the worker meanwhile", changed: true}
	errChanged  = refusal{why: "another client stopped, started, renamed or removed the container meanwhile", changed: true}
	// errInterference is the error of a transaction that fails although none of its steps did.
	errInterference = errors.New("another client removed or renamed a container of the transaction")
	errLeft         = errors.New("it was left unfinished, and was undone")
)

func isRefusal(err error) bool {
	var r refusal
	return errors.As(err, &r)
}

func isChanged(err error) bool {
	var r refusal
	return errors.As(err, &r) && r.changed
}

// failure is the error of a step's outcome; nil for Done.
func failure(step Step, o worker.Outcome) error {
	switch {
	case o.Result == worker.Done:
		return nil
	case o.CannotRecreate:
		return refusal{why: o.Err}
	}
	return fmt.Errorf("%s: %s", step, o.Err)
}

// answered reports whether the engine itself refused. Without an answer the call may have been carried out, or may be later.
func answered(o worker.Outcome) bool {
	return o.Result == worker.Refused || o.Result == worker.Failed && !o.Unreachable
}

// finishStep applies the outcome of one step of a run.
func (t *Transaction) finishStep(now time.Time, step Step, o worker.Outcome, report *worker.StepReport) {
	t.noteReport(step, o, report)
	observed := report.Seen != nil
	if t.inspected.stale = !observed; observed {
		t.observe(report.Seen)
	}
	err := failure(step, o)
	switch {
	case step == CollectOld:
	case t.repeat.failed != Finished:
		t.lookForEffect(now, observed)
	case step == InspectState && !observed:
		t.lookFailed(now, err)
	case t.verify.active:
		t.verified(now, step, err)
	case err != nil:
		t.stepFailed(now, step, o, err)
	}
}

// noteReport records what a step found besides the state.
func (t *Transaction) noteReport(step Step, o worker.Outcome, report *worker.StepReport) {
	if report.Sent {
		t.result.Untouched = false
	}
	done := o.Result == worker.Done
	switch {
	case step == CreateNew:
		t.result.Notes = append(t.result.Notes, report.Notes...)
		t.run.plan = report.Plan
		t.run.trouble.forbidden = report.Forbidden
		t.run.trouble.unreachable = o.Unreachable
		if done {
			t.run.newID = report.NewID
			t.created()
		}
		if report.NameTaken {
			t.run.trouble.why = errUnderWay
		}
	case done && len(t.state.Todo) > 0 && t.state.Todo[0] == step:
		t.state.Todo = t.state.Todo[1:]
		t.state.Complete = len(t.state.Todo) == 0
	case step == CollectOld:
		t.state.Collect = false // whatever the result
	case step == StartNew && done:
		t.run.did.started = true
	case step == RenameNew && done:
		t.run.did.named, t.state.Named = true, true
	case step == StartOld && done:
		t.result.Restarted = true
	case step == UndoRename:
		t.run.did.named, t.state.Named = false, false
	}
}

// created lists what is left to do before the new container is complete.
func (t *Transaction) created() {
	t.state.Todo = nil
	if plan := t.run.plan; plan != nil && plan.Connect {
		t.state.Todo = append(t.state.Todo, Connect)
	}
	if plan := t.run.plan; plan != nil && plan.Copy {
		t.state.Todo = append(t.state.Todo, CopyFiles)
	}
	t.state.Todo = append(t.state.Todo, Compare)
}

// observe takes the state from the inspects of a step.
func (t *Transaction) observe(seen map[string]worker.Snapshot) {
	key := t.req.Action.Key
	if s, ok := seen[string(key+worker.NewSuffix)]; ok && t.run.newID == "" && t.run.marks != nil && t.ownMarks(s) {
		t.run.newID = s.ID // the answer to the create was lost
		t.created()
	}
	newWas, oldWas := t.state.New, t.state.Old
	t.state.New, t.state.Old, t.state.Holder = nil, nil, ""
	for _, s := range t.inspected.byID {
		switch s.ID {
		case t.run.newID:
			t.state.New = containerOf(s)
		case t.run.oldID:
			t.state.Old = containerOf(s)
			t.result.EndedAt = s.FinishedAt
		}
		if s.Key == key {
			t.state.Holder = s.ID
		}
	}
	ours := t.state.place(t.state.New) == atName || t.state.place(t.state.Old) == atName
	t.inspected.stale = !ours && !slices.Contains(t.last.observed, string(key))
	t.noteRemovals(newWas, oldWas)
}

// lost records that containers vanished without the transaction having removed them.
type lost struct {
	any    bool
	itself bool // the engine may have removed it after its exit (--rm)
}

// noteRemovals checks whether another client removed the container that was the worker: the old one while the new one never ran,
// or the new one while it had the name.
func (t *Transaction) noteRemovals(newWas, oldWas *Container) {
	going := func(c *Container) bool { return c == nil || c.Status == worker.StatusRemoving }
	note := func(was, now *Container) {
		if was.usable() && going(now) && !t.run.did.removing[was.ID] && t.state.place(was) != elsewhere {
			t.run.lost = lost{any: true, itself: t.run.lost.itself || was.AutoRemove}
		}
	}
	if t.state.New == nil || !t.state.New.Ran {
		note(oldWas, t.state.Old)
	}
	if t.run.did.named || t.state.place(newWas) == atName {
		note(newWas, t.state.New)
	}
	t.judgeRemoval()
}

// judgeRemoval decides whether an operator removed the worker. The removal is not an operator's if the container removed itself
// (--rm) or its label asks for a recreate; both apply only to a worker that was not stopped first.
func (t *Transaction) judgeRemoval() {
	kept := t.run.lost.itself || t.req.KeepRemoved
	t.state.OperatorRemoved = t.run.lost.any && (t.state.OperatorStopped || !kept)
	if t.state.OperatorRemoved && t.run.trouble.why == nil {
		t.run.trouble.why = errRemoved
	}
}
