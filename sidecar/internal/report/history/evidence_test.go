package history

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

func evidenceOf(key worker.Key, heal uint64, e worker.HealEvidence) worker.Event {
	return worker.Event{At: noon, Kind: worker.EventEvidence, Key: key, ID: "abc", HealDetails: worker.HealDetails{HealID: heal}, Detail: e.Summary(), Evidence: &e}
}

func TestEvidenceOfAHeal(t *testing.T) {
	l := New(Options{Now: func() time.Time { return noon }})
	code := 2
	l.Record([]worker.Event{
		{At: noon, Kind: worker.EventFault, Key: "w", HealDetails: worker.HealDetails{HealID: 7, Fault: worker.FaultUnhealthy, Heal: worker.HealRestart, Attempt: 3}, Reason: worker.ReasonHung},
		evidenceOf("w", 7, worker.HealEvidence{Processes: "PID\n1\n", Missing: []string{"a"}}),
		evidenceOf("other", 8, worker.HealEvidence{Logs: "other"}),
		evidenceOf("w", 7, worker.HealEvidence{Logs: "secret words", ExitCode: &code, Missing: []string{"b"}}),
		{At: noon, Kind: worker.EventHealed, Key: "w", HealDetails: worker.HealDetails{HealID: 7, Fault: worker.FaultUnhealthy, Heal: worker.HealRestart}},
	})
	heals := l.Evidence("w")
	require.Equal(t, []Heal{{
		HealID: 7, Worker: "w", Container: "abc", At: noon, Fault: worker.FaultUnhealthy, Reason: worker.ReasonHung, Heal: worker.HealRestart, Attempt: 3,
		Evidence: worker.HealEvidence{Processes: "PID\n1\n", Logs: "secret words", ExitCode: &code, Missing: []string{"a", "b"}},
	}}, heals)
	require.Equal(t, "exit code: 2\nprocesses:\n  PID\n  1\nlast log lines:\n  secret words\nnot read: a\nnot read: b\n", heals[0].Text())
	require.NotNil(t, l.Evidence("nobody"))
	encoded, err := json.Marshal(l.Page(Query{}))
	require.NoError(t, err)
	require.NotContains(t, string(encoded), "secret words", "an event repeats nothing of it")
}

func TestEvidenceIsBounded(t *testing.T) {
	l := New(Options{Now: func() time.Time { return noon }})
	for heal := range uint64(20) {
		l.Record([]worker.Event{evidenceOf("w", heal+1, worker.HealEvidence{Logs: fmt.Sprint(heal)}), evidenceOf("w", heal+1, worker.HealEvidence{Processes: "x"})})
	}
	heals := l.Evidence("w")
	require.Len(t, heals, KeepHeals)
	require.Equal(t, uint64(20), heals[0].HealID)
	require.Equal(t, "19", heals[0].Evidence.Logs)
	require.Len(t, l.Page(Query{}), 40, "the events stay")
	full := worker.HealEvidence{Logs: strings.Repeat("x", 1<<20), Processes: strings.Repeat("y", 1<<20)}
	for n := range 2000 {
		l.Record([]worker.Event{evidenceOf(worker.Key(fmt.Sprint("w", n)), 1, full)})
	}
	require.LessOrEqual(t, l.evidence.bytes, maxEvidenceBytes)
	require.NotEmpty(t, l.Evidence("w1999"))
	require.Empty(t, l.Evidence("w"), "the oldest go first")
	total := 0
	for _, p := range l.evidence.parts {
		total += p.evidence.Size()
		require.LessOrEqual(t, p.evidence.Size(), worker.MaxEvidence)
	}
	require.Equal(t, total, l.evidence.bytes)
}

func TestEvidenceGoesWithItsEvent(t *testing.T) {
	c := &clock{at: noon}
	l := New(Options{Now: c.now, MaxAge: time.Hour})
	l.Record([]worker.Event{evidenceOf("w", 1, worker.HealEvidence{Logs: "x"})})
	c.at = noon.Add(2 * time.Hour)
	require.Empty(t, l.Evidence("w"))
	require.Zero(t, l.evidence.bytes)
}

func TestEvidenceSurvives(t *testing.T) {
	store := &memoryStore{records: map[uint64][]byte{}}
	l := New(Options{Store: store, Now: func() time.Time { return noon }})
	share := 0.5
	code := 3
	e := worker.HealEvidence{
		Health: []worker.ProbeEvidence{{At: noon, ExitCode: 1, Output: "bad"}}, Usage: &worker.UsageEvidence{Memory: 7, Throttled: &share},
		Command: &worker.CommandEvidence{ExitCode: &code, Output: "said"}, Logs: "secret words",
	}
	l.Record([]worker.Event{evidenceOf("w", 1, e)})
	before := l.Evidence("w")
	require.Equal(t, before, New(Options{Store: store, Now: func() time.Time { return noon }}).Evidence("w"))
	require.Equal(t, e, before[0].Evidence)
}

// What a container prints is as hostile as it likes.
func TestHostileEvidence(t *testing.T) {
	l := New(Options{Now: func() time.Time { return noon }})
	bad := strings.Repeat("\xff\x1b[2J\u202e</pre>\n", 10_000)
	share := math.NaN()
	l.Record([]worker.Event{evidenceOf("w", 1, worker.HealEvidence{
		Health: []worker.ProbeEvidence{{At: time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), Output: bad}, {Output: bad}}, Processes: bad, Logs: bad,
		Usage:   &worker.UsageEvidence{CPU: math.Inf(1), Throttled: &share},
		Command: &worker.CommandEvidence{Output: bad, Err: bad, Took: math.NaN()}, Missing: make([]string, 100),
	})})
	heals := l.Evidence("w")
	encoded, err := json.Marshal(heals[0].Evidence)
	require.NoError(t, err)
	require.True(t, utf8.Valid(encoded))
	require.LessOrEqual(t, heals[0].Evidence.Size(), worker.MaxEvidence)
	text := heals[0].Text()
	require.NotContains(t, text, "\x1b")
	require.NotContains(t, text, "\u202e")
	require.True(t, utf8.ValidString(text))
}

func TestEvidenceText(t *testing.T) {
	share := 0.934
	code := 0
	h := Heal{Evidence: worker.HealEvidence{
		Health:  []worker.ProbeEvidence{{At: noon, ExitCode: worker.ProbeTimedOut, Output: "late"}, {At: noon, ExitCode: worker.ProbeNotRun}, {At: noon, ExitCode: 1, Output: "a\nb"}},
		Usage:   &worker.UsageEvidence{Memory: 3 << 20, MemoryLimit: 1 << 30, CPU: 1.25, Quota: 0.5, Throttled: &share},
		Command: &worker.CommandEvidence{ExitCode: &code, Took: 0.2, Output: "dump\n"},
	}}
	require.Equal(t, `memory: 3MiB of 1GiB; CPU: 1.2 s with a quota of 0.5 CPUs, throttled in 93 % of the periods with work
health checks:
  12:00:00 timed out: late
  12:00:00 could not be run: 
  12:00:00 exit code 1: a
    b
before-stop: exit code 0 after 0.2 s
  dump
`, h.Text())
	for want, c := range map[string]worker.CommandEvidence{
		"before-stop: still ran after 5.0 s, and was not waited for any longer\n": {TimedOut: true, Took: 5},
		"before-stop: could not be run: no\n":                                     {Err: "no"},
		"before-stop: ended in an unknown way after 1.0 s\n":                      {Took: 1},
	} {
		require.Equal(t, want, Heal{Evidence: worker.HealEvidence{Command: &c}}.Text())
	}
}
