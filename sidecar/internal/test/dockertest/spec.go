package dockertest

import (
	"maps"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// Actor is who did something to a container.
type Actor string

// The actors.
const (
	ByOperator Actor = "operator" // through the API, not Stoker
	ByStoker   Actor = "stoker"   // through the API
	ByItself   Actor = "itself"   // crash, exit, OOM, a signal from the host: the API was not used
	ByDocker   Actor = "docker"   // its restart policy
	ByEngine   Actor = "engine"   // the engine's own shutdown, fall or boot
)

// Spec is what a container is made from.
type Spec struct {
	Name            string
	Image           string // empty is worker:latest
	Labels          map[string]string
	CPUs            float64  // quota; 0 is none
	worker.EndRules          // StopSignal 0 is the engine's TERM; StopTimeout is whole seconds, and 0 the engine's 10 s
	HostPort        int      // published; 0 is none
	Networks        []string // nil is the default one; of a container without a body
	Namespaces
	Unfit     string       // why it cannot be recreated faithfully; empty when it can
	Health    *Healthcheck // nil is none
	Behaviour Behaviour
	Lives     []Behaviour // of the first lives, before Behaviour holds
	Body      *Body       // what it was made from in the engine's own words; nil is little
}

// Namespaces are the modes that name the containers whose namespaces it shares: "container:" and a name or ID, else empty.
type Namespaces struct {
	NetworkMode string
	PidMode     string
	IpcMode     string
}

// Healthcheck is how often the engine probes. Zeros are the engine's defaults: 30 s, 30 s, 3, 0.
type Healthcheck struct {
	Interval    time.Duration
	Timeout     time.Duration
	Retries     int
	StartPeriod time.Duration
}

// Behaviour is what a process does with its life.
type Behaviour struct {
	RunFor   time.Duration // it ends by itself after so long; 0 is never
	ExitCode int           // of an end by itself
	OOM      bool          // the end by itself is the kernel's, for want of memory

	IgnoreTerm bool
	TermDelay  time.Duration // from the stop signal to its end
	TermExit   int           // exit code after the stop signal

	PassAfter  time.Duration // its probes fail until so long after its start
	FailAfter  time.Duration // its probes fail after so long; 0 is never
	FailResult CheckResult   // in which way; empty with FailAfter is Failing
}

// CheckResult is what a health probe finds.
type CheckResult string

// The results.
const (
	Passing CheckResult = ""
	Failing CheckResult = "failing" // the probe exits with 1
	Hanging CheckResult = "hanging" // the probe is cut off by the engine: exit code -1
	// Hung is a real worker that does nothing any more, with a probe that hangs as well.
	Hung CheckResult = "hung"
)

func (s Spec) filled() Spec {
	if s.Image == "" {
		s.Image = "worker:latest"
	}
	s.Labels = maps.Clone(s.Labels)
	if s.Labels == nil {
		s.Labels = map[string]string{}
	}
	if s.RestartPolicy.Name == "" {
		s.RestartPolicy.Name = "no"
	}
	if s.Health != nil {
		h := s.Health.filled()
		s.Health = &h
	}
	return s
}

func (h Healthcheck) filled() Healthcheck {
	if h.Interval == 0 {
		h.Interval = 30 * time.Second
	}
	if h.Timeout == 0 {
		h.Timeout = 30 * time.Second
	}
	if h.Retries == 0 {
		h.Retries = 3
	}
	return h
}

// behaviour of the n-th life, counted from 0.
func (s Spec) behaviour(n int) Behaviour {
	if n < len(s.Lives) {
		return s.Lives[n]
	}
	return s.Behaviour
}
