package simulation

import (
	"fmt"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// say puts a line into the trace, if there is one.
func (r *run) say(format string, args ...any) {
	if !r.telling {
		return
	}
	line := fmt.Sprintf("%12.3f ", r.w.Now().Sub(r.start).Seconds()) + fmt.Sprintf(format, args...)
	r.lines = append(r.lines, line)
	_, _ = r.hash.Write([]byte(line)) // a hash does not fail
}

func (r *run) sayTurn(t fleet.Effects) {
	if !r.telling {
		return
	}
	for _, n := range t.Events {
		r.say("  note %s %s %s %s attempt %d %s %s", n.Key, n.Kind, n.Fault, n.Reason, n.Attempt, n.Delay, n.Detail)
	}
	for _, m := range t.Save {
		r.say("  save %s", inWords(m))
	}
	for _, key := range t.Drop {
		r.say("  drop %s", key)
	}
	for _, a := range t.Do {
		r.say("  do %d %s %s (%s, attempt %d)", a.ID, a.Verb, a.Key, a.Reason, a.Attempt)
	}
}

func inWords(m worker.Saved) string {
	s := fmt.Sprintf("%s %.8s since %s", m.Key, m.Incarnation.ID, m.Incarnation.StartedAt.Format("15:04:05.000"))
	if m.Expected {
		s += " expected"
	}
	s += fmt.Sprintf(" %s", m.State.Phase)
	if m.State.Hold.Reason != "" {
		s += fmt.Sprintf(" %s", m.State.Hold.Reason)
	}
	if m.Budget.Attempts > 0 {
		s += fmt.Sprintf(" attempts %d", m.Budget.Attempts)
	}
	if m.StopIntent != nil {
		s += fmt.Sprintf(" intent %d complete=%v", m.StopIntent.Signal, m.StopIntent.Complete)
	}
	if h := m.State.Heal; h.Open() {
		s += fmt.Sprintf(" heal %s %s due=%s", h.Fault, h.Action, m.State.Due.Format("15:04:05.000"))
	}
	if lost := m.Networks.Lost; len(lost) > 0 {
		s += fmt.Sprintf(" lost %v", lost)
	}
	return s
}

func (r *run) sayHeard(o worker.Observation) {
	if !r.telling || o.Kind == worker.ListBegin {
		return
	}
	s := fmt.Sprintf("heard %s %s", o.Kind, o.Key)
	switch o.Kind {
	case worker.Exited:
		s += fmt.Sprintf(" %d", o.ExitCode)
	case worker.Signalled:
		s += fmt.Sprintf(" %d", int(o.Signal))
	case worker.Listed:
		s += fmt.Sprintf(" %s %s", o.Status, o.Health)
	case worker.Renamed:
		s += fmt.Sprintf(" from %s", o.OldKey)
	}
	if o.History() {
		s += " (history)"
	}
	r.say("%s of %s", s, o.At.Format("15:04:05.000"))
}

func (r *run) sayOutcome(o worker.Outcome) {
	if !r.telling {
		return
	}
	s := fmt.Sprintf("%d %s %s is %s %s", o.Action.ID, o.Action.Verb, o.Action.Key, o.Result, o.Err)
	if p := o.Snapshot; p != nil {
		s += fmt.Sprintf(": %s %s since %s until %s code %d", p.Status, p.Health, p.StartedAt.Format("15:04:05.000"), p.FinishedAt.Format("15:04:05.000"), p.ExitCode)
		s += fmt.Sprintf(" on %v", p.Networks)
	}
	r.say("%s", s)
}
