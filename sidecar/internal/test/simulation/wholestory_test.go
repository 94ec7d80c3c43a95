package simulation

import (
	"slices"
	"syscall"
	"time"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// checkWorld holds the whole run against I1 over several Stokers, I2, I4 and I7.
func (r *run) checkWorld() {
	truths := map[string]dockertest.Truth{}
	for _, t := range r.w.Truths() {
		truths[t.ID] = t
	}
	mine := map[string][]dockertest.Record{}
	for _, a := range r.w.Audit() {
		if a.By != dockertest.ByStoker || a.Incarnation.ID == "" {
			continue
		}
		t := truths[a.Incarnation.ID]
		switch {
		case a.Op == dockertest.OpStop && a.Action.Verb == worker.Stop:
			r.checkLife(a, t)
			r.checkSecondStop(a, mine[t.ID])
		case a.Op == dockertest.OpStop: // a transaction's, which the next one goes on with
		case a.Op == dockertest.OpStart, a.Op == dockertest.OpRestart:
			r.checkObeyed(a, t, r.w.History(t.ID))
		default:
			continue
		}
		mine[t.ID] = append(mine[t.ID], a)
	}
	for _, t := range r.w.Truths() {
		r.checkBudget(t, mine[t.ID])
	}
}

// checkLife is I2 and rule 1: right before its stop Stoker inspected it, so that a life or a health that is older than that was
// known.
func (r *run) checkLife(a dockertest.Record, t dockertest.Truth) {
	const inspected = 20 * time.Millisecond
	decided := a.Action.Incarnation
	for _, l := range t.Lives {
		if l.Incarnation.StartedAt.After(decided.StartedAt) && l.Began.Before(a.Sent.Add(-inspected)) && l.Incarnation.StartedAt != decided.StartedAt {
			if l.Began.After(a.Sent.Add(-time.Hour)) && a.Incarnation.StartedAt.Equal(l.Incarnation.StartedAt) {
				r.blame("I2: %s was decided on the life of %s", &a, decided.StartedAt.Format("15:04:05.000"))
			}
		}
	}
}

// checkSecondStop is I1 across Stokers: the stop that an earlier one sent is known from the journal.
func (r *run) checkSecondStop(a dockertest.Record, before []dockertest.Record) {
	if len(before) == 0 {
		return
	}
	last := before[len(before)-1]
	if recycles(a.Action) && !r.amnesia.IsZero() { // a Stoker without a journal takes an old worker for old
		return
	}
	running := last.Op == dockertest.OpStop && (last.Done.IsZero() || last.Done.After(a.Sent)) && last.Effect
	if running && last.Done.After(a.Sent) && (!r.amnesia.After(last.Sent) || !r.amnesia.Before(a.Sent)) {
		r.blame("I1: %s while %s is under way", &a, &last)
	}
}

// heardBy reports whether Stoker had heard an event when it sent a request, and had not lost it with its journal.
func (r *run) heardBy(e dockertest.Event, kind worker.Kind, a dockertest.Record) bool {
	at, ok := r.journal.heard[sound{e.ID, kind, e.At.UnixNano()}]
	return ok && at.Before(a.Sent)
}

// checkObeyed is I4: no start against an operator's word that Stoker had heard. A signal is a word if the end comes within
// the time in which it explains one; a completed stop is one in any case.
func (r *run) checkObeyed(a dockertest.Record, t dockertest.Truth, events []dockertest.Event) {
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
		case e.Action == "start", e.Action == "destroy" && r.w.MayComeBack(*e):
			signal, stop = nil, nil
		case e.Action == "kill" && e.By == dockertest.ByOperator && meansStop(e.Signal, t) && r.heardBy(*e, worker.Signalled, a):
			if signal == nil || e.TrueAt.Sub(signal.TrueAt) > window { // else it is of the same stop
				signal = e
			}
		case e.Action == "die" && e.By == dockertest.ByOperator && signal != nil && e.TrueAt.Sub(signal.TrueAt) <= window:
			stop = e
		case e.Action == "stop" && e.By == dockertest.ByOperator && r.heardBy(*e, worker.Stopped, a):
			stop = e
		}
	}
	switch {
	case !r.amnesia.IsZero() && len(r.steps) > 0: // nothing is left to tell one life from another
	case stop == nil, r.fellAfter(stop.TrueAt, a.Sent), r.mistaken(a, signal, stop), r.dropped(stop.TrueAt):
	case signal != nil && r.stepped(signal.TrueAt, stop.TrueAt): // nobody can tell how long it was between them
	default:
		r.blame("I4: %s undoes the operator's %s of %s", &a, stop.Action, stop.TrueAt.Sub(r.start))
	}
}

// dropped reports whether events were lost shortly before.
func (r *run) dropped(at time.Time) bool {
	return slices.ContainsFunc(r.drops, func(drop time.Time) bool { return drop.Before(at) && at.Sub(drop) < 2*time.Minute })
}

// mistaken reports whether an operator's stop came while a stop of Stoker's own was on its way, or was just given up, which came to
// nothing: then the one signal that was seen may be either's. One that a
// Stoker which was killed was to send may have been sent.
func (r *run) mistaken(start dockertest.Record, signal, stop *dockertest.Event) bool {
	began := stop.TrueAt
	if signal != nil {
		began = signal.TrueAt
	}
	if slices.ContainsFunc(r.stops, func(s decidedStop) bool { return s.id == stop.ID && (r.awaited(s, began) || r.unsent(s, began)) }) {
		return true
	}
	return slices.ContainsFunc(r.w.Audit(), func(a dockertest.Record) bool {
		return a.By == dockertest.ByStoker && a.Op == dockertest.OpStop && (a.Action.Incarnation.ID == start.Incarnation.ID || a.Incarnation.ID == stop.ID) &&
			a.Sent.Before(stop.TrueAt) && (a.Arrived.After(stop.TrueAt) || !a.Effect && (a.Answered.IsZero() || a.Answered.After(began.Add(-2*time.Second))) || killsAsWell(a, signal))
	})
}

