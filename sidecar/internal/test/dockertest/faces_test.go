package dockertest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker"
	"stoker/sidecar/internal/test/dockertest"
)

// The first face must answer an action as Stoker's Docker package does over the second: else a simulation that passes
// shows nothing about Stoker.

type faceCase struct {
	name   string
	spec   dockertest.Spec
	before func(w *dockertest.World)
	action func(a *worker.Action)
	verb   worker.Verb
}

var faceCases = []faceCase{
	{name: "inspect", verb: worker.Inspect},
	{name: "inspect what is gone", verb: worker.Inspect, before: remove},
	{name: "start of a dead one", verb: worker.Start, before: exit},
	{name: "start of a running one", verb: worker.Start},
	{name: "start of a paused one", verb: worker.Start, before: pause},
	{name: "start of what is gone", verb: worker.Start, before: remove},
	{name: "start that fails", verb: worker.Start, before: func(w *dockertest.World) { exit(w); w.FailStarts("a", "no such device") }},
	{name: "start that is refused", verb: worker.Start, before: func(w *dockertest.World) { exit(w); w.BreakStarts("a", "no such folder") }},
	{name: "start without an answer", verb: worker.Start, before: func(w *dockertest.World) {
		exit(w)
		w.Plan(dockertest.Fault{Kind: dockertest.TimeOutDone})
	}},
	{name: "start with the engine down", verb: worker.Start, before: (*dockertest.World).CrashEngine},
	{name: "inspect with the engine down", verb: worker.Inspect, before: (*dockertest.World).CrashEngine},
	{name: "stop with the engine down", verb: worker.Stop, before: (*dockertest.World).CrashEngine},
	{name: "stop", verb: worker.Stop},
	{name: "stop of a dead one", verb: worker.Stop, before: exit},
	{name: "stop of a paused one", verb: worker.Stop, before: pause},
	{name: "stop of what is gone", verb: worker.Stop, before: remove},
	{name: "stop of another life", verb: worker.Stop, action: func(a *worker.Action) {
		a.Incarnation.StartedAt = a.Incarnation.StartedAt.Add(-time.Second)
	}},
	{name: "stop of one that became healthy", verb: worker.Stop, action: func(a *worker.Action) { a.OnlyIfUnhealthy = true },
		spec: dockertest.Spec{Health: &dockertest.Healthcheck{Interval: time.Second}}},
	{name: "stop with --rm", verb: worker.Stop, spec: dockertest.Spec{EndRules: worker.EndRules{AutoRemove: true}}},
	{name: "stop that takes too long", verb: worker.Stop, spec: dockertest.Spec{Behaviour: dockertest.Behaviour{IgnoreTerm: true}},
		action: func(a *worker.Action) { a.Grace, a.Deadline = 20*time.Second, 5*time.Second }},
	{name: "engine that falls meanwhile", verb: worker.Stop, spec: dockertest.Spec{Behaviour: dockertest.Behaviour{IgnoreTerm: true}},
		before: func(w *dockertest.World) {
			w.Plan(dockertest.Fault{Kind: dockertest.CrashEngine, At: 15 * time.Second, Delay: time.Hour})
		},
		action: func(a *worker.Action) { a.Grace = 20 * time.Second }},
}

func exit(w *dockertest.World)   { w.Exit("a", 3) }
func pause(w *dockertest.World)  { w.Operator().Pause("a") }
func remove(w *dockertest.World) { w.Operator().Remove("a", true) }

func TestFacesAgree(t *testing.T) {
	for _, tt := range faceCases {
		t.Run(tt.name, func(t *testing.T) {
			tt.spec.Name = "a"
			tt.spec.StopTimeout = 2 * time.Second
			tt.spec.CPUs = 0.5
			synctest.Test(t, func(t *testing.T) {
				require.Equal(t, inEssence(tt.overSim(t)), inEssence(tt.overAPI(t)))
			})
		})
	}
}

// decide makes the action that is decided on while the worker runs, before anything happens to it.
func (c faceCase) decide(w *dockertest.World) worker.Action {
	truth, _ := w.Truth("a")
	a := worker.Action{ID: 1, Key: "a", Incarnation: truth.Incarnation, Verb: c.verb, StopArgs: worker.StopArgs{Grace: time.Second}, Deadline: 30 * time.Second}
	if c.action != nil {
		c.action(&a)
	}
	return a
}

func (c faceCase) overSim(t *testing.T) worker.Outcome {
	t.Helper()
	w := dockertest.New(dockertest.Config{Start: time.Now().UTC()})
	w.Operator().Run(c.spec)
	w.Advance(5 * time.Second)
	sim := dockertest.NewSim(w, dockertest.SimConfig{})
	a := c.decide(w)
	if c.before != nil {
		c.before(w)
	}
	w.Advance(5 * time.Second)
	sim.Do(a)
	for end := w.Now().Add(time.Minute); ; {
		out, ok := sim.Until(end)
		require.True(t, ok)
		if out.Outcome != nil {
			return *out.Outcome
		}
	}
}

func (c faceCase) overAPI(t *testing.T) worker.Outcome {
	t.Helper()
	s := dockertest.NewServer(dockertest.Config{Timing: dockertest.RealTiming()})
	defer s.Close()
	engine, err := docker.New(docker.Options{Transport: s.Transport(dockertest.ByStoker)})
	require.NoError(t, err)
	_, err = engine.Engine(t.Context())
	require.NoError(t, err)
	s.With(func(w *dockertest.World) { w.Operator().Run(c.spec) })
	time.Sleep(5 * time.Second)
	var a worker.Action
	s.With(func(w *dockertest.World) {
		a = c.decide(w)
		if c.before != nil {
			c.before(w)
		}
	})
	time.Sleep(5 * time.Second)
	return engine.Do(t.Context(), a)
}

// essence is what of an outcome must be the same on both faces.
type essence struct {
	Result      worker.Result
	Missing     bool
	Unreachable bool
	Inspected   bool
	Snapshot    worker.Snapshot
}

func inEssence(o worker.Outcome) essence {
	e := essence{Result: o.Result, Missing: o.Missing, Unreachable: o.Unreachable, Inspected: o.Snapshot != nil}
	if e.Inspected {
		e.Snapshot = *o.Snapshot
		// Times and IDs are each world's own, and the definition is only a stand-in on the first face.
		e.Snapshot.Incarnation, e.Snapshot.FinishedAt, e.Snapshot.Definition = worker.Incarnation{}, time.Time{}, nil
		e.Snapshot.Probes, e.Snapshot.Created, e.Snapshot.Addresses = nil, time.Time{}, nil // the second face has those that a test can listen at
	}
	return e
}
