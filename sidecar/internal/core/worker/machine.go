// Package worker decides for one worker: what happened to it, what that means, and what to do now.
//
// It is pure. A Machine receives the time and an input and returns effects. It has no goroutine, no clock, no randomness and no
// log, so days of crash loops replay exactly from a seed.
package worker

import (
	"time"

	"stoker/sidecar/internal/core/policy"
)

// Input is an input of a Machine: an Observation, an Outcome, a Dispatch, an EngineRestarted or another one of this package.
type Input interface{ input() }

// Dispatch starts the action that is due: the fleet has capacity for it.
type Dispatch struct{ ActionID uint64 }

// EngineRestarted reports that another engine process answers now. Stops since StopsSince belong to the old one's shutdown, not
// to an operator.
type EngineRestarted struct {
	BootedAt     time.Time // zero if unknown
	StopsSince   time.Time // the engine's clock; zero when no stop belongs to the shutdown
	EarliestStop time.Time // no stop before it can belong to the shutdown, however late it was confirmed; the engine's clock
}

func (Observation) input()     {}
func (Outcome) input()         {}
func (Dispatch) input()        {}
func (EngineRestarted) input() {}

// ActionClass selects the limit that an action counts against. Stops and starts have separate limits.
type ActionClass uint8

// The classes. ClassNone waits for time to pass and needs no capacity.
const (
	ClassNone ActionClass = iota
	ClassInspect
	ClassStart
	ClassStop
	ClassRecreate
	ClassUpdate
)

// Effects is the machine's answer to an input.
type Effects struct {
	Do      *Action     // only as an answer to Dispatch
	Class   ActionClass // of the next action
	Due     time.Time   // of the next action; zero if nothing is due
	Events  []Event
	Logs    *LogsRequest // the last log lines of an incarnation that ended are requested; it may be gone soon
	Changed bool         // Saved differs from before
	Removed bool         // the container is gone: forget this machine
}

// Machine is one worker. It is not safe for concurrent use; one goroutine owns it.
type Machine struct {
	id    Identity
	saved Saved
	observed
	stops
	wants
	turn

	inFlight  *Action
	announced bool
	resent    bool      // the recreate under way resumes an earlier one
	restored  time.Time // start of the old container by an unfinished recreate; zero if there was none
	opened    uint64    // heals opened by this process
}

// observed is what was observed of the worker.
type observed struct {
	container container
	life      life
	checks    checks
	outside   outside
	cpu       cpuUse
	networks  networks
}

// stops are the stops of others and of Stoker.
type stops struct {
	foreign foreignStop
	own     ownStop
}

// wants is what is to be done about the worker.
type wants struct {
	inspects   inspects
	quota      quota
	deps       dependents
	recycle    recycleUse
	collection collection
}

// turn is the effect of one step.
type turn struct {
	events  []Event
	logs    *LogsRequest
	changes int // incremented when Definition or Labels change: they are too big to compare
}

// Identity describes the container that a machine is created for.
type Identity struct {
	Key      Key
	ID       string
	Policy   policy.Policy
	Problems []policy.Problem
	// Task: it is a task of a Swarm service that Stoker may kill. Stoker never starts one; its exit is handled by Swarm.
	Task         bool
	Unmanageable Reason // HeldNot, HeldBadLabels, HeldSwarm or HeldOneOff
	// Tentative: whether the container is a worker depends on its first inspect. No event about it is emitted before Confirm.
	Tentative bool
	// Zone is the default time zone of restart-at; nil is UTC.
	Zone *time.Location
}

// New returns a machine for a container without saved state.
func New(id Identity) *Machine {
	return Restore(id, Saved{Key: id.Key, Incarnation: Incarnation{ID: id.ID}, SavedHeals: SavedHeals{State: State{Phase: PhaseWatching}}})
}

// Restore returns a machine that continues from saved. A hold of a dry run is only valid in a dry run.
func Restore(id Identity, saved Saved) *Machine {
	saved.Key = id.Key
	saved.Incarnation.ID = id.ID
	if s := saved.State; s.Phase == "" || s.Hold.Reason == HeldDryRun {
		saved.State = State{Phase: PhaseWatching}
	}
	m := &Machine{id: id, saved: saved}
	m.life.knownUntil = saved.LastEventAt
	m.networks.unseenStart = true // while no Stoker ran
	m.container.config.stopSignal = saved.StopSignal
	stop, o := saved.State.Stop, saved.OwnStops
	if stop.Sent() && o.Terms > 0 && !o.TermSeen.Before(stop.At) { // the record has its first signal, which a replay does not repeat
		m.own = ownStop{signals: 1, termAt: o.TermAt, termSeen: o.TermSeen}
	}
	if saved.State.Heal.Missing {
		m.container.status = StatusGone
	}
	return m
}

