package worker_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// TestRecord: a record converts back to its event, except for fields that only some events have.
func TestRecord(t *testing.T) {
	e := worker.Event{
		At: noon, Kind: worker.EventFault, Key: "w", ID: containerID, HealDetails: worker.HealDetails{HealID: 7, Fault: worker.FaultExited, Intent: worker.IntentNone,
			Heal: worker.HealStart, Attempt: 2, Delay: 1500 * time.Millisecond, Duration: 123457 * time.Microsecond,
			ExitCode: 3, Output: "out"}, Reason: worker.ReasonCrashed, QuotaChange: worker.QuotaChange{From: 1, CPUs: 2}, Detail: "why",
	}
	r := e.Record()
	require.Equal(t, e, r.Event())
	require.InDelta(t, 1.5, r.Delay, 0)
	require.Equal(t, 3, *r.ExitCode)

	for fault, ended := range map[worker.Fault]bool{worker.FaultOOM: true, worker.FaultUnhealthy: false, worker.FaultNone: false} {
		e.Fault = fault
		require.Equal(t, ended, e.Record().ExitCode != nil, fault)
	}
	require.Zero(t, worker.Record{}.Event())
}

// TestRecordOfABrokenClock: RFC 3339 has the years 1 to 9999.
func TestRecordOfABrokenClock(t *testing.T) {
	for year, written := range map[int]bool{0: false, 2: true, 9999: true, 10_000: false, -1: false} {
		at := time.Date(year, 5, 1, 0, 0, 0, 0, time.UTC)
		require.Equal(t, written, worker.Event{At: at}.Record().At != nil, year)
	}
	require.Nil(t, worker.Event{}.Record().At)
	require.Nil(t, worker.Event{At: time.Unix(math.MaxInt32*1000, 0)}.Record().At)
}

func TestNames(t *testing.T) {
	labels := map[string]string{worker.MarkName: "w", worker.MarkOf: containerID}
	key, of, ok := worker.ReplacementOf(labels)
	require.Equal(t, worker.Key("w"), key)
	require.Equal(t, containerID, of)
	require.True(t, ok)
	require.True(t, worker.Key("w.stoker-new").IsTemporaryName(labels))
	require.False(t, worker.Key("w").IsTemporaryName(labels), "it has the name already")
	require.False(t, worker.Key(".stoker-new").IsTemporaryName(nil))
	require.True(t, worker.Key("w.stoker-old").IsBackupName())
	require.False(t, worker.Key("w").IsBackupName())
	for _, missing := range []string{worker.MarkName, worker.MarkOf} {
		half := map[string]string{worker.MarkName: "w", worker.MarkOf: containerID}
		delete(half, missing)
		_, _, ok := worker.ReplacementOf(half)
		require.False(t, ok, "without %s", missing)
	}
	require.Equal(t, "27.0; caveat", worker.Engine{Version: "27.0", Caveat: "caveat"}.Title())
	require.Equal(t, "27.0", worker.Engine{Version: "27.0"}.Title())
	require.Equal(t, "unknown", worker.Kind(0).String())
	require.Equal(t, "gone", worker.Gone.String())
	require.Equal(t, "unknown", (worker.Gone + 1).String())
	require.Len(t, worker.EventKinds(), 35)
}

// TestWords: the names of verbs and results are distinct, and are those of the metrics.
func TestWords(t *testing.T) {
	seen := map[string]bool{}
	for v := worker.Verb(0); v <= worker.ReadLogs; v++ {
		require.False(t, seen[v.String()], v)
		seen[v.String()] = true
	}
	require.Len(t, seen, 18)
	results := map[string]bool{}
	for r := worker.Result(0); r <= worker.Skipped; r++ {
		results[r.String()] = true
	}
	require.Len(t, results, 6)
}
