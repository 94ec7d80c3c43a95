package dockertest

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// Host is an engine with workers on it, either the world behind its API or a real one, so that one set of scenarios
// runs on both. Its methods fail the test that made it when they cannot do their work.
type Host interface {
	Ground
	Operations
	FaultInjector
	Inspector
	HealthPort() int // where workers with WorkerProbes.HTTP answer GET /health
}

// Ground is where the workers live.
type Ground interface {
	Real() bool
	DockerHost() string // what to give Stoker as DOCKER_HOST
	Scope() string      // what to give it as STOKER_SCOPE: all workers of this test carry it
	// Run creates and starts a worker. Its full name is made from the spec's and is different in each test.
	Run(spec WorkerSpec) Worker
	// Create creates a worker without starting it.
	Create(spec WorkerSpec) Worker
}

// Operations are the operator's. The requests are over when the methods return.
type Operations interface {
	// Operate does one of OpStart, OpStop, OpKill (with SIGKILL), OpRestart, OpPause, OpUnpause, OpUpdate (to a quota of 0.1 CPUs)
	// and OpRemove (by force).
	Operate(op Op, name string)
	// SmallNetwork puts the workers that are made from now on into a network that only this test uses. It has so few addresses that
	// one that is free is given again after a few others. The fake engine's addresses are never given again.
	SmallNetwork()
	Signal(name string, sig syscall.Signal) // through the API
	Rename(name, to string)
}

// FaultInjector does what no API does.
type FaultInjector interface {
	Crash(name string, sig syscall.Signal)          // from the host
	Exit(name string, code int)                     // by itself
	OOM(name string)                                // needs a WorkerSpec.Memory.Limit
	SetHealthCheck(name string, result CheckResult) // needs WorkerSpec.Health
	Starter
}

// Starter makes starts fail.
type Starter interface {
	// BreakStarts makes starts of a worker fail until repair is called: the engine refuses them with status 400 and leaves no
	// error in the state. Needs WorkerSpec.Breakable.
	BreakStarts(name string) (repair func())
	// TakePort gives a host port to another process until free is called: starts that want it fail with status 500, and the
	// error is in the state. It waits until the port is free.
	TakePort(port int) (free func())
}

// Inspector returns what the engine reports.
type Inspector interface {
	State(name string) State
	// History is what happened to one container, apart from its probes.
	History(id string) []Happening
}

// WorkerSpec is a worker for a scenario.
type WorkerSpec struct {
	Name            string            // short; empty is "w"
	Labels          map[string]string // besides stoker.enable and the scope
	Unlabelled      bool              // neither of those two, only Labels
	CPUs            float64           // 0 is little, for a small machine has to carry many; Unlimited is no quota
	Memory          WorkerMemory
	worker.EndRules      // without a StopSignal
	Health          bool // probed every second, unhealthy after two failures
	Probes          WorkerProbes
	Behaviour       WorkerBehaviour
	HostPort        int    // on 127.0.0.1
	Breakable       bool   // BreakStarts works on it
	Inside          string // full name of the container whose network it shares
}

// WorkerMemory is a worker's limit, and how fast it reaches that.
type WorkerMemory struct {
	Limit int64 // bytes; 0 is none
	Leak  int   // MiB a second; only real workers use any
}

// WorkerProbes are how a worker is probed, by the engine and from outside.
type WorkerProbes struct {
	Timeout time.Duration // of WorkerSpec.Health; 0 is hostProbeTimeout; a story whose probes hang waits for it twice
	Effort  time.Duration // CPU time of such a probe, out of the worker's quota; only real workers have one
	HTTP    bool          // it answers GET /health on Host.HealthPort, well as long as its probe would be
	File    bool          // it writes BeatFile while it works
}

// WorkerBehaviour is what a worker does from its start.
type WorkerBehaviour struct {
	RunFor     time.Duration // then it exits with ExitCode; 0 is never
	ExitCode   int
	IgnoreTerm bool
	Busy       bool // it computes all the time; only real workers do
}

// Unlimited as a worker's CPUs is no quota at all.
const Unlimited = -1

// Worker is a container that a scenario made.
type Worker struct {
	Name string // full
	ID   string
}

// State is a container as the engine shows it. Status is StatusGone when there is none of that name.
type State struct {
	ID           string
	Status       worker.Status
	Health       worker.Health
	StartedAt    time.Time // the engine's clock
	FinishedAt   time.Time
	ExitCode     int
	Error        string
	OOMKilled    bool
	RestartCount int // by Docker's policy
	CPUs         float64
	Networks     []string // sorted
}

// Running reports whether it runs, and is healthy if it has a health check.
func (s State) Running() bool {
	return s.Status == worker.StatusRunning && (s.Health == worker.HealthNone || s.Health == worker.HealthHealthy)
}

// Happening is one event of a container.
type Happening struct {
	At     time.Time // the engine's clock
	Action string    // "kill 15", "die 137", else as in the API
}

// updatedCPUs is the quota that an operator sets.
const updatedCPUs = 0.1

// LabelEnable and LabelScope are the labels that every worker of a scenario carries unless it asks for none.
const (
	LabelEnable = "stoker.enable"
	LabelScope  = "stoker.scope"
)

// The probes of a worker with Health. A probe of a real one costs the engine a tenth of a CPU second, and takes as long as
// the machine is busy: one that fails must not become one that times out, which means something else to Stoker.
const (
	hostProbeInterval = time.Second
	hostProbeTimeout  = 15 * time.Second
	hostProbeRetries  = 2
)

func (s WorkerSpec) labels(scope string) map[string]string {
	labels := map[string]string{}
	if !s.Unlabelled {
		labels[LabelEnable], labels[LabelScope] = "true", scope
	}
	for key, value := range s.Labels {
		labels[key] = value
	}
	return labels
}

func (s WorkerSpec) fullName(scope string) string {
	if s.Name == "" {
		return scope + "-w"
	}
	return scope + "-" + s.Name
}

// Await waits until the engine shows a container as wanted, and returns what it shows then. On the real clock: not for a
// bubble.
func Await(t testing.TB, h Host, name string, within time.Duration, wanted func(State) bool) State {
	t.Helper()
	var last State
	require.Eventually(t, func() bool {
		last = h.State(name)
		return wanted(last)
	}, within, 20*time.Millisecond, "%s", name)
	return last
}
