package worker

import (
	"syscall"
	"time"
)

// Saved is what must survive a crash of Stoker about one worker. It is a value: the journal stores it, and a Machine
// restored from it goes on where the last one stopped. The fields of its parts stand beside its own in the JSON.
type Saved struct {
	Key         Key               `json:"key"`
	Incarnation Incarnation       `json:"incarnation"`
	Labels      map[string]string `json:"labels,omitempty"`
	// Expected: the worker should be running, so that an exit found later is a fault unless an operator caused it.
	Expected bool `json:"expected"`
	// LastEventAt is the time of the last event that this record takes into account (the engine's clock). A replay brings
	// older ones again; they are dropped, for what they did is in the record already.
	LastEventAt time.Time `json:"last_event_at,omitzero"`
	SavedHeals
	Dependents SavedDependents `json:"dependents,omitzero"`
	SavedContainer
	// Boost is a raised quota that has to be given back.
	Boost *Boost `json:"boost,omitempty"`
	// StopIntent: an operator's stop was seen, and the exit that it causes was not yet.
	StopIntent *StopIntent `json:"stop_intent,omitempty"`
	SavedDefinition
	// RecycledAt is when the worker was last restarted without a fault of its own (Stoker's clock).
	RecycledAt time.Time `json:"recycled_at,omitzero"`
}

// SavedHeals is what must survive about the heals of a worker.
type SavedHeals struct {
	State    State    `json:"state"`
	OwnStops OwnStops `json:"own_stops,omitzero"`
	Budget   Budget   `json:"budget,omitzero"`
	// RecentAttempts are those that a rolling window may count, oldest first (Stoker's clock).
	RecentAttempts []time.Time `json:"recent_attempts,omitempty"`
}

// SavedContainer is what must survive about the worker's containers, for a replay comes before the first inspect.
type SavedContainer struct {
	AutoRemove bool `json:"auto_remove,omitempty"`
	// StopSignal is the container's own, of the last inspect.
	StopSignal syscall.Signal `json:"stop_signal,omitempty"`
	// PreviousIDs are the IDs that the worker had before it was recreated, oldest first, the last ones only; before them,
	// where there is room, the IDs of its temporary containers.
	PreviousIDs []string `json:"previous_ids,omitempty"`
}

// SavedDefinition is what a container that is missing is created from.
type SavedDefinition struct {
	// Definition is the last inspect as the engine sent it, with the networks that the container has lost since; it holds the container's
	// environment.
	Definition []byte        `json:"definition,omitempty"`
	Networks   SavedNetworks `json:"networks,omitzero"`
}

// Phase names what Stoker is doing with a worker. A worker is in exactly one phase.
type Phase string

// The phases. docs/design.md draws the transitions between them.
const (
	// PhaseWatching: no heal is open. The worker runs, or why it is down is not known yet.
	PhaseWatching Phase = "watching"
	// PhaseHeld: the worker is left alone; State.Hold says why.
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
	// PhaseRecreating: a recreate was sent whose end is not known.
	PhaseRecreating Phase = "recreating"
	// PhaseAsleep: Stoker stopped the worker because there is no work for it. A Wake or somebody's start ends it.
	PhaseAsleep Phase = "asleep"
	// PhaseExhausted: the budget of attempts is used up, and nothing is tried any more.
	PhaseExhausted Phase = "exhausted"
)

// Phases returns all phases, in the order in which a heal goes through them.
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

// State is a phase with what belongs to it. Leaving a phase drops what the next one does not have; see Machine.enter.
type State struct {
	Phase Phase     `json:"phase"`
	Hold  Hold      `json:"hold,omitzero"` // PhaseHeld
	Heal  Heal      `json:"heal,omitzero"` // the phases of a heal, and PhaseDocker where one was open
	Due   time.Time `json:"due,omitzero"`  // of the next action of the heal
	// Stop is Stoker's own stop, from when it is sent until the incarnation after it begins.
	Stop    SentStop `json:"stop,omitzero"`
	Recycle Recycle  `json:"recycle,omitzero"` // PhaseWatching
	// Undone is the ID of the new container that a recreate stops on its way back: PhaseRecreating. A replay tells of that stop only after a
	// crash of Stoker.
	Undone string `json:"undone,omitempty"`
}

// Hold is why a worker is left alone.
type Hold struct {
	Reason Reason    `json:"reason,omitempty"`
	At     time.Time `json:"at,omitzero"` // the engine's clock where an event told
	// Confirmed: the engine answered a new connection after the stop that holds the worker. An engine that is shutting
	// down does not, so the stop was an operator's.
	Confirmed bool `json:"confirmed,omitempty"`
	// Killed: the stop was a SIGKILL alone, which docker kill and docker rm -f send alike.
	Killed bool `json:"killed,omitempty"`
}

// SentStop is a stop that Stoker sent, itself or within a recreate.
type SentStop struct {
	At    time.Time     `json:"at,omitzero"` // Stoker's clock; zero when none was sent
	Grace time.Duration `json:"grace,omitempty"`
	Any   bool          `json:"any,omitempty"` // the engine's default counts, which nobody knows: Grace is the longest that is waited for
}

// Sent reports whether a stop was sent.
func (s SentStop) Sent() bool { return !s.At.IsZero() }

// OwnStops counts Stoker's own stops of an incarnation, and what was seen of them. Their events may be late: those of a restart,
// or of a recreate that was undone, may come in the middle of the next recreate.
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
	Complete  bool      `json:"complete,omitempty"`  // the stop event came too, not only the signal
	Confirmed bool      `json:"confirmed,omitempty"` // as Hold.Confirmed
}

// SavedDependents is what must survive about the containers that share namespaces.
type SavedDependents struct {
	// NeedsNewParentID: the worker refers to the ID of a container that is gone, so that only a recreate helps.
	NeedsNewParentID bool `json:"needs_new_parent_id,omitempty"`
	// RestartPending: the worker is orphaned, and its restart waits for new attempts, for the end of a pause or of another heal.
	RestartPending bool `json:"restart_pending,omitempty"`
	// FollowedInto is the last incarnation of the worker into which its dependents were restarted.
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
	// Note is what a recreate that succeeded has to report, with the end of the heal.
	Note string `json:"note,omitempty"`
}

// Open reports whether there is a heal at all.
func (h Heal) Open() bool { return h.Fault != FaultNone || h.byDemand() }

// Bookmark is how far the event stream was read.
type Bookmark struct {
	EventAt  time.Time `json:"event_at"`  // the engine's clock
	BootedAt time.Time `json:"booted_at"` // the engine process that EventAt belongs to; zero when it cannot be told
	// LostAt is when the connection was lost or Stoker was told to end (the engine's clock). It is zero while the engine is
	// followed, and after Stoker was killed meanwhile.
	LostAt time.Time `json:"lost_at,omitzero"`
	// Closed: Stoker was told to end while the engine still answered. An engine that shuts down stops its containers all at
	// once, Stoker among them.
	Closed bool `json:"closed,omitempty"`
	// Store is the engine's when its containers were last listed (Engine.Store); empty when it is not known.
	Store string `json:"store,omitempty"`
}

// savedDigest is what of a Saved can be compared, without the parts that are too big.
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
