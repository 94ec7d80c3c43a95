package worker

import "slices"

// Transition is one row of the transition table: the possible effects of an input in some phases. An input without a row for a
// phase leaves the phase unchanged.
type Transition struct {
	Input string
	From  []Phase
	To    []Phase
}

// decided are the phases that may follow a decision about an exit.
func decided() []Phase {
	return []Phase{PhaseBackingOff, PhaseRecreateDue, PhaseDocker, PhaseHeld, PhaseExhausted}
}

// unlessRecreating are all phases but PhaseRecreating, in which the worker is up to two containers and only the result of the
// transaction counts.
func unlessRecreating() []Phase {
	return slices.DeleteFunc(Phases(), func(p Phase) bool { return p == PhaseRecreating })
}

// Transitions is the transition table. Tests check the machine against it, and docs/design.md is drawn from it.
func Transitions() []Transition {
	seen := append(decided(), PhaseWatching, PhaseStopDue) // what an inspect may show
	waiting := []Phase{PhaseStopDue, PhaseStopping, PhaseBackingOff, PhaseRecreateDue}
	return []Transition{
		{"due", []Phase{PhaseBackingOff}, []Phase{PhaseStarting}},
		{"due", []Phase{PhaseStopDue}, []Phase{PhaseStopping}},
		{"due", []Phase{PhaseRecreateDue}, []Phase{PhaseRecreating}},
		{"wake", []Phase{PhaseAsleep}, []Phase{PhaseBackingOff, PhaseRecreateDue}},
		{"sleep", []Phase{PhaseWatching}, []Phase{PhaseStopDue}},
		{"recycle", []Phase{PhaseWatching}, []Phase{PhaseStopDue, PhaseRecreateDue}},
		{"resume", []Phase{PhaseExhausted}, []Phase{PhaseWatching, PhaseBackingOff, PhaseRecreateDue}}, // an operator gives back its attempts
		{"exited", unlessRecreating(), []Phase{PhaseAsleep}},                                           // stopped for lack of work, or finished
		{"inspect answered", unlessRecreating(), []Phase{PhaseAsleep}},
		{"start answered", unlessRecreating(), []Phase{PhaseAsleep}},
		{"recreate answered", []Phase{PhaseRecreating}, []Phase{PhaseAsleep, PhaseStopping}}, // in a dry run; its stop is still under way
		{"stop answered", []Phase{PhaseStopping}, []Phase{PhaseAsleep}},
		{"due", []Phase{PhaseExhausted}, []Phase{PhaseStopDue, PhaseRecreateDue}}, // stable, and its restart as an orphan waited for attempts
		{"started", unlessRecreating(), []Phase{PhaseWatching}},
		{"started", []Phase{PhaseBackingOff}, []Phase{PhaseStopping}}, // Stoker's own stop is on its way, and may hit the new incarnation
		{"exited", unlessRecreating(), decided()},
		{"stopped", unlessRecreating(), []Phase{PhaseHeld}},
		{"healthy", []Phase{PhaseVerifying, PhaseStopDue, PhaseRecreateDue, PhaseDocker, PhaseHeld, PhaseExhausted}, []Phase{PhaseWatching}},
		{"gone", unlessRecreating(), []Phase{PhaseWatching, PhaseRecreateDue}},
		{"renamed", unlessRecreating(), []Phase{PhaseHeld}},
		{"renamed", []Phase{PhaseHeld}, Phases()}, // back to its state before another client's recreate
		{"listed", unlessRecreating(), []Phase{PhaseHeld}},
		{"listed", []Phase{PhaseHeld}, Phases()},
		{"engine restarted", []Phase{PhaseHeld}, []Phase{PhaseWatching}},
		{"stats read", []Phase{PhaseWatching}, []Phase{PhaseStopDue, PhaseRecreateDue, PhaseExhausted}},
		{"orphaned", []Phase{PhaseWatching}, []Phase{PhaseStopDue, PhaseRecreateDue, PhaseExhausted}},
		{"orphaned", []Phase{PhaseBackingOff}, []Phase{PhaseRecreateDue}}, // its parent's container is gone, so it cannot start
		{"recreate found", Phases(), []Phase{PhaseRecreating}},
		{"inspect answered", unlessRecreating(), seen},
		{"inspect answered", []Phase{PhaseStarting}, []Phase{PhaseVerifying}},
		{"start answered", unlessRecreating(), seen},
		{"start answered", []Phase{PhaseStarting, PhaseBackingOff}, []Phase{PhaseVerifying}},
		{"stop answered", unlessRecreating(), seen},
		{"kill answered", unlessRecreating(), seen}, // of a task of a Swarm service
		{"collect answered", unlessRecreating(), slices.Concat(seen, []Phase{PhaseAsleep})},
		{"update answered", unlessRecreating(), seen},
		{"update answered", []Phase{PhaseStarting}, []Phase{PhaseVerifying}},
		{"connect answered", unlessRecreating(), seen},
		{"recreate answered", append(waiting, PhaseRecreating), append(seen, PhaseStarting, PhaseVerifying)},
		// An orphaned worker is restarted as soon as no other action prevents it, whatever the input is.
		{"", []Phase{PhaseWatching}, []Phase{PhaseStopDue, PhaseRecreateDue, PhaseExhausted}},
	}
}

// Allowed reports whether the table has the transition, or the phase stays the same.
func Allowed(from Phase, input string, to Phase) bool {
	return from == to || slices.ContainsFunc(Transitions(), func(t Transition) bool {
		return (t.Input == input || t.Input == "") && slices.Contains(t.From, from) && slices.Contains(t.To, to)
	})
}

// InputName is the name of an input in the table of transitions.
func InputName(in Input) string {
	switch in := in.(type) {
	case Observation:
		return in.Kind.String()
	case Outcome:
		return in.Action.Verb.String() + " answered"
	case Dispatch:
		return "due"
	case EngineRestarted:
		return "engine restarted"
	case Orphaned:
		return "orphaned"
	case Interrupted:
		return "recreate found"
	case StatsRead:
		return "stats read"
	case Wake:
		return "wake"
	case Sleep:
		return "sleep"
	case WorkReported:
		return "work reported"
	case GroupConflict:
		return "group conflict"
	case Resume:
		return "resume"
	case RecycleTurn:
		return "recycle turn"
	case RecycleNow:
		return "recycle"
	case ProbeAnswered:
		return "probe answered"
	}
	return "dependents" // DependentsRestarted, TemporaryContainer: state about other containers
}
