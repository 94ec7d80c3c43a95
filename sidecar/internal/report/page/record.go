package page

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// outcome is what became of a heal, or what else happened, in a word for people.
type outcome string

// The outcomes. The later ones are about no heal.
const (
	underWay  outcome = "under way"
	healed    outcome = "healed"
	failed    outcome = "failed"
	recovered outcome = "recovered" // without Stoker
	dropped   outcome = "dropped"   // nobody wants the worker up any more
	gaveUp    outcome = "gave up"   // the budget is used up

	held        outcome = "held"
	refused     outcome = "refused" // to recreate
	released    outcome = "gone"
	badLabels   outcome = "bad labels"
	quotaSet    outcome = "quota set"
	quotaFailed outcome = "quota not set"
	followed    outcome = "dependents healed"
	linkLost    outcome = "engine lost"
	linkUp      outcome = "engine followed"
	hostIll     outcome = "host ill"
	hostWell    outcome = "host well"
)

// record is a heal from its fault to its outcome, or one other thing that happened.
type record struct {
	Note    worker.Event // the latest that tells of it, with what the earlier ones knew
	Began   time.Time
	Outcome outcome
	Took    time.Duration // up to now for a heal under way, 0 when it does not apply
}

// recordsOf folds the notes of heals, which are in order of time, and leaves out what only repeats or promises. The
// newest comes first.
func recordsOf(notes []worker.Event, now time.Time) []record {
	var all []record
	open := map[worker.Key]int{} // a worker's heal under way, an index into all
	for _, n := range notes {
		o, ends := outcomeOf(n)
		index, healing := open[n.Key]
		switch {
		case n.Kind == worker.EventFault:
			if healing { // decided anew before anything was tried
				all[index].Outcome, all[index].Took = dropped, n.At.Sub(all[index].Began)
			}
			open[n.Key] = len(all)
			all = append(all, record{Note: n, Began: n.At, Outcome: underWay})
		case n.Kind == worker.EventHung && healing:
			all[index].Note.Reason = n.Reason
		case ends && healing:
			all[index] = conclude(all[index], n, o)
			delete(open, n.Key)
		case o == "" || o == recovered || o == dropped:
		default:
			all = append(all, record{Note: n, Began: n.At.Add(-n.Duration), Outcome: o, Took: n.Duration})
		}
		if o == dropped { // and its own line
			all = append(all, record{Note: n, Began: n.At, Outcome: aside(n.Kind)})
		}
	}
	for _, index := range open {
		all[index].Took = max(0, now.Sub(all[index].Began))
	}
	slices.Reverse(all)
	slices.SortStableFunc(all, func(a, b record) int { return b.Began.Compare(a.Began) })
	return all
}

// about is the same word before and after a heal ends.
func (r record) about() string {
	switch r.Outcome {
	case underWay, healed, failed, recovered, dropped:
		return "heal"
	default:
		return string(r.Outcome)
	}
}

// conclude ends a heal with the note that tells how.
func conclude(r record, n worker.Event, o outcome) record {
	r.Outcome, r.Took = o, n.At.Sub(r.Began)
	if o == dropped {
		return r
	}
	if n.Detail != "" {
		r.Note.Detail = n.Detail
	}
	if n.Output != "" {
		r.Note.Output = n.Output
	}
	if n.Heal != worker.HealNone {
		r.Note.Heal = n.Heal
	}
	if n.Reason != "" && o != recovered {
		r.Note.Reason = n.Reason
	}
	r.Note.Kind, r.Note.At = n.Kind, n.At
	return r
}

// outcomeOf is what a note says happened, and whether that ends the worker's heal. It is empty for what is no news of its
// own.
func outcomeOf(n worker.Event) (o outcome, ends bool) {
	switch n.Kind {
	case worker.EventHealed:
		return healed, true
	case worker.EventHealFailed:
		return failed, true
	case worker.EventRecovered:
		return recovered, true
	case worker.EventExhausted:
		return gaveUp, false
	case worker.EventUnmanaged:
		return dropped, true
	case worker.EventHeld:
		if waits(n.Reason) {
			return held, false
		}
		return dropped, true
	case worker.EventFault, worker.EventManaged, worker.EventStable, worker.EventStatsUnavailable, worker.EventHung:
		return "", false
	default:
		return aside(n.Kind), false
	}
}

// waits: such a worker's heal is not given up, only put off.
func waits(r worker.Reason) bool {
	return r == worker.HeldStarved || r == worker.HeldHostOverloaded || r == worker.HeldDryRun
}

// aside is the word for a note that stands by itself.
func aside(kind worker.EventKind) outcome {
	switch kind {
	case worker.EventHeld:
		return held
	case worker.EventUnmanaged:
		return released
	case worker.EventProblem:
		return badLabels
	case worker.EventRefused:
		return refused
	case worker.EventQuota:
		return quotaSet
	case worker.EventQuotaFailed:
		return quotaFailed
	case worker.EventDependentsRestarted:
		return followed
	case worker.EventEngineDisconnected:
		return linkLost
	case worker.EventEngineConnected:
		return linkUp
	case worker.EventHostOverloaded:
		return hostIll
	case worker.EventHostRecovered:
		return hostWell
	default:
		return outcome(kind)
	}
}
