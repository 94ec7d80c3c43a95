package dockertest

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// drain lets a simulation go on for a while and returns all that came out, in words.
func drain(s *Sim, d time.Duration) []string {
	got := []string{}
	for end := s.Now().Add(d); ; {
		out, ok := s.Until(end)
		if !ok {
			return got
		}
		got = append(got, inWords(out))
	}
}

func inWords(out Output) string {
	if o := out.Observation; o != nil {
		history := ""
		if o.History() {
			history = "old "
			if o.Origin == worker.OriginRepeated {
				history = "repeated "
			}
		}
		if o.Kind == worker.Listed {
			return fmt.Sprintf("listed %s %s", o.Key, o.Status)
		}
		if o.ID == "" {
			return o.Kind.String()
		}
		return fmt.Sprintf("%s%s %s", history, o.Kind, o.Key)
	}
	return fmt.Sprintf("%s %s %s", out.Outcome.Action.Verb, out.Outcome.Action.Key, out.Outcome.Result)
}

// outcome waits for the next outcome.
func outcome(t *testing.T, s *Sim) worker.Outcome {
	t.Helper()
	for end := s.Now().Add(time.Minute); ; {
		out, ok := s.Until(end)
		require.True(t, ok, "no outcome within a minute")
		if out.Outcome != nil {
			return *out.Outcome
		}
	}
}

func running(t *testing.T, specs ...Spec) (*World, *Sim) {
	t.Helper()
	w := New(Config{Seed: 11})
	for _, spec := range specs {
		w.Operator().Run(spec)
	}
	w.Advance(2 * time.Second)
	s := NewSim(w, SimConfig{})
	drain(s, time.Second)
	return w, s
}

func action(w *World, name string, verb worker.Verb) worker.Action {
	truth, _ := w.Truth(name)
	return worker.Action{ID: 1, Key: truth.Key, Incarnation: truth.Incarnation, Verb: verb, Deadline: 30 * time.Second}
}

func TestSimOpensAndFollows(t *testing.T) {
	w := New(Config{Seed: 4})
	w.Operator().Run(Spec{Name: "a"})
	w.Advance(time.Second)
	w.Operator().Run(Spec{Name: "b"})
	w.Advance(time.Second)
	s := NewSim(w, SimConfig{Resync: 10 * time.Second})
	require.Equal(t, []string{
		"engine-connecting", "old created a", "old started a", "old created b", "old started b",
		"list-began", "listed b running", "listed a running", "list-ended",
	}, drain(s, time.Second))
	w.Exit("a", 1)
	require.Equal(t, []string{"exited a"}, drain(s, time.Second))
	require.Equal(t, []string{"list-began", "listed b running", "listed a exited", "list-ended"}, drain(s, 9*time.Second))
}

func TestSimSessionsAfterALoss(t *testing.T) {
	w, s := running(t, Spec{Name: "a"})
	w.Exit("a", 1)
	drain(s, 10*time.Second)
	w.CutStreams()
	w.Operator().Start("a")
	require.Equal(t, []string{"engine-disconnected"}, drain(s, 0))
	w.Advance(0)
	got := drain(s, 5*time.Second)
	require.Equal(t, "engine-connecting", got[0])
	require.NotContains(t, got, "old exited a")
	require.Contains(t, got, "repeated exited a", "for its place in the stream")

	w.RestartEngine(time.Second)
	got = drain(s, 20*time.Second)
	require.Equal(t, []string{
		"signalled a", "exited a", "stopped a", "engine-disconnected", "engine-connecting", "list-began", "listed a exited", "list-ended",
	}, got)
}

func TestSimReplaysToTheNextStoker(t *testing.T) {
	w, s := running(t, Spec{Name: "a"})
	w.Operator().Update("a", 0)
	drain(s, time.Second)
	mark := s.Bookmark()
	require.False(t, mark.EventAt.IsZero())
	s.Close()
	w.Operator().Stop("a", OwnGrace)
	w.Advance(10 * time.Second)
	next := NewSim(w, SimConfig{Bookmark: mark})
	require.Equal(t, []string{
		"engine-connecting", "old updated a", "old signalled a", "old exited a", "old stopped a", "list-began", "listed a exited", "list-ended",
	}, drain(next, time.Second))
	require.Empty(t, drain(s, time.Second), "a closed one emits nothing")
}

