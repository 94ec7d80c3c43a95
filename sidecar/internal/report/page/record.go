package page

import (
	"time"

	"stoker/sidecar/internal/core/worker"
)

// outcome is the outcome of a heal, or what else happened, in words for people.
type outcome string

// The outcomes. The later ones are about no heal.
const (
	underWay  outcome = "under way"
	healed    outcome = "healed"
	failed    outcome = "failed"
	recovered outcome = "recovered" // without Stoker
	dropped   outcome = "dropped"   // the worker should no longer run, or the heal was decided again
	exhausted outcome = "exhausted" // retry limit reached

	held           outcome = "held"
	refused        outcome = "refused" // to recreate
	unmanaged      outcome = "unmanaged"
	badLabels      outcome = "bad labels"
	quotaSet       outcome = "quota set"
	quotaFailed    outcome = "quota not set"
	networkLost    outcome = "without its network"
	notProbed      outcome = outcome(worker.EventUnprobed)
	networkBack    outcome = "network restored"
	followed       outcome = "dependents restarted"
	disconnected   outcome = "engine disconnected"
	connected      outcome = "engine connected"
	hostOverloaded outcome = "host overloaded"
	hostRecovered  outcome = "host recovered"
	woken          outcome = "woken"
	asleep         outcome = "asleep"
	demandLost     outcome = "source of work lost"
	demandBack     outcome = "source of work back"
	demandLimited  outcome = "more work than workers"
	graceTooShort  outcome = "grace too short"
	scaled         outcome = "replicas set"
	notScaled      outcome = "replicas left"
	forced         outcome = "updated by force"
	taskLost       outcome = "task lost"
)

// record is an attempt to heal from its fault to its outcome, or one other thing that happened.
type record struct {
	Event   worker.Event // the latest about it, with what the earlier ones contained
	Began   time.Time
	Outcome outcome
	Took    time.Duration // 0 when it does not apply, or is not over
}

// record makes a record of an event, or changes the record of its heal. It leaves out events that only repeat or announce.
func (p *past) record(w *workerPast, n worker.Event) {
	o, ends := outcomeOf(n)
	heal := w.heal(n)
	switch {
	case n.Kind == worker.EventFault:
		if w.current != nil { // decided again before anything was tried
			w.current.conclude(n, dropped)
		}
		w.current = p.put(w, &record{Event: n, Began: n.At, Outcome: underWay})
		if n.HealID != 0 {
			w.heals[n.HealID] = w.current
		}
	case n.Kind == worker.EventHung && heal != nil:
		heal.Event.Reason = n.Reason
	case ends && heal != nil:
		heal.conclude(n, o)
		if w.current == heal {
			w.current = nil
		}
	case o == "" || o == recovered || o == dropped:
	default:
		p.put(w, &record{Event: n, Began: n.At.Add(-n.Duration), Outcome: o, Took: n.Duration})
	}
	if o == dropped { // and a record of its own
		p.put(w, &record{Event: n, Began: n.At, Outcome: otherOutcome(n.Kind)})
	}
}

func (p *past) put(w *workerPast, r *record) *record {
	p.records = insert(p.records, r)
	w.records = insert(w.records, r)
	return r
}

// heal returns the record of the heal that an event is about, unless it has ended: by the heal's ID where the event has one. An
// event without one is about the current heal if that has none either, or if it ends any heal of its worker.
func (w *workerPast) heal(n worker.Event) *record {
	if n.HealID != 0 {
		if r := w.heals[n.HealID]; r != nil && (r.Outcome == underWay || r.Outcome == dropped) {
			return r
		}
		return nil
	}
	o, _ := outcomeOf(n)
	if w.current != nil && (w.current.Event.HealID == 0 || o == dropped) {
		return w.current
	}
	return nil
}

// name is the same before and after a heal ends.
func (r *record) name() string {
	switch r.Outcome {
	case underWay, healed, failed, recovered, dropped:
		return "heal"
	default:
		return string(r.Outcome)
	}
}

