package worker

import (
	"syscall"
	"time"
)

// stopsSent is how often the transaction sent a stop to the old container. A restored one was sent by the previous Stoker.
func (m *Machine) stopsSent() int {
	if m.saved.OwnStops.Sent == 0 && m.stopSent() {
		return 1
	}
	return m.saved.OwnStops.Sent
}

// RecreateStop reports that the transaction is about to stop the old container. Earlier stop signals were another client's.
type RecreateStop struct{}

func (RecreateStop) input() {}

func (m *Machine) recreateStop(now time.Time) {
	if m.Recreating() {
		m.saved.OwnStops.Sent, m.own.issuedHere = m.stopsSent()+1, true
		m.saved.State.Stop.At = now
	}
}

// RecreateUndone reports that the transaction is about to stop the new container with that ID, during its rollback.
type RecreateUndone struct{ ID string }

func (RecreateUndone) input() {}

func (m *Machine) recreateUndone(in RecreateUndone) {
	if m.Recreating() {
		m.saved.State.Undone = in.ID
	}
}

// RecreateStopFailed reports that the engine refused that stop: none of its signals will come.
type RecreateStopFailed struct{}

func (RecreateStopFailed) input() {}

func (m *Machine) recreateStopFailed() {
	s := &m.saved.OwnStops
	if !m.Recreating() || s.Sent == 0 {
		return
	}
	if s.Sent--; s.Sent == 0 {
		m.saved.State.Stop.At = time.Time{}
	}
}

// ownRecreateSignal separates the signals of the transaction's own stops from an operator's, as ownSignal does for a restart.
func (m *Machine) ownRecreateSignal(now time.Time, o Observation) bool {
	switch s := &m.saved.OwnStops; {
	case m.firstSignal(o.Signal) && s.Terms < m.stopsSent():
		s.first(now, o.At)
		return true
	case o.Signal == syscall.SIGKILL && s.Kills < m.stopsSent() && m.recreateGraceOver(now, o):
		s.Kills++
		return true
	}
	return false
}

// ownStopsOver: a new incarnation began. A stop whose first signal came earlier was for the previous one, and so is its SIGKILL.
func (m *Machine) ownStopsOver() {
	if s := &m.saved.OwnStops; s.Terms >= m.stopsSent() {
		s.Kills = max(s.Kills, m.stopsSent())
	}
}

func (m *Machine) recreateGraceOver(now time.Time, o Observation) bool {
	s := m.saved.OwnStops
	if s.Terms == 0 {
		return m.firstUnseen(s.Sent != 1, o)
	}
	if !m.own.issuedHere && o.At.Before(s.TermAt) { // as in graceOver
		return true
	}
	return m.graceSince(now, o, s.TermAt, s.TermSeen)
}

// stopOfSameLife: the incarnation that Stoker's own stop ended is still the last one, before and after a recreate that was rolled
// back. The remaining events of that stop are still to come.
func (m *Machine) stopOfSameLife(stop SentStop) {
	if !stop.Sent() {
		return
	}
	m.saved.State.Stop = stop
	o, sent := m.saved.OwnStops, m.stopsSent()
	m.own = ownStop{issuedHere: true, stopped: o.Stops >= sent, termAt: o.TermAt, termSeen: o.TermSeen}
	switch {
	case o.Kills >= sent:
		m.own.signals = 2
	case o.Terms >= sent:
		m.own.signals = 1
	}
}

// stopUnderWay reports whether the first signal of one of Stoker's own stops was seen, and not the end of that stop. The engine carries it out,
// even if the Stoker that sent it was killed and the next one has rolled its recreate back.
func (m *Machine) stopUnderWay() bool {
	return m.stopSent() && m.saved.OwnStops.Terms > m.saved.OwnStops.Stops
}

// awaitOwnStop: a recreate was rolled back, and its stop is still under way. The worker is started after it, as in a restart.
func (m *Machine) awaitOwnStop(now time.Time, o Outcome) {
	s := m.saved.State
	s.Phase, s.Heal.Action, s.Undone = PhaseStopping, HealRestart, ""
	m.enter(s)
	m.setContainer(*o.Snapshot)
	m.stopOfSameLife(s.Stop)
	m.applyInspect(now, *o.Snapshot)
}
