package simulation

import (
	"slices"
	"syscall"
	"time"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// checkWorld checks the whole run: I1 across several Stokers, I2, I4 and I7.
func (r *run) checkWorld() {
	truths := map[string]dockertest.Truth{}
	for _, t := range r.world.Truths() {
		truths[t.ID] = t
	}
	mine := map[string][]dockertest.Record{}
	for _, a := range r.world.Audit() {
		if a.By != dockertest.ByStoker || a.Incarnation.ID == "" {
			continue
		}
		t := truths[a.Incarnation.ID]
		switch {
		case a.Op == dockertest.OpStop && a.Action.Verb == worker.Stop:
			r.checkIncarnation(a, t)
			r.checkSecondStop(a, mine[t.ID])
		case a.Op == dockertest.OpStop: // of a transaction, which the next Stoker continues
		case a.Op == dockertest.OpStart, a.Op == dockertest.OpRestart:
			r.checkOperatorStop(a, t, r.world.History(t.ID))
		default:
			continue
		}
		mine[t.ID] = append(mine[t.ID], a)
	}
	for _, t := range r.world.Truths() {
		r.checkAttempts(t, mine[t.ID])
	}
}

// checkIncarnation checks I2 and rule 1: Stoker inspects a container right before its stop, so the stop must be decided on an incarnation
// that began before that inspect.
func (r *run) checkIncarnation(a dockertest.Record, t dockertest.Truth) {
	const inspected = 20 * time.Millisecond
	decided := a.Action.Incarnation
	for _, l := range t.Lives {
		if l.Incarnation.StartedAt.After(decided.StartedAt) && l.Began.Before(a.Sent.Add(-inspected)) && l.Incarnation.StartedAt != decided.StartedAt {
			if l.Began.After(a.Sent.Add(-time.Hour)) && a.Incarnation.StartedAt.Equal(l.Incarnation.StartedAt) {
				r.violate("I2: %s was decided on the incarnation of %s", &a, decided.StartedAt.Format("15:04:05.000"))
			}
		}
	}
}

// checkSecondStop checks I1 across Stokers: the journal has the stop that an earlier one sent.
func (r *run) checkSecondStop(a dockertest.Record, before []dockertest.Record) {
	if len(before) == 0 {
		return
	}
	last := before[len(before)-1]
	if recycles(a.Action) && !r.checks.timeline.journalLost.IsZero() { // without the journal only the age counts
		return
	}
	running := last.Op == dockertest.OpStop && (last.Done.IsZero() || last.Done.After(a.Sent)) && last.Effect
	if running && last.Done.After(a.Sent) && (!r.checks.timeline.journalLost.After(last.Sent) || !r.checks.timeline.journalLost.Before(a.Sent)) {
		r.violate("I1: %s while %s is in progress", &a, &last)
	}
}

// observedBefore reports whether Stoker observed an event before it sent a request, and did not lose it with its journal.
func (r *run) observedBefore(e dockertest.Event, kind worker.Kind, a dockertest.Record) bool {
	at, ok := r.journal.observed[eventKey{e.ID, kind, e.At.UnixNano()}]
	return ok && at.Before(a.Sent)
}

// checkOperatorStop checks I4: Stoker does not start a container that an operator stopped, if it observed the stop. A completed stop always
// counts. A stop signal counts if the exit comes within its window.
func (r *run) checkOperatorStop(a dockertest.Record, t dockertest.Truth, events []dockertest.Event) {
	if !a.Effect {
		return
	}
	var signal, stop *dockertest.Event
	window := policy.Default().Grace(t.StopTimeout) + 10*time.Second
	for i := range events {
		e := &events[i]
		if e.TrueAt.After(a.Arrived) {
			break
		}
		switch {
		case e.Action == "start", e.Action == "destroy" && r.world.MayComeBack(*e):
			signal, stop = nil, nil
		case e.Action == "kill" && e.By == dockertest.ByOperator && isStopSignal(e.Signal, t) && r.observedBefore(*e, worker.Signalled, a):
			if signal == nil || e.TrueAt.Sub(signal.TrueAt) > window { // otherwise it belongs to the same stop
				signal = e
			}
		case e.Action == "die" && e.By == dockertest.ByOperator && signal != nil && e.TrueAt.Sub(signal.TrueAt) <= window:
			stop = e
		case e.Action == "stop" && e.By == dockertest.ByOperator && r.observedBefore(*e, worker.Stopped, a):
			stop = e
		}
	}
	switch {
	case !r.checks.timeline.journalLost.IsZero() && len(r.checks.timeline.clockSteps) > 0: // nothing distinguishes the incarnations
	case stop == nil, r.engineDownAround(stop.TrueAt, a.Sent), r.stopAmbiguous(a, signal, stop), r.eventsDroppedBefore(stop.TrueAt):
	case r.recreateForgotten(stop, a.Sent), r.allThatIsLeft(stop, t, a.Sent), r.ofFailedRestart(stop):
	case signal != nil && r.clockStepped(signal.TrueAt.Add(-opening), stop.TrueAt): // the time between the two is unknown
	default:
		r.violate("I4: %s undoes the operator's %s of %s", &a, stop.Action, stop.TrueAt.Sub(r.start))
	}
}

// opening is how long a session takes from the engine's clock to its list. After a step in between, an event seems to be of another hour.
const opening = 5 * time.Millisecond

// recreateForgotten reports whether the journal was lost after a recreate had made a new container, before the stop and the start that follows it.
// An unfinished recreate is continued, and without the journal the stop may have been its own.
func (r *run) recreateForgotten(stop *dockertest.Event, started time.Time) bool {
	lost := r.checks.timeline.journalLost
	return slices.ContainsFunc(r.world.Truths(), func(t dockertest.Truth) bool {
		_, of, ok := worker.ReplacementOf(t.Labels)
		return ok && of == stop.ID && slices.ContainsFunc(r.world.History(t.ID), func(e dockertest.Event) bool {
			return e.Action == "create" && e.TrueAt.Before(stop.TrueAt) && e.TrueAt.Before(lost) && lost.Before(started)
		})
	})
}

// allThatIsLeft reports whether a Stoker was killed during a recreate whose old container an operator stopped and removed. The next one finds the new
// container alone, and continues the recreate: the old one may have been lost in another way.
func (r *run) allThatIsLeft(stop *dockertest.Event, t dockertest.Truth, started time.Time) bool {
	_, of, ok := worker.ReplacementOf(t.Labels)
	old, _ := r.world.TruthByID(stop.ID)
	return ok && of == stop.ID && old.Gone && r.killedBetween(stop.TrueAt, started)
}

// ofFailedRestart reports whether a stop was part of an operator's restart whose start failed: the operator wants the worker to run.
func (r *run) ofFailedRestart(stop *dockertest.Event) bool {
	return slices.ContainsFunc(r.world.Audit(), func(a dockertest.Record) bool {
		restart := a.By == dockertest.ByOperator && a.Op == dockertest.OpRestart && !a.Effect
		return restart && a.Incarnation.ID == stop.ID && !a.Arrived.After(stop.TrueAt) && !a.Done.Before(stop.TrueAt)
	})
}

// eventsDroppedBefore reports whether events were dropped within two minutes before a time.
func (r *run) eventsDroppedBefore(at time.Time) bool {
	return slices.ContainsFunc(r.checks.timeline.eventsDropped, func(drop time.Time) bool { return drop.Before(at) && at.Sub(drop) < 2*time.Minute })
}

// stopAmbiguous reports whether Stoker cannot attribute an operator's stop, because a stop of its own was in flight or had just failed
// without an effect: the one signal that it observed may be of either stop. A stop that a killed Stoker had decided on may have been sent.
func (r *run) stopAmbiguous(start dockertest.Record, signal, stop *dockertest.Event) bool {
	began := stop.TrueAt
	if signal != nil {
		began = signal.TrueAt
	}
	if slices.ContainsFunc(r.checks.records.stops, func(s decidedStop) bool {
		return s.id == stop.ID && (r.expectedByNext(s, began) || r.neverSent(s, began))
	}) {
		return true
	}
	return slices.ContainsFunc(r.world.Audit(), func(a dockertest.Record) bool {
		return a.By == dockertest.ByStoker && a.Op == dockertest.OpStop && (a.Action.Incarnation.ID == start.Incarnation.ID || a.Incarnation.ID == stop.ID) &&
			a.Sent.Before(stop.TrueAt) && (a.Arrived.After(stop.TrueAt) || !a.Effect && (a.Answered.IsZero() || a.Answered.After(began.Add(-2*time.Second))) || coincidesWithKill(a, signal))
	})
}

// neverSent reports whether Stoker waited at that time for a stop that the engine never received. Stoker cannot detect that.
func (r *run) neverSent(s decidedStop, at time.Time) bool {
	const margin = 30 * time.Second // the core's wait for an answer that does not come
	if at.Before(s.at) || at.After(s.at.Add(s.timeout+margin)) {
		return false
	}
	return !slices.ContainsFunc(r.world.Audit(), func(a dockertest.Record) bool {
		return a.By == dockertest.ByStoker && a.Op == dockertest.OpStop && a.Incarnation.ID == s.id && a.Effect && !a.Sent.Before(s.at) && a.Arrived.Before(at)
	})
}

// coincidesWithKill reports whether an operator's SIGKILL came when the SIGKILL of a stop of Stoker's own was due.
func coincidesWithKill(a dockertest.Record, signal *dockertest.Event) bool {
	if signal == nil || signal.Signal != int(syscall.SIGKILL) || a.Arrived.IsZero() {
		return false
	}
	late := signal.TrueAt.Sub(a.Arrived.Add(a.Action.Grace))
	return late > -100*time.Millisecond && late < time.Second
}

// expectedByNext reports whether at that time a later Stoker still expected a stop that an earlier one had decided on.
func (r *run) expectedByNext(s decidedStop, at time.Time) bool {
	for _, started := range r.checks.timeline.started[s.stoker:] {
		if s.at.Before(started) && started.Before(at) && at.Before(started.Add(s.timeout+2*time.Second)) {
			return true
		}
	}
	return false
}

// clockStepped reports whether the clock stepped between two times.
func (r *run) clockStepped(from, to time.Time) bool {
	return slices.ContainsFunc(r.checks.timeline.clockSteps, func(at time.Time) bool { return !at.Before(from) && !at.After(to) })
}

// clockSteppedDuringStop reports whether the clock stepped during a stop of Stoker's own, and another Stoker than the one that sent it received
// the SIGKILL. It cannot compute how much of the grace had passed.
func (r *run) clockSteppedDuringStop(id string) bool {
	return slices.ContainsFunc(r.world.Audit(), func(a dockertest.Record) bool {
		if a.By != dockertest.ByStoker || a.Op != dockertest.OpStop || a.Incarnation.ID != id || !a.Effect {
			return false
		}
		return r.killSeenByNext(a) && r.clockStepped(a.Arrived, a.Done)
	})
}

// killSeenByNext reports whether a later Stoker than the one that sent a stop was the first to receive the SIGKILL of that stop.
func (r *run) killSeenByNext(stop dockertest.Record) bool {
	return slices.ContainsFunc(r.world.Events(), func(e dockertest.Event) bool {
		kill := e.ID == stop.Incarnation.ID && e.Action == "kill" && e.Signal == int(syscall.SIGKILL) && !e.TrueAt.Before(stop.Arrived) && !e.TrueAt.After(stop.Done)
		seen := r.journal.observed[eventKey{e.ID, worker.Signalled, e.At.UnixNano()}]
		return kill && slices.ContainsFunc(r.checks.timeline.started, func(at time.Time) bool { return at.After(stop.Sent) && !at.After(seen) })
	})
}

// killedBetween reports whether a Stoker was killed between two times.
func (r *run) killedBetween(from, to time.Time) bool {
	return slices.ContainsFunc(r.checks.timeline.killed, func(at time.Time) bool { return at.After(from) && at.Before(to) })
}

// isStopSignal reports whether a signal asks a container to stop.
func isStopSignal(signal int, t dockertest.Truth) bool {
	return signal == 15 || signal == 9 || signal == 2 || signal == 3 || signal == int(t.StopSignal)
}

// engineDownAround reports whether the engine went down so close to a stop that the stop may have been part of its shutdown.
func (r *run) engineDownAround(stop, sent time.Time) bool {
	for _, down := range r.checks.timeline.engineDown {
		if down.Before(sent) && down.Sub(stop) < 36*time.Second && down.Sub(stop) > -36*time.Second {
			return true
		}
	}
	return false
}

// checkAttempts checks I7 by the starts that the engine received.
func (r *run) checkAttempts(t dockertest.Truth, mine []dockertest.Record) {
	p := r.policyOf(t)
	if p.MaxAttempts == 0 || p.WhenExhausted == policy.WhenExhaustedRetry || !r.checks.timeline.journalLost.IsZero() {
		return
	}
	// A killed Stoker may not have saved an attempt. If the event of an exit was dropped, the incarnation seems to be longer than it was.
	limit := p.MaxAttempts + r.checks.records.unsaved[string(t.Key)] + len(r.checks.timeline.eventsDropped)
	attempts := 0
	var since time.Time
	for _, a := range mine {
		if a.Op != dockertest.OpStart || a.Action.Verb != worker.Start {
			continue
		}
		resumed := a.Action.Reason == worker.ReasonResumed || r.resumedBetween(t.ID, since, a.Sent) // the first is also the end of a pause by its time
		if becameStable(t, since, a.Sent, p.StableAfter) || resumed || byDemand(a.Action) {
			attempts = 0
		}
		// A start for demand or recycling, or after a parent's exit, is not an attempt.
		if r.parentEnded(t, since, a.Sent) || byDemand(a.Action) || recycles(a.Action) {
			since = a.Sent
			continue
		}
		since = a.Sent
		if attempts++; attempts > limit {
			r.violate("I7: %s is attempt %d of %d", &a, attempts, limit)
			return
		}
	}
}

// resumedBetween reports whether an operator's resume reset the attempts of a worker between two times. A worker that was down is started at once;
// one that ran is healed for what is wrong with it then, so that the action does not show the resume.
func (r *run) resumedBetween(id string, from, to time.Time) bool {
	return slices.ContainsFunc(r.checks.records.resumed[id], func(at time.Time) bool { return at.After(from) && !at.After(to) })
}

// parentEnded reports whether a parent of a container exited between two times.
func (r *run) parentEnded(t dockertest.Truth, from, to time.Time) bool {
	for _, id := range t.Parents {
		p, _ := r.world.TruthByID(id)
		for _, l := range p.Lives {
			if l.Ended.After(from) && l.Ended.Before(to) {
				return true
			}
		}
	}
	return false
}

// longestDelay is the longest delay of an event. Until the exit event comes, the incarnation seems to run.
const longestDelay = 6 * time.Second

// becameStable reports whether between two times a container had an incarnation that lasted long enough, or one that an operator started.
func becameStable(t dockertest.Truth, from, to time.Time, stable time.Duration) bool {
	for _, l := range t.Lives {
		ended := l.Ended
		if ended.IsZero() || ended.After(to) {
			ended = to
		}
		other := l.StartedBy == dockertest.ByOperator || l.StartedBy == dockertest.ByEngine // Stoker cannot distinguish the two
		byOperator := other && l.Began.After(from) && l.Began.Before(to)
		if byOperator || ended.After(from) && ended.Sub(l.Began) >= stable-longestDelay {
			return true
		}
	}
	return false
}
