package simulation

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// checkOrphaned checks that every dependent that runs shares the namespaces of its parent's current incarnation. It does not check after the
// journal was lost, which has the earlier incarnations, nor after events were dropped or the clock stepped.
func (r *run) checkOrphaned() {
	timeline := r.checks.timeline
	if r.plan.DryRun || !timeline.journalLost.IsZero() || len(timeline.clockSteps) > 0 || len(timeline.eventsDropped) > 0 || r.transactionOpen() {
		return
	}
	parent, ok := r.world.Truth(parentName)
	if !ok || parent.Gone || parent.Status != worker.StatusRunning || r.justStarted(parent) {
		return
	}
	for _, t := range r.world.Orphaned() {
		if !r.unpausedAfterStart(t, parent) && !r.signalled(t) && !r.waitsForRetry(t) && r.mustFollow(t, parent) {
			r.violate("%s is orphaned", t.Key)
		}
	}
}

// justStarted reports whether a container started so recently that its dependents may still be restarting. A parent may be recycled at any
// time.
func (r *run) justStarted(t dockertest.Truth) bool {
	const following = 45 * time.Second // an inspect, the command before the stop, and the longest grace
	return len(t.Lives) > 0 && r.world.Now().Sub(t.Lives[len(t.Lives)-1].Began) < following
}

// unpausedAfterStart reports whether an unmanaged container was paused when its parent started. Stoker does not act on a paused dependent,
// and does not follow the events of an unmanaged one (docs/recreate.md).
func (r *run) unpausedAfterStart(t, parent dockertest.Truth) bool {
	return !r.isWorker(t) && len(parent.Lives) > 0 && slices.ContainsFunc(r.world.Events(), func(e dockertest.Event) bool {
		return e.ID == t.ID && e.Action == "unpause" && e.TrueAt.After(parent.Lives[len(parent.Lives)-1].Began)
	})
}

// waitsForRetry reports whether the next attempt at an orphaned worker is in the future, as it is if the parent restarts again and again.
func (r *run) waitsForRetry(t dockertest.Truth) bool {
	return slices.ContainsFunc(r.view().Workers, func(w fleet.WorkerView) bool {
		return w.ID == t.ID && w.Fault == worker.FaultOrphaned && w.NextAt.After(r.clock())
	})
}

// mustFollow reports whether Stoker has to restart a container after its parent.
func (r *run) mustFollow(t, parent dockertest.Truth) bool {
	same := slices.ContainsFunc(t.Parents, func(ref string) bool {
		p, _ := r.world.TruthByID(ref)
		return r.root(p) == r.root(parent)
	})
	return same && r.isWorker(parent) && t.Unfit == "" && parent.Labels["stoker.dependents"] != "none"
}

// isDependent reports whether a worker shares the namespaces of the first one.
func (r *run) isDependent(key worker.Key) bool {
	for _, t := range r.world.Truths() {
		if !t.Gone && t.Key == key {
			return len(t.Parents) > 0
		}
	}
	return false
}

// endedWithParent reports whether a container that is gone ended together with a parent that Stoker recycles again and again, within the longest
// back-off before now. It ended with the process namespace, and its attempts add up if the parent is recycled before it is stable.
func (r *run) endedWithParent(t dockertest.Truth) bool {
	_, ended := lastIncarnation(t)
	if ended.IsZero() || r.world.Now().Sub(ended) > r.policyOf(t).BackoffMax {
		return false
	}
	return slices.ContainsFunc(t.Parents, func(ref string) bool {
		parent, _ := r.world.TruthByID(ref)
		return parent.Labels["stoker.recycle-wait"] != "" && slices.ContainsFunc(parent.Lives, func(l dockertest.Life) bool {
			return l.EndedBy == dockertest.ByStoker && l.Ended.Sub(ended).Abs() < time.Second
		})
	})
}

// parentUnavailable reports whether a container cannot start because of its parent: the parent does not run, or it was recreated and the
// container is not to be recreated for it, or not within its attempts.
func (r *run) parentUnavailable(t dockertest.Truth) bool {
	p := r.policyOf(t)
	never := t.Unfit != "" || p.RecreateAfter == 0 || p.MaxAttempts > 0
	for _, ref := range t.Parents {
		parent, _ := r.world.TruthByID(ref)
		up := slices.ContainsFunc(r.world.Truths(), func(other dockertest.Truth) bool {
			return !other.Gone && other.Status == worker.StatusRunning && r.root(other) == r.root(parent)
		})
		if !up || (parent.Gone && (never || r.removedBeforeJournalLoss(parent))) {
			return true
		}
	}
	return false
}

// removedBeforeJournalLoss reports whether a container was removed before the journal was lost, which had its ID and its replacement.
func (r *run) removedBeforeJournalLoss(t dockertest.Truth) bool {
	return slices.ContainsFunc(r.world.Events(), func(e dockertest.Event) bool {
		return e.ID == t.ID && e.Action == "destroy" && e.TrueAt.Before(r.checks.timeline.journalLost)
	})
}
