// Package worker decides for one worker: what happened to it, what that means, and what to do now.
//
// It is pure. A Machine takes now and an input and returns what it wants; it has no goroutine, no clock, no
// randomness and no log, so that days of crash loops replay exactly from a seed.
package worker

import (
	"time"

	"stoker/sidecar/internal/core/policy"
)

// Input is what a Machine can be told: an Observation, an Outcome, a Grant or an EngineRestarted.
type Input interface{ input() }

// Dispatch tells the machine that its turn has come: what it asked for is due and there is room for it.
type Dispatch struct{ ActionID uint64 }

// EngineRestarted tells that another engine process answers now. Stops since StopsSince were the old one's own
// shutdown, not an operator's.
type EngineRestarted struct {
	BootedAt     time.Time // zero when it cannot be told
	StopsSince   time.Time // the engine's clock; zero when no stop belongs to the shutdown
	EarliestStop time.Time // no stop before it can be the shutdown's, however late it was confirmed; the engine's clock
}

func (Observation) input()     {}
func (Outcome) input()         {}
func (Dispatch) input()        {}
func (EngineRestarted) input() {}

// ActionClass is the bound that a wish counts against. Stopping and starting are bounded apart.
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
	Do      *Action     // only as an answer to Grant
	Class   ActionClass // of what is wanted next
	Due     time.Time   // when it is wanted; zero for nothing until something happens
	Events  []Event
	Logs    *LogsRequest // the last lines of a life that is over are wanted; it may be gone soon
	Changed bool         // Memory differs from before
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
	resent    bool   // the recreate under way goes on with an earlier one
	opened    uint64 // heals opened by this process
}

// observed is what was seen of the worker.
type observed struct {
	container container
	life      life
	checks    checks
	outside   outside
	cpu       cpuUse
	networks  networks
}

// stops are those of somebody else and those of Stoker.
type stops struct {
	foreign foreignStop
	own     ownStop
}

// wants is what has to be done about the worker.
type wants struct {
	inspects   inspects
	quota      quota
	deps       dependents
	recycle    recycleUse
	collection collection
}

// turn is what one step brings about.
type turn struct {
	events  []Event
	logs    *LogsRequest
	changes int // bumped when Definition or Labels change: they are too big to compare
}

// Identity is what a machine is made for.
type Identity struct {
	Key      Key
	ID       string
	Policy   policy.Policy
	Problems []policy.Problem
	// Task: it is a task of a Swarm service that Stoker may kill. It never starts one, and leaves its end to Swarm.
	Task         bool
	Unmanageable Reason // HeldNot, HeldBadLabels, HeldSwarm or HeldOneOff
	// Tentative: whether the container is a worker depends on its first inspect. Nothing is told of it before Confirm.
	Tentative bool
	// Zone is that of restart-at where it names none; nil is UTC.
	Zone *time.Location
}

// New is a machine for a container that nothing is remembered of.
func New(id Identity) *Machine {
	return Restore(id, Saved{Key: id.Key, Incarnation: Incarnation{ID: id.ID}, SavedHeals: SavedHeals{State: State{Phase: PhaseWatching}}})
}

// Restore is a machine that goes on where the one that left saved stopped. A hold of a dry run binds nobody but the dry run.
func Restore(id Identity, saved Saved) *Machine {
	saved.Key = id.Key
	saved.Incarnation.ID = id.ID
	if s := saved.State; s.Phase == "" || s.Hold.Reason == HeldDryRun {
		saved.State = State{Phase: PhaseWatching}
	}
	m := &Machine{id: id, saved: saved}
	m.life.knownUntil = saved.LastEventAt
	m.networks.unseenStart = true // while no Stoker was there
	m.container.config.stopSignal = saved.StopSignal
	stop, o := saved.State.Stop, saved.OwnStops
	if stop.Sent() && o.Terms > 0 && !o.TermSeen.Before(stop.At) { // the record has its first signal, which a replay does not bring again
		m.own = ownStop{signals: 1, termAt: o.TermAt, termSeen: o.TermSeen}
	}
	if saved.State.Heal.Missing {
		m.container.status = StatusGone
	}
	return m
}

// NewReplacement is a machine for the container that took the place of the one that left saved: the history of a worker
// belongs to its name.
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

// Confirm makes a tentative machine one of a worker.
func (m *Machine) Confirm() { m.id.Tentative = false }

// Step tells the machine one thing and returns what it wants. Time never runs backwards between calls, or if it
// does, nothing worse happens than a wait that lasts longer.
func (m *Machine) Step(now time.Time, in Input) Effects {
	before, changes := digest(m.saved), m.changes
	m.clampDelays(now)
	if m.saved.StopIntent != nil && m.foreign.until.IsZero() { // remembered from before Stoker's own restart
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

// take takes in one input, and returns the action that a Dispatch has made due.
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

// Saved is what must survive; the caller must not change what it points to.
func (m *Machine) Saved() Saved { return m.saved }

// Key is the worker's name.
func (m *Machine) Key() Key { return m.saved.Key }

// ClockStepped tells the machine that the engine's clock shows that time now. Events that seem to come later have happened
// before a step back, so no replayed event can be compared with them.
func (m *Machine) ClockStepped(now time.Time) {
	if m.life.knownUntil.After(now) {
		m.life.knownUntil = time.Time{}
	}
}

// Rename gives the machine the name that its container has now.
func (m *Machine) Rename(key Key) {
	m.saved.Key = key
}

// isReplay reports whether an input is replayed history, from before Stoker knew whether the container still exists.
func isReplay(in Input) bool {
	o, ok := in.(Observation)
	return ok && o.History() && o.Kind != Listed
}

// announce tells once who is looked after, and what is wrong with it.
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
