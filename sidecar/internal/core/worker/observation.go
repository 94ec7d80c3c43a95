package worker

import (
	"syscall"
	"time"
)

// Kind is the kind of an Observation.
type Kind uint8

// The kinds. The first three concern the connection to the engine, not one worker.
const (
	// Disconnected: no observations arrive from now on.
	Disconnected Kind = iota + 1
	// Connecting: a new session. What follows up to ListEnd is history and the list, not news. Carries Engine.
	Connecting
	// ListBegin: one full list follows as Listed.
	ListBegin
	// Listed: one container of a full list. Carries Status, Health, Labels.
	Listed
	// ListEnd: each container that was not listed since ListBegin is gone.
	ListEnd

	Created     // a container was created
	Started     // its process runs
	Exited      // its process ended; carries ExitCode
	Signalled   // the API sent it a signal; carries Signal
	Stopped     // an API stop of it is complete
	OutOfMemory // the kernel killed something in it
	Unhealthy   // its health check went to unhealthy
	Healthy     // its health check went to healthy
	Paused      // frozen by the API
	Resumed     // unpaused by the API
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

// Engine is what a session has read about its engine.
type Engine struct {
	Now        time.Time // the engine's clock at the time of reading
	BootedAt   time.Time // when this engine process began; zero if unknown
	Version    string
	APIVersion string
	CPUs       int
	Name       string // host name
	// GraceUnknown: the default grace of a stop may differ from Docker's 10 s, and the engine does not show it.
	GraceUnknown bool
	Store        string // the storage driver; with another one the engine shows none of these containers
	// Podman: there is no daemon whose shutdown ends containers. It sends no stop event before an exit, but records the request
	// (docs/podman.md).
	Podman bool
	Caveat string // one line for users about a deviation of this engine; empty if it behaves as documented in the README
}

// Title is the engine's version with its Caveat.
func (e Engine) Title() string {
	if e.Caveat == "" {
		return e.Version
	}
	return e.Version + "; " + e.Caveat
}

// Observation is one fact about Docker, in the order of the stream.
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
	NoStopEvents bool // the events before it do not show whether the stop was requested; an inspect does (Podman)
	// Restarting: the engine will start it again, by its policy or because a client restarts it. Engines before API 1.57 never
	// report it.
	Restarting bool
}

// ListState is the state of a container in a list.
type ListState struct {
	Status   Status
	Health   Health
	Networks []string // nil if not reported
}

// Replay describes whether an observation is news.
type Replay struct {
	Origin Origin
	// Order is the position of a replayed event in the stream.
	Order Order
}

// History reports whether an observation is older than the first list of a session, or from that list.
func (r Replay) History() bool { return r.Origin != OriginLive }

// Origin is the source of an observation.
type Origin uint8

// The origins.
const (
	OriginLive     Origin = iota
	OriginReplayed        // by the engine at the start of a session, or that session's list
	// OriginRepeated: replayed, and passed on in an earlier session. It is passed on again only to show which replayed events are
	// older.
	OriginRepeated
)

// Order reports whether a restored worker has taken a replayed event into account, by the order of the events.
type Order uint8

// The orders.
const (
	OrderUnknown Order = iota // decide by the times
	OrderBefore               // it has
	OrderAfter                // it has not
)
