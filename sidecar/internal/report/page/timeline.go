package page

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// condition is how a worker was for a while.
type condition string

// The conditions.
const (
	unknown   condition = "unknown" // Stoker did not look, or does not remember
	alive     condition = "alive"   // running, and not known to be unhealthy
	stopped   condition = "stopped" // down, and an operator or the worker itself meant it
	healing   condition = "healing" // a heal is under way
	unhealthy condition = "unhealthy"
	down      condition = "down" // and it is not intended
)

// conditions are in the order in which a short one must not be hidden by a long one.
func conditions() []condition { return []condition{unknown, alive, stopped, healing, unhealthy, down} }

// span is one condition, from a time up to, and without, another.
type span struct {
	From, To  time.Time
	Condition condition
}

// life is the engine's information about the current incarnation.
type life struct {
	Running bool
	Since   time.Time // on the clock of the events
}

// absence is a time in which Stoker did not see the workers. No event reports Stoker's own crash, so that such an absence
// begins at the last event before it: some of it was seen.
type absence struct {
	from, to time.Time // to is zero while it lasts
	crashed  bool
}

// sameStart is how far apart the first events about two workers may be for one and the same start of Stoker.
const sameStart = time.Minute

// absence notes when Stoker was disconnected or did not run.
func (p *past) absence(w *workerPast, n worker.Event) {
	switch {
	case n.Kind == worker.EventEngineDisconnected && !p.away:
		p.absences = append(p.absences, absence{from: n.At})
		p.away = true
	case n.Kind == worker.EventEngineConnected && p.away:
		p.absences[len(p.absences)-1].to = n.At
		p.away = false
	case n.Kind == worker.EventManaged && w.managed: // announced again: Stoker was started
		last := len(p.absences) - 1
		switch {
		case p.away:
			p.absences[last].to = n.At
			p.away = false
		case last < 0 || n.At.Sub(p.absences[last].to) > sameStart:
			p.absences = append(p.absences, absence{from: p.seen, to: n.At, crashed: true})
		}
	}
}

// timeline is the condition of one worker over time, from its events.
type timeline struct {
	changes []change
	due     change // the end of a wait, unless something else comes first
}

// change is the beginning of a condition.
type change struct {
	at        time.Time
	condition condition
}

func (t *timeline) add(n worker.Event) {
	now, known := conditionOf(n)
	if !t.due.at.IsZero() && !t.due.at.After(n.At) {
		t.changes, t.due = append(t.changes, t.due), change{}
	}
	if !known {
		return
	}
	t.due = change{}
	if healBegins(n) {
		t.due = change{at: n.At.Add(max(0, n.Delay)), condition: healing}
	}
	t.changes = append(t.changes, change{at: n.At, condition: now})
}

// since returns the changes after a time, and the last one before it.
func (t *timeline) since(from time.Time) []change {
	first := len(t.changes)
	for first > 0 {
		first--
		if !t.changes[first].at.After(from) {
			break
		}
	}
	changes := slices.Clone(t.changes[first:])
	if !t.due.at.IsZero() {
		changes = append(changes, t.due)
	}
	return changes
}

// timeline returns how a worker was between two times, without holes, each span with another condition than the one before.
// Before the first event only the current incarnation is known.
func (p *past) timeline(key worker.Key, l life, from, to time.Time) []span {
	var absences []absence
	first := from
	for _, a := range slices.Backward(p.absences) {
		if a.to.IsZero() || a.to.After(to) {
			a.to = to
		}
		if !a.to.After(from) {
			break
		}
		absences = append(absences, a)
		first = earlier(first, a.from)
	}
	var changes []change
	if w := p.workers[key]; w != nil {
		changes = w.timeline.since(first)
	}
	if len(changes) > 0 {
		first = earlier(first, changes[0].at)
	}
	spans := join(changes, l, first, to)
	for _, a := range slices.Backward(absences) {
		if !a.crashed || !unchanged(spans, l, a) {
			spans = cover(spans, a)
		}
	}
	return normalize(spans, from, to)
}

