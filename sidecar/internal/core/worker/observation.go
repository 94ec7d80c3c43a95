package worker

import (
	"syscall"
	"time"
)

// Kind says what was observed.
type Kind uint8

// What the watch can tell. The first three concern the link to the engine, not one worker.
const (
	// Disconnected: nothing is known from now on.
	Disconnected Kind = iota + 1
	// Connecting: a new session; what follows up to ListEnded is history and picture, not news. Carries Engine.
	Connecting
	// ListBegin: one full list follows as Listed.
	ListBegin
	// Listed: one container of a full list. Carries Status, Health, Labels.
	Listed
	// ListEnd: anyone who was not listed since ListBegan is gone.
	ListEnd

	Created     // a container was made
	Started     // its process runs
	Exited      // its process ended; carries ExitCode
	Signalled   // the API sent it a signal; carries Signal
	Stopped     // an API stop of it is complete
	OutOfMemory // the kernel killed something in it
	Unhealthy   // its health check went to unhealthy
	Healthy     // its health check went to healthy
	Paused      // frozen by the API
	Resumed     // thawed by the API
	Updated     // docker update
	Renamed     // carries OldKey
	Gone        // removed
)

var kindNames = [...]string{
	Disconnected: "engine-disconnected", Connecting: "engine-connecting", ListBegin: "list-began", Listed: "listed", ListEnd: "list-ended",
	Created: "created", Started: "started", Exited: "exited", Signalled: "signalled", Stopped: "stopped",
	OutOfMemory: "out-of-memory", Unhealthy: "unhealthy", Healthy: "healthy", Paused: "paused", Resumed: "resumed",
	Updated: "updated", Renamed: "renamed", Gone: "gone",
}

func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "unknown"
}

// Engine is what a session learns of the engine it talks to.
type Engine struct {
	Now        time.Time // the engine's clock when asked
	BootedAt   time.Time // when this engine process began; zero when it cannot be told
	Version    string
	APIVersion string
	CPUs       int
	Name       string // what its host is called
	// GraceUnknown: the grace of a stop without one may be another than Docker's 10 s, and the engine does not tell it.
	GraceUnknown bool
	Store        string // the storage driver, which the containers belong to as well: with another one the engine shows none of them
	// Podman: there is no process of the engine's with which containers end, and it does not say before an end that
	// somebody means it, but remembers it (docs/podman.md).
	Podman bool
	Caveat string // what a user has to know of this engine, in one line; empty when it is as the README says
}

// Title is its version, with what has to be known of it.
func (e Engine) Title() string {
	if e.Caveat == "" {
		return e.Version
	}
	return e.Version + "; " + e.Caveat
}

// Observation is one fact about Docker, in the order in which it became true.
type Observation struct {
	Kind      Kind
	At        time.Time // the engine's clock; Stoker's own for Disconnected
	ID        string    // the container's full ID
	Key       Key       // its name at that time
	OldKey    Key       // Renamed
	Labels    map[string]string
	Signal    syscall.Signal // Signalled
	Exit                     // Exited
	ListState                // Listed
	Engine    Engine         // Connecting
	Replay
}

// Exit is what the event of an exit carries.
type Exit struct {
	ExitCode     int
	NoStopEvents bool // what was said before it does not tell whether somebody meant it; an inspect does (Podman)
	// Restarting: the engine will start it again, by its policy or because somebody restarts it. Engines before API 1.57 never say so.
	Restarting bool
}

// ListState is what a list shows of a container's state.
type ListState struct {
	Status   Status
	Health   Health
	Networks []string // nil: not told
}

// Replay is whether an observation is news.
type Replay struct {
	Origin Origin
	// Order is where a replayed event stands in the stream.
	Order Order
}

// History reports whether an observation is older than the list with which a session opens, or is from that list.
func (r Replay) History() bool { return r.Origin != OriginLive }

// Origin is where an observation comes from.
type Origin uint8

// The origins.
const (
	OriginLive     Origin = iota
	OriginReplayed        // by the engine at the start of a session, or that session's list
	// OriginRepeated: replayed, and passed on in an earlier session. It comes once more only because it shows which of the replayed events
	// are older than it.
	OriginRepeated
)

// Order is whether a remembered worker has taken a replayed event into account, as the order of the events shows it.
type Order uint8

// The orders.
const (
	OrderUnknown Order = iota // the times have to tell
	OrderBefore               // it has
	OrderAfter                // it has not
)
