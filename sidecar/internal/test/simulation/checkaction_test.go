package simulation

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// The rules that hold at every step are checked while the run goes on: each action before it is carried out, and each exit that Stoker
// observes.

// checkAction checks I1, I3, I7, the limits and the overload guard.
func (r *run) checkAction(a worker.Action) {
	s := r.stoker
	starts := 0
	for _, other := range s.inFlight {
		inspects := other.Verb == worker.Inspect && a.Verb == worker.Inspect
		if changesContainer(other) && changesContainer(a) && other.Incarnation.ID == a.Incarnation.ID && !inspects {
			r.violate("I1: %s of %s while %s is in progress", a.Verb, a.Key, other.Verb)
		}
		if other.Verb == worker.Start {
			starts++
		}
	}
	if slices.Contains([]worker.Verb{worker.Inspect, worker.ReadStats, worker.AskSource, worker.ReadLogs, worker.RunProbe}, a.Verb) {
		return
	}
	r.checkDemand(a)
	r.checkRecycle(a)
	r.checkPause(a)
	if a.Verb == worker.Stop {
		stop := decidedStop{id: a.Incarnation.ID, at: r.world.Now(), stoker: len(r.checks.timeline.started), timeout: a.Deadline}
		r.checks.records.stops = append(r.checks.records.stops, stop)
	}
	if r.plan.DryRun {
		r.violate("dry run: %s of %s", a.Verb, a.Key)
	}
	if a.Key.IsBackupName() && changesContainer(a) {
		r.violate("rule 9: %s of %s, which has a backup name", a.Verb, a.Key)
	}
	if a.Verb == worker.Start && starts >= r.plan.Parallel {
		r.violate("rule 11: start of %s with %d starts in progress, and the limit is %d", a.Key, starts, r.plan.Parallel)
	}
	if t, ok := r.world.TruthByID(a.Incarnation.ID); ok {
		if !r.isWorker(t) && !mayBeDependent(a) {
			r.violate("I3: %s of %s, which is not a worker", a.Verb, a.Key)
		}
		if limit := r.policyOf(t).MaxAttempts; limit > 0 && a.Attempt > limit {
			r.violate("I7: %s of %s has attempt %d of %d", a.Verb, a.Key, a.Attempt, limit)
		}
	}
	begins := a.Call != nil && a.Attempt > 0 && a.Call.Transaction > s.lastRecreate // the guard decides on a recreate as a whole
	if begins {
		s.lastRecreate = a.Call.Transaction
	}
	resumes := begins && s.recreating[a.Key] // the guard allowed it when it was begun, maybe that of the Stoker before
	if r.beginsRestart(a) || begins && !resumes {
		r.checkOverloadGuard(a)
	}
}

// beginsRestart reports whether an action is the first of a restart, which the overload guard may refuse: the stop, or the command before it.
func (r *run) beginsRestart(a worker.Action) bool {
	if a.Verb == worker.Collect {
		return len(a.Evidence.Command) > 0
	}
	t, ok := r.world.TruthByID(a.Incarnation.ID)
	return a.Verb == worker.Stop && (!ok || len(r.policyOf(t).Evidence.BeforeStop) == 0)
}

// changesContainer reports whether an action acts on one incarnation. The inspect of a dependent and the inspect before a step of a recreate
// change nothing.
func changesContainer(a worker.Action) bool {
	inspects := a.Call != nil && a.Call.Do == worker.CallInspect || a.Verb == worker.Inspect && a.Reason == worker.ReasonParentRestarted
	return !slices.Contains([]worker.Verb{worker.ListDependents, worker.ReadStats, worker.AskSource, worker.ReadLogs, worker.RunProbe}, a.Verb) && !inspects
}

// mayBeDependent reports whether an action may act on an unmanaged dependent: its restart, or a recreate that is not an attempt.
func mayBeDependent(a worker.Action) bool {
	return a.Verb == worker.RestartDependent || a.Verb == worker.RecreateStep && a.Attempt == 0
}

// expectStart returns the worker whose start the next turn must contain, or nil: a worker that Stoker shows as running has just exited
// without a stop, and Stoker observed it live.
func (r *run) expectStart(o worker.Observation) *fleet.WorkerView {
	s := r.stoker
	if o.Kind != worker.Exited || r.plan.DryRun {
		return nil
	}
	t, ok := r.world.TruthByID(o.ID)
	if start, signalled := r.checks.records.signalled[o.ID]; signalled && start.Equal(t.StartedAt) {
		return nil
	}
	if !ok || t.RestartPolicy.Active() || t.AutoRemove || len(t.Parents) > 0 || !r.isWorker(t) || !t.Status.Down() || !o.At.After(t.StartedAt) {
		return nil
	}
	p := r.policyOf(t)
	if p.OnExit == policy.OnExitNever || p.OnExit == policy.OnExitFailure && o.ExitCode == 0 {
		return nil
	}
	v := r.view()
	starts := 0
	for _, a := range s.inFlight {
		if a.Incarnation.ID == o.ID {
			return nil
		}
		if a.Verb == worker.Start {
			starts++
		}
	}
	// If events were dropped, Stoker may not have observed the start, and takes the exit for that of the incarnation before.
	if !v.Engine.Connected || starts >= r.plan.Parallel || r.eventsDroppedBefore(r.world.Now()) || s.fleet.Transactions() > 0 {
		return nil
	}
	for _, w := range v.Workers {
		if w.ID == o.ID && w.Status == worker.StatusRunning && w.Heal == "" && w.Held == "" && len(w.LostNetworks) == 0 && w.Attempts == 0 && w.State != fleet.StateUnknown {
			return &w
		}
	}
	return nil
}

// checkExpectedStart checks I9.
func (r *run) checkExpectedStart(expected *fleet.WorkerView, t fleet.Effects) {
	if expected == nil {
		return
	}
	for _, a := range t.Do {
		if a.Verb == worker.Start && a.Incarnation.ID == expected.ID {
			return
		}
	}
	r.violate("I9: %s exited, and the same turn does not start it", expected.Key)
}

// checkUnfinished checks a Stoker that is about to exit after it was asked to stop: it must not leave a worker stopped that it had the time to
// start again.
func (r *run) checkUnfinished() {
	s := r.stoker
	if s.fleet.Busy() == 0 || !r.world.EngineUp() || s.fleet.Transactions() > 0 { // the next Stoker continues a recreate
		return
	}
	if s.wake.After(s.deadline) {
		return // the next attempt waits for its back-off
	}
	if !r.view().Engine.Connected {
		return // it was disconnected before, and a Stoker that stops does not reconnect
	}
	if down := r.checks.timeline.engineDown; len(down) > 0 && r.world.Now().Sub(down[len(down)-1]) < closeWait+2*time.Second {
		return // it waited for the engine
	}
	for _, a := range s.inFlight {
		if a.Verb != worker.Inspect || r.inspectLate(a) {
			return // it waits for an answer
		}
	}
	r.violate("a Stoker that was asked to stop leaves %d restarts unfinished, and does nothing", s.fleet.Busy())
}

// inspectLate reports whether an inspect of a worker that Stoker heals has no answer for longer than the engine takes for one. After a stop without
// an answer only an inspect shows whether the worker is down, because a Stoker that stops receives no events.
func (r *run) inspectLate(a worker.Action) bool {
	const usual = time.Second
	return r.world.Now().Sub(r.stoker.sent[a.ID]) > usual && slices.ContainsFunc(r.view().Workers, func(w fleet.WorkerView) bool {
		return w.ID == a.Incarnation.ID && w.Heal != ""
	})
}
