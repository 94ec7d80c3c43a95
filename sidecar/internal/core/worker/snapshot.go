package worker

import (
	"syscall"
	"time"
)

// Key is a worker's permanent name: the container's name without the leading slash. A recreate keeps it.
type Key string

// Incarnation is one run of a worker's container. The wall clock may step back, so neither event times nor restart counts
// identify it; the container's ID with its StartedAt does (moby/moby#52153).
type Incarnation struct {
	ID        string
	StartedAt time.Time // the engine's clock; zero for a container that never ran
}

func (i Incarnation) same(j Incarnation) bool { return i.ID == j.ID && i.StartedAt.Equal(j.StartedAt) }

// Status is the engine's state of a container. It is StatusRunning only if the container is neither paused nor restarting: Docker
// sets several of its flags at once.
type Status string

// The states of a container. StatusUnknown is the state before the first inspect.
const (
	StatusUnknown    Status = ""
	StatusCreated    Status = "created"
	StatusRunning    Status = "running"
	StatusPaused     Status = "paused"
	StatusRestarting Status = "restarting"
	StatusExited     Status = "exited"
	StatusDead       Status = "dead"
	StatusRemoving   Status = "removing"
	StatusGone       Status = "gone"
)

// Down reports whether a container in this state has no process and could be given one by a start.
func (s Status) Down() bool {
	return s == StatusCreated || s == StatusExited
}

// Health is the result of a container's health check. Docker sets unhealthy on every stopped or paused container with a health
// check, so it is only meaningful while the container runs.
type Health string

// The healths of a container.
const (
	HealthUnknown   Health = ""     // in a list of Podman, which omits it
	HealthNone      Health = "none" // no health check
	HealthStarting  Health = "starting"
	HealthHealthy   Health = "healthy"
	HealthUnhealthy Health = "unhealthy"
)

// The exit codes of a Probe that did not come from its program.
const (
	ProbeTimedOut = -1 // the engine cut it off
	ProbeNotRun   = -2 // the engine could not run it: program missing, too many open files; Output is the engine's error
)

// Probe is one run of a health check.
type Probe struct {
	At       time.Time // the engine's clock
	ExitCode int       // of the program, or one of the constants above
	Output   string    // printed by the container, untrusted
}

// ExitCause is the cause of an exit that the engine has recorded.
type ExitCause uint8

// The causes.
const (
	ExitCauseUnknown   ExitCause = iota // Docker's events decide
	ExitCauseHidden                     // a Podman that does not report it: older than 4.7, or behind a proxy that blocks the call
	ExitCauseRequested                  // a client, possibly Stoker, requested a stop or a signal
	ExitCauseOwn                        // no client did
)

// RestartPolicy is Docker's own restart policy of a container.
type RestartPolicy struct {
	Name       string // "", no, always, unless-stopped, on-failure
	MaxRetries int    // for on-failure; 0 is no limit
}

// Active reports whether Docker itself restarts the container at all.
func (p RestartPolicy) Active() bool {
	return p.Name != "" && p.Name != "no"
}

// Snapshot is the data of one inspect of a container.
type Snapshot struct {
	Incarnation
	Key    Key
	Labels map[string]string
	ImageRef
	Created time.Time // the engine's clock
	ProcessState
	HealthState
	EndRules
	Resources
	NetworkState
	SharedNamespaces
	Unseen []string // folders that the engine does not expose: mounts in memory
	// Definition is the inspect as the engine sent it. It contains the container's environment, so it is only stored in the
	// journal.
	Definition []byte
}

// ImageRef is the image of a container.
type ImageRef struct {
	Image   string // as written by the user
	ImageID string
}

// SharedNamespaces is whose namespaces a container shares.
type SharedNamespaces struct {
	Parents   []string // the containers: usually IDs
	PIDParent string   // the one of its PID namespace: its exit kills this one
}

// ProcessState is the state of the container's process, or how the last one ended.
type ProcessState struct {
	Status        Status
	Stopping      bool      // a stop through the API is under way (Podman; Docker does not show it)
	FinishedAt    time.Time // the engine's clock
	ExitCode      int
	ExitCause     ExitCause
	OOMKilled     bool
	StartError    string // why the engine's last start failed
	NetworkFailed bool   // that was about its networks, or the ports to publish on them
	RestartCount  int    // by the restart policy, since the last start through the API
}

// HealthState is the container's own health check and its results.
type HealthState struct {
	HasHealthcheck bool
	Health         Health
	Probes         []Probe       // newest last, as many as the engine keeps (5)
	ProbeEvery     time.Duration // between two runs; 0 without a health check
}

// EndRules are how the container is stopped, and what the engine does after its exit.
type EndRules struct {
	RestartPolicy RestartPolicy
	AutoRemove    bool
	StopSignal    syscall.Signal
	StopTimeout   time.Duration // the container's own; 0 when it has none, policy.NoStopWait when it is 0
}

// Resources are what the container may use.
type Resources struct {
	MemoryLimit int64         // bytes; 0 is none
	CPUs        float64       // quota in CPUs; 0 is none
	CPUPeriod   time.Duration // of that quota
	Devices     bool          // it has devices of a driver, such as GPUs, which an update would drop
}

// NetworkState is the container's position on its networks.
type NetworkState struct {
	Networks    []string // that it is connected to, by name, sorted; nil if not reported
	Addresses   []string // IP addresses in these networks
	Reach       Reach    // where it is on them
	Ports       []int    // that it exposes over TCP, whether published or not, sorted
	ModeNetwork string   // the network in its network mode, connected or not; empty for a mode without one
}

// retriesUsedUp reports whether the restart policy has no retry left.
func (s Snapshot) retriesUsedUp() bool {
	p := s.RestartPolicy
	return p.Name == "on-failure" && p.MaxRetries > 0 && s.RestartCount >= p.MaxRetries
}

// LastProbe is the newest probe, or a zero Probe and false.
func (s Snapshot) LastProbe() (Probe, bool) {
	if len(s.Probes) == 0 {
		return Probe{}, false
	}
	return s.Probes[len(s.Probes)-1], true
}
