package simulation

import (
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// drawRecycles has a third of the plans restart workers although nothing is wrong with them. It has dice of its own.
func drawRecycles(d dice, p *plan) {
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

// recycles reports whether an action was decided on because of age or schedule.
func recycles(a worker.Action) bool { return worker.Fault(a.Reason).Recycles() }

// checkRecycle: never two of one group at once, never one that is held, and as no attempt.
func (r *run) checkRecycle(a worker.Action) {
	if a.Verb != worker.Stop || !recycles(a) {
		return
	}
	if a.Attempt != 0 {
		r.blame("a recycle of %s counts as attempt %d", a.Key, a.Attempt)
	}
	group := r.groupOf(a.Key)
	for _, w := range r.view().Workers {
		switch {
		case w.Key == a.Key && w.Held != worker.HeldNot && w.Held != worker.HeldHostOverloaded:
			r.blame("%s is recycled, and is held: %s", a.Key, w.Held)
		case w.Held == worker.HeldIgnored || w.Held == worker.HeldNotified: // it is left as it is, and nobody waits for it
		case w.Key != a.Key && w.Fault.Recycles() && group != "" && r.groupOf(w.Key) == group:
			r.blame("%s is recycled, and so is %s of the same group", a.Key, w.Key)
		}
	}
}

func (r *run) groupOf(key worker.Key) string {
	for _, t := range r.w.Truths() {
		if !t.Gone && t.Key == key {
			return t.Labels["stoker.group"]
		}
	}
	return ""
}

// guest reports whether a worker is in the namespaces of the first one: it ends with it, or follows it.
func (r *run) guest(key worker.Key) bool {
	for _, t := range r.w.Truths() {
		if !t.Gone && t.Key == key {
			return len(t.Parents) > 0
		}
	}
	return false
}

// recycledNow reports whether a worker is being restarted for age or schedule, or because its parent was, which may happen at any time, also
// in a quiet.
func (r *run) recycledNow(w fleet.WorkerView) bool {
	parent, ok := r.specs[guestsOf]
	follows := ok && r.guest(w.Key) && parent.Labels["stoker.recycle-wait"] != ""
	return w.Fault.Recycles() || follows
}
