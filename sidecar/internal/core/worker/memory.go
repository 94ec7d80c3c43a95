package worker

import "time"

// Memory is what must survive a crash of Stoker about one worker. It is a value: the journal stores it, and a
// Machine made from it goes on where the last one was.
type Saved struct {
	Key         Key               `json:"key"`
	Incarnation Incarnation       `json:"incarnation"`
	Labels      map[string]string `json:"labels,omitempty"`
	// Expected: the worker should be running, so that an end found later is a fault unless someone meant it.
	Expected bool      `json:"expected"`
	Held     Reason    `json:"held,omitempty"`
	HeldAt   time.Time `json:"held_at,omitzero"` // the engine's clock where an event told
	// HeldSure: the engine answered a new connection after the stop that holds the worker. An engine that is shutting down
	// does not, so that the stop was a person's whatever happens to the engine next.
	HeldSure bool `json:"held_sure,omitempty"`
	// Attempts since the worker was last stable.
	Attempts int `json:"attempts,omitempty"`
	// RestartsInARow since the last recreate, for the ladder.
	RestartsInARow int       `json:"restarts_in_a_row,omitempty"`
	Heal           *OpenHeal `json:"heal,omitempty"`
	// Killed: what holds the worker is a SIGKILL alone, which docker kill and docker rm -f send alike.
	Killed     bool `json:"killed,omitempty"`
	AutoRemove bool `json:"auto_remove,omitempty"`
	// Orphaned: it holds the ID of a container that is gone, so that only a recreate helps.
	NeedsNewParentID bool `json:"orphaned,omitempty"`
	// Alone: it is orphaned, and its restart has to wait: for new attempts, for whoever has paused it, or for the end of
	// another heal.
	RestartPending bool `json:"alone,omitempty"`
	// Led is the last life of the worker into which its dependents have followed.
	FollowedInto Incarnation `json:"led,omitzero"`
	// Former are the IDs that it had before it was recreated, oldest first, the last ones only; and before them, where there is room, those of its
	// understudies.
	PreviousIDs []string `json:"former,omitempty"`
	// Boost is a raised quota that has to be given back.
	Boost *Boost `json:"boost,omitempty"`
	// StopIntent: someone else's stop was seen, and the end that it means was not yet.
	StopIntent *StopIntent `json:"stop_intent,omitempty"`
	// Definition is the last inspect as the engine sent it; it holds the container's environment.
	Definition []byte `json:"definition,omitempty"`
}

// StopIntent is an operator's stop on its way.
type StopIntent struct {
	ID       string    `json:"id"`
	At       time.Time `json:"at"` // the engine's clock
	Signal   int       `json:"signal"`
	Complete bool      `json:"complete,omitempty"` // the stop event came too, not only the signal
	Sure     bool      `json:"sure,omitempty"`     // as Memory.HeldSure
}

// Step is how far a heal has come.
type Step string

// The steps of a heal.
const (
	StepStop   Step = "stop"   // to be stopped, or being stopped
	StepStart  Step = "start"  // to be started, or being started
	StepVerify Step = "verify" // started; not yet seen running and healthy
	// StepRecreate: to be recreated, or being recreated.
	StepRecreate Step = "recreate"
)

// OpenHeal is a heal that is not over.
type OpenHeal struct {
	Fault    Fault     `json:"fault"`
	Intent   Intent    `json:"intent"`
	Heal     Heal      `json:"heal"`
	Reason   Reason    `json:"reason"`
	Attempt  int       `json:"attempt"`
	Step     Step      `json:"step"`
	OpenedAt time.Time `json:"opened_at"`
	Due      time.Time `json:"due"`
	ExitCode int       `json:"exit_code,omitempty"`
	Output   string    `json:"output,omitempty"`
	// Missing: there is no container to heal, only its definition.
	Missing bool `json:"missing,omitempty"`
	// StopSentAt is when Stoker sent its own stop, or the transaction that sends one (Stoker's clock), so that signals replayed after a crash of Stoker
	// are known for its own.
	StopSentAt time.Time     `json:"stop_sent_at,omitzero"`
	Grace      time.Duration `json:"grace,omitempty"` // of that stop
	// StartSent: Stoker asked for the start, so that a start seen afterwards is its own.
	StartSent bool `json:"start_sent,omitempty"`
}

// Bookmark is how far the event stream was read.
type Bookmark struct {
	EventAt  time.Time `json:"event_at"`  // the engine's clock
	BootedAt time.Time `json:"booted_at"` // the engine process that EventAt belongs to; zero when it cannot be told
	// LostAt is when the link was lost or Stoker was told to end (the engine's clock); zero while the engine is followed, and
	// after Stoker was killed meanwhile.
	LostAt time.Time `json:"lost_at,omitzero"`
	// Closed: Stoker was told to end while the engine still answered. An engine that goes down tells its containers all at
	// once, Stoker among them.
	Closed bool `json:"closed,omitempty"`
}
