package dockertest

import (
	"fmt"
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// The checkers hold a run against the contract's invariants. Each returns one line per violation and none for a good
// run. They have what really happened; what Stoker could not know, because it received no event, is no violation.

// CheckOneHealAtOnce is I1: Stoker never has two requests under way that change the same container. A request that it gave
// up waiting for is over in this sense.
func CheckOneHealAtOnce(w *World) []string {
	var wrong []string
	last := map[string]*Record{}
	for _, r := range w.byStoker() {
		before := last[r.Incarnation.ID]
		if before != nil && (before.Answered.IsZero() || r.Sent.Before(before.Answered)) {
			wrong = append(wrong, fmt.Sprintf("I1: %s while %s was under way", r, before))
		}
		last[r.Incarnation.ID] = r
	}
	return wrong
}

// CheckIncarnation is I2: when Stoker's request arrives the container is in the life that the action was decided on, unless a
// new life began and Stoker had not received its event when it sent the request.
func CheckIncarnation(w *World) []string {
	var wrong []string
	events := w.eventsByID()
	for _, r := range w.byStoker() {
		decided := r.Action.Incarnation
		if !w.decidedOn(r) || decided.ID == "" || decided.ID == r.Incarnation.ID && decided.StartedAt.Equal(r.Incarnation.StartedAt) {
			continue
		}
		if received(events, r, func(e *Event) bool { return e.Action == "start" && !e.At.Before(r.Incarnation.StartedAt) }) {
			wrong = append(wrong, fmt.Sprintf("I2: %s was decided on the life of %s", r, stamp(decided.StartedAt)))
		}
	}
	return wrong
}

// CheckOnlyWorkers is I3: Stoker changes nothing but workers and their dependents.
func CheckOnlyWorkers(w *World, isWorker func(labels map[string]string) bool) []string {
	var wrong []string
	for _, r := range w.byStoker() {
		if !isWorker(r.Labels) && !w.dependent(r) {
			wrong = append(wrong, fmt.Sprintf("I3: %s is on a container that is not a worker", r))
		}
	}
	return wrong
}

// CheckOperatorObeyed is I4: Stoker starts nothing that an operator stopped. Only stops count of which an event had reached
// Stoker when it sent the start; any start that is not Stoker's ends their force.
func CheckOperatorObeyed(w *World) []string {
	var wrong []string
	events := w.eventsByID()
	for _, r := range w.byStoker() {
		if r.Op != OpStart && r.Op != OpRestart || !r.Effect {
			continue
		}
		if stop := stopInForce(w.history(events, r.Incarnation.ID), r); stop != nil {
			wrong = append(wrong, fmt.Sprintf("I4: %s undoes the operator's %s of %s", r, stop.short(), stamp(stop.TrueAt)))
		}
	}
	return wrong
}

// stopInForce is the operator's stop that held for a request's container, and that Stoker knew of.
func stopInForce(events []*Event, r *Record) *Event {
	var stop *Event
	for _, e := range events {
		if e.TrueAt.After(r.Arrived) {
			break
		}
		switch {
		case e.Action == "start" && e.By != ByStoker, e.Action == "destroy" && cameBack(events, e):
			stop = nil
		case e.By != ByOperator || !meansStopEvent(e) || removedBefore(events, e):
		case !e.SeenAt.IsZero() && !e.SeenAt.After(r.Sent) && stop == nil:
			stop = e
		}
	}
	return stop
}

// meansStopEvent reports whether an event is a completed stop, or an end that a signal through the API brought about. A signal
// alone is not: the process may have outlived it.
func meansStopEvent(e *Event) bool { return e.Action == "stop" || e.Action == "die" }

// CheckRunning is I5, for a time of quiet after the faults: every container that an operator wants and should picks is
// running and, with a health check, healthy. A nil should picks all.
func CheckRunning(w *World, should func(Truth) bool) []string {
	var wrong []string
	for _, t := range w.Truths() {
		if t.Gone || !t.Wanted || t.Status == worker.StatusPaused || should != nil && !should(t) {
			continue
		}
		if t.Status != worker.StatusRunning {
			wrong = append(wrong, fmt.Sprintf("I5: %s is %s (exit code %d %s)", t.Key, t.Status, t.ExitCode, t.StartError))
		} else if t.HasHealthcheck && t.Health == worker.HealthUnhealthy {
			wrong = append(wrong, fmt.Sprintf("I5: %s is running and unhealthy", t.Key))
		}
	}
	return wrong
}

// CheckBudget is I7: Stoker does not try more than max starts of a container without a life of at least stable, or
// an operator's start, between them.
func CheckBudget(w *World, name string, limit int, stable time.Duration) []string {
	var wrong []string
	attempts := 0
	var since time.Time
	for _, r := range w.attempts(name) {
		id := r.Incarnation.ID
		if id == "" { // it is the create of the next one
			id = r.Action.Incarnation.ID
		}
		if w.settled(id, since, r.Sent, stable) {
			attempts = 0
		}
		since = r.Sent
		if attempts++; attempts > limit {
			wrong = append(wrong, fmt.Sprintf("I7: %s is attempt %d of %d", r, attempts, limit))
		}
		if r.Action.Attempt > limit {
			wrong = append(wrong, fmt.Sprintf("I7: %s calls itself attempt %d of %d", r, r.Action.Attempt, limit))
		}
	}
	return wrong
}

// settled reports whether a container had between two times a life long enough, or one that an operator started.
func (w *World) settled(id string, from, to time.Time, stable time.Duration) bool {
	ids := w.replacements(id)
	for _, c := range slices.Concat(w.removed, w.containers) {
		if !slices.Contains(ids, c.ID) {
			continue
		}
		for _, l := range c.lives {
			ended := l.Ended
			if ended.IsZero() || ended.After(to) {
				ended = to
			}
			byOperator := l.StartedBy == ByOperator && l.Began.After(from) && l.Began.Before(to)
			if byOperator || ended.After(from) && ended.Sub(l.Began) >= stable {
				return true
			}
		}
	}
	return false
}

// CheckPrompt is I9: the first start after an end is sent within limit of the moment at which Stoker received its event. It concerns
// lives that ended by themselves while an operator wanted the container, and that Stoker then started.
func CheckPrompt(w *World, limit time.Duration) []string {
	var wrong []string
	events := w.eventsByID()
	for _, r := range w.byStoker() {
		if r.Op != OpStart || r.Action.Attempt > 1 {
			continue
		}
		var die *Event
		for _, e := range events[r.Incarnation.ID] {
			if e.Action == "die" && e.By == ByItself && !e.SeenAt.IsZero() && !e.SeenAt.After(r.Sent) {
				die = e
			}
		}
		if die != nil && r.Sent.Sub(die.SeenAt) > limit {
			wrong = append(wrong, fmt.Sprintf("I9: %s came %v after its die was seen", r, r.Sent.Sub(die.SeenAt)))
		}
	}
	return wrong
}

// byStoker are Stoker's requests that arrived and have a container.
func (w *World) byStoker() []*Record {
	var records []*Record
	for _, r := range w.audit {
		if r.By == ByStoker && r.Incarnation.ID != "" {
			records = append(records, r)
		}
	}
	return records
}

// eventsByID is the log sorted by container, for runs of days.
func (w *World) eventsByID() map[string][]*Event {
	events := map[string][]*Event{}
	for _, e := range w.events.log {
		events[e.ID] = append(events[e.ID], e)
	}
	return events
}

// received reports whether Stoker had received such an event of a request's container when it sent the request.
func received(events map[string][]*Event, r *Record, is func(*Event) bool) bool {
	for _, e := range events[r.Incarnation.ID] {
		if !e.SeenAt.IsZero() && !e.SeenAt.After(r.Sent) && is(e) {
			return true
		}
	}
	return false
}

func (r *Record) String() string {
	return fmt.Sprintf("%s's %s of %s at %s", r.By, r.Op, r.Key, stamp(r.Sent))
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Format("15:04:05.000")
}