// unsent reports whether Stoker waited at that time for a stop that the engine never got, and cannot know that it did not.
func (r *run) unsent(s decidedStop, at time.Time) bool {
	const margin = 30 * time.Second // as the core waits for an answer that does not come
	if at.Before(s.at) || at.After(s.at.Add(s.in+margin)) {
		return false
	}
	return !slices.ContainsFunc(r.w.Audit(), func(a dockertest.Record) bool {
		return a.By == dockertest.ByStoker && a.Op == dockertest.OpStop && a.Incarnation.ID == s.id && a.Effect && !a.Sent.Before(s.at) && a.Arrived.Before(at)
	})
}

// killsAsWell reports whether an operator's SIGKILL came when that of a stop of Stoker's own under way was due.
func killsAsWell(a dockertest.Record, signal *dockertest.Event) bool {
	if signal == nil || signal.Signal != int(syscall.SIGKILL) || a.Arrived.IsZero() {
		return false
	}
	late := signal.TrueAt.Sub(a.Arrived.Add(a.Action.Grace))
	return late > -100*time.Millisecond && late < time.Second
}

// awaited reports whether at that time a Stoker still waited for a stop that the one before it was to send.
func (r *run) awaited(s decidedStop, at time.Time) bool {
	for _, born := range r.begun[s.by:] {
		if s.at.Before(born) && born.Before(at) && at.Before(born.Add(s.in+2*time.Second)) {
			return true
		}
	}
	return false
}

// stepped reports whether the clock stepped between two times.
func (r *run) stepped(from, to time.Time) bool {
	return slices.ContainsFunc(r.steps, func(at time.Time) bool { return !at.Before(from) && !at.After(to) })
}

// stepInStop reports whether the clock stepped during the grace of a stop of Stoker's own, and that Stoker was killed in it: the next one cannot
// tell how long the grace was when SIGKILL came.
func (r *run) stepInStop(id string) bool {
	return slices.ContainsFunc(r.w.Audit(), func(a dockertest.Record) bool {
		if a.By != dockertest.ByStoker || a.Op != dockertest.OpStop || a.Incarnation.ID != id || !a.Effect {
			return false
		}
		killed := slices.ContainsFunc(r.deaths, func(at time.Time) bool { return at.After(a.Sent) && at.Before(a.Done) })
		return killed && r.stepped(a.Arrived, a.Done)
	})
}

func meansStop(signal int, t dockertest.Truth) bool {
	return signal == 15 || signal == 9 || signal == 2 || signal == 3 || signal == int(t.StopSignal)
}

// fellAfter reports whether the engine went down so soon after a stop that the stop may have been its own.
func (r *run) fellAfter(stop, sent time.Time) bool {
	for _, fall := range r.falls {
		if fall.Before(sent) && fall.Sub(stop) < 36*time.Second && fall.Sub(stop) > -36*time.Second {
			return true
		}
	}
	return false
}

// checkBudget is I7, counted in the engine.
func (r *run) checkBudget(t dockertest.Truth, mine []dockertest.Record) {
	p := r.policyOf(t)
	if p.MaxAttempts == 0 || p.WhenExhausted == policy.WhenExhaustedRetry || !r.amnesia.IsZero() {
		return
	}
	limit := p.MaxAttempts + r.forgiven[string(t.Key)] + len(r.drops) // a life whose end was not told is longer than it was
	attempts := 0
	var since time.Time
	for _, a := range mine {
		if a.Op != dockertest.OpStart || a.Action.Verb != worker.Start {
			continue
		}
		if settled(t, since, a.Sent, p.StableAfter) || a.Action.Reason == worker.ReasonResumed || byDemand(a.Action) { // one that slept has new attempts
			attempts = 0
		}
		if r.parentEnded(t, since, a.Sent) || byDemand(a.Action) || recycles(a.Action) { // it followed its parent, was woken or recycled, which costs no attempt
			since = a.Sent
			continue
		}
		since = a.Sent
		if attempts++; attempts > limit {
			r.blame("I7: %s is attempt %d of %d", &a, attempts, limit)
			return
		}
	}
}

// parentEnded reports whether a container whose namespaces it shares ended between two times.
func (r *run) parentEnded(t dockertest.Truth, from, to time.Time) bool {
	for _, id := range t.Parents {
		p, _ := r.w.TruthByID(id)
		for _, l := range p.Lives {
			if l.Ended.After(from) && l.Ended.Before(to) {
				return true
			}
		}
	}
	return false
}

// longestDelay is how late an event may come: until then Stoker takes a life that has ended for one that goes on.
const longestDelay = 6 * time.Second

// settled reports whether a container had between two times a life long enough, or one that an operator started.
func settled(t dockertest.Truth, from, to time.Time, stable time.Duration) bool {
	for _, l := range t.Lives {
		ended := l.Ended
		if ended.IsZero() || ended.After(to) {
			ended = to
		}
		other := l.StartedBy == dockertest.ByOperator || l.StartedBy == dockertest.ByEngine // one cannot be told from the other
		byOperator := other && l.Began.After(from) && l.Began.Before(to)
		if byOperator || ended.After(from) && ended.Sub(l.Began) >= stable-longestDelay {
			return true
		}
	}
	return false
}
