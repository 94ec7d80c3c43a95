package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// TestSkewFollowsTheEvents: an event is late and never early. So one that is ahead of the known difference between the clocks shows a larger one,
// and one that is behind it shows a step of a clock only if it is more than a minute behind.
func TestSkewFollowsTheEvents(t *testing.T) {
	for name, c := range map[string]struct{ at, want time.Duration }{ // both from Stoker's present time
		"in time":          {0, 0},
		"ahead":            {time.Second, time.Second},
		"late":             {-time.Second, 0},
		"a minute late":    {-time.Minute, 0},
		"later than that":  {-time.Minute - 1, -time.Minute - 1},
		"after a step on":  {time.Hour, time.Hour},
		"after a step off": {-time.Hour, -time.Hour},
	} {
		d := newHarness(t, fleet.Settings{})
		d.up("a")
		d.observe(worker.Observation{Kind: worker.Healthy, ID: "id-a", Key: "a", At: d.now.Add(c.at)})
		require.Equal(t, c.want, d.f.View(d.now).Engine.Skew, name)
		d.observe(worker.Observation{Kind: worker.Healthy, ID: "id-a", Key: "a", At: d.now.Add(c.want - time.Second)})
		require.Equal(t, c.want, d.f.View(d.now).Engine.Skew, "%s, and a late one after it", name)
	}
}

// TestSkewOfAListAndAReplay: neither a list nor a replayed event is news, so that its time shows nothing of the clocks.
func TestSkewOfAListAndAReplay(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.open()
	d.observe(worker.Observation{Kind: worker.Healthy, ID: "id-a", Key: "a", At: d.now.Add(-time.Hour)})
	d.list("a")
	d.observe(worker.Observation{Kind: worker.Listed, ID: "id-a", Key: "a", At: d.now.Add(time.Hour), ListState: worker.ListState{Status: worker.StatusRunning}})
	require.Zero(t, d.f.View(d.now).Engine.Skew)
}

// TestBookmarkFollowsTheEvents: the next Stoker reads on after the newest event. One that is more than a minute older shows that the clock has
// stepped back, so that it is the newest one.
func TestBookmarkFollowsTheEvents(t *testing.T) {
	d := newHarness(t, fleet.Settings{})
	d.up("a")
	for _, c := range []struct{ at, want time.Duration }{
		{0, 0},
		{time.Second, time.Second},
		{0, time.Second},
		{time.Second - time.Minute, time.Second},
		{-time.Minute, -time.Minute},
	} {
		d.observe(worker.Observation{Kind: worker.Healthy, ID: "id-a", Key: "a", At: noon.Add(c.at)})
		require.Equal(t, noon.Add(c.want), d.f.Bookmark().EventAt)
	}
}

// TestProbeOfAnEndedIncarnation: a probe in flight is given up with the incarnation that it asks, and with no other event.
func TestProbeOfAnEndedIncarnation(t *testing.T) {
	d := probedHarness(t, port(1), "a")
	d.pass(30 * time.Second)
	probe := d.verb(worker.RunProbe)[0]
	d.event(worker.OutOfMemory, "a")
	require.Empty(t, d.turn.GiveUp)
	d.event(worker.Exited, "a")
	require.Equal(t, []uint64{probe.ID}, d.turn.GiveUp)
	d.event(worker.Started, "a")
	require.Empty(t, d.turn.GiveUp, "once")
}

// TestGroupInTheView: the view of a group counts the workers that run and those that sleep, and has the items in hand where the source reports
// them.
func TestGroupInTheView(t *testing.T) {
	p := fourOf(t, worker.StatusCreated)
	p.queue.Waiting = 2
	require.Equal(t, "1 2", p.after(5*time.Second).running())
	g := p.group()
	require.Equal(t, []int{2, 2, 2, 4}, []int{g.Wanted, g.Running, g.Asleep, g.Workers})
	require.InDelta(t, 2, g.Sources[0].Waiting, 0)
	require.False(t, g.Sources[0].InHandKnown)
	p.queue.InHand = demand.InHand{Kind: demand.InHandCounted, Total: 3}
	p.after(10 * time.Second)
	require.True(t, p.group().Sources[0].InHandKnown)
	require.InDelta(t, 3, p.group().Sources[0].InHand, 0)
}
