package recreate

import (
	"errors"
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// Request describes the container to replace.
type Request struct {
	Action worker.Action // Key, Reason, Attempt, Names and Grace (below 0 is the container's own) apply to every step
	OldID  string        // empty if only the name is known
	// Definition is an earlier inspect of the container, for when it is gone.
	Definition []byte
	// Like replaces the old container's inspect as the model of the new one if that inspect lacks networks that the container has
	// lost; nil uses the inspect.
	Like []byte
	// Expect is the required state at the first inspect; nil accepts any.
	Expect *Expectation
	// Owner identifies the transactions of this Stoker among those of others on the same engine, also after its own restart.
	Owner string
	// KeepRemoved: the worker is recreated if an operator removes it without stopping it first.
	KeepRemoved bool
	// ResumeOnly completes or rolls back leftovers of an earlier transaction, and begins none.
	ResumeOnly bool
	// Followed: Exited reports the exits of both containers, so the transaction can wait for them.
	Followed bool
	Ran      bool // the old container ran when the recreate was decided on, according to the events
	Timing
}

// Timing is the durations that a transaction depends on.
type Timing struct {
	// Wait is how long a stop of the old container may take if the engine's default grace applies; 0 is unknown.
	Wait time.Duration
	Skew time.Duration // the engine's clock minus Stoker's
	// Verify is how long the new container must stay up before the old one is removed; 0 is 2 s.
	Verify time.Duration
}

// Expectation is the state that a recreate was decided on.
type Expectation struct {
	Gone            bool          // there was no container
	StartedAt       time.Time     // zero accepts every incarnation
	Status          worker.Status // empty is running or down
	OnlyIfUnhealthy bool          // of a running one
}

// refuses returns how a container differs from the expectation, or "".
func (e *Expectation) refuses(s worker.Snapshot) string {
	switch {
	case e == nil:
	case e.Gone:
		return "it exists after all"
	case !e.StartedAt.IsZero() && !e.StartedAt.Equal(s.StartedAt):
		return "it has been restarted since"
	case e.Status != "" && e.Status != s.Status, e.Status == "" && s.Status != worker.StatusRunning && !s.Status.Down():
		return "it is " + string(s.Status)
	case e.OnlyIfUnhealthy && !s.Status.Down() && s.Health != worker.HealthUnhealthy:
		return "its health is " + string(s.Health)
	}
	return ""
}

// Time limits of a transaction.
const (
	standardVerify = 2 * time.Second
	forwardLimit   = 3 * time.Minute // besides the grace: about fifteen calls to a busy engine, and the verification
	rollbackLimit  = time.Minute     // besides the grace
	ownersLease    = 10 * time.Minute
	engineGrace    = 10 * time.Second // of a container that sets none

	callDeadline   = time.Minute // of a step, besides the grace of a stop
	createDeadline = 3 * time.Minute
)

// Transaction is one recreate from its first inspect to its end. It is a value without a clock: Due and Next return what to do
// and when, Finish applies the outcome. It is not safe for concurrent use.
type Transaction struct {
	req       Request
	phase     phase
	state     State
	run       run
	repeat    repeat
	verify    verification
	exits     exits
	inspected inspected
	at        time.Time // when the next step is due
	last      lastStep
	result    Result
}

// inspected is the result of the last inspects.
type inspected struct {
	byID  map[string]worker.Snapshot
	stale bool // the state must be inspected before the next step
}

// lastStep is the step under way, or the last one.
type lastStep struct {
	step     Step     // Finished unless it is under way
	busy     bool     // it is under way
	observed []string // the IDs and names that it inspects
}

type phase uint8

const (
	searching phase = iota // for leftovers of an earlier transaction
	adopting               // the leftover
	checking               // the old container, after an earlier transaction was resolved
	running
	over
)

// run is one way from the old container to the new one, or back: what is recorded beside its state.
type run struct {
	oldID, newID string
	old          *worker.Snapshot // at the first inspect; nil if it was gone, and for a resumed run
	like         []byte           // what the new container is compared with; nil if the old one is unknown
	plan         *worker.Plan
	marks        map[string]string // of the new container
	resumed      bool
	gone         bool // there was no old container at the first inspect
	did          didSteps
	lost         lost
	trouble      trouble
	bound        bound
}

// didSteps is what a run has done to its containers, as far as it must be known later.
type didSteps struct {
	started  bool            // the new one, with success
	named    bool            // the new one has the name, according to the transaction's own renames
	stopSent bool            // to the new one, so a stop of it may be the transaction's own
	removing map[string]bool // a removal was sent
}

// trouble is why a run failed.
type trouble struct {
	why    error // why it is rolled back, or the permanent failure
	unsure bool  // a call was not answered, and its effect was not seen
	obstacle
}

// obstacle is what stands between a transaction and the engine.
type obstacle struct {
	unreachable bool
	forbidden   bool // a proxy blocks a call
}

// bound limits a run.
type bound struct {
	deadline time.Time
	steps    int
}

// New begins a transaction.
func New(now time.Time, req Request) *Transaction {
	if req.Verify == 0 {
		req.Verify = standardVerify
	}
	t := &Transaction{req: req, at: now, inspected: inspected{byID: map[string]worker.Snapshot{}}}
	t.exits = exits{ran: map[string]bool{req.OldID: req.Ran}, exitAt: map[string]time.Time{}}
	t.begin(now, req.OldID, "")
	t.result = Result{Untouched: true, OldID: req.OldID}
	return t
}

func (t *Transaction) begin(now time.Time, oldID, newID string) {
	stopped := t.state.OperatorStopped
	t.run = run{oldID: oldID, newID: newID, did: didSteps{removing: map[string]bool{}}}
	t.run.bound.deadline = now.Add(forwardLimit + t.grace() + t.collectTime())
	t.state = State{Observed: Observed{Name: t.req.Action.Key}, GivenUp: map[Step]bool{}, OperatorStopped: stopped, Collect: t.req.Action.Evidence != nil}
	t.repeat.tries, t.repeat.failed = map[Step]int{}, Finished
	t.verify = verification{}
}

// Due returns when the next step is due; false while one is under way, and when the transaction is over.
func (t *Transaction) Due() (time.Time, bool) {
	return t.at, !t.last.busy && t.phase != over
}

// Over reports whether the transaction has ended.
func (t *Transaction) Over() bool { return t.phase == over }

// Old is the ID of the old container; empty if there is none.
func (t *Transaction) Old() string { return t.run.oldID }

// New is the ID of the new container; empty until there is one.
func (t *Transaction) New() string { return t.run.newID }

// Discarded is the ID of the new container once the transaction has removed it and it is gone; empty otherwise.
func (t *Transaction) Discarded() string {
	if t.inspected.stale || t.state.New != nil || !t.run.did.removing[t.run.newID] {
		return ""
	}
	return t.run.newID
}

// OperatorStopped records that an operator stopped one of the containers: nothing is started any more. A stop of the new
// container is ignored once the transaction may have sent one itself.
func (t *Transaction) OperatorStopped(now time.Time, id string) {
	if t.state.OperatorStopped || id == t.run.newID && t.run.did.stopSent {
		return
	}
	t.state.OperatorStopped = true
	if id == t.run.newID && t.verify.active {
		t.verify.stopped.toldAt = now
	}
	t.inspected.stale = t.inspected.stale || t.phase == running
	t.judgeRemoval()
	if t.verify.waitsForStop() {
		t.at = now
	}
}

// StopWithdrawn cancels OperatorStopped: the daemon was shutting down, or an operator has started the container since.
func (t *Transaction) StopWithdrawn() {
	t.state.OperatorStopped, t.verify.stopped = false, stopWatch{}
	t.judgeRemoval()
}

// Next returns the next step as an action, or nil. After nil, Due returns when the next step is due, and Over whether there is
// none. Call it when Due is reached.
func (t *Transaction) Next(now time.Time) *worker.Action {
	for t.phase != over && !t.last.busy && !t.at.After(now) {
		switch t.phase {
		case searching, checking:
			return t.inspect(t.req.Action.Key+worker.NewSuffix, t.req.Action.Key, t.req.Action.Key+worker.BackupSuffix)
		case adopting:
			made := worker.Key(t.run.newID)
			if made == "" {
				made = t.req.Action.Key + worker.NewSuffix
			}
			return t.inspect(made, worker.Key(t.repeat.owner), t.req.Action.Key)
		case running:
			if a := t.nextOfRun(now); a != nil {
				return a
			}
		case over:
		}
	}
	return nil
}

// inspect inspects the old container by its ID, and others.
func (t *Transaction) inspect(others ...worker.Key) *worker.Action {
	refs := []string{t.run.oldID}
	for _, other := range others {
		refs = append(refs, string(other))
	}
	return t.action(InspectState, worker.RecreateCall{Do: worker.CallInspect, Observe: refs})
}

func (t *Transaction) action(step Step, call worker.RecreateCall) *worker.Action {
	call.Step = string(step)
	call.Observe = slices.DeleteFunc(call.Observe, func(ref string) bool { return ref == "" })
	a := t.req.Action
	a.Verb, a.Call, a.Deadline, a.Definition, a.Like = worker.RecreateStep, &call, callDeadline, nil, nil
	if step != CollectOld {
		a.Evidence = nil
	}
	switch {
	case t.run.old != nil:
		a.Incarnation = t.run.old.Incarnation
	case a.Incarnation.ID != t.run.oldID:
		a.Incarnation = worker.Incarnation{ID: t.run.oldID}
	}
	switch call.Do { //nolint:exhaustive // the others have no further wait
	case worker.CallStop:
		a.Deadline += t.grace()
	case worker.CallCollect:
		a.Deadline += t.collectTime()
	case worker.CallCreate:
		a.Deadline = createDeadline
	}
	t.last.step, t.last.busy, t.last.observed = step, true, call.Observe
	return &a
}

// grace is how long a stop may take before the engine sends SIGKILL.
func (t *Transaction) grace() time.Duration {
	if t.req.Action.Grace >= 0 {
		return t.req.Action.Grace
	}
	longest := max(engineGrace, t.req.Wait)
	for _, s := range t.inspected.byID {
		longest = max(longest, s.StopTimeout)
	}
	return longest
}

// collectTime is how long collecting the evidence may take.
func (t *Transaction) collectTime() time.Duration {
	if r := t.req.Action.Evidence; r != nil {
		return worker.CollectLimit + r.Limit
	}
	return 0
}

var (
	errDeadline = errors.New("it took too long")
	errEndless  = errors.New("the engine reports success, and nothing changes")
)

// mostSteps is far more than any transaction needs.
const mostSteps = 80

// nextOfRun returns the next step of a run; nil if the state changed first, or the run waits.
func (t *Transaction) nextOfRun(now time.Time) *worker.Action {
	t.run.bound.steps++
	switch {
	case t.run.bound.steps > mostSteps:
		t.stop(now, errEndless)
		return nil
	case now.After(t.run.bound.deadline):
		t.stop(now, errDeadline)
		return nil
	case t.inspected.stale || t.repeat.failed != Finished:
		return t.inspectState()
	case t.awaitsExit(now):
		return nil
	}
	if t.verify.active && !t.state.OperatorRemoved {
		return t.nextOfVerify(now)
	}
	t.verify = verification{}
	if err := t.overruled(); err != nil {
		t.rollBack(now, err)
		return nil
	}
	step := Next(t.state)
	if step == StartNew && t.run.did.started && !t.state.Rollback { // it has exited since; Verify decides whether that is acceptable
		step = Verify
	}
	switch step { //nolint:exhaustive // the others are one call
	case Finished:
		t.conclude()
		return nil
	case Verify:
		return t.nextOfVerify(now)
	case CollectOld:
		return t.collect()
	case WaitRemoval, WaitStop:
		t.waitFor(now, step)
		return nil
	}
	return t.send(now, step)
}

// overruled returns why the way forward must end although no step has failed.
func (t *Transaction) overruled() error {
	switch {
	case t.state.Rollback || t.state.Verified || t.state.OperatorRemoved:
		return nil
	case t.state.OperatorStopped:
		return errStopped
	case t.run.old != nil && !t.state.Touched && t.changed():
		return errChanged
	}
	return nil
}

// changed reports whether another client changed the old container before the transaction touched it. What Docker's own restart
// policy does between two inspects does not count.
func (t *Transaction) changed() bool {
	old, before := t.state.Old, containerOf(*t.run.old)
	if old == nil || old.Name != before.Name || !old.usable() {
		return true
	}
	docker := old.Status == worker.StatusRestarting || before.Status == worker.StatusRestarting
	return !docker && (old.up() != before.up() || !t.inspected.byID[old.ID].StartedAt.Equal(t.run.old.StartedAt))
}

// stop ends the run: the way forward is rolled back, and a rollback is left as it is.
func (t *Transaction) stop(now time.Time, err error) {
	if t.state.Rollback || t.run.trouble.why != nil {
		t.unfinished(err)
		return
	}
	t.rollBack(now, err)
}

// rollBack rolls back the transaction, unless only the removal of the old container is left.
func (t *Transaction) rollBack(now time.Time, err error) {
	t.run.trouble.why = err
	t.state.Rollback = !t.state.Verified
	t.run.bound = bound{deadline: now.Add(rollbackLimit + t.grace())}
	t.repeat.failed = Finished
	t.verify = verification{}
}
