package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// recordOf is a worker that is restored from a record of the beginning of its incarnation and of its last event.
func recordOf(began, last time.Time) *worker.Machine {
	return worker.Restore(worker.Identity{Key: "w", ID: containerID, Policy: policy.Default()}, worker.Saved{
		Incarnation: worker.Incarnation{StartedAt: began}, LastEventAt: last,
	})
}

// A replayed event is the last one of the record if it has the same time.
func TestLastRecordedEvent(t *testing.T) {
	for name, c := range map[string]struct {
		record, event time.Time
		want          bool
	}{
		"the same":             {noon, noon, true},
		"an earlier one":       {noon, noon.Add(-1), false},
		"a later one":          {noon, noon.Add(1), false},
		"a record without one": {time.Time{}, time.Time{}, false},
	} {
		last, _ := recordOf(noon, c.record).Recorded(worker.Observation{Kind: worker.Exited, At: c.event})
		require.Equal(t, c.want, last, name)
	}
}

// The start of the recorded incarnation has an event up to ten seconds later; no other event is taken for it.
func TestRecordedStart(t *testing.T) {
	for name, c := range map[string]struct {
		began time.Time
		kind  worker.Kind
		late  time.Duration
		want  bool
	}{
		"at once":                         {noon, worker.Started, 0, true},
		"on a slow engine":                {noon, worker.Started, 10*time.Second - 1, true},
		"too late":                        {noon, worker.Started, 10 * time.Second, false},
		"before it":                       {noon, worker.Started, -1, false},
		"no start":                        {noon, worker.Healthy, 0, false},
		"a record without an incarnation": {time.Time{}, worker.Started, 0, false},
	} {
		_, start := recordOf(c.began, noon).Recorded(worker.Observation{Kind: c.kind, At: c.began.Add(c.late)})
		require.Equal(t, c.want, start, name)
	}
}

// An exit within the seconds in which the recorded start might still arrive is that of the recorded incarnation, if the clock did not step.
func TestRecordedEnd(t *testing.T) {
	for name, c := range map[string]struct {
		began time.Time
		kind  worker.Kind
		late  time.Duration
		want  bool
	}{
		"at once":                         {noon, worker.Exited, 0, true},
		"seconds later":                   {noon, worker.Exited, 10*time.Second - 1, true},
		"maybe before a step back":        {noon, worker.Exited, 10 * time.Second, false},
		"of the incarnation before":       {noon, worker.Exited, -1, false},
		"no exit":                         {noon, worker.Stopped, 0, false},
		"a record without an incarnation": {time.Time{}, worker.Exited, 0, false},
	} {
		require.Equal(t, c.want, recordOf(c.began, noon).RecordedEnd(worker.Observation{Kind: c.kind, At: c.began.Add(c.late)}), name)
	}
}

// A replay shows where in the stream the present incarnation begins: what comes before that start is about the one before it, and
// what comes after it is about the present one, whatever the clock shows.
func TestReplayedStart(t *testing.T) {
	run(t, []scenario{
		{"a signal before it does not explain the exit after it", `
			given remembered stop-signal=USR1
			old:30m kill USR1       # the clock was set back after it
			old start
			old:10m die 1
			list down 1
			> start 1
			= intent none`},
		{"a signal after it does", `
			given remembered stop-signal=USR1
			old start
			old:10m kill USR1
			old:10m die 1
			list down 1
			= held stopped-by-operator`},
		{"the exit of the incarnation that Stoker has begun, which a new connection shows with its start", `
			up
			die 1
			> start 1
			answer running new
			+1s
			old start
			old:0s die 1
			list down 1
			+1s
			> start 2
			= intent none`},
	})
}

// An event that the Stoker before has handled during a recreate is not counted again when it is replayed.
func TestReplayedSignalWhileRecreating(t *testing.T) {
	s := play(t, recreating+"transaction stops\nkill TERM\nstoker-killed\nold:1ms kill TERM")
	require.False(t, s.m.StoppedWhileRecreating())
	s.goOn("old:0s kill TERM")
	require.True(t, s.m.StoppedWhileRecreating(), "a second one is another client's")

	for _, c := range []struct {
		order  worker.Order
		at     time.Time
		others bool
	}{
		{worker.OrderBefore, noon.Add(1), false},
		{worker.OrderAfter, noon.Add(-1), true},
	} {
		s := play(t, recreating+"transaction stops\nkill TERM\nstoker-killed")
		s.step(worker.Observation{
			Kind: worker.Signalled, At: c.at, ID: containerID, Key: "w", Signal: signal("TERM"), Replay: worker.Replay{Origin: worker.OriginReplayed, Order: c.order},
		})
		require.Equal(t, c.others, s.m.StoppedWhileRecreating(), "the place in the stream decides, not the time")
	}
}

// Before the first inspect shows the container's own stop signal, a replayed first signal belongs to the stop of the Stoker before.
func TestReplayedSignalOfTheStopBefore(t *testing.T) {
	s := play(t, "given health grace=10s")
	s.world.StopSignal = 0 // none of its own
	s.goOn(`
		up
		unhealthy
		> stop 1
		stoker-killed
		old:0s kill TERM
		old:0s die 143
		list down 143
		> start 1
		= fault unhealthy`)
}
