package service

import (
	"fmt"
	"math"
	"strings"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/worker"
)

// Changes returns the updates to send now, by name, at most one for each service. Each needs a Finish. A Table that does not lead returns none.
func (t *Table) Changes(now time.Time) []Change {
	if t.role != RoleLeader {
		return nil
	}
	var changes []Change
	for _, s := range t.inOrder() {
		if c, ok := t.decide(now, s); ok {
			changes = append(changes, c)
		}
	}
	return append(changes, t.force(now)...)
}

// decide returns the next change of one service.
func (t *Table) decide(now time.Time, s *scaled) (Change, bool) {
	switch {
	case s.change.sent:
		return Change{}, false
	case len(s.problems) > 0:
		s.change.state = StateLabels
		t.emitOnce(now, s, worker.HeldBadLabels, s.problems[0].String())
		return Change{}, false
	}
	t.noteWork(now, s)
	in := demand.Input{Workers: t.workers(now, s), Budget: math.Inf(1)}
	for _, key := range s.settings.Sources {
		in.Answers = append(in.Answers, t.sources[key].Answer())
	}
	stepped := s.memory.SteppedAt
	s.decision, s.memory = demand.Decide(now, s.settings, s.memory, in)
	s.memory.SteppedAt = stepped // recorded when the update is done
	t.emitLimit(now, s)
	to := min(s.seen.Replicas+len(s.decision.Wake)-len(s.decision.Sleep), max(s.settings.Max, s.seen.Replicas))
	if t.waits(now, s, in, to) {
		return Change{}, false
	}
	s.change.sent = true
	return Change{ID: s.seen.ID, Name: s.seen.Name, Version: s.seen.Version, Spec: s.seen.Spec, From: s.seen.Replicas, To: to}, true
}

// emitLimit reports once that there is more work than stoker.max-replicas allows tasks for.
func (t *Table) emitLimit(now time.Time, s *scaled) {
	if s.decision.Limit == demand.LimitWorkers { // the maximum is all there are
		s.decision.Limit = demand.LimitMax
	}
	limited := s.decision.Limit == demand.LimitMax
	if limited && !s.limited {
		t.emit(worker.Event{At: now, Kind: worker.EventDemandLimited, Group: s.seen.Name, Reason: worker.Reason(s.decision.Limit.String()), Detail: s.situation()})
	}
	s.limited = limited
}

// waits reports whether nothing is changed now, and records why.
func (t *Table) waits(now time.Time, s *scaled, in demand.Input, to int) bool {
	differs := to != s.seen.Replicas
	switch {
	case s.byHand(in):
		s.change.state = StateByHand
		t.emitOnce(now, s, worker.ReasonScaledByHand, fmt.Sprintf("%s, set by another client; %d wanted: it stays so until another number is", replicas(s.seen.Replicas), s.decision.Wanted))
	case s.seen.Updating:
		s.change.state = StateUpdating
		if differs {
			t.emitOnce(now, s, worker.ReasonServiceUpdating, fmt.Sprintf("%s, %d wanted: that waits for the end of the update", replicas(s.seen.Replicas), s.decision.Wanted))
		}
	case s.pending(in):
		s.change.state = StateWaiting
	case s.change.retryAt.After(now) && differs:
		s.change.state = StateRefused
	case t.set.DryRun && differs:
		s.change.state = StateDryRun
		t.emitOnce(now, s, worker.HeldDryRun, fmt.Sprintf("%s would become %d: %s", replicas(s.seen.Replicas), to, s.situation()))
	default:
		s.change.state = StateScaled
		if !differs {
			s.reported = ""
		}
		return !differs
	}
	return true
}

// byHand reports whether an operator's number of replicas is kept. It is kept until the wanted number differs from the one at that time.
func (s *scaled) byHand(in demand.Input) bool {
	switch {
	case !s.manual.on:
		return false
	case s.pending(in):
	case !s.manual.noted:
		s.manual.wanted, s.manual.noted = s.decision.Wanted, true
	case s.manual.wanted != s.decision.Wanted:
		s.manual = manualScale{}
		return false
	}
	s.memory = demand.Memory{} // the cooldown begins when the manual scale ends
	return true
}

// pending reports whether a source has not answered yet.
func (s *scaled) pending(in demand.Input) bool {
	for _, a := range in.Answers {
		if a.State == demand.SourcePending {
			return true
		}
	}
	return false
}

// Finish records the result of a change; err is the engine's message if it refused.
func (t *Table) Finish(now time.Time, c Change, r Result, err string) {
	t.again = t.again || r == Conflict || r == Lost
	if c.Force {
		t.forced(now, c, r, err)
		return
	}
	s := t.services[c.ID]
	if s == nil {
		return
	}
	switch r {
	case Done, Lost:
		s.change.asked, s.change.err, s.calmAt = c.To, "", now
		if c.To < c.From {
			s.memory.SteppedAt = now
		}
		if r == Done {
			s.seen.Replicas, s.reported = c.To, ""
			t.emit(worker.Event{At: now, Kind: worker.EventServiceScaled, Group: c.Name, Reason: s.reason(c), Detail: fmt.Sprintf("%s instead of %d: %s", replicas(c.To), c.From, s.situation())})
		}
	case Refused:
		s.change.state, s.change.err, s.change.retryAt = StateRefused, err, now.Add(retryUpdate)
		t.emitOnce(now, s, worker.ReasonUpdateRefused, err)
	case Conflict:
	}
}

// reason returns why the number was changed.
func (s *scaled) reason(c Change) worker.Reason {
	switch {
	case c.To < c.From && (s.decision.Closed || len(s.settings.Sources) == 0):
		return worker.ReasonHours
	case c.To < c.From:
		return worker.ReasonNoWork
	case s.decision.Work > 0:
		return worker.ReasonWorkWaits
	case s.settings.Hours.Set():
		return worker.ReasonHours
	}
	return worker.ReasonMinReplicas
}

// situation returns the decision as text.
func (s *scaled) situation() string {
	if s.decision.Closed {
		return "outside its hours"
	}
	text := fmt.Sprintf("%d wanted", s.decision.Wanted)
	if len(s.settings.Sources) > 0 {
		text = strings.TrimSuffix(fmt.Sprintf("%.1f", s.decision.Work), ".0") + " to do, " + text
	}
	return text
}

// emitOnce reports why nothing is changed, once until the reason changes or ends.
func (t *Table) emitOnce(now time.Time, s *scaled, why worker.Reason, detail string) {
	if s.reported == why {
		return
	}
	s.reported = why
	t.emit(worker.Event{At: now, Kind: worker.EventServiceHeld, Group: s.seen.Name, Reason: why, Detail: detail})
}

func replicas(n int) string {
	if n == 1 {
		return "1 replica"
	}
	return fmt.Sprintf("%d replicas", n)
}
