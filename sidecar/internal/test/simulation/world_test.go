package simulation

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// What needs the whole story is checked at the end of a run, and what needs quiet at the end of each quiet.

// checkQuiet is I5, and more: when faults have ceased for long enough, what should run runs, what does not has an honest
// reason, and Stoker shows things as they are.
func (r *run) checkQuiet() {
	v := r.view()
	shown := map[string]fleet.WorkerView{}
	for _, w := range v.Workers {
		shown[w.ID] = w
	}
	if !v.Engine.Connected {
		r.blame("I5: the link is down at the end of a quiet")
		return
	}
	for _, t := range r.w.Truths() {
		if !t.Gone {
			w, ok := shown[t.ID]
			delete(shown, t.ID)
			r.checkOne(t, w, ok)
		}
	}
	for _, w := range shown {
		r.checkMissing(w)
	}
	r.checkWhole()
	if r.pool != nil {
		r.checkRest()
	}
}

func (r *run) checkOne(t dockertest.Truth, w fleet.WorkerView, ok bool) {
	if strings.HasSuffix(string(t.Key), worker.NewSuffix) || strings.HasSuffix(string(t.Key), worker.BackupSuffix) {
		return // it is half of a worker
	}
	if r.isHeir(t) {
		return // and becomes the worker when the transaction is through
	}
	ours := r.isWorker(t)
	if ours != ok && len(barred(t)) == 0 && !r.untoldUpdate(t.ID) {
		r.blame("%s: worker %v, shown %v", t.Key, ours, ok)
	}
	if !ours || !ok {
		return
	}
	if r.recycledNow(w) {
		return
	}
	shown := w.Status == t.Status && (t.Status != worker.StatusRunning || w.Health == t.Health)
	if w.Key != t.Key || !shown && !r.untoldStatus(t, w) {
		r.blame("%s is %s %s, and shown as %s %s %s", t.Key, t.Status, t.Health, w.Key, w.Status, w.Health)
	}
	if t.Status == worker.StatusRunning {
		if w.Heal == worker.HealSleep {
			return // its stop may take as long as its grace
		}
		if w.State != fleet.StateRunning && w.State != fleet.StateStarting && !r.signalled(t) && (w.Reason != worker.ReasonNetworkLost || !r.portElsewhere(t) && !r.plan.DryRun) {
			r.blame("I5: %s runs, and its state is %s (%s, heal %s)", t.Key, w.State, w.Held, w.Heal)
		}
		r.checkNetworks(t)
		return
	}
	if t.Wanted && !r.plan.DryRun {
		if why := r.mayBeDown(t, w); why != "" {
			r.blame("I5: %s is %s (code %d %s), state %s %s: %s", t.Key, t.Status, t.ExitCode, t.StartError, w.State, w.Held, why)
		}
	}
}

// untoldStatus reports whether nobody tells Stoker what a container's status is at the moment: that of one which it recreates is the
// transaction's, and the engine sends no event when a restart by its own policy fails, so that an inspect has to find it.
func (r *run) untoldStatus(t dockertest.Truth, w fleet.WorkerView) bool {
	_, ended := life(t)
	gaveUp := w.Status == worker.StatusRestarting && t.Status == worker.StatusExited && r.w.Now().Sub(ended) < 90*time.Second
	return gaveUp || r.stoker.f.Recreating(t.ID)
}

// untoldUpdate reports whether the event of an update never reached Stoker, so that it cannot know which quota a container has.
func (r *run) untoldUpdate(id string) bool {
	return slices.ContainsFunc(r.w.Events(), func(e dockertest.Event) bool { return e.ID == id && e.Action == "update" && e.SeenAt.IsZero() })
}

// isHeir reports whether a container has just been given its worker's name by a transaction that is under way.
func (r *run) isHeir(t dockertest.Truth) bool {
	_, of, ok := worker.ReplacementOf(t.Labels)
	return ok && r.stoker.f.Recreating(of)
}

// checkMissing: a worker without a container is one that is to be recreated, and cannot be.
func (r *run) checkMissing(w fleet.WorkerView) {
	if r.recycledNow(w) {
		return
	}
	t, _ := r.w.TruthByID(w.ID)
	t.Key = w.Key // which the container may not have had in the end
	spec := r.specs[nameOf(t)]
	without := spec.NetworkMode == "" && (len(t.Networks) == 0 && r.lossUnclear(t) || r.unseen(t.Loss.Connected, t)) // as far as is known
	unfit := len(t.Given) == 0 || without || r.homeless(t) || spec.Unfit != "" || r.portTaken(spec)
	if w.Heal == worker.HealRecreate && unfit || w.Held == worker.HeldExhausted || w.Held == worker.HeldDryRun {
		return
	}
	r.blame("I5: %s has no container at the end of a quiet (%s %s %s)", w.Key, w.State, w.Held, w.Heal)
}

