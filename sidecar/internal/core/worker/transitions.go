package worker

// InputName is the name of an input in the table of transitions.
func InputName(in Input) string {
	switch in := in.(type) {
	case Observation:
		return observationName(in.Kind)
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
	}
	return "dependents" // DependentsRestarted, TemporaryContainer: what is remembered of others
}

func observationName(kind Kind) string {
	switch kind {
	case Signalled, OutOfMemory:
		return "signal"
	case Created, Updated, Paused, Resumed:
		return "changed"
	case Disconnected, Connecting, ListBegin, ListEnd, Listed, Started, Exited, Stopped, Unhealthy, Healthy, Renamed, Gone:
	}
	return kind.String()
}
