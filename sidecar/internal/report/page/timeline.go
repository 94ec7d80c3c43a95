package page

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// condition is how a worker was for a while.
type condition string

// The conditions, in the order in which a short one must not be hidden by a long one.
const (
	unknown   condition = "unknown" // Stoker did not look, or does not remember
	alive     condition = "alive"   // running, and not known to be unhealthy
	healing   condition = "healing" // a heal is under way
	unhealthy condition = "unhealthy"
	down      condition = "down"
)

func conditions() []condition { return []condition{unknown, alive, healing, unhealthy, down} }

// span is one condition, from a time up to, and without, another.
type span struct {
	From, To  time.Time
	Condition condition
}

// life is what the engine says of the life that goes on now.
type life struct {
	Running bool
	Since   time.Time // on the clock of the notes
}

// past is what notes tell, by worker.
type past struct {
	notes    map[worker.Key][]worker.Event
	absences []absence
}

// absence is a time in which Stoker did not see the workers. Of its own death no note tells, so that such an absence
// begins at the last sign of life before it: some of it was seen.
type absence struct {
	from, to time.Time // to is zero while it lasts
	died     bool
}

// sameStart is how far apart the first words about two workers may be for one and the same start of Stoker.
const sameStart = time.Minute

// tell sorts notes, which are in order of time.
func tell(notes []worker.Event) past {
	p := past{notes: map[worker.Key][]worker.Event{}}
	known := map[worker.Key]bool{}
	var heard time.Time
	blind := false
	for _, n := range notes {
		switch {
		case n.Kind == worker.EventEngineDisconnected && !blind:
			p.absences = append(p.absences, absence{from: n.At})
			blind = true
		case n.Kind == worker.EventEngineConnected && blind:
			p.absences[len(p.absences)-1].to = n.At
			blind = false
		case n.Kind == worker.EventManaged && known[n.Key]:
			p.started(heard, n.At, blind)
			blind = false
		}
		if n.Key != "" {
			p.notes[n.Key] = append(p.notes[n.Key], n)
			known[n.Key] = n.Kind != worker.EventUnmanaged
		}
		heard = n.At
	}
	return p
}

// started: a worker that was known is introduced again, and so Stoker was away.
func (p *past) started(heard, at time.Time, blind bool) {
	last := len(p.absences) - 1
	switch {
	case blind:
		p.absences[last].to = at
	case last < 0 || at.Sub(p.absences[last].to) > sameStart:
		p.absences = append(p.absences, absence{from: heard, to: at, died: true})
	}
}

// timeline is how a worker was between two times, without holes, each span of another condition than the one before.
// Before the first note all that is known is the life that goes on now.
func (p past) timeline(key worker.Key, l life, from, to time.Time) []span {
	first := from
	if notes := p.notes[key]; len(notes) > 0 && notes[0].At.Before(from) {
		first = notes[0].At
	}
	spans := join(turnsOf(p.notes[key]), l, first, to)
	for _, a := range p.absences {
		if a.to.IsZero() || a.to.After(to) {
			a.to = to
		}
		if !a.died || !proven(spans, l, a) {
			spans = cover(spans, a)
		}
	}
	return tidy(spans, from, to)
}

// turn is the beginning of a condition.
type turn struct {
	at        time.Time
	condition condition
}

// turnsOf are the beginnings that the notes of one worker tell of.
func turnsOf(notes []worker.Event) []turn {
	var turns []turn
	var due turn // the end of a wait, unless something else comes first
	for _, n := range notes {
		now, tells := conditionOf(n)
		if !due.at.IsZero() && !due.at.After(n.At) {
			turns, due = append(turns, due), turn{}
		}
		if !tells {
			continue
		}
		due = turn{}
		if healBegins(n) {
			due = turn{at: n.At.Add(max(0, n.Delay)), condition: healing}
		}
		turns = append(turns, turn{at: n.At, condition: now})
	}
	if !due.at.IsZero() {
		turns = append(turns, due)
	}
	return turns
}

// healBegins: the note says when the next attempt is made.
func healBegins(n worker.Event) bool {
	return n.Kind == worker.EventFault || n.Kind == worker.EventHealFailed ||
		n.Kind == worker.EventHeld && n.Reason == worker.HeldStarved
}

// conditionOf is what a worker is in from a note on, and false when the note does not tell.
func conditionOf(n worker.Event) (condition, bool) {
	switch n.Kind {
	case worker.EventManaged, worker.EventHealed, worker.EventRecovered, worker.EventStable:
		return alive, true
	case worker.EventFault, worker.EventHealFailed, worker.EventExhausted:
		return ofFault(n.Fault), true
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
	return down
}

func ofHeld(n worker.Event) (condition, bool) {
	switch n.Reason {
	case worker.HeldIgnored, worker.HeldStarved:
		return unhealthy, true
	case worker.HeldNeedsRecreate, worker.HeldDryRun, worker.HeldHostOverloaded, worker.HeldExhausted:
		return ofFault(n.Fault), n.Fault != worker.FaultNone
	case worker.HeldBadLabels, worker.HeldSwarm, worker.HeldOneOff:
		return unknown, true // not looked after, whether it runs or not
	default:
		return down, true
	}
}

// join makes spans of turns, from first on.
func join(turns []turn, l life, first, to time.Time) []span {
	begin := to
	if len(turns) > 0 {
		begin = turns[0].at
	}
	lives := begin
	if l.Running && l.Since.Before(begin) {
		lives = l.Since
	}
	if lives.Before(first) {
		lives = first
	}
	spans := []span{{first, lives, unknown}, {lives, begin, alive}}
	for n, t := range turns {
		end := to
		if n+1 < len(turns) {
			end = turns[n+1].at
		}
		spans = append(spans, span{t.at, end, t.condition})
	}
	return spans
}

// proven reports whether an absence changed nothing: the worker was down before and after, or the life that went on through
// it is the one that goes on now.
func proven(spans []span, l life, a absence) bool {
	before, after := at(spans, a.from), at(spans, a.to)
	if before != after {
		return false
	}
	return before == down || before == alive && l.Running && !l.Since.After(a.from)
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

// tidy cuts to the window, leaves out what is empty, and joins equal neighbours.
func tidy(spans []span, from, to time.Time) []span {
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