func TestSimActions(t *testing.T) {
	tests := []struct {
		name   string
		spec   Spec
		before func(w *World)
		action func(a *worker.Action)
		verb   worker.Verb
		want   worker.Result
		check  func(t *testing.T, o worker.Outcome)
	}{
		{
			name: "inspect", verb: worker.Inspect, want: worker.Done,
			check: func(t *testing.T, o worker.Outcome) { require.Equal(t, worker.StatusRunning, o.Snapshot.Status) },
		},
		{
			name: "inspect what is gone", verb: worker.Inspect, want: worker.Failed,
			before: func(w *World) { w.Operator().Remove("a", true) },
			check:  func(t *testing.T, o worker.Outcome) { require.True(t, o.Missing) },
		},
		{
			name: "start of a dead one", verb: worker.Start, want: worker.Done, before: func(w *World) { w.Exit("a", 1) },
			check: func(t *testing.T, o worker.Outcome) {
				require.Equal(t, worker.StatusRunning, o.Snapshot.Status)
				require.True(t, o.Snapshot.StartedAt.After(o.Action.Incarnation.StartedAt))
			},
		},
		{name: "start of a running one", verb: worker.Start, want: worker.Done},
		{
			name: "start that fails", verb: worker.Start, want: worker.Failed,
			before: func(w *World) {
				w.Exit("a", 1)
				w.FailStarts("a", "no such device")
			},
			check: func(t *testing.T, o worker.Outcome) {
				require.Equal(t, "no such device", o.Err)
				require.Equal(t, "no such device", o.Snapshot.StartError)
			},
		},
		{
			name: "start that fails, and the inspect after it has no answer in time", verb: worker.Start, want: worker.Failed,
			before: func(w *World) {
				w.Exit("a", 1)
				w.FailStarts("a", "no such device")
				w.Plan(Fault{Kind: Slow, Op: OpInspect, Delay: time.Minute})
			},
			check: func(t *testing.T, o worker.Outcome) {
				require.Equal(t, "no such device", o.Err)
				require.False(t, o.Unreachable, "the engine has answered the start")
				require.Nil(t, o.Snapshot)
			},
		},
		{
			name: "stop", verb: worker.Stop, want: worker.Done,
			check: func(t *testing.T, o worker.Outcome) { require.Nil(t, o.Snapshot, "the exit event has the rest") },
		},
		{
			name: "stop of another life", verb: worker.Stop, want: worker.Refused,
			action: func(a *worker.Action) { a.Incarnation.StartedAt = a.Incarnation.StartedAt.Add(-time.Second) },
		},
		{name: "stop of a dead one", verb: worker.Stop, want: worker.Refused, before: func(w *World) { w.Exit("a", 1) }},
		{name: "stop of a paused one", verb: worker.Stop, want: worker.Refused, before: func(w *World) { w.Operator().Pause("a") }},
		{
			name: "stop of one that became healthy", verb: worker.Stop, want: worker.Refused,
			spec:   Spec{Health: &Healthcheck{Interval: time.Second}},
			action: func(a *worker.Action) { a.OnlyIfUnhealthy = true },
		},
		{
			name: "stop that the client gives up", verb: worker.Stop, want: worker.Unknown,
			spec: Spec{Behaviour: Behaviour{IgnoreTerm: true}},
			action: func(a *worker.Action) {
				a.Grace, a.Deadline = 20*time.Second, 5*time.Second
			},
		},
		{
			name: "with the engine down", verb: worker.Start, want: worker.Failed, before: func(w *World) { w.CrashEngine() },
			check: func(t *testing.T, o worker.Outcome) { require.True(t, o.Unreachable) },
		},
		{
			name: "stop with --rm", verb: worker.Stop, want: worker.Done, spec: Spec{EndRules: worker.EndRules{AutoRemove: true}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.spec.Name = "a"
			w, s := running(t, tt.spec)
			if tt.before != nil {
				tt.before(w)
				drain(s, time.Second)
			}
			a := action(w, "a", tt.verb)
			if tt.action != nil {
				tt.action(&a)
			}
			s.Do(a)
			require.Equal(t, 1, s.Busy())
			out := outcome(t, s)
			require.Equal(t, tt.want, out.Result, out.Err)
			require.Zero(t, s.Busy())
			if tt.check != nil {
				tt.check(t, out)
			}
			drain(s, time.Minute)
		})
	}
}

