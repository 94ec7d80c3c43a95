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
	ID           string
	Name         string // without the slash
	Spec         Spec
	Created      time.Time // the engine's clock, as all times here
	Running      bool      // also while paused or restarting
	Paused       bool
	Restarting   bool
	Dead         bool
	Removing     bool
	OOMKilled    bool
	Pid          int
	ExitCode     int
	Error        string
	StartedAt    time.Time
	FinishedAt   time.Time // of the last life, also while the next one runs
	RestartCount int       // by Docker's policy since the last start through the API
	Health       worker.Health
	Streak       int // failed probes in a row
	Probes       []worker.Probe
	Connected    []string // to networks, sorted; of a container without a body, see networks
}

// container is a container with what the engine does not show.
type container struct {
	Details
	w       *World
	process *process // the last one; nil before the first start
	lives   []Life
	wanted  *bool     // shared with the container that it replaces
	loss    *Loss     // shared too
	given   *[]string // the networks that it was made with, and what operators did to them since; shared too
	gone    bool

	busy    bool // the engine holds the container's lock
	waiting []func()
	stopped []*stopWait // callers that wait for it not to run

	// The engine's hidden flags.
	manuallyStopped   bool
	manuallyRestarted bool
	startedBefore     bool
	restarts          restartManager
	monitor           *due // the next probe or its result

	failStarts []string // errors of the next starts
	broken     string   // error of every start; empty is none

	dropVolumes bool // its removal takes its anonymous volumes along
}

func (c *container) incarnation() worker.Incarnation {
	return worker.Incarnation{ID: c.ID, StartedAt: c.StartedAt}
}

// acquire runs f when the container's lock is free. f or what it puts on the timeline must release.
func (c *container) acquire(f func()) {
	if c.busy {
		c.waiting = append(c.waiting, f)
		return
	}
	c.busy = true
	f()
}

func (c *container) release() {
	if len(c.waiting) == 0 {
		c.busy = false
		return
	}
	next := c.waiting[0]
	c.waiting = c.waiting[1:]
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
func (c *container) setStopped(code int, at time.Time) {
	c.Running, c.Paused, c.Restarting, c.Pid = false, false, false, 0
	c.ExitCode, c.FinishedAt = code, at
}

// Status is the state by the engine's own precedence.
func (d Details) Status() worker.Status {
	switch {
	case d.Running && d.Paused:
		return worker.StatusPaused
	case d.Running && d.Restarting:
		return worker.StatusRestarting
	case d.Running:
		return worker.StatusRunning
	case d.Removing:
		return worker.StatusRemoving
	case d.Dead:
		return worker.StatusDead
	case d.StartedAt.IsZero():
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
		Incarnation: worker.Incarnation{ID: d.ID, StartedAt: d.StartedAt},
		Key:         worker.Key(d.Name),
		Labels:      maps.Clone(d.Spec.Labels),
		Image:       d.Spec.Image,
		ImageID:     imageID(d.Spec.Image),
		Created:     d.Created,
		Parents:     d.Spec.parents(),
		PIDParent:   d.Spec.pidParent(),
		ProcessState: worker.ProcessState{
			RestartCount:  d.RestartCount,
			Status:        d.Status(),
			FinishedAt:    d.FinishedAt,
			ExitCode:      d.ExitCode,
			OOMKilled:     d.OOMKilled,
			StartError:    d.Error,
			NetworkFailed: strings.Contains(d.Error, "driver failed programming external connectivity"),
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
		panic(fmt.Sprintf("enginetest: a definition of strings and numbers does not encode: %v", err))
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

// find is the container of a name, an ID or the beginning of an ID.
func (w *World) find(ref string) *container {
	for _, c := range w.containers {
		if c.Name == ref || c.ID == ref {
			return c
		}
	}
	for _, c := range w.containers {
		if len(ref) >= 12 && len(ref) < len(c.ID) && c.ID[:len(ref)] == ref {
			return c
		}
	}
	return nil
}

// details copies what an inspect returns, so that the answer does not change on its way.
func (c *container) details() Details {
	d := c.Details
	d.Probes = append([]worker.Probe(nil), d.Probes...)
	d.Spec.Body = d.Spec.Body.clone()
	return d
}