// portTaken reports whether a container that runs has the port of one that does not: people have renamed the one, and run
// another in its place.
func (r *run) portTaken(s dockertest.Spec) bool {
	return s.HostPort != 0 && slices.ContainsFunc(r.w.Truths(), func(t dockertest.Truth) bool {
		return !t.Gone && t.Status == worker.StatusRunning && r.specs[nameOf(t)].HostPort == s.HostPort
	})
}

// checkWhole is I6: no transaction is left in the middle, and no worker is two containers or none.
func (r *run) checkWhole() {
	alive, lost := map[string]int{}, map[string]bool{}
	for _, t := range r.w.Truths() {
		root := r.root(t)
		if t.Gone {
			byStoker := r.removedBy(t.ID) == dockertest.ByStoker
			if before, known := lost[root]; !known || before {
				lost[root] = byStoker
			}
			continue
		}
		name := string(t.Key)
		half := strings.HasSuffix(name, worker.NewSuffix) || strings.HasSuffix(name, worker.BackupSuffix)
		if half && !r.acting() && !r.strayRename(t.ID) && !r.replacementTaken(t.ID) {
			r.blame("I6: %s is left behind", name)
		}
		if alive[root]++; alive[root] > 1 && !r.acting() && !r.renamed(root) {
			r.blame("I6: there are two containers of %s", name)
		}
	}
	for _, t := range r.w.Truths() {
		if lost[t.ID] && alive[t.ID] == 0 {
			r.blame("I6: Stoker has lost %s", t.Key)
		}
	}
	r.checkStranded()
}

func (r *run) removedBy(id string) dockertest.Actor {
	for _, e := range r.w.Events() {
		if e.ID == id && e.Action == "destroy" {
			return e.By
		}
	}
	return ""
}

// renamed reports whether people have renamed one of the containers that replaced each other: then both may be theirs.
func (r *run) renamed(root string) bool {
	return slices.ContainsFunc(r.w.Events(), func(e dockertest.Event) bool {
		t, _ := r.w.TruthByID(e.ID)
		return e.Action == "rename" && e.By == dockertest.ByOperator && r.root(t) == root
	})
}

// acting reports whether a transaction is under way: who cannot start is tried for ever.
func (r *run) acting() bool {
	for _, a := range r.stoker.flying {
		if a.Verb == worker.ListDependents || a.Verb == worker.RestartDependent {
			return true
		}
	}
	return r.stoker.f.Transactions() > 0
}

// root is the first of the containers that replaced each other up to this one.
func (r *run) root(t dockertest.Truth) string {
	for {
		_, of, ok := worker.ReplacementOf(t.Labels)
		old, found := r.w.TruthByID(of)
		if !ok || !found {
			return t.ID
		}
		t = old
	}
}

// backsOff reports whether the next attempt of an open heal waits, as that of a dependent does whose parent is restarted again and again.
func (r *run) backsOff(t dockertest.Truth) bool {
	return slices.ContainsFunc(r.view().Workers, func(w fleet.WorkerView) bool {
		return w.ID == t.ID && w.Fault == worker.FaultOrphaned && w.NextAt.After(r.clock())
	})
}

// checkStranded: anyone who runs, runs in namespaces that somebody else is in. Without the journal nobody knows what lives a
// worker had before, events that are lost tell of none, and a clock that stepped does not tell which came first.
func (r *run) checkStranded() {
	if r.plan.DryRun || !r.amnesia.IsZero() || len(r.steps) > 0 || len(r.drops) > 0 || r.acting() {
		return
	}
	for _, t := range r.w.Orphaned() {
		if r.thawed(t) || r.signalled(t) || r.backsOff(t) {
			continue
		}
		if p, ok := r.w.Truth(guestsOf); ok && !p.Gone && p.Status == worker.StatusRunning && r.leads(t, p) && !r.justBegun(p) {
			r.blame("%s is orphaned", t.Key)
		}
	}
}

// justBegun reports whether a container began its life so short a time ago that those who follow it may be at it still. A parent may be
// recycled at any time.
func (r *run) justBegun(t dockertest.Truth) bool {
	const following = 45 * time.Second // an inspect, the command before the stop, and the longest grace
	return len(t.Lives) > 0 && r.w.Now().Sub(t.Lives[len(t.Lives)-1].Began) < following
}

// thawed reports whether a container that is no worker was paused when its parent began its life: it is not touched then, and nobody
// follows its events to see that it runs again (docs/recreate.md).
func (r *run) thawed(t dockertest.Truth) bool {
	p, _ := r.w.Truth(guestsOf)
	return !r.isWorker(t) && len(p.Lives) > 0 && slices.ContainsFunc(r.w.Events(), func(e dockertest.Event) bool {
		return e.ID == t.ID && e.Action == "unpause" && e.TrueAt.After(p.Lives[len(p.Lives)-1].Began)
	})
}

