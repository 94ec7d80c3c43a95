package worker

import (
	"slices"
	"time"
)

// startNotice is how much later than the start its event may come: 5.9 s on a slow engine (29.7.2).
const startNotice = 10 * time.Second

// startEventOf reports whether an event of that time may be that of the start of an incarnation: the engine records the start shortly before it
// sends the event.
func startEventOf(began, at time.Time) bool {
	late := at.Sub(began)
	return !began.IsZero() && late >= 0 && late < startNotice
}

// Recorded reports whether a replayed event is the last one in the record, and whether it may be the start of the recorded
// incarnation.
func (m *Machine) Recorded(o Observation) (last, start bool) {
	at := m.saved.LastEventAt
	return !at.IsZero() && o.At.Equal(at), o.Kind == Started && startEventOf(m.saved.Incarnation.StartedAt, o.At)
}

// RecordedEnd reports whether a replayed event is an exit so soon after the recorded start that a later start may look like that one. Much later
// times decide nothing: the clock may have stepped back between that exit and the recorded start.
func (m *Machine) RecordedEnd(o Observation) bool {
	return o.Kind == Exited && startEventOf(m.saved.Incarnation.StartedAt, o.At)
}

// recordEvent notes the last event in the record, once its effect is there: an inspect may have to show it first.
func (m *Machine) recordEvent() {
	settled := m.container.inspected && m.life.end.state == exitSettled && m.foreign.pending == nil
	if settled && !m.life.unrecorded.IsZero() {
		m.saved.LastEventAt, m.life.unrecorded = m.life.unrecorded, time.Time{}
	}
}

// Passed reports an event of the engine's own, which shows nothing about the worker. It becomes part of the record, so that no later
// Stoker, which may not recognize it, takes it for an operator's.
func (m *Machine) Passed(o Observation) { m.life.unrecorded = o.At }

// replayed: an event of an earlier incarnation still shows where in the stream the present one begins.
func (m *Machine) replayed(o Observation) {
	if o.Kind == Started {
		m.foreign.pending = nil // earlier events in the stream concern the previous incarnation
	}
	if o.Kind == Started && !o.At.Before(m.saved.Incarnation.StartedAt) {
		m.life.start.awaited = time.Time{} // it is the start of the known incarnation
	}
}

// outdated reports whether a replayed event concerns an earlier incarnation. Only replayed events are dropped by their time: the
// engine's clock may step back, and a live event never concerns the past.
func (m *Machine) outdated(o Observation) bool {
	if o.Order == OrderAfter {
		return false
	}
	if o.Kind == Renamed && o.Order == OrderBefore { // the record has the name that followed
		return true
	}
	if o.Kind == Started && o.Order == OrderUnknown {
		return o.At.Before(m.life.end.at) || m.startOf(m.saved.Incarnation.StartedAt, o)
	}
	ofALife := []Kind{Started, Exited, Signalled, Stopped, OutOfMemory, Unhealthy, Healthy, Paused, Resumed}
	if !slices.Contains(ofALife, o.Kind) {
		return false
	}
	return m.known(o) || o.At.Before(m.saved.Incarnation.StartedAt)
}

// known reports whether the previous Stoker handled a replayed event.
func (m *Machine) known(o Observation) bool {
	if o.Order != OrderUnknown {
		return o.Order == OrderBefore
	}
	return !m.life.knownUntil.IsZero() && !o.At.After(m.life.knownUntil)
}

// overBeforeStartEvent reports whether a start event belongs to an incarnation that inspects have shown from its start to its end, and that is
// judged: the event is late.
func (m *Machine) overBeforeStartEvent(now time.Time, o Observation) bool {
	if m.awaiting(now) || m.phase() == PhaseStarting {
		return false
	}
	// After a step of the clock any start may seem to come before the end.
	within := startEventOf(m.saved.Incarnation.StartedAt, o.At) && o.At.Before(m.life.end.inspected)
	return within && m.container.status.Down() && m.life.end.state == exitSettled
}

// startedUnfollowed reports whether a replayed start comes after an exit that no known stop explains, before the first inspect has
// shown the restart policy.
func (m *Machine) startedUnfollowed(o Observation) bool {
	return o.History() && !m.container.inspected && m.life.end.state == exitPending && m.saved.StopIntent == nil
}