// NewReplacement returns a machine for the container that replaced the one in saved: a worker's history belongs to its name.
func NewReplacement(id Identity, saved Saved) *Machine {
	former, heal := saved.Incarnation.ID, saved.State.Heal
	saved.Incarnation, saved.StopIntent = Incarnation{ID: id.ID}, nil
	saved.Networks = SavedNetworks{}
	saved.Dependents.NeedsNewParentID, saved.Dependents.RestartPending = false, false
	saved.Budget.ExhaustedAt = time.Time{}
	saved.PreviousIDs = appendPreviousID(saved.PreviousIDs, former, id.ID)
	saved.State = State{Phase: PhaseWatching}
	if heal.Open() {
		heal.Missing = false
		saved.State = State{Phase: PhaseStarting, Heal: heal}
	}
	return Restore(id, saved)
}

// Confirm makes a tentative machine that of a worker.
func (m *Machine) Confirm() { m.id.Tentative = false }

// Step applies one input and returns the effects. Time should not run backwards between calls; if it does, the only effect is a
// longer wait.
func (m *Machine) Step(now time.Time, in Input) Effects {
	before, changes := digest(m.saved), m.changes
	m.clampDelays(now)
	if m.saved.StopIntent != nil && m.foreign.until.IsZero() { // restored after Stoker's own restart
		m.foreign.until = now.Add(foreignStopMax)
	}
	m.keepQuota(now)
	if !isReplay(in) {
		m.announce(now)
	}
	m.askTaskAgain(now)
	do := m.take(now, in)
	m.restartOrphaned(now)
	m.dependentsDue(now)
	m.recycleDue(now)
	m.sense(now)
	m.planProbe(now)
	m.keepQuota(now)
	lane, due := m.plan(now)
	turn := Effects{Do: do, Class: lane, Due: due, Events: m.events, Removed: m.container.removed}
	turn.Logs, m.logs = m.logs, nil
	turn.Changed = digest(m.saved) != before || m.changes != changes
	if !m.announced {
		turn.Events = nil
	}
	m.events = nil
	return turn
}

// take applies one input, and returns the action that a Dispatch started.
func (m *Machine) take(now time.Time, in Input) (do *Action) {
	switch in := in.(type) {
	case Observation:
		m.observe(now, in)
	case Outcome:
		m.finish(now, in)
	case Dispatch:
		do = m.grant(now, in.ActionID)
	case EngineRestarted:
		m.engineRestarted(now, in)
	case Orphaned:
		m.orphaned(now, in)
	case DependentsRestarted:
		m.dependentsRestarted(now, in)
	case StatsRead:
		m.statsRead(now, in)
	case TemporaryContainer:
		m.temporaryContainer(in)
	case Interrupted:
		m.interrupted(now)
	case RecreateStop:
		m.recreateStop(now)
	case RecreateUndone:
		m.recreateUndone(in)
	case RecreateStopFailed:
		m.recreateStopFailed()
	case RecreateCollected:
		m.recreateCollected(now, in)
	default:
		m.takeOfFleet(now, in)
	}
	return do
}

// Saved is the state to persist. The caller must not change what it points to.
func (m *Machine) Saved() Saved { return m.saved }

// Key is the worker's name.
func (m *Machine) Key() Key { return m.saved.Key }

// ClockStepped reports the engine's present time after a step of its clock. Events with later times happened before a step back,
// so replayed events cannot be compared with them.
func (m *Machine) ClockStepped(now time.Time) {
	if m.life.knownUntil.After(now) {
		m.life.knownUntil = time.Time{}
	}
}

// Rename sets the present name of the container.
func (m *Machine) Rename(key Key) {
	m.saved.Key = key
}

// isReplay reports whether an input is a replayed event from before the container's existence was confirmed.
func isReplay(in Input) bool {
	o, ok := in.(Observation)
	return ok && o.History() && o.Kind != Listed
}

// announce reports once that a worker is managed, and its label problems.
func (m *Machine) announce(now time.Time) {
	if m.announced || m.id.Tentative {
		return
	}
	m.announced = true
	m.emit(Event{At: now, Kind: EventManaged})
	for _, p := range m.id.Problems {
		m.emit(Event{At: now, Kind: EventProblem, Reason: HeldBadLabels, Detail: p.String()})
	}
	if m.id.Unmanageable != HeldNot {
		m.emit(Event{At: now, Kind: EventHeld, Reason: m.id.Unmanageable})
	} else if why := m.leftAlone(); why != HeldNot {
		m.emit(Event{At: now, Kind: EventHeld, Reason: why})
	}
}

func (m *Machine) emit(n Event) {
	n.Key, n.ID = m.saved.Key, m.saved.Incarnation.ID
	m.events = append(m.events, n)
}