// healBegins reports whether an event has the time of the next attempt.
func healBegins(n worker.Event) bool {
	return n.Kind == worker.EventFault || n.Kind == worker.EventHealFailed ||
		n.Kind == worker.EventHeld && n.Reason == worker.HeldStarved
}

// conditionOf returns the condition that begins with an event, and false when none does.
func conditionOf(n worker.Event) (condition, bool) {
	switch n.Kind {
	case worker.EventManaged, worker.EventHealed, worker.EventRecovered, worker.EventStable, worker.EventWoken:
		return alive, true
	case worker.EventFault, worker.EventHealFailed, worker.EventExhausted:
		return ofFault(n.Fault), true
	case worker.EventAsleep, worker.EventStopped:
		return stopped, true
	case worker.EventUnhealthy:
		return unhealthy, true
	case worker.EventHung:
		return healing, true
	case worker.EventUnmanaged:
		return unknown, true
	case worker.EventHeld:
		return ofHeld(n)
	default:
		return unknown, false
	}
}

func ofFault(f worker.Fault) condition {
	if f == worker.FaultUnhealthy || f == worker.FaultIdle {
		return unhealthy
	}
	if f.Recycles() {
		return healing
	}
	return down
}

func ofHeld(n worker.Event) (condition, bool) {
	switch n.Reason {
	case worker.HeldIgnored, worker.HeldNotified, worker.HeldStarved:
		return unhealthy, true
	case worker.HeldNeedsRecreate, worker.HeldDryRun, worker.HeldHostOverloaded, worker.HeldExhausted:
		return ofFault(n.Fault), n.Fault != worker.FaultNone
	case worker.HeldBadLabels, worker.HeldSwarm, worker.HeldOneOff:
		return unknown, true // not managed, whether it runs or not
	case worker.HeldOperator, worker.HeldPaused, worker.HeldFinished, worker.HeldNeverStarted, worker.HeldRemoving, worker.HeldReplaced, worker.HeldAsleep,
		worker.HeldUnhealthy, worker.HeldByPause:
		return stopped, true
	default: // Docker restarts it, or it was not observed why it exited
		return down, true
	}
}

// join makes spans of changes, from first on.
func join(changes []change, l life, first, to time.Time) []span {
	begin := to
	if len(changes) > 0 {
		begin = changes[0].at
	}
	lives := begin
	if l.Running && l.Since.Before(begin) {
		lives = l.Since
	}
	lives = later(lives, first)
	spans := append(make([]span, 0, len(changes)+2), span{first, lives, unknown}, span{lives, begin, alive})
	for n, c := range changes {
		end := to
		if n+1 < len(changes) {
			end = changes[n+1].at
		}
		spans = append(spans, span{c.at, end, c.condition})
	}
	return spans
}

// unchanged reports whether nothing changed in an absence: the worker was down before and after, or the incarnation that ran
// through it is the current one.
func unchanged(spans []span, l life, a absence) bool {
	before, after := at(spans, a.from), at(spans, a.to)
	if before != after {
		return false
	}
	return before == down || before == stopped || before == alive && l.Running && !l.Since.After(a.from)
}

func at(spans []span, t time.Time) condition {
	for _, s := range spans {
		if !s.From.After(t) && s.To.After(t) {
			return s.Condition
		}
	}
	return unknown
}

// cover puts an absence over the spans.
func cover(spans []span, a absence) []span {
	var out []span
	for _, s := range spans {
		out = append(out,
			span{s.From, earlier(s.To, a.from), s.Condition},
			span{later(s.From, a.from), earlier(s.To, a.to), unknown},
			span{later(s.From, a.to), s.To, s.Condition})
	}
	return slices.DeleteFunc(out, func(s span) bool { return !s.From.Before(s.To) })
}

// normalize cuts to the window, leaves out what is empty, and joins equal neighbours.
func normalize(spans []span, from, to time.Time) []span {
	var out []span
	for _, s := range spans {
		s.From, s.To = later(s.From, from), earlier(s.To, to)
		switch last := len(out) - 1; {
		case !s.From.Before(s.To):
		case last >= 0 && out[last].Condition == s.Condition:
			out[last].To = s.To
		default:
			out = append(out, s)
		}
	}
	return out
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
