package simulation

import (
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// checkQuiet runs at the end of a quiet period. It checks I5: every worker that should run runs, and every worker that is down is held for a
// reason that is true. It also checks I6, and that Stoker shows the workers as they are.
func (r *run) checkQuiet() {
	v := r.view()
	shown := map[string]fleet.WorkerView{}
	for _, w := range v.Workers {
		shown[w.ID] = w
	}
	if !v.Engine.Connected {
		r.violate("I5: the engine is disconnected at the end of a quiet period")
		return
	}
	for _, t := range r.world.Truths() {
		if !t.Gone {
			w, ok := shown[t.ID]
			delete(shown, t.ID)
			r.checkContainer(t, w, ok)
		}
	}
	for _, w := range shown {
		r.checkMissing(w)
	}
	r.checkRecreates()
	r.checkOrphaned()
	if r.pool != nil {
		r.checkIdlePool()
	}
}

// checkContainer compares a container with the worker that Stoker shows for it, if any.
func (r *run) checkContainer(t dockertest.Truth, w fleet.WorkerView, ok bool) {
	if strings.HasSuffix(string(t.Key), worker.NewSuffix) || strings.HasSuffix(string(t.Key), worker.BackupSuffix) {
		return // it is one of the two containers of a recreate
	}
	if r.isNewContainer(t) {
		return // it becomes the worker when the transaction is finished
	}
	managed := r.isWorker(t)
	if managed != ok && len(unmanageable(t)) == 0 && !r.updateEventLost(t.ID) {
		r.violate("%s: worker %v, shown %v", t.Key, managed, ok)
	}
	if !managed || !ok || r.recycledNow(w) {
		return
	}
	same := w.Status == t.Status && (t.Status != worker.StatusRunning || w.Health == t.Health)
	if w.Key != t.Key || !same && !r.statusUnobservable(t, w) {
		r.violate("%s is %s %s, and shown as %s %s %s", t.Key, t.Status, t.Health, w.Key, w.Status, w.Health)
	}
	if t.Status == worker.StatusRunning {
		r.checkRunning(t, w)
		return
	}
	if t.Wanted && !r.plan.DryRun {
		if why := r.unexplainedDown(t, w); why != "" {
			r.violate("I5: %s is %s (code %d %s), state %s %s: %s", t.Key, t.Status, t.ExitCode, t.StartError, w.State, w.Held, why)
		}
	}
}

func (r *run) checkRunning(t dockertest.Truth, w fleet.WorkerView) {
	if w.Heal == worker.HealSleep {
		return // its stop may take as long as its grace
	}
	waitsForPort := w.Reason == worker.ReasonNetworkLost && (r.portElsewhere(t) || r.plan.DryRun)
	if w.State != fleet.StateRunning && w.State != fleet.StateStarting && !r.signalled(t) && !waitsForPort && !r.tookPort(t) {
		r.violate("I5: %s runs, and its state is %s (%s, heal %s)", t.Key, w.State, w.Held, w.Heal)
	}
	r.checkNetworks(t)
}

// statusUnobservable reports whether Stoker cannot observe a container's status: while it recreates the container, or because the engine's
// own restart failed, for which the engine sends no event. The next inspect shows that.
func (r *run) statusUnobservable(t dockertest.Truth, w fleet.WorkerView) bool {
	_, ended := lastIncarnation(t)
	restartFailed := w.Status == worker.StatusRestarting && t.Status == worker.StatusExited && r.world.Now().Sub(ended) < 90*time.Second
	return restartFailed || r.stoker.fleet.Recreating(t.ID)
}

// updateEventLost reports whether the event of an update never reached Stoker, so that it does not have the container's quota.
func (r *run) updateEventLost(id string) bool {
	return slices.ContainsFunc(r.world.Events(), func(e dockertest.Event) bool { return e.ID == id && e.Action == "update" && e.SeenAt.IsZero() })
}

// isNewContainer reports whether a transaction in progress has just renamed a container to its worker's name.
func (r *run) isNewContainer(t dockertest.Truth) bool {
	_, of, ok := worker.ReplacementOf(t.Labels)
	return ok && r.stoker.fleet.Recreating(of)
}

// checkMissing checks a worker without a container: it must be due to be recreated, and the recreate must be impossible.
func (r *run) checkMissing(w fleet.WorkerView) {
	if r.recycledNow(w) {
		return
	}
	t, _ := r.world.TruthByID(w.ID)
	if r.endedWithParent(t) && w.NextAt.After(r.clock()) {
		return // its next attempt is to come
	}
	t.Key = w.Key // the container may have had another name at last
	spec := r.specs[plannedName(t)]
	// Stoker does not recreate a container whose networks it does not have.
	unseen := len(t.Networks) == 0 || r.removedSoonAfter(t.Loss.Reconnected)
	unconnected := spec.NetworkMode == "" && (unseen && r.lossUnclear(t) || r.changeUnobserved(t.Loss.Connected))
	impossible := len(t.Given) == 0 || unconnected || r.parentUnavailable(t) || spec.Unfit != "" || r.portInUse(spec)
	if w.Heal == worker.HealRecreate && impossible || w.Held == worker.HeldExhausted || w.Held == worker.HeldDryRun {
		return
	}
	r.violate("I5: %s has no container at the end of a quiet period (%s %s %s)", w.Key, w.State, w.Held, w.Heal)
}

// portInUse reports whether a running container has the host port of a missing one: an operator renamed the one and ran another in its place.
func (r *run) portInUse(s dockertest.Spec) bool {
	return s.HostPort != 0 && slices.ContainsFunc(r.world.Truths(), func(t dockertest.Truth) bool {
		return !t.Gone && t.Status == worker.StatusRunning && r.specs[plannedName(t)].HostPort == s.HostPort
	})
}
