package simulation

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// I10 is checked when Stoker decides on an action. I11 is checked in each quiet period: work is added, and a worker must run for it.

// poolDeadline is the time within which a worker must run for new work: a poll, an inspect, and the engine's start.
const poolDeadline = poolPoll + 5*time.Second

// byDemand reports whether the reason of an action is the work or the minimum of a group.
func byDemand(a worker.Action) bool {
	return slices.Contains([]worker.Reason{worker.ReasonWorkWaits, worker.ReasonNoWork, worker.ReasonMinReplicas, worker.ReasonWokenByHand}, a.Reason)
}

// checkDemand checks I10.
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

// checkBusy checks that a worker that goes to sleep was idle between its last readings, and has no item in hand as far as the source reports.
func (r *run) checkBusy(a worker.Action) {
	id := a.Incarnation.ID
	if r.pool.inHand[dockertest.Address(id)] > 0 {
		r.violate("I10: %s goes to sleep, and the source reported that it has an item in hand", a.Key)
	}
	t, _ := r.world.TruthByID(id)
	began, _ := lastIncarnation(t)
	readings := r.pool.readings[id]
	if len(readings) < 3 {
		return
	}
	for i := 1; i < len(readings); i++ { // the last two may have been read for another purpose than the decision
		span := readings[i].At.Sub(readings[i-1].At)
		if !readings[i].startedAt.Equal(began) || !readings[i-1].startedAt.Equal(began) || span < time.Millisecond || (readings[i].CPU-readings[i-1].CPU).Seconds() < 0.05*span.Seconds() {
			return
		}
	}
	r.violate("I10: %s goes to sleep, and was busy between its last readings", a.Key)
}

// checkLimits checks that demand starts no worker beyond the maximum or the CPU budget. Only workers count whose start Stoker observed or requested.
func (r *run) checkLimits(a worker.Action) {
	running, cpus := 0, 0.0
	for _, t := range r.world.Truths() {
		if t.Gone || !r.isWorker(t) || len(unmanageable(t)) > 0 || t.ID != a.Incarnation.ID && !r.knownUp(t) || t.Key.IsBackupName() {
			continue // one with a backup name is about to be removed
		}
		cpus += r.budgetShare(t)
		if inPool(t) {
			running++
		}
	}
	woken := a.Reason == worker.ReasonWokenByHand || r.world.Now().Sub(r.pool.wokenAt) < r.plan.Pool.Cooldown // its start may have been decided before
	if limit := r.plan.Pool.Max; limit > 0 && running > limit && !woken {
		r.violate("I10: with %s %d workers of the group run, and the limit is %d", a.Key, running, limit)
	}
	if budget := r.plan.Pool.Budget; budget > 0 && cpus > budget+1e-6 && !r.quotaUnclear() {
		r.violate("I10: with %s workers of %g CPUs run, and the budget is %g", a.Key, cpus, budget)
	}
}

// knownUp reports whether Stoker counts a container as running: it received the start event of the current incarnation, or requested the
// start. A process runs before its start event is sent.
func (r *run) knownUp(t dockertest.Truth) bool {
	for _, a := range r.stoker.inFlight {
		if a.Verb == worker.Start && a.Incarnation.ID == t.ID {
			return true
		}
	}
	if t.Status != worker.StatusRunning {
		return false
	}
	began, _ := lastIncarnation(t)
	history := r.world.History(t.ID)
	for _, e := range slices.Backward(history) {
		if e.Action == "start" {
			return !e.TrueAt.Before(began) && !e.SeenAt.IsZero() && e.SeenAt.Before(r.world.Now())
		}
	}
	return false
}

// quotaUnclear reports whether the event of an update was lost, so that Stoker may have another quota for a container.
func (r *run) quotaUnclear() bool {
	return slices.ContainsFunc(r.world.Events(), func(e dockertest.Event) bool { return e.Action == "update" && e.SeenAt.IsZero() })
}

// budgetShare returns the share of a container in the CPU budget: its quota, or one CPU without a quota, or as long as Stoker cannot know it.
func (r *run) budgetShare(t dockertest.Truth) float64 {
	switch {
	case t.CPUs == 0:
		return 1
	case r.neverInspected(t):
		return min(t.CPUs, 1)
	}
	return t.CPUs
}

// neverInspected reports whether this Stoker has no inspect of a worker, and waits for none any more. During a recreate the worker is the old
// container.
func (r *run) neverInspected(t dockertest.Truth) bool {
	const inspectWait = 20 * time.Second // after the connection
	id := t.ID
	if _, of, ok := worker.ReplacementOf(t.Labels); ok && r.stoker.fleet.Recreating(of) {
		id = of
	}
	return r.stoker.inspected[id].IsZero() && r.clock().Sub(r.view().Engine.Since) >= inspectWait
}

// addWork adds the work of a quiet period.
func (r *run) addWork() {
	r.tracef("==== work is added in the quiet period")
	r.pool.waiting += 4
	r.pool.advance()
}

// clearFaults ends the faults of the source, and removes work that would last longer than the quiet period.
func (o *pool) clearFaults() {
	o.faults = sourceFaults{}
	o.waiting = min(o.waiting, 3)
	o.advance()
}

// checkWork checks I11: if work waits and a worker could do it, one runs.
func (r *run) checkWork() {
	r.pool.advance()
	if r.plan.DryRun || r.transactionOpen() || r.pool.waiting == 0 && len(r.pool.items) == 0 { // a worker that is being recreated counts as running
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
	if slices.ContainsFunc(workers, func(w fleet.WorkerView) bool {
		return w.Group == poolName && (w.Fault.Recycles() || w.Heal == worker.HealWake)
	}) {
		return // the worker that ran is being recycled, or one is being woken: it was still going to sleep when the work came
	}
	for _, w := range workers {
		if w.Held == worker.HeldAsleep {
			r.violate("I11: work waits, no worker of the group runs, and %s sleeps", w.Key)
			return
		}
	}
}

// checkIdlePool checks the end of a quiet period: if all work is done, only the minimum of workers runs. Workers that Stoker or an operator is
// stopping do not count.
func (r *run) checkIdlePool() {
	r.checkWork()
	quiet := r.pool.waiting == 0 && !r.pool.idleAt.IsZero() && r.world.Now().Sub(r.pool.idleAt) > 4*(r.plan.Pool.Cooldown+2*poolPoll)
	if !quiet || r.plan.DryRun {
		return
	}
	healing := map[string]bool{} // some are being stopped
	for _, w := range r.view().Workers {
		healing[w.ID] = w.Heal != worker.HealNone
	}
	running := 0
	for _, t := range r.pool.members() {
		if t.Status == worker.StatusRunning && !t.AutoRemove && !r.signalled(t) && !healing[t.ID] {
			running++
		}
	}
	if running > r.plan.Pool.Min {
		r.violate("%d workers of the group run without work since %s, and the minimum is %d", running, r.pool.idleAt.Sub(r.start), r.plan.Pool.Min)
	}
}
