package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// TestPauseAtItsBounds: a pause lasts longer than no time, and at most a week.
func TestPauseAtItsBounds(t *testing.T) {
	for name, c := range map[string]struct {
		length time.Duration
		want   int // pauses in force
	}{
		"no time":         {0, 0},
		"a moment":        {1, 1},
		"a week":          {fleet.LongestPause, 1},
		"more than that":  {fleet.LongestPause + 1, 0},
		"before its time": {-time.Second, 0},
	} {
		p := newPool(t, fleet.Settings{})
		p.add(1, worker.StatusRunning)
		p.connect()
		_, err := p.f.Pause(p.now, fleet.Pause{Scope: fleet.PauseAll, Until: p.now.Add(c.length)})
		require.Equal(t, c.want == 0, err != nil, name)
		p.f.Tick(p.now)
		require.Len(t, p.f.Pauses(), c.want, name)
	}
}

// TestPauseEvents: the events of a pause name what it covers, its length and its reason. Only that of a single worker is about a worker.
func TestPauseEvents(t *testing.T) {
	for detail, c := range map[string]struct {
		pause fleet.Pause
		key   worker.Key
	}{
		"all workers":         {fleet.Pause{Scope: fleet.PauseAll}, ""},
		"project p":           {fleet.Pause{Scope: fleet.PauseProject, Name: "p"}, ""},
		"worker w-1: upgrade": {fleet.Pause{Scope: fleet.PauseWorker, Name: "w-1", Reason: "upgrade"}, "w-1"},
	} {
		p := paused(t, c.pause)
		p.after(11 * time.Minute)
		for kind, length := range map[worker.EventKind]time.Duration{worker.EventPaused: 10 * time.Minute, worker.EventResumed: 0} {
			events := p.kinds(kind)
			require.Len(t, events, 1, detail)
			require.Equal(t, detail, events[0].Detail)
			require.Equal(t, c.key, events[0].Key)
			require.Equal(t, length, events[0].Delay)
		}
	}
}

// TestHealFailsDuringAPause: a start that was sent before a pause and fails during it is reported as a fault when the pause is over.
func TestHealFailsDuringAPause(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a")
	d.event(worker.Exited, "a")
	start := d.verb(worker.Start)[0]
	turn, err := d.f.Pause(d.now, fleet.Pause{Scope: fleet.PauseAll, Until: d.now.Add(time.Minute)})
	require.NoError(t, err)
	d.take(turn)
	d.events, d.do = nil, nil
	down := d.running(start)
	down.Status, down.StartError = worker.StatusExited, "no"
	d.take(d.f.Finish(d.now, worker.Outcome{
		Action: start, Result: worker.Failed, Failure: worker.Failure{Err: "no"}, Answer: worker.Answer{Snapshot: &down},
	}))
	require.Empty(t, d.events)
	d.pass(30 * time.Second)
	require.Empty(t, d.events)
	require.Empty(t, d.verb(worker.Start))
	d.pass(30 * time.Second)
	require.Equal(t, []worker.EventKind{worker.EventResumed, worker.EventFault}, d.events)
	require.Len(t, d.verb(worker.Start), 1)
}
