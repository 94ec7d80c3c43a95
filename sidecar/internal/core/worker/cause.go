package worker

import "time"

// EndedBy is who ended an incarnation.
type EndedBy uint8

// The values of EndedBy.
const (
	EndedByUnknown  EndedBy = iota // not known yet: an inspect or a later event decides
	EndedByOperator                // an operator stopped, killed or removed it through the API
	EndedByDaemon                  // the engine shut down
	EndedByStoker                  // Stoker's own stop
	EndedByItself                  // a crash, the kernel, or the end of its work
)

// Evidence is what is known about an exit. It reduces signals, stop events, a daemon shutdown and Podman's state to a few facts.
// EndedBy evaluates them.
type Evidence struct {
	// OperatorStop: an operator's stop explains the exit. Docker sends kill before die, under the container's lock (moby
	// kill.go), so a signal seen before the exit is reliable.
	OperatorStop bool
	// OwnStop: Stoker sent a stop to this incarnation, or the command before one.
	OwnStop bool
	// DaemonShutdown: the incarnation belonged to an engine process that no longer exists.
	DaemonShutdown bool
	// Inspected: the container's own stop signal and grace are known. Without them OperatorStop may be false by mistake.
	Inspected bool
	// NoStopEvents: the engine sends no stop event before the exit (Podman), so a missing one means nothing.
	NoStopEvents bool
	// Engine is the cause that the engine itself has recorded.
	Engine ExitCause
	// SignalSurvived: the request in Engine is a signal that the worker has survived.
	SignalSurvived bool
}

// EndedBy returns who ended the incarnation, as far as the evidence shows.
func (e Evidence) EndedBy() EndedBy {
	switch {
	case e.OperatorStop, e.requested() && !e.OwnStop:
		return EndedByOperator
	case !e.Inspected:
		return EndedByUnknown
	case e.OwnStop:
		return EndedByStoker
	case e.NoStopEvents && e.Engine != ExitCauseOwn:
		return EndedByUnknown
	case e.DaemonShutdown:
		return EndedByDaemon
	}
	return EndedByItself
}

// requested reports whether the engine has recorded a request as the cause of the exit. Podman records any signal sent through
// it, including one that the worker survived.
func (e Evidence) requested() bool { return e.Engine == ExitCauseRequested && !e.SignalSurvived }

// evidence collects the facts about an exit at that time (the engine's clock).
func (m *Machine) evidence(now, at time.Time) Evidence {
	return Evidence{
		OperatorStop: m.stoppedByOperator(now, at), OwnStop: m.stopSent() || m.stopBegun(), DaemonShutdown: m.engineCutIt(),
		Inspected: m.container.inspected, NoStopEvents: m.life.noStopEvents,
	}
}

// inspectedEvidence adds the facts of an inspect.
func (m *Machine) inspectedEvidence(now, at time.Time, s Snapshot) Evidence {
	e := m.evidence(now, at)
	i := m.saved.StopIntent
	e.Inspected, e.Engine = true, s.ExitCause
	e.SignalSurvived = i != nil && i.ID == m.saved.Incarnation.ID && !m.stoppedByOperator(now, latest(m.life.end.at, s.FinishedAt))
	return e
}

// stoppedByOperator reports whether an operator's stop explains an exit at that time (the engine's clock). A stop observed from
// its beginning is also measured on Stoker's clock, because the engine's may step meanwhile.
func (m *Machine) stoppedByOperator(now, at time.Time) bool {
	i := m.saved.StopIntent
	if i == nil || i.ID != m.saved.Incarnation.ID {
		return false
	}
	return i.Complete || at.Sub(i.At) <= m.stopWindow() || !now.After(m.foreign.window)
}
