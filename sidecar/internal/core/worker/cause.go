package worker

import "time"

// EndedBy says who ended an incarnation.
type EndedBy uint8

// Who may have ended an incarnation.
const (
	EndedByUnknown  EndedBy = iota // not known yet: an inspect or a later event tells
	EndedByOperator                // somebody stopped, killed or removed it through the API
	EndedByDaemon                  // the engine shut down
	EndedByStoker                  // Stoker's own stop
	EndedByItself                  // nobody: a crash, the kernel, or the end of its work
)

// Evidence is what is known about an exit. All that Stoker knows about signals, stop events, a daemon's shutdown and Podman
// comes down to these facts; EndedBy weighs them.
type Evidence struct {
	// OperatorStop: a stop by somebody else explains the exit. Docker sends kill before die, under the container's lock
	// (moby kill.go), so a signal that was seen before the exit is sound.
	OperatorStop bool
	// OwnStop: Stoker sent a stop to this incarnation, or the command that comes before one.
	OwnStop bool
	// DaemonShutdown: the incarnation belonged to an engine process that is gone.
	DaemonShutdown bool
	// Inspected: the container's own stop signal and grace are known. Before, OperatorStop may be wrongly false.
	Inspected bool
	// NoStopEvents: the engine sends no stop event before the exit (Podman), so the absence of one means nothing.
	NoStopEvents bool
	// Engine is what the engine itself remembers of the exit.
	Engine ExitCause
	// SignalSurvived: the request that Engine remembers is a signal that the worker has survived.
	SignalSurvived bool
}

// EndedBy reports who ended the incarnation, as far as the evidence tells.
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

// requested reports whether the engine says that somebody asked for the exit. Podman says so from any signal on that was
// sent through it, also one that the worker survived.
func (e Evidence) requested() bool { return e.Engine == ExitCauseRequested && !e.SignalSurvived }

// evidence collects what is known about an exit at that time (the engine's clock).
func (m *Machine) evidence(now, at time.Time) Evidence {
	return Evidence{
		OperatorStop: m.stoppedByOperator(now, at), OwnStop: m.stopSent() || m.stopBegun(), DaemonShutdown: m.engineCutIt(),
		Inspected: m.container.inspected, NoStopEvents: m.life.noStopEvents,
	}
}

// inspectedEvidence adds what an inspect says.
func (m *Machine) inspectedEvidence(now, at time.Time, s Snapshot) Evidence {
	e := m.evidence(now, at)
	i := m.saved.StopIntent
	e.Inspected, e.Engine = true, s.ExitCause
	e.SignalSurvived = i != nil && i.ID == m.saved.Incarnation.ID && !m.stoppedByOperator(now, latest(m.life.endedAt, s.FinishedAt))
	return e
}

// stoppedByOperator reports whether an operator's stop explains an exit at that time (the engine's clock). A stop that was
// seen from its beginning is measured on Stoker's clock too, for the engine's may step meanwhile.
func (m *Machine) stoppedByOperator(now, at time.Time) bool {
	i := m.saved.StopIntent
	if i == nil || i.ID != m.saved.Incarnation.ID {
		return false
	}
	return i.Complete || at.Sub(i.At) <= m.stopWindow() || !now.After(m.foreign.window)
}