// took is the duration up to now for a heal that is under way.
func (r *record) took(now time.Time) time.Duration {
	if r.Outcome == underWay {
		return max(0, now.Sub(r.Began))
	}
	return r.Took
}

// conclude ends a heal with the event that reports its end.
func (r *record) conclude(n worker.Event, o outcome) {
	r.Outcome, r.Took = o, n.At.Sub(r.Began)
	if o == dropped {
		return
	}
	if n.Detail != "" {
		r.Event.Detail = n.Detail
	}
	if n.Output != "" {
		r.Event.Output = n.Output
	}
	if n.Heal != worker.HealNone {
		r.Event.Heal = n.Heal
	}
	if n.Reason != "" && o != recovered {
		r.Event.Reason = n.Reason
	}
	r.Event.Kind, r.Event.At = n.Kind, n.At
}

// outcomeOf returns what an event reports, and whether it ends the worker's heal. It is empty for events that are no news by
// themselves.
func outcomeOf(n worker.Event) (o outcome, ends bool) {
	switch n.Kind {
	case worker.EventHealed:
		return healed, true
	case worker.EventHealFailed:
		return failed, true
	case worker.EventRecovered:
		return recovered, true
	case worker.EventExhausted:
		return exhausted, false
	case worker.EventUnmanaged:
		return dropped, true
	case worker.EventHeld:
		if delays(n.Reason) {
			return held, false
		}
		return dropped, true
	case worker.EventGraceTooShort:
		return graceTooShort, false
	case worker.EventFault, worker.EventManaged, worker.EventStable, worker.EventStatsUnavailable, worker.EventHung, worker.EventOutOfMemory,
		worker.EventEvidence:
		return "", false
	default:
		return otherOutcome(n.Kind), false
	}
}

// delays reports whether a heal is delayed for that reason, and not dropped.
func delays(r worker.Reason) bool {
	return r == worker.HeldStarved || r == worker.HeldHostOverloaded || r == worker.HeldDryRun
}

// otherOutcome returns the words for an event that stands by itself.
func otherOutcome(kind worker.EventKind) outcome {
	switch kind {
	case worker.EventHeld:
		return held
	case worker.EventUnmanaged:
		return unmanaged
	case worker.EventProblem:
		return badLabels
	case worker.EventRefused:
		return refused
	case worker.EventQuota:
		return quotaSet
	case worker.EventQuotaFailed:
		return quotaFailed
	case worker.EventNetworkLost:
		return networkLost
	case worker.EventNetworkRestored:
		return networkBack
	case worker.EventDependentsRestarted:
		return followed
	case worker.EventEngineDisconnected:
		return disconnected
	case worker.EventEngineConnected:
		return connected
	case worker.EventHostOverloaded:
		return hostOverloaded
	case worker.EventHostRecovered:
		return hostRecovered
	case worker.EventWoken:
		return woken
	case worker.EventAsleep:
		return asleep
	case worker.EventDemandLost:
		return demandLost
	case worker.EventDemandBack:
		return demandBack
	case worker.EventDemandLimited:
		return demandLimited
	case worker.EventServiceScaled:
		return scaled
	case worker.EventServiceHeld:
		return notScaled
	case worker.EventServiceForced:
		return forced
	case worker.EventTaskLost:
		return taskLost
	default:
		return outcome(kind)
	}
}

// tone is the colour of an outcome.
func tone(o outcome) string {
	switch o {
	case healed, recovered, connected, hostRecovered, followed, networkBack, woken, demandBack:
		return "ok"
	case underWay:
		return "busy"
	case failed, refused, quotaFailed, networkLost, notProbed, badLabels, demandLost, demandLimited, graceTooShort, notScaled, forced, taskLost:
		return "warn"
	case exhausted, disconnected, hostOverloaded:
		return "bad"
	case dropped, held, unmanaged, quotaSet, asleep, scaled:
	}
	return "idle"
}