// signalled reports whether an operator's stop signal went to the present life of a container that runs: docker stop -t may take any
// time, so that it is left alone for an hour.
func (r *run) signalled(t dockertest.Truth) bool {
	began := time.Time{}
	if n := len(t.Lives); n > 0 {
		began = t.Lives[n-1].Began
	}
	means := map[int]bool{int(syscall.SIGTERM): true, int(syscall.SIGINT): true, int(syscall.SIGQUIT): true, int(r.specs[nameOf(t)].StopSignal): true}
	return slices.ContainsFunc(r.w.Events(), func(e dockertest.Event) bool {
		return e.ID == t.ID && e.Action == "kill" && e.By == dockertest.ByOperator && means[e.Signal] && e.TrueAt.After(began)
	})
}

// leads reports whether a container is one that Stoker has to heal after its parent.
func (r *run) leads(t, parent dockertest.Truth) bool {
	same := slices.ContainsFunc(t.Parents, func(ref string) bool {
		p, _ := r.w.TruthByID(ref)
		return r.root(p) == r.root(parent)
	})
	return same && r.isWorker(parent) && t.Unfit == "" && parent.Labels["stoker.dependents"] != "none"
}

// barred is why a container that Stoker shows is never touched.
func barred(t dockertest.Truth) string {
	l := t.Labels
	return l["com.docker.swarm.task.id"] + l["com.docker.compose.oneoff"] + l["stoker.max-atempts"] + l["stoker.on-exit"]
}

// homeless reports whether a container cannot start: what it lives in does not run, or was recreated while it was down, and it
// is not to be recreated itself, or not before its attempts are used up.
func (r *run) homeless(t dockertest.Truth) bool {
	p := r.policyOf(t)
	never := t.Unfit != "" || p.RecreateAfter == 0 || p.MaxAttempts > 0
	for _, ref := range t.Parents {
		parent, _ := r.w.TruthByID(ref)
		up := slices.ContainsFunc(r.w.Truths(), func(other dockertest.Truth) bool {
			return !other.Gone && other.Status == worker.StatusRunning && r.root(other) == r.root(parent)
		})
		if !up || (parent.Gone && (never || r.forgotten(parent))) {
			return true
		}
	}
	return false
}

// forgotten reports whether a container was gone when the journal was lost: then nobody knows any more whose ID it was that others hold.
func (r *run) forgotten(t dockertest.Truth) bool {
	return slices.ContainsFunc(r.w.Events(), func(e dockertest.Event) bool {
		return e.ID == t.ID && e.Action == "destroy" && e.TrueAt.Before(r.amnesia)
	})
}

// nameOf is the name that a container was made under by its plan.
func nameOf(t dockertest.Truth) string {
	_, name, cut := strings.Cut(string(t.Key), "_")
	if !cut {
		name = string(t.Key)
	}
	return strings.TrimSuffix(name, "x")
}

// mayBeDown says what is wrong about a worker that is down although an operator wants it, or nothing.
func (r *run) mayBeDown(t dockertest.Truth, w fleet.WorkerView) string {
	if taken := r.specs[nameOf(t)].HostPort; r.homeless(t) || (taken != 0 && strings.Contains(t.StartError, "address already in use")) {
		return "" // one that was renamed, or that a compose which was cut short left behind, has the port
	}
	p := r.policyOf(t)
	clean := t.ExitCode == 0 && !t.OOMKilled && t.StartError == "" || r.startedInVain(t)
	done := p.OnExit == policy.OnExitNever || clean && p.OnExit == policy.OnExitFailure ||
		clean && t.RestartPolicy.Name == "on-failure" && !p.OnExitExplicit
	switch w.Held {
	case worker.HeldAsleep:
		if inPool(t) {
			return "" // whether somebody is needed, checkWork tells
		}
		return "it has no demand"
	case worker.HeldExhausted:
		if p.MaxAttempts > 0 && w.Attempts >= p.MaxAttempts && p.WhenExhausted == policy.WhenExhaustedHold {
			return ""
		}
		return fmt.Sprintf("%d attempts of %d", w.Attempts, p.MaxAttempts)
	case worker.HeldFinished:
		if done || r.lastWord(t.ID) {
			return ""
		}
		return "its work is not done"
	case worker.HeldExitNotObserved:
		if !r.amnesia.IsZero() || !r.journal.expected[t.ID] || !r.heardStart(t.ID) {
			return ""
		}
		if r.journal.slept[t.ID] { // somebody else has started it since, and Stoker ended before it knew all workers
			return ""
		}
		return "its end was seen, or it was expected to run"
	case worker.HeldNeverStarted:
		if _, _, heir := worker.ReplacementOf(t.Labels); heir && r.renamed(r.root(t)) {
			return "" // people renamed it in the middle of the recreate that had made it
		}
		return "it was started in vain, or is to be"
	case worker.HeldReplaced:
		if strings.Contains(string(t.Key), "_") {
			return ""
		}
		return "nobody replaces it"
	case worker.HeldOperator:
		if r.lastWord(t.ID) || r.untold() || r.strayStop(t.ID) || r.stepInStop(t.ID) || len(r.drops) > 0 || !r.amnesia.IsZero() {
			return ""
		}
		return "no operator stopped it"
	}
	return "it should run"
}

