package simulation

import (
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// drawRecycles adds a maximum age or a schedule to workers in a third of the plans. It has its own random source.
func drawRecycles(d random, p *plan) {
	if !d.oneIn(3) {
		return
	}
	for i := range p.Containers {
		l := p.Containers[i].Labels
		if l["stoker.enable"] != "true" || d.oneIn(4) {
			continue
		}
		if d.oneIn(2) {
			l["stoker.restart-at"] = "* * * * *"
		} else {
			l["stoker.max-age"] = pick(d, "20s", "1m", "2m")
		}
		l["stoker.recycle-wait"] = pick(d, "0s", "3s", "10s")
		if l["stoker.group"] == "" && !d.oneIn(3) {
			l["stoker.group"] = "fresh"
		}
	}
}

// recycles reports whether the reason of an action is the worker's age or its schedule.
func recycles(a worker.Action) bool { return worker.Fault(a.Reason).Recycles() }

// checkRecycle checks that a recycle is not an attempt, that a held worker is not recycled, and that no two workers of a group are recycled at
// once.
func (r *run) checkRecycle(a worker.Action) {
	if a.Verb != worker.Stop || !recycles(a) {
		return
	}
	if a.Attempt != 0 {
		r.violate("a recycle of %s counts as attempt %d", a.Key, a.Attempt)
	}
	group := r.groupOf(a.Key)
	for _, w := range r.view().Workers {
		switch {
		case w.Key == a.Key && w.Held != worker.HeldNot && w.Held != worker.HeldHostOverloaded:
			r.violate("%s is recycled, and is held: %s", a.Key, w.Held)
		case w.Held == worker.HeldIgnored || w.Held == worker.HeldNotified: // Stoker does not act on it, and no other worker waits for it
		case w.Key != a.Key && w.Fault.Recycles() && group != "" && r.groupOf(w.Key) == group:
			r.violate("%s is recycled, and so is %s of the same group", a.Key, w.Key)
		}
	}
}

func (r *run) groupOf(key worker.Key) string {
	for _, t := range r.world.Truths() {
		if !t.Gone && t.Key == key {
			return t.Labels["stoker.group"]
		}
	}
	return ""
}

// recycledNow reports whether a worker is being recycled, or its parent may be. That can happen at any time, in a quiet period too.
func (r *run) recycledNow(w fleet.WorkerView) bool {
	parent, ok := r.specs[parentName]
	follows := ok && r.isDependent(w.Key) && parent.Labels["stoker.recycle-wait"] != ""
	return w.Fault.Recycles() || follows
}
