package worker

import (
	"syscall"
	"time"
)

// Saved is the state of one worker that must survive a crash of Stoker. It is a value: the journal stores it, and a Machine
// restored from it continues from there. In the JSON the fields of its parts are on the same level as its own.
type Saved struct {
	Key         Key               `json:"key"`
	Incarnation Incarnation       `json:"incarnation"`
	Labels      map[string]string `json:"labels,omitempty"`
	// Expected: the worker should be running, so an exit found later is a fault unless an operator caused it.
	Expected bool `json:"expected"`
	// LastEventAt is the time of the last event in this record (the engine's clock). A replay repeats older events; they are
	// dropped, because their effects are already recorded.
	LastEventAt time.Time `json:"last_event_at,omitzero"`
	SavedHeals
	Dependents SavedDependents `json:"dependents,omitzero"`
	SavedContainer
	// Boost is a raised quota that has to be restored.
	Boost *Boost `json:"boost,omitempty"`
	// StopIntent is an operator's stop whose exit was not seen yet.
	StopIntent *StopIntent `json:"stop_intent,omitempty"`
	SavedDefinition
	// RecycledAt is when the worker was last restarted without a fault (Stoker's clock).
	RecycledAt time.Time `json:"recycled_at,omitzero"`
}

// SavedHeals is the part of Saved about the heals of a worker.
type SavedHeals struct {
	State    State    `json:"state"`
	OwnStops OwnStops `json:"own_stops,omitzero"`
	Budget   Budget   `json:"budget,omitzero"`
	// RecentAttempts are the attempts that a rolling window may count, oldest first (Stoker's clock).
	RecentAttempts []time.Time `json:"recent_attempts,omitempty"`
}

// SavedContainer is the part of Saved about the worker's containers. It is needed because a replay comes before the first
// inspect.
type SavedContainer struct {
	AutoRemove bool `json:"auto_remove,omitempty"`
	// StopSignal is the container's own, from the last inspect.
	StopSignal syscall.Signal `json:"stop_signal,omitempty"`
	// PreviousIDs are the worker's last IDs before its recreates, oldest first. If there is room, the IDs of its temporary
	// containers come before them.
	PreviousIDs []string `json:"previous_ids,omitempty"`
}

// SavedDefinition is the model for creating a missing container.
type SavedDefinition struct {
	// Definition is the last inspect as the engine sent it, with the networks that the container has lost since. It contains the
	// container's environment.
	Definition []byte        `json:"definition,omitempty"`
	Networks   SavedNetworks `json:"networks,omitzero"`
}

// Phase is what Stoker is doing with a worker. A worker is in exactly one phase.
type Phase string

// The phases. docs/design.md draws the transitions between them.
const (
	// PhaseWatching: no heal is open. The worker runs, or the cause of its exit is not known yet.
	PhaseWatching Phase = "watching"
	// PhaseHeld: the worker is left alone; State.Hold has the reason.
	PhaseHeld Phase = "held"
	// PhaseDocker: the container's own restart policy acts first. A heal that was open stays open.
	PhaseDocker Phase = "waiting-for-docker"
	// PhaseBackingOff: the worker is down, and its start is due at State.Due.
	PhaseBackingOff Phase = "backing-off"
	// PhaseStarting: the start was sent, and the worker was not seen running yet.
	PhaseStarting Phase = "starting"
	// PhaseStopDue: the worker runs, and its stop is due at State.Due.
	PhaseStopDue Phase = "stop-due"
	// PhaseStopping: the stop was sent, and the exit was not seen yet.
	PhaseStopping Phase = "stopping"
	// PhaseVerifying: the worker was started, and was not seen running and healthy yet.
	PhaseVerifying Phase = "verifying"
	// PhaseRecreateDue: the recreate is due at State.Due.
	PhaseRecreateDue Phase = "recreate-due"
	// PhaseRecreating: a recreate was sent whose result is unknown.
	PhaseRecreating Phase = "recreating"
	// PhaseAsleep: Stoker stopped the worker because there is no work for it. A Wake or an operator's start ends it.
	PhaseAsleep Phase = "asleep"
	// PhaseExhausted: the retry limit is reached, and there are no further attempts.
	PhaseExhausted Phase = "exhausted"
)

// Phases returns all phases, in the order in which a heal passes them.
func Phases() []Phase {
	return []Phase{
		PhaseWatching, PhaseStopDue, PhaseStopping, PhaseBackingOff, PhaseStarting, PhaseVerifying, PhaseRecreateDue, PhaseRecreating,
		PhaseDocker, PhaseHeld, PhaseAsleep, PhaseExhausted,
	}
}

// healing reports whether a heal is always open in the phase.
func (p Phase) healing() bool {
	switch p {
	case PhaseBackingOff, PhaseStarting, PhaseStopDue, PhaseStopping, PhaseVerifying, PhaseRecreateDue, PhaseRecreating:
		return true
	case PhaseWatching, PhaseHeld, PhaseAsleep, PhaseDocker, PhaseExhausted:
	}
	return false
}

// State is a phase with its data. Leaving a phase drops what the next one does not have; see Machine.enter.
type State struct {
	Phase Phase     `json:"phase"`
	Hold  Hold      `json:"hold,omitzero"` // PhaseHeld
	Heal  Heal      `json:"heal,omitzero"` // the phases of a heal, and PhaseDocker with an open heal
	Due   time.Time `json:"due,omitzero"`  // of the heal's next action
	// Stop is Stoker's own stop, from when it is sent until the next incarnation begins.
	Stop    SentStop `json:"stop,omitzero"`
	Recycle Recycle  `json:"recycle,omitzero"` // PhaseWatching
	// Undone is the ID of the new container that a recreate stops during its rollback: PhaseRecreating. A replay only contains
	// that stop after a crash of Stoker.
	Undone string `json:"undone,omitempty"`
}