// startedInVain reports whether an operator's start of a container that had done its work was refused: no event tells of it, and the
// operator was told.
func (r *run) startedInVain(t dockertest.Truth) bool {
	last := dockertest.Record{}
	for _, a := range r.w.Audit() {
		if a.Incarnation.ID == t.ID && a.Op == dockertest.OpStart {
			last = a
		}
	}
	done := len(t.Lives) > 0 && t.Lives[len(t.Lives)-1].ExitCode == 0
	return done && last.By == dockertest.ByOperator && !last.Effect
}

// heardStart reports whether Stoker ever heard of the last start of a container.
func (r *run) heardStart(id string) bool {
	heard := false
	for _, e := range r.w.Events() {
		if e.ID == id && e.Action == "start" {
			_, heard = r.journal.heard[sound{id, worker.Started, e.At.UnixNano()}]
		}
	}
	return heard
}

// lastWord reports whether an operator's restart left a container stopped: its start came to nothing, and none came after it.
func (r *run) lastWord(id string) bool {
	down := false
	for _, a := range r.w.Audit() {
		if a.By != dockertest.ByOperator || a.Incarnation.ID != id {
			continue
		}
		switch {
		case a.Op == dockertest.OpRestart:
			down = !a.Effect
		case a.Op == dockertest.OpStart && a.Effect:
			down = false
		}
	}
	return down
}

// untold reports whether Stoker could not see a shutdown of the engine for what it was: because Stoker ended in the midst of it,
// because it had just begun and had no list yet, because events of it were lost, because the clock stepped in it, or because a container was started in the midst of it, which a shutdown does not do.
func (r *run) untold() bool {
	if r.blind {
		return true
	}
	const longest = 40 * time.Second
	within := func(at, fall time.Time) bool { return !at.Before(fall) && at.Sub(fall) < longest }
	for _, fall := range r.falls {
		for _, at := range r.deaths {
			if within(at, fall) {
				return true
			}
		}
		for _, at := range slices.Concat(r.drops, r.steps) {
			if within(at, fall.Add(-longest)) || within(at, fall) {
				return true
			}
		}
		for _, e := range r.w.Events() {
			if e.Action == "start" && e.By != dockertest.ByEngine && within(e.TrueAt, fall) {
				return true
			}
		}
	}
	return false
}

// strayRename reports whether a rename was still on its way when the Stoker that had sent it was killed, and came when the next one had
// undone the rest.
func (r *run) strayRename(id string) bool {
	return slices.ContainsFunc(r.w.Audit(), func(a dockertest.Record) bool {
		killed := slices.ContainsFunc(r.deaths, func(at time.Time) bool { return at.After(a.Sent) && at.Before(a.Arrived) })
		return killed && a.By == dockertest.ByStoker && a.Op == dockertest.OpRename && a.Incarnation.ID == id
	})
}

// replacementTaken reports whether an operator renamed or stopped the container that replaces another one, and Stoker lost its journal: then
// nothing leads from the one to the other, or nobody knows whether the new one works.
func (r *run) replacementTaken(id string) bool {
	return !r.amnesia.IsZero() && slices.ContainsFunc(r.w.Audit(), func(a dockertest.Record) bool {
		_, of, _ := worker.ReplacementOf(a.Labels)
		return a.By == dockertest.ByOperator && (a.Op == dockertest.OpRename || a.Op == dockertest.OpStop || a.Op == dockertest.OpKill) && of == id
	})
}

// strayStop reports whether a stop of Stoker's own took so long on its way that it hit a later life than it was meant for.
func (r *run) strayStop(id string) bool {
	return slices.ContainsFunc(r.w.Audit(), func(a dockertest.Record) bool {
		return a.By == dockertest.ByStoker && a.Op == dockertest.OpStop && a.Incarnation.ID == id &&
			!a.Incarnation.StartedAt.Equal(a.Action.Incarnation.StartedAt)
	})
}
