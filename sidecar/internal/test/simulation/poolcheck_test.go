package simulation

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// I10 is checked when an action is decided on, I11 in each quiet: work comes when all faults have ceased, and somebody must do it.

// When work comes in a quiet, and when somebody must run for it at the latest: a poll, an inspect, and the engine's start.
const (
	poolWorkAt = 100 * time.Second
	poolWithin = poolPoll + 5*time.Second
)

// byDemand reports whether an action was decided on because of the work of a group, or of its workers' minimum.
func byDemand(a worker.Action) bool {
	return slices.Contains([]worker.Reason{worker.ReasonWorkWaits, worker.ReasonNoWork, worker.ReasonMinReplicas, worker.ReasonWokenByHand}, a.Reason)
}

// checkDemand is I10.
func (r *run) checkDemand(a worker.Action) {
	if r.pool == nil || !byDemand(a) {
		return
	}
	switch a.Verb {
	case worker.Stop:
		r.checkBusy(a)
	case worker.Start:
		r.checkLimits(a)
	}
}

// checkBusy: never a busy worker sleeps. Between its last readings it was idle, and where the source tells, it held nothing.
func (r *run) checkBusy(a worker.Action) {
	id := a.Incarnation.ID
	if r.pool.told[dockertest.Address(id)] > 0 {
		r.blame("I10: %s goes to sleep, and the source has told that it holds an item", a.Key)
	}
	t, _ := r.w.TruthByID(id)
	began, _ := life(t)
	read := r.pool.read[id]
	if len(read) < 3 {
		return
	}
	for i := 1; i < len(read); i++ { // the last two may be for another purpose, which the decision knows nothing of
		span := read[i].At.Sub(read[i-1].At)
		if !read[i].life.Equal(began) || !read[i-1].life.Equal(began) || span < time.Millisecond || (read[i].CPU-read[i-1].CPU).Seconds() < 0.05*span.Seconds() {
			return
		}
	}
	r.blame("I10: %s goes to sleep, and was busy between its last readings", a.Key)
}

// checkLimits: demand starts no worker beyond the maximum or the CPU budget, of those that Stoker knows to run.
func (r *run) checkLimits(a worker.Action) {
	running, cpus := 0, 0.0
	for _, t := range r.w.Truths() {
		if t.Gone || !r.isWorker(t) || len(barred(t)) > 0 || t.ID != a.Incarnation.ID && !r.knownUp(t) || t.Key.IsBackupName() {
			continue // one that is set aside is on its way out
		}
		if cpus += t.CPUs; t.CPUs == 0 {
			cpus++
		}
		if inPool(t) {
			running++
		}
	}
	byHand := a.Reason == worker.ReasonWokenByHand || r.w.Now().Sub(r.pool.wokenAt) < r.plan.Pool.Cooldown // what was to wake before, too
	if limit := r.plan.Pool.Max; limit > 0 && running > limit && !byHand {
		r.blame("I10: with %s %d workers of the group run, and %d may", a.Key, running, limit)
	}
	if budget := r.plan.Pool.Budget; budget > 0 && cpus > budget+1e-6 && !r.quotaUnclear() {
		r.blame("I10: with %s workers of %g CPUs run, and the budget is %g", a.Key, cpus, budget)
	}
}

// knownUp reports whether Stoker knows that a container runs: it has heard of the start of the present life, or has asked for it. A process is
// there before its start event is.
func (r *run) knownUp(t dockertest.Truth) bool {
	for _, a := range r.stoker.flying {
		if a.Verb == worker.Start && a.Incarnation.ID == t.ID {
			return true
		}
	}
	if t.Status != worker.StatusRunning {
		return false
	}
	began, _ := life(t)
	history := r.w.History(t.ID)
	for _, e := range slices.Backward(history) {
		if e.Action == "start" {
			return !e.TrueAt.Before(began) && !e.SeenAt.IsZero() && e.SeenAt.Before(r.w.Now())
		}
	}
	return false
}

// quotaUnclear reports whether Stoker may not know of the quota that a container has.
func (r *run) quotaUnclear() bool {
	return slices.ContainsFunc(r.w.Events(), func(e dockertest.Event) bool { return e.Action == "update" && e.SeenAt.IsZero() })
}

// bringWork is the work that comes in a quiet.
func (r *run) bringWork() {
	r.say("==== work comes in the quiet")
	r.pool.waiting += 4
	r.pool.advance()
}

// calmSource ends the faults of the source, and takes away what would last beyond the quiet.
func (o *pool) calm() {
	o.faults = sourceFaults{}
	o.waiting = min(o.waiting, 3)
	o.advance()
}

// checkWork is I11: work waits, somebody could do it, and does.
func (r *run) checkWork() {
	r.pool.advance()
	if r.plan.DryRun || r.acting() || r.pool.waiting == 0 && len(r.pool.items) == 0 { // one that is being recreated counts as running
		return
	}
	for _, t := range r.pool.members() {
		if t.Status == worker.StatusRunning {
			return
		}
	}
	for _, g := range r.view().Groups {
		if g.Limit == demand.LimitBudget {
			return
		}
	}
	workers := r.view().Workers
	if slices.ContainsFunc(workers, func(w fleet.WorkerView) bool { return w.Group == poolName && w.Fault.Recycles() }) {
		return // the worker that runs is being recycled
	}
	for _, w := range workers {
		if w.Held == worker.HeldAsleep {
			r.blame("I11: work waits, no worker of the group runs, and %s sleeps", w.Key)
			return
		}
	}
}

// checkRest: at the end of a quiet all work is done, and those that nobody needs sleep, unless somebody else has begun to stop them.
func (r *run) checkRest() {
	r.checkWork()
	quiet := r.pool.waiting == 0 && !r.pool.idleAt.IsZero() && r.w.Now().Sub(r.pool.idleAt) > 4*(r.plan.Pool.Cooldown+2*poolPoll)
	if !quiet || r.plan.DryRun {
		return
	}
	acted := map[string]bool{} // on: some are stopped just now
	for _, w := range r.view().Workers {
		acted[w.ID] = w.Heal != worker.HealNone
	}
	running := 0
	for _, t := range r.pool.members() {
		if t.Status == worker.StatusRunning && !t.AutoRemove && !r.signalled(t) && !acted[t.ID] {
			running++
		}
	}
	if running > r.plan.Pool.Min {
		r.blame("%d workers of the group run with nothing to do since %s, and %d need to", running, r.pool.idleAt.Sub(r.start), r.plan.Pool.Min)
	}
}
