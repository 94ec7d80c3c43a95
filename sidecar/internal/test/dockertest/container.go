package dockertest

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"strings"
	"syscall"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// Details are what an inspect of a container returns.
type Details struct {
	ID      string
	Name    string // without the slash
	Spec    Spec
	Created time.Time // the engine's clock, as all times here
	RunState
	RestartCount int // by Docker's policy since the last start through the API
	HealthState
	Connected []string // to networks, sorted; of a container without a body, see networks
}

// RunState is what the engine calls State, without the health.
type RunState struct {
	Running    bool // also while paused or restarting
	Paused     bool
	Restarting bool
	Dead       bool
	Removing   bool
	OOMKilled  bool
	Pid        int
	ExitCode   int
	Error      string
	StartedAt  time.Time
	FinishedAt time.Time // of the last life, also while the next one runs
}

// HealthState is what the engine calls Health.
type HealthState struct {
	Health worker.Health
	Streak int // failed probes in a row
	Probes []worker.Probe
}

// container is a container with what the engine does not show.
type container struct {
	Details
	inherited
	restartFlags
	containerLock
	w       *World
	process *process // the last one; nil before the first start
	lives   []Life
	monitor *due        // the next probe or its result
	stopped []*stopWait // callers that wait for it not to run
	gone    bool

	failStarts  []string // errors of the next starts
	dropVolumes bool     // its removal takes its anonymous volumes along
}

// inherited is what a container takes over from the one that it replaces. A pointer is shared with that one.
type inherited struct {
	wanted *bool
	loss   *Loss
	given  *[]string // the networks that it was made with, and what operators did to them since
	broken string    // error of every start; empty is none
}

// restartFlags are hidden in the engine. With them it decides whether a container starts again.
type restartFlags struct {
	manuallyStopped   bool
	manuallyRestarted bool
	startedBefore     bool
	restarts          restartManager
}

// containerLock is the lock that the engine holds while it changes a container, or looks at it closely.
type containerLock struct {
	busy    bool
	waiting []func()
}

func (c *container) incarnation() worker.Incarnation {
	return worker.Incarnation{ID: c.ID, StartedAt: c.StartedAt}
}

// acquire runs f when the container's lock is free. f or what it puts on the timeline must release.
func (l *containerLock) acquire(f func()) {
	if l.busy {
		l.waiting = append(l.waiting, f)
		return
	}
	l.busy = true
	f()
}

func (l *containerLock) release() {
	if len(l.waiting) == 0 {
		l.busy = false
		return
	}
	next := l.waiting[0]
	l.waiting = l.waiting[1:]
	next()
}

// stopWait is one caller that waits until a container does not run.
type stopWait struct {
	then      func()
	by        Actor
	announces bool // it emits stop afterwards
	announced bool // the stop went out already
}

// whenStopped calls then once the container does not run or waits for its policy, which is at once if so now.
func (c *container) whenStopped(wait *stopWait) {
	if !c.Running {
		wait.then()
		return
	}
	c.stopped = append(c.stopped, wait)
}

func (c *container) tellStopped() {
	waits := c.stopped
	c.stopped = nil
	for _, wait := range waits {
		wait.then()
	}
}

// setStopped is the end of a life without another one by Docker's policy.
func (s *RunState) setStopped(code int, at time.Time) {
	s.Running, s.Paused, s.Restarting, s.Pid = false, false, false, 0
	s.ExitCode, s.FinishedAt = code, at
}

// Status is the state by the engine's own precedence.
func (s RunState) Status() worker.Status {
	switch {
	case s.Running && s.Paused:
		return worker.StatusPaused
	case s.Running && s.Restarting:
		return worker.StatusRestarting
	case s.Running:
		return worker.StatusRunning
	case s.Removing:
		return worker.StatusRemoving
	case s.Dead:
		return worker.StatusDead
	case s.StartedAt.IsZero():
		return worker.StatusCreated
	}
	return worker.StatusExited
}

// Snapshot is the details in Stoker's own terms, as an inspect of the container shows them.
func (d Details) Snapshot() worker.Snapshot {
	s := d.facts()
	s.Definition = d.definition()
	return s
}

