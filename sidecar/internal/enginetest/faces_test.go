package enginetest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/docker"
	"stoker/sidecar/internal/enginetest"
	"stoker/sidecar/internal/lifecycle"
)

// The first face must answer an action as Stoker's Docker package does over the second: else a simulation that passes
// says nothing about Stoker.

type faceCase struct {
	name   string
	spec   enginetest.Spec
	before func(w *enginetest.World)
	action func(a *lifecycle.Action)
	verb   lifecycle.Verb
}

var faceCases = []faceCase{
	{name: "look", verb: lifecycle.Look},
	{name: "look at what is gone", verb: lifecycle.Look, before: remove},
	{name: "start of a dead one", verb: lifecycle.Start, before: exit},
	{name: "start of a running one", verb: lifecycle.Start},
	{name: "start of a paused one", verb: lifecycle.Start, before: pause},
	{name: "start of what is gone", verb: lifecycle.Start, before: remove},
	{name: "start that fails", verb: lifecycle.Start, before: func(w *enginetest.World) { exit(w); w.FailStarts("a", "no such device") }},
	{name: "start that is refused", verb: lifecycle.Start, before: func(w *enginetest.World) { exit(w); w.BreakStarts("a", "no such folder") }},
	{name: "start without an answer", verb: lifecycle.Start, before: func(w *enginetest.World) {
		exit(w)
		w.Plan(enginetest.Fault{Kind: enginetest.TimeOutDone})
	}},
	{name: "start with the engine down", verb: lifecycle.Start, before: (*enginetest.World).CrashEngine},
	{name: "look with the engine down", verb: lifecycle.Look, before: (*enginetest.World).CrashEngine},
	{name: "stop with the engine down", verb: lifecycle.Stop, before: (*enginetest.World).CrashEngine},
	{name: "stop", verb: lifecycle.Stop},
	{name: "stop of a dead one", verb: lifecycle.Stop, before: exit},
	{name: "stop of a paused one", verb: lifecycle.Stop, before: pause},
	{name: "stop of what is gone", verb: lifecycle.Stop, before: remove},
	{name: "stop of another life", verb: lifecycle.Stop, action: func(a *lifecycle.Action) {
		a.Incarnation.StartedAt = a.Incarnation.StartedAt.Add(-time.Second)
	}},
	{name: "stop of one that got well", verb: lifecycle.Stop, action: func(a *lifecycle.Action) { a.OnlyIfUnhealthy = true },
		spec: enginetest.Spec{Health: &enginetest.Healthcheck{Interval: time.Second}}},
	{name: "stop with --rm", verb: lifecycle.Stop, spec: enginetest.Spec{AutoRemove: true}},
	{name: "stop that takes too long", verb: lifecycle.Stop, spec: enginetest.Spec{Behaviour: enginetest.Behaviour{IgnoreTerm: true}},
		action: func(a *lifecycle.Action) { a.Grace, a.Deadline = 20*time.Second, 5*time.Second }},
	{name: "engine that falls meanwhile", verb: lifecycle.Stop, spec: enginetest.Spec{Behaviour: enginetest.Behaviour{IgnoreTerm: true}},
		before: func(w *enginetest.World) {
			w.Plan(enginetest.Fault{Kind: enginetest.CrashEngine, At: 15 * time.Second, Delay: time.Hour})
		},
		action: func(a *lifecycle.Action) { a.Grace = 20 * time.Second }},
}

func exit(w *enginetest.World)   { w.Exit("a", 3) }
func pause(w *enginetest.World)  { w.Operator().Pause("a") }
func remove(w *enginetest.World) { w.Operator().Remove("a", true) }

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
func (c faceCase) decide(w *enginetest.World) lifecycle.Action {
	truth, _ := w.Truth("a")
	a := lifecycle.Action{ID: 1, Key: "a", Incarnation: truth.Incarnation, Verb: c.verb, Grace: time.Second, Deadline: 30 * time.Second}
	if c.action != nil {
		c.action(&a)
	}
	return a
}

func (c faceCase) overSim(t *testing.T) lifecycle.Outcome {
	t.Helper()
	w := enginetest.New(enginetest.Config{Start: time.Now().UTC()})
	w.Operator().Run(c.spec)
	w.Advance(5 * time.Second)
	sim := enginetest.NewSim(w, enginetest.SimConfig{})
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

func (c faceCase) overAPI(t *testing.T) lifecycle.Outcome {
	t.Helper()
	s := enginetest.NewServer(enginetest.Config{Timing: enginetest.RealTiming()})
	defer s.Close()
	engine, err := docker.New(docker.Options{Transport: s.Transport(enginetest.ByStoker)})
	require.NoError(t, err)
	_, err = engine.Engine(t.Context())
	require.NoError(t, err)
	s.With(func(w *enginetest.World) { w.Operator().Run(c.spec) })
	time.Sleep(5 * time.Second)
	var a lifecycle.Action
	s.With(func(w *enginetest.World) {
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
	Result      lifecycle.Result
	Missing     bool
	Unreachable bool
	Looked      bool
	Snapshot    lifecycle.Snapshot
}

func inEssence(o lifecycle.Outcome) essence {
	e := essence{Result: o.Result, Missing: o.Missing, Unreachable: o.Unreachable, Looked: o.Snapshot != nil}
	if e.Looked {
		e.Snapshot = *o.Snapshot
		// Times and IDs are each world's own, and the definition is only a stand-in on the first face.
		e.Snapshot.Incarnation, e.Snapshot.FinishedAt, e.Snapshot.Definition = lifecycle.Incarnation{}, time.Time{}, nil
		e.Snapshot.Probes = nil
	}
	return e
}