func TestFaultsOfRequests(t *testing.T) {
	tests := []struct {
		fault   Fault
		want    worker.Result
		happens bool
	}{
		{Fault{Kind: Refuse, Text: "no"}, worker.Failed, false},
		{Fault{Kind: TimeOutDone}, worker.Unknown, true},
		{Fault{Kind: TimeOutUndone}, worker.Unknown, false},
		{Fault{Kind: Slow, Delay: 10 * time.Second}, worker.Done, true},
		{Fault{Kind: Slow, Delay: 50 * time.Second}, worker.Unknown, true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %v", tt.fault.Kind, tt.fault.Delay), func(t *testing.T) {
			w, s := running(t, Spec{Name: "a"})
			w.Exit("a", 1)
			drain(s, time.Second)
			w.Plan(tt.fault)
			w.Advance(0)
			s.Do(action(w, "a", worker.Start))
			require.Equal(t, tt.want, outcome(t, s).Result)
			w.Advance(time.Minute)
			truth, _ := w.Truth("a")
			require.Equal(t, tt.happens, truth.Status == worker.StatusRunning)
			s.Do(action(w, "a", worker.Start))
			require.Equal(t, worker.Done, outcome(t, s).Result, "a fault hits once")
		})
	}
}

func TestFaultsOfEvents(t *testing.T) {
	tests := []struct {
		fault Fault
		want  []string
	}{
		{Fault{Kind: DropEvents}, []string{"exited a", "stopped a"}},
		{Fault{Kind: DuplicateEvents, Count: 2}, []string{"signalled a", "signalled a", "exited a", "exited a", "stopped a"}},
		{Fault{Kind: DelayEvents, Delay: time.Second}, []string{"signalled a", "exited a", "stopped a"}},
		{Fault{Kind: DropEvents, Count: 3}, []string{}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %d", tt.fault.Kind, tt.fault.Count), func(t *testing.T) {
			w, s := running(t, Spec{Name: "a"})
			w.Plan(tt.fault)
			w.Advance(0)
			w.Operator().Stop("a", OwnGrace)
			require.Equal(t, tt.want, drain(s, 10*time.Second))
		})
	}
}

// storm is a short run with many faults; each line of it must depend on the seed alone.
func storm(seed uint64) []string {
	w := New(Config{Seed: seed, ProbeEvents: true})
	for i := range 8 {
		w.Operator().Run(Spec{
			Name: fmt.Sprintf("w%d", i), Health: &Healthcheck{Interval: 2 * time.Second},
			Behaviour: Behaviour{RunFor: time.Duration(5+i) * time.Second, ExitCode: i, FailAfter: 4 * time.Second},
		})
	}
	w.Plan(
		Fault{Kind: DropEvents, At: 5 * time.Second, Count: 3}, Fault{Kind: TimeOutDone, At: 8 * time.Second, Count: 2},
		Fault{Kind: CutStream, At: 12 * time.Second}, Fault{Kind: StepClock, At: 15 * time.Second, Delay: -time.Minute},
		Fault{Kind: RestartEngine, At: 20 * time.Second, Delay: 2 * time.Second},
		Fault{Kind: CrashEngine, At: 40 * time.Second, Delay: time.Second},
	)
	s := NewSim(w, SimConfig{Resync: 7 * time.Second})
	got := []string{}
	for end := w.Now().Add(2 * time.Minute); s.Now().Before(end); {
		out, ok := s.Until(end)
		if !ok {
			break
		}
		got = append(got, fmt.Sprintf("%v %s", out.At.Sub(w.config.Start), inWords(out)))
		if o := out.Observation; o != nil && (o.Kind == worker.Exited || o.Kind == worker.Listed && o.Status.Down()) {
			s.Do(action(w, string(o.Key), worker.Start))
		}
		if o := out.Observation; o != nil && o.Kind == worker.Unhealthy {
			w.Operator().Kill(string(o.Key), syscall.SIGKILL)
		}
	}
	return got
}

func TestSameSeedSameWorld(t *testing.T) {
	one, same, other := storm(1), storm(1), storm(2)
	require.Equal(t, one, same)
	require.NotEqual(t, one, other)
	require.Greater(t, len(one), 500)
}

func TestTroubleAndScripts(t *testing.T) {
	first, again := Trouble(5, time.Hour, 40), Trouble(5, time.Hour, 40)
	require.Equal(t, first, again)
	require.NotEqual(t, Trouble(5, time.Hour, 40), Trouble(6, time.Hour, 40))
	w, s := running(t, Spec{Name: "a"})
	w.Plan(Trouble(5, time.Hour, 40)...)
	w.Schedule(Act{At: time.Minute, Op: OpStop, Key: "a", Grace: OwnGrace})
	drain(s, time.Hour)
	require.True(t, w.EngineUp())
	drain(s, time.Minute)
	require.True(t, s.session.open, "the link is back after all of it")
	truth, _ := w.Truth("a")
	require.False(t, truth.Wanted)
	require.Equal(t, ByOperator, truth.Lives[0].EndedBy)
}
