package simulation

import (
	"fmt"
	"hash"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// trace is the log of a run, line by line.
type trace struct {
	enabled bool
	lines   []string
	hash    hash.Hash64 // of all lines
}

// tracef adds a line to the trace if it is enabled.
func (r *run) tracef(format string, args ...any) {
	if !r.trace.enabled {
		return
	}
	line := fmt.Sprintf("%12.3f ", r.world.Now().Sub(r.start).Seconds()) + fmt.Sprintf(format, args...)
	r.trace.lines = append(r.trace.lines, line)
	_, _ = r.trace.hash.Write([]byte(line)) // a hash returns no error
}

func (r *run) traceEffects(t fleet.Effects) {
	if !r.trace.enabled {
		return
	}
	for _, n := range t.Events {
		r.tracef("  event %s %s %s %s attempt %d %s %s", n.Key, n.Kind, n.Fault, n.Reason, n.Attempt, n.Delay, n.Detail)
	}
	for _, m := range t.Save {
		r.tracef("  save %s", savedString(m))
	}
	for _, key := range t.Drop {
		r.tracef("  drop %s", key)
	}
	for _, a := range t.Do {
		r.tracef("  do %d %s %s (%s, attempt %d)", a.ID, a.Verb, a.Key, a.Reason, a.Attempt)
	}
}

func savedString(m worker.Saved) string {
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

func (r *run) traceObservation(o worker.Observation) {
	if !r.trace.enabled || o.Kind == worker.ListBegin {
		return
	}
	s := fmt.Sprintf("observe %s %s", o.Kind, o.Key)
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
	r.tracef("%s of %s", s, o.At.Format("15:04:05.000"))
}

func (r *run) traceOutcome(o worker.Outcome) {
	if !r.trace.enabled {
		return
	}
	s := fmt.Sprintf("outcome %d %s %s: %s %s", o.Action.ID, o.Action.Verb, o.Action.Key, o.Result, o.Err)
	if p := o.Snapshot; p != nil {
		s += fmt.Sprintf(": %s %s since %s until %s code %d", p.Status, p.Health, p.StartedAt.Format("15:04:05.000"), p.FinishedAt.Format("15:04:05.000"), p.ExitCode)
		s += fmt.Sprintf(" on %v", p.Networks)
	}
	r.tracef("%s", s)
}
