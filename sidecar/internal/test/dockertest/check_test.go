package dockertest

import (
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// Each checker is shown a run that breaks its invariant and one that only looks like it.

func TestCheckOneHealAtOnce(t *testing.T) {
	w, s := running(t, Spec{Name: "a"})
	w.Exit("a", 1)
	drain(s, time.Second)
	s.Do(action(w, "a", worker.Start))
	outcome(t, s)
	s.Do(action(w, "a", worker.Start))
	outcome(t, s)
	require.Empty(t, CheckOneHealAtOnce(w), "one after the other")
	s.Do(action(w, "a", worker.Start))
	s.Do(action(w, "a", worker.Start))
	drain(s, time.Second)
	require.Len(t, CheckOneHealAtOnce(w), 1)
}

func TestCheckIncarnation(t *testing.T) {
	w, s := running(t, Spec{Name: "a"})
	old := action(w, "a", worker.Start)
	s.Do(old)
	drain(s, time.Second)
	require.Empty(t, CheckIncarnation(w))
	w.Operator().Restart("a", OwnGrace)
	drain(s, 5*time.Second)
	s.Do(old)
	drain(s, time.Second)
	require.Len(t, CheckIncarnation(w), 1)
}

func TestCheckIncarnationForgivesWhatNobodyTold(t *testing.T) {
	w, s := running(t, Spec{Name: "a"})
	w.Plan(Fault{Kind: DropEvents, Count: 10})
	old := action(w, "a", worker.Start)
	w.Operator().Restart("a", OwnGrace)
	drain(s, 5*time.Second)
	s.Do(old)
	drain(s, time.Second)
	require.Empty(t, CheckIncarnation(w))
}

func TestCheckOnlyWorkers(t *testing.T) {
	w, s := running(t, Spec{Name: "a", Labels: map[string]string{"stoker.enable": "true"}}, Spec{Name: "b"})
	isWorker := func(labels map[string]string) bool { return labels["stoker.enable"] == "true" }
	s.Do(action(w, "a", worker.Stop))
	drain(s, time.Second)
	require.Empty(t, CheckOnlyWorkers(w, isWorker))
	s.Do(action(w, "b", worker.Stop))
	drain(s, time.Second)
	require.Len(t, CheckOnlyWorkers(w, isWorker), 1)
}

func TestCheckOperatorObeyed(t *testing.T) {
	tests := []struct {
		name  string
		act   func(w *World)
		wrong int
	}{
		{"a stop", func(w *World) { w.Operator().Stop("a", OwnGrace) }, 1},
		{"a kill", func(w *World) { w.Operator().Kill("a", syscall.SIGKILL) }, 1},
		{"a crash", func(w *World) { w.Exit("a", 1) }, 0},
		{"a stop of which no event came through", func(w *World) {
			w.Plan(Fault{Kind: DropEvents, Count: 3})
			w.Advance(0)
			w.Operator().Stop("a", OwnGrace)
		}, 0},
		{"a stop, a start and a crash", func(w *World) {
			w.Operator().Stop("a", OwnGrace)
			w.Advance(time.Second)
			w.Operator().Start("a")
			w.Advance(time.Second)
			w.Exit("a", 1)
		}, 0},
		{"a signal that it survived, and a crash", func(w *World) {
			w.Operator().Kill("a", syscall.SIGHUP)
			w.Advance(time.Second)
			w.Exit("a", 1)
		}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, s := running(t, Spec{Name: "a"})
			tt.act(w)
			drain(s, 2*time.Second)
			s.Do(action(w, "a", worker.Start))
			drain(s, time.Second)
			require.Len(t, CheckOperatorObeyed(w), tt.wrong)
		})
	}
}

// TestCheckOperatorObeyedOfARecreatedWorker: a stop of the container that was replaced holds for the one that replaces it, unless somebody has
// given both a name of their own.
func TestCheckOperatorObeyedOfARecreatedWorker(t *testing.T) {
	for name, c := range map[string]struct {
		renamed map[string]string
		wrong   int
	}{
		"one worker":  {map[string]string{"a": "a.stoker-old", "a.stoker-new": "a"}, 1},
		"on its way":  {map[string]string{}, 1},
		"two workers": {map[string]string{"a.stoker-new": "b"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w, s := running(t, Spec{Name: "a"})
			old, _ := w.Truth("a")
			w.Operator().Run(Spec{Name: "a.stoker-new", Labels: map[string]string{worker.MarkOf: old.ID, worker.MarkName: "a"}})
			drain(s, time.Second)
			made, _ := w.Truth("a.stoker-new")
			for _, from := range []string{"a", "a.stoker-new"} {
				if to := c.renamed[from]; to != "" {
					w.Operator().Rename(from, to)
				}
			}
			w.Operator().Stop(old.ID, OwnGrace)
			w.Exit(made.ID, 1)
			drain(s, 2*time.Second)
			made, _ = w.TruthByID(made.ID)
			s.Do(action(w, string(made.Key), worker.Start))
			drain(s, time.Second)
			require.Len(t, CheckOperatorObeyed(w), c.wrong)
		})
	}
}

func TestCheckRunning(t *testing.T) {
	w, _ := running(t, Spec{Name: "a"}, Spec{Name: "b"}, Spec{Name: "c"})
	w.Exit("a", 1)
	w.Operator().Stop("b", OwnGrace)
	w.Advance(time.Second)
	require.Len(t, CheckRunning(w, nil), 1, "the crashed one; the stopped one is meant to be down")
	require.Empty(t, CheckRunning(w, func(t Truth) bool { return t.Key != "a" }))
}

func TestCheckBudget(t *testing.T) {
	w, s := running(t, Spec{Name: "a", Behaviour: Behaviour{RunFor: 10 * time.Second, ExitCode: 1}})
	for range 3 {
		drain(s, 15*time.Second)
		s.Do(action(w, "a", worker.Start))
		outcome(t, s)
	}
	require.Empty(t, CheckBudget(w, "a", 3, time.Minute))
	require.Len(t, CheckBudget(w, "a", 2, time.Minute), 1)
	require.Empty(t, CheckBudget(w, "a", 1, 5*time.Second), "each life was long enough to count")
}

func TestCheckPrompt(t *testing.T) {
	w, s := running(t, Spec{Name: "a"})
	w.Exit("a", 1)
	drain(s, 2*time.Second)
	s.Do(action(w, "a", worker.Start))
	outcome(t, s)
	require.Empty(t, CheckPrompt(w, 3*time.Second))
	require.Len(t, CheckPrompt(w, time.Second), 1)
}
