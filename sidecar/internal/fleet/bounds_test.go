package fleet_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/fleet"
	"stoker/sidecar/internal/lifecycle"
)

func names(n int) []string {
	out := []string{}
	for i := range n {
		out = append(out, fmt.Sprintf("w%02d", i))
	}
	return out
}

func TestStartsAreBounded(t *testing.T) {
	d := newDesk(t, fleet.Settings{Parallel: 2})
	d.up("c", "a", "d", "b")
	d.tell(lifecycle.Observation{Kind: lifecycle.LinkLost})
	d.open()
	d.tell(lifecycle.Observation{Kind: lifecycle.ListBegan})
	for _, name := range []string{"c", "a", "d", "b"} {
		d.event(lifecycle.Exited, name)
		d.listed(name, lifecycle.StatusExited)
	}
	d.tell(lifecycle.Observation{Kind: lifecycle.ListEnded})
	starts := d.verb(lifecycle.Start)
	require.Equal(t, []lifecycle.Key{"a", "b"}, keys(starts), "due at the same time: by name")
	d.do = nil
	d.answer(starts[1], d.running(starts[1]))
	require.Equal(t, []lifecycle.Key{"c"}, keys(d.verb(lifecycle.Start)))
	require.Equal(t, d.now.Add(time.Minute), d.turn.Wake, "who waits for room waits for an answer; this is when b is stable")
}

func TestDueComesBeforeName(t *testing.T) {
	d := newDesk(t, fleet.Settings{Parallel: 1})
	d.up("a", "b", "z")
	d.event(lifecycle.Exited, "z")
	d.pass(time.Millisecond)
	d.event(lifecycle.Exited, "b")
	d.pass(time.Millisecond)
	d.event(lifecycle.Exited, "a")
	for _, want := range []lifecycle.Key{"z", "b", "a"} {
		starts := d.verb(lifecycle.Start)
		require.Equal(t, []lifecycle.Key{want}, keys(starts))
		d.do = nil
		d.answer(starts[0], d.running(starts[0]))
	}
}

func TestStopsHoldNoPlaceAmongStarts(t *testing.T) {
	d := newDesk(t, fleet.Settings{Parallel: 2})
	all := names(40)
	d.up(append(all, "z")...)
	for _, name := range all {
		d.event(lifecycle.Unhealthy, name)
	}
	for len(d.verb(lifecycle.Look)) > 0 {
		looks := d.verb(lifecycle.Look)
		d.do = d.verb(lifecycle.Stop)
		for _, a := range looks {
			s := d.running(a)
			s.HasHealthcheck, s.Health = true, lifecycle.HealthUnhealthy
			s.Probes = []lifecycle.Probe{{At: d.now, ExitCode: 1}}
			d.answer(a, s)
		}
	}
	require.Len(t, d.verb(lifecycle.Stop), 40, "all wait at once")
	d.do = nil
	d.event(lifecycle.Exited, "z")
	require.Equal(t, []lifecycle.Key{"z"}, keys(d.verb(lifecycle.Start)))
}

func TestLooksAreBounded(t *testing.T) {
	d := newDesk(t, fleet.Settings{})
	d.open()
	d.list(names(100)...)
	looks := d.verb(lifecycle.Look)
	require.Len(t, looks, 8)
	d.do = nil
	d.answer(looks[0], d.running(looks[0]))
	require.Len(t, d.verb(lifecycle.Look), 1)
}

func TestDryRunTouchesNothing(t *testing.T) {
	d := newDesk(t, fleet.Settings{DryRun: true})
	d.up("a")
	d.event(lifecycle.Exited, "a")
	d.pass(time.Hour)
	require.Empty(t, d.do)
	require.Contains(t, d.told, lifecycle.NoteFault)
	require.Equal(t, lifecycle.HeldDryRun, d.worker("a").Held)
}

func TestViewSaysItInOneWord(t *testing.T) {
	d := newDesk(t, fleet.Settings{})
	d.open()
	d.list("a")
	require.Equal(t, fleet.StateUnknown, d.worker("a").State)
	d.answerLooks()
	require.Equal(t, fleet.StateRunning, d.worker("a").State)
	d.event(lifecycle.Exited, "a")
	w := d.worker("a")
	require.Equal(t, fleet.StateHealing, w.State)
	require.Equal(t, lifecycle.HealStart, w.Heal)
	require.Zero(t, w.NextAt)
	start := d.verb(lifecycle.Start)[0]
	d.take(d.f.Finish(d.now, lifecycle.Outcome{Action: start, Result: lifecycle.Failed, Err: "no"}))
	w = d.worker("a")
	require.Equal(t, fleet.StateWaiting, w.State)
	require.Equal(t, lifecycle.FaultStartFailed, w.Fault)
	require.Equal(t, d.turn.Wake, w.NextAt)
	d.event(lifecycle.Started, "a")
	d.answerLooks()
	d.event(lifecycle.Paused, "a")
	require.Equal(t, fleet.StateHeld, d.worker("a").State)
	d.event(lifecycle.Gone, "a")
	require.Empty(t, d.inView())
}

func TestViewDoesNotChange(t *testing.T) {
	d := newDesk(t, fleet.Settings{})
	d.up("a")
	v := d.f.View(d.now)
	before := v.Workers[0]
	d.event(lifecycle.Exited, "a")
	require.Equal(t, before, v.Workers[0])
}

func TestCloseFinishesWhatIsMidway(t *testing.T) {
	d := newDesk(t, fleet.Settings{})
	d.up("a", "b")
	d.event(lifecycle.Unhealthy, "a")
	look := d.verb(lifecycle.Look)[0]
	s := d.running(look)
	s.HasHealthcheck, s.Health = true, lifecycle.HealthUnhealthy
	d.answer(look, s)
	stop := d.verb(lifecycle.Stop)[0]
	require.Zero(t, d.f.Bookmark().LostAt)
	d.take(d.f.Close(d.now))
	require.Equal(t, d.now, d.f.Bookmark().LostAt)
	require.Equal(t, 1, d.f.Busy())
	d.event(lifecycle.Exited, "b")
	require.Empty(t, d.verb(lifecycle.Start), "nothing is begun")
	d.event(lifecycle.Exited, "a")
	s.Status, s.FinishedAt = lifecycle.StatusExited, d.now
	d.answer(stop, s)
	start := d.verb(lifecycle.Start)
	require.Equal(t, []lifecycle.Key{"a"}, keys(start))
	s.Status, s.StartedAt, s.Health = lifecycle.StatusRunning, d.now, lifecycle.HealthStarting
	d.answer(start[0], s)
	require.Zero(t, d.f.Busy())
}
