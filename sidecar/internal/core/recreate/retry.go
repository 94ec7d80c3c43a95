package recreate

import (
	"errors"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// repeat is the state of retries and repeated inspects.
type repeat struct {
	failed   Step // step whose effect is being checked
	err      error
	answered bool
	inspects int // left
	tries    map[Step]int
	rounds   int    // earlier transactions that were resolved
	owner    string // of the transaction that was found
}

// Pauses between two inspects, and between two tries.
const (
	effectPause = time.Second
	retryPause  = 200 * time.Millisecond
	lookPause   = 500 * time.Millisecond
	manyTries   = 5 // of a step that nothing can replace
)

// lookFailed handles a failed inspect. On the way forward it causes a rollback; during a rollback the engine may come back.
func (t *Transaction) lookFailed(now time.Time, err error) {
	if !t.state.Rollback && !t.state.Verified && t.run.trouble.why == nil {
		t.rollBack(now, err)
	}
	t.run.bound.steps = 0 // the deadline bounds it
	t.at = now.Add(lookPause)
}

// stepFailed checks whether a step took effect although its call failed. It repeats the inspect for a while if there was no
// answer, or if a proxy gave up waiting for a stop.
func (t *Transaction) stepFailed(now time.Time, step Step, o worker.Outcome, err error) {
	unsent := o.Report != nil && !o.Report.Sent
	t.repeat.failed, t.repeat.err, t.repeat.answered, t.repeat.inspects = step, err, answered(o), 1
	if !t.repeat.answered && (!first(step) || step == CreateNew && !unsent) || step == StopOld {
		t.repeat.inspects = 4
	}
	t.lookForEffect(now, !t.inspected.stale)
}

func (t *Transaction) lookForEffect(now time.Time, observed bool) {
	r := &t.repeat
	if observed && !t.inspected.stale && t.appliedAnyway(r.failed) {
		r.failed = Finished
		return
	}
	if observed && t.inspected.stale { // the name must be inspected, too
		return
	}
	if r.inspects--; r.inspects > 0 {
		t.at = now.Add(effectPause)
		return
	}
	step, err := r.failed, r.err
	r.failed = Finished
	t.run.trouble.unsure = t.run.trouble.unsure || !r.answered
	t.tryAgain(now, step, err)
}

// appliedAnyway reports whether the state shows the effect of a step.
func (t *Transaction) appliedAnyway(step Step) bool {
	if step == Connect && t.state.New != nil && t.state.New.Connected {
		t.state.Todo = t.state.Todo[1:]
	}
	return Next(t.state) != step
}

// tryAgain decides what follows a step that had no effect.
func (t *Transaction) tryAgain(now time.Time, step Step, err error) {
	if t.run.newID == "" && step == CreateNew {
		t.uncreated(err)
		return
	}
	if !t.state.Rollback && step != RemoveOld && !t.state.OperatorRemoved {
		t.rollBack(now, err)
		return
	}
	if t.repeat.tries[step]++; t.repeat.tries[step] < manyTries {
		t.at = now.Add(2 * retryPause)
		return
	}
	canBeLeftOut := t.state.OperatorRemoved
	switch step { //nolint:exhaustive // the others are required
	case StartNew, StartOld, RemoveNew, RemoveOld:
		canBeLeftOut = true
	}
	if !canBeLeftOut {
		t.stop(now, err)
		return
	}
	t.state.GivenUp[step] = true
	t.run.trouble.why = errors.Join(t.run.trouble.why, err)
}