// Hold is why a worker is left alone.
type Hold struct {
	Reason Reason    `json:"reason,omitempty"`
	At     time.Time `json:"at,omitzero"` // the engine's clock if an event reported it
	// Confirmed: the engine answered a new connection after the stop that holds the worker. An engine that is shutting down does
	// not answer, so the stop was an operator's.
	Confirmed bool `json:"confirmed,omitempty"`
	// Killed: the stop was a SIGKILL alone, as docker kill and docker rm -f send it.
	Killed bool `json:"killed,omitempty"`
}

// SentStop is a stop that Stoker sent, itself or within a recreate.
type SentStop struct {
	At    time.Time     `json:"at,omitzero"` // Stoker's clock; zero if none was sent
	Grace time.Duration `json:"grace,omitempty"`
	Any   bool          `json:"any,omitempty"` // the engine's default applies and is unknown: Grace is the maximum wait
}

// Sent reports whether a stop was sent.
func (s SentStop) Sent() bool { return !s.At.IsZero() }

// OwnStops counts Stoker's own stops of an incarnation and their events. The events may be late: those of a restart, or of a
// recreate that was rolled back, may arrive during the next recreate.
type OwnStops struct {
	Sent     int       `json:"sent,omitempty"`
	Terms    int       `json:"terms,omitempty"` // first signals
	Kills    int       `json:"kills,omitempty"`
	Stops    int       `json:"stops,omitempty"`    // stop events
	TermAt   time.Time `json:"term_at,omitzero"`   // of the first of Terms, the engine's clock
	TermSeen time.Time `json:"term_seen,omitzero"` // the same, Stoker's clock
}

// first counts the first signal of a stop.
func (s *OwnStops) first(now, at time.Time) {
	if s.Terms++; s.Terms == 1 {
		s.TermAt, s.TermSeen = at, now
	}
}

// StopIntent is an operator's stop whose exit was not seen yet.
type StopIntent struct {
	ID        string    `json:"id"`
	At        time.Time `json:"at"` // the engine's clock
	Signal    int       `json:"signal"`
	Complete  bool      `json:"complete,omitempty"`  // the stop event arrived too, not only the signal
	Confirmed bool      `json:"confirmed,omitempty"` // as Hold.Confirmed
}

// SavedDependents is the part of Saved about shared namespaces.
type SavedDependents struct {
	// NeedsNewParentID: the worker refers to the ID of a container that is gone, so it needs a recreate.
	NeedsNewParentID bool `json:"needs_new_parent_id,omitempty"`
	// RestartPending: the worker is orphaned, and its restart waits for new attempts, or for the end of a pause or of another
	// heal.
	RestartPending bool `json:"restart_pending,omitempty"`
	// FollowedInto is the last incarnation into which the worker's dependents were restarted.
	FollowedInto Incarnation `json:"followed_into,omitzero"`
}

// Heal is one attempt to cure a fault.
type Heal struct {
	// ID is the same in all events about the heal. It is unique within a journal with overwhelming probability.
	ID       uint64     `json:"id"`
	Fault    Fault      `json:"fault"`
	Intent   Intent     `json:"intent"`
	Action   HealAction `json:"action"`
	Reason   Reason     `json:"reason"`
	Attempt  int        `json:"attempt"`
	OpenedAt time.Time  `json:"opened_at"`
	ExitCode int        `json:"exit_code,omitempty"`
	Output   string     `json:"output,omitempty"`
	// Missing: there is no container to heal, only its definition.
	Missing bool `json:"missing,omitempty"`
	// BeforeStop: the command of stoker.before-stop was sent.
	BeforeStop bool `json:"before_stop,omitempty"`
	// Note is what a successful recreate has to report at the end of the heal.
	Note string `json:"note,omitempty"`
}

// Open reports whether there is a heal.
func (h Heal) Open() bool { return h.Fault != FaultNone || h.byDemand() }

// Bookmark is the position up to which the event stream was read.
type Bookmark struct {
	EventAt  time.Time `json:"event_at"`  // the engine's clock
	BootedAt time.Time `json:"booted_at"` // the engine process of EventAt; zero if unknown
	// LostAt is when the connection was lost or Stoker was asked to exit (the engine's clock). It is zero while the engine is
	// followed, and after Stoker was killed meanwhile.
	LostAt time.Time `json:"lost_at,omitzero"`
	// Closed: Stoker was asked to exit while the engine still answered. An engine that shuts down stops all its containers at
	// once, including Stoker.
	Closed bool `json:"closed,omitempty"`
	// Store is the engine's storage driver when its containers were last listed (Engine.Store); empty if unknown.
	Store string `json:"store,omitempty"`
}

// savedDigest is the comparable part of a Saved, without the parts that are too big.
type savedDigest struct {
	key         Key
	incarnation Incarnation
	expected    bool
	state       State
	ownStops    OwnStops
	budget      Budget
	dependents  SavedDependents
	stop        StopIntent
	autoRemove  bool
	boost       Boost
}

func digest(s Saved) savedDigest {
	d := savedDigest{
		key: s.Key, incarnation: s.Incarnation, expected: s.Expected, state: s.State, ownStops: s.OwnStops, budget: s.Budget, dependents: s.Dependents,
		autoRemove: s.AutoRemove,
	}
	if s.Boost != nil {
		d.boost = *s.Boost
	}
	if s.StopIntent != nil {
		d.stop = *s.StopIntent
	}
	return d
}