// facts is all of a snapshot but its definition, which is costly.
func (d Details) facts() worker.Snapshot {
	signal := d.Spec.StopSignal
	if signal == 0 {
		signal = syscall.SIGTERM
	}
	every := time.Duration(0)
	if d.Spec.Health != nil {
		every = d.Spec.Health.Interval
	}
	return worker.Snapshot{
		HealthState: worker.HealthState{
			ProbeEvery:     every,
			HasHealthcheck: d.Spec.Health != nil,
			Health:         d.Health,
			Probes:         append([]worker.Probe(nil), d.Probes...),
		},
		Incarnation:      worker.Incarnation{ID: d.ID, StartedAt: d.StartedAt},
		Key:              worker.Key(d.Name),
		Labels:           maps.Clone(d.Spec.Labels),
		ImageRef:         worker.ImageRef{Image: d.Spec.Image, ImageID: imageID(d.Spec.Image)},
		Created:          d.Created,
		SharedNamespaces: worker.SharedNamespaces{Parents: d.Spec.parents(), PIDParent: d.Spec.pidParent()},
		ProcessState: worker.ProcessState{
			RestartCount:  d.RestartCount,
			Status:        d.Status(),
			FinishedAt:    d.FinishedAt,
			ExitCode:      d.ExitCode,
			OOMKilled:     d.OOMKilled,
			StartError:    d.Error,
			NetworkFailed: aboutNetworks(d.Error),
		},
		EndRules: worker.EndRules{
			RestartPolicy: d.Spec.RestartPolicy,
			AutoRemove:    d.Spec.AutoRemove,
			StopSignal:    signal,
			StopTimeout:   d.Spec.StopTimeout,
		},
		Resources:    worker.Resources{CPUs: d.Spec.CPUs},
		NetworkState: worker.NetworkState{Networks: d.networks(), ModeNetwork: d.Spec.modeNetwork(), Addresses: d.addresses()},
	}
}

// addresses are those of a container that runs in a network: one, which no other container has.
func (d Details) addresses() []string {
	if !d.Running || len(d.networks()) == 0 {
		return nil
	}
	return []string{Address(d.ID)}
}

// Address is the address that a container has while it runs in a network.
func Address(id string) string {
	sum := fnv.New32a()
	_, _ = sum.Write([]byte(id)) // never fails
	n := sum.Sum32()
	return fmt.Sprintf("10.%d.%d.%d", byte(n>>16), byte(n>>8), byte(n))
}

// definition is a small stand-in for the inspect as the engine sends it.
func (d Details) definition() []byte {
	body, err := json.Marshal(map[string]any{
		"Id": d.ID, "Name": "/" + d.Name, "Image": imageID(d.Spec.Image),
		"Config":          map[string]any{"Image": d.Spec.Image, "Labels": d.Spec.Labels},
		"HostConfig":      map[string]any{"NanoCpus": nanoCPUs(d.Spec.CPUs)},
		"NetworkSettings": map[string]any{"Networks": attached(d)},
	})
	if err != nil {
		panic(fmt.Sprintf("dockertest: a definition of strings and numbers does not encode: %v", err))
	}
	return body
}

func imageID(image string) string {
	if strings.HasPrefix(image, "sha256:") {
		return image
	}
	return "sha256:" + longID(fingerprint(image))
}

func nanoCPUs(cpus float64) int64 { return int64(cpus*1e9 + 0.5) }

// longID is 64 hex digits that depend on n alone.
func longID(n uint64) string {
	id := make([]byte, 0, 32)
	for i := range uint64(4) {
		id = binary.BigEndian.AppendUint64(id, scramble(n+i*7919))
	}
	return hex.EncodeToString(id)
}

// details copies what an inspect returns, so that the answer does not change on its way.
func (c *container) details() Details {
	d := c.Details
	d.Probes = append([]worker.Probe(nil), d.Probes...)
	d.Spec.Body = d.Spec.Body.clone()
	return d
}
