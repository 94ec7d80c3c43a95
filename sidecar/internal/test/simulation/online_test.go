package simulation

import (
	"fmt"
	"slices"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// What must hold at every step is checked as the run goes on.

func (r *run) blame(format string, args ...any) {
	line := fmt.Sprintf("at %.3f: ", r.w.Now().Sub(r.start).Seconds()) + fmt.Sprintf(format, args...)
	r.wrong = append(r.wrong, line)
	r.say("#### %s", line)
}

// checkAction holds one decision against I1, I3, the bounds and the brake, before it is carried out.
func (r *run) checkAction(a worker.Action) {
	s := r.stoker
	starts, inspects := 0, 0
	for _, other := range s.flying {
		both := other.Verb == worker.Inspect && a.Verb == worker.Inspect
		if ofOne(other) && ofOne(a) && other.Incarnation.ID == a.Incarnation.ID && !both {
			r.blame("I1: %s of %s while %s is under way", a.Verb, a.Key, other.Verb)
		}
		switch other.Verb {
		case worker.Start:
			starts++
		case worker.Inspect:
			inspects++
		}
	}
	if slices.Contains([]worker.Verb{worker.Inspect, worker.ReadStats, worker.AskSource, worker.ReadLogs, worker.RunProbe}, a.Verb) {
		return
	}
	r.checkDemand(a)
	r.checkRecycle(a)
	r.checkPause(a)
	if a.Verb == worker.Stop {
		r.stops = append(r.stops, decidedStop{id: a.Incarnation.ID, at: r.w.Now(), by: len(r.begun), in: a.Deadline})
	}
	if r.plan.DryRun {
		r.blame("dry run: %s of %s", a.Verb, a.Key)
	}
	if a.Key.IsBackupName() && ofOne(a) {
		r.blame("rule 9: %s of %s, which stands aside for another", a.Verb, a.Key)
	}
	if a.Verb == worker.Start && starts >= r.plan.Parallel {
		r.blame("rule 11: start of %s while %d others are under way, and %d are allowed", a.Key, starts, r.plan.Parallel)
	}
	if t, ok := r.w.TruthByID(a.Incarnation.ID); ok {
		if !r.isWorker(t) && !ofDependent(a) {
			r.blame("I3: %s of %s, which is no worker", a.Verb, a.Key)
		}
		if limit := r.policyOf(t).MaxAttempts; limit > 0 && a.Attempt > limit {
			r.blame("I7: %s of %s calls itself attempt %d of %d", a.Verb, a.Key, a.Attempt, limit)
		}
	}
	begins := a.Call != nil && a.Attempt > 0 && a.Call.Transaction > s.lastRecreate // a recreate is decided on as a whole
	if begins {
		s.lastRecreate = a.Call.Transaction
	}
	if r.beginsRestart(a) || begins {
		r.checkBrake(a)
	}
}

// beginsRestart reports whether an action is what the overload guard is asked about: the stop, or the command before it.
func (r *run) beginsRestart(a worker.Action) bool {
	if a.Verb == worker.Collect {
		return len(a.Evidence.Command) > 0
	}
	t, ok := r.w.TruthByID(a.Incarnation.ID)
	return a.Verb == worker.Stop && (!ok || len(r.policyOf(t).Evidence.BeforeStop) == 0)
}

// ofOne reports whether an action is one on one incarnation. An inspect of a dependent, or before the next step of a recreate, changes nothing.
func ofOne(a worker.Action) bool {
	inspects := a.Call != nil && a.Call.Do == worker.CallInspect || a.Verb == worker.Inspect && a.Reason == worker.ReasonParentRestarted
	return !slices.Contains([]worker.Verb{worker.ListDependents, worker.ReadStats, worker.AskSource, worker.ReadLogs, worker.RunProbe}, a.Verb) && !inspects
}

// ofDependent reports whether an action may be about a container in a worker's namespaces: its restart, or a recreate that is no attempt at
// a worker.
func ofDependent(a worker.Action) bool {
	return a.Verb == worker.RestartDependent || a.Verb == worker.RecreateStep && a.Attempt == 0
}

// isWorker says for itself who is a worker; the drawn labels are few enough.
func (r *run) isWorker(t dockertest.Truth) bool {
	l := t.Labels
	if t.ID == r.self || l["stoker.scope"] != "" || l["com.docker.swarm.task.id"] != "" || l["com.docker.compose.oneoff"] != "" {
		return false
	}
	if l["stoker.on-exit"] == "sometimes" || l["stoker.max-atempts"] != "" {
		return false
	}
	switch l["stoker.enable"] {
	case "true":
		return true
	case "false":
		return false
	}
	return r.plan.Mode == policy.ModeAll || r.plan.Mode == policy.ModeQuota && t.CPUs > 0
}

// policyOf is what the labels of a container ask for, which never change.
func (r *run) policyOf(t dockertest.Truth) policy.Policy {
	p, ok := r.policies[t.ID]
	if !ok {
		p, _ = policy.Defaults{Policy: policy.Default()}.Parse(t.Labels)
		r.policies[t.ID] = p
	}
	return p
}

// hear keeps what Stoker was told and the checks need.
func (r *run) hear(o worker.Observation) {
	r.count.heard++
	s := r.stoker
	switch o.Kind {
	case worker.Unhealthy:
		t, _ := r.w.TruthByID(o.ID)
		if p, ok := t.LastProbe(); ok && p.ExitCode == worker.ProbeTimedOut {
			s.unwell[o.ID] = r.w.Now()
		}
	case worker.Healthy, worker.Started, worker.Exited, worker.Paused, worker.Resumed:
		delete(s.unwell, o.ID)
	case worker.Signalled, worker.Stopped:
		t, _ := r.w.TruthByID(o.ID)
		r.pushed[o.ID] = t.StartedAt
	}
}

func (r *run) note(n worker.Event) {
	r.count.notes[n.Kind]++
	switch n.Kind {
	case worker.EventHostOverloaded:
		r.stoker.illSince, r.stoker.dripped = r.w.Now(), r.w.Now()
	case worker.EventHostRecovered:
		r.stoker.illSince = time.Time{}
	}
}

// checkBrake is rule 15: no restart of a worker whose probe timed out while most have timed out for some seconds, apart
// from the trickle after five minutes.
func (r *run) checkBrake(a worker.Action) {
	s, now := r.stoker, r.w.Now()
	target, ok := r.w.TruthByID(a.Incarnation.ID)
	if a.Reason != worker.ReasonProbeTimedOut || !ok || target.Status != worker.StatusRunning { // one that is down is started
		return
	}
	watched, ill := 0, 0
	acting := map[string]bool{} // an inspect says why a worker is unhealthy, and comes after the answer to what is under way
	for _, f := range s.flying {
		acting[f.Incarnation.ID] = acting[f.Incarnation.ID] || ofOne(f)
	}
	for _, t := range r.w.Truths() {
		outside := t.Labels["stoker.probe"] != ""
		if t.Gone || t.Status != worker.StatusRunning || !t.HasHealthcheck && !outside || !r.isWorker(t) {
			continue
		}
		if watched++; outside { // what it has shown last, nobody here knows
			continue
		}
		p, ok := t.LastProbe()
		heard, told := s.unwell[t.ID]
		known := told && now.Sub(heard) > 2*time.Second && !acting[t.ID] && !r.pausedAcrossAStep(t.ID)
		if ok && p.ExitCode == worker.ProbeTimedOut && t.Health == worker.HealthUnhealthy && known {
			ill++
		}
	}
	trickle := !s.illSince.IsZero() && now.Sub(s.illSince) >= 5*time.Minute && now.Sub(s.dripped) >= 30*time.Second
	if ill >= 3 && 2*ill >= watched && !trickle {
		r.blame("rule 15: restart of %s while %d of %d have timed out", a.Key, ill, watched)
	}
	s.dripped = now
}

// pausedAcrossAStep reports whether a container was thawed and the clock stepped: which of its probes are older than its thaw, and so
// tell nothing, cannot be told then.
func (r *run) pausedAcrossAStep(id string) bool {
	return len(r.steps) > 0 && slices.ContainsFunc(r.w.Events(), func(e dockertest.Event) bool { return e.ID == id && e.Action == "unpause" })
}

// promptStart reports whether the next turn must ask for a start: a worker that Stoker thinks well has just died of its own
// accord, and Stoker was told live.
func (r *run) promptStart(o worker.Observation) *fleet.WorkerView {
	s := r.stoker
	if o.Kind != worker.Exited || r.plan.DryRun {
		return nil
	}
	t, ok := r.w.TruthByID(o.ID)
	if pushed, stopped := r.pushed[o.ID]; stopped && pushed.Equal(t.StartedAt) {
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
	for _, a := range s.flying {
		if a.Incarnation.ID == o.ID {
			return nil
		}
		if a.Verb == worker.Start {
			starts++
		}
	}
	if !v.Engine.Connected || starts >= r.plan.Parallel || r.dropped(r.w.Now()) || s.f.Transactions() > 0 { // anyone who has not heard of the start takes the end for one before it
		return nil
	}
	for _, w := range v.Workers {
		if w.ID == o.ID && w.Status == worker.StatusRunning && w.Heal == "" && w.Held == "" && len(w.LostNetworks) == 0 && w.Attempts == 0 && w.State != fleet.StateUnknown {
			return &w
		}
	}
	return nil
}

func (r *run) checkPrompt(expected *fleet.WorkerView, t fleet.Effects) {
	if expected == nil {
		return
	}
	for _, a := range t.Do {
		if a.Verb == worker.Start && a.Incarnation.ID == expected.ID {
			return
		}
	}
	r.blame("I9: %s died, and its start is not asked for at once", expected.Key)
}

// checkLeftBehind is for a Stoker that ended in good order: it leaves no worker stopped by itself that it had the time to
// start again.
func (r *run) checkLeftBehind() {
	s := r.stoker
	if s.f.Busy() == 0 || !r.w.EngineUp() || s.f.Transactions() > 0 { // the next Stoker goes on with a recreate
		return
	}
	if s.wake.After(s.ending) {
		return // the next attempt waits for its back-off
	}
	if !r.view().Engine.Connected {
		return // it had lost the engine before, and who ends does not hear that it is back
	}
	if n := len(r.falls); n > 0 && r.w.Now().Sub(r.falls[n-1]) < closeWait+2*time.Second {
		return // it was waiting for an engine
	}
	for _, a := range s.flying {
		if a.Verb != worker.Inspect {
			return // it did what it could, and waits for an answer
		}
	}
	r.blame("a Stoker that was told to end leaves %d restarts unfinished, and does nothing", s.f.Busy())
}
