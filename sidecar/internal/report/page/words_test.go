package page

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/candidates"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

func TestCut(t *testing.T) {
	t.Parallel()
	require.Equal(t, "short", cut("short", 5))
	require.Equal(t, "lo… (2 more bytes)", cut("longer!", 5))
	require.Equal(t, "é …", brief("é\nüü", 6))
	require.Equal(t, "second", firstLine("\n  \nsecond\nthird"))
	require.Equal(t, strings.Repeat("x", 97)+"…", firstLine(strings.Repeat("x", 5000)))
}

func TestLasting(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0 ms", 850 * time.Millisecond: "850 ms", 2300 * time.Millisecond: "2.3 s", 9 * time.Second: "9 s", 42 * time.Second: "42 s",
		3*time.Minute + 5*time.Second: "3 min 5 s", time.Hour: "1 h", 2*time.Hour + 4*time.Minute: "2 h 4 min", 76 * time.Hour: "3 d 4 h", -time.Minute: "1 min",
	} {
		require.Equal(t, want, lasting(d))
	}
}

func TestInstant(t *testing.T) {
	t.Parallel()
	require.Equal(t, instant{}, instantOf(time.Time{}, noon))
	require.Equal(t, instant{}, instantOf(time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC), noon), "an engine with a broken clock")
	east := noon.Add(-90 * time.Second).In(time.FixedZone("east", 7200))
	require.Equal(t, instant{"2026-03-01T11:58:30.000Z", "2026-03-01 11:58:30 UTC", "1 min", "now"}, instantOf(east, noon))
	require.Equal(t, "in 2 h", instantOf(noon.Add(2*time.Hour), noon).In)
	require.Equal(t, "3 d", instantOf(noon.Add(-80*time.Hour), noon).Ago)
}

func TestSummary(t *testing.T) {
	t.Parallel()
	is := func(s fleet.State) fleet.WorkerView { return fleet.WorkerView{HealView: fleet.HealView{State: s}} }
	running, healing, sick := is(fleet.StateRunning), is(fleet.StateHealing), is(fleet.StateUnhealthy)
	stopped := fleet.WorkerView{HealView: fleet.HealView{State: fleet.StateHeld, Held: worker.HeldOperator}}
	wrong := fleet.WorkerView{HealView: fleet.HealView{State: fleet.StateRunning}, Problems: []policy.Problem{{Label: "x"}}}
	up := fleet.EngineLink{Connected: true, Synced: noon}
	for want, v := range map[string]fleet.View{
		"Not connected to the engine yet":                {},
		"Docker connection lost, reconnecting":           {Engine: fleet.EngineLink{Synced: noon}, Workers: []fleet.WorkerView{running}},
		"The host is overloaded":                         {Engine: up, HostOverloaded: true, Workers: []fleet.WorkerView{sick}},
		"No workers yet":                                 {Engine: up},
		"1 worker, running":                              {Engine: up, Workers: []fleet.WorkerView{running}},
		"2 workers, all running":                         {Engine: up, Workers: []fleet.WorkerView{running, is(fleet.StateStarting)}},
		"2 workers: 1 running, 1 held":                   {Engine: up, Workers: []fleet.WorkerView{running, stopped}},
		"1 of 2 workers being healed":                    {Engine: up, Workers: []fleet.WorkerView{running, healing}},
		"1 of 1 worker needs attention":                  {Engine: up, Workers: []fleet.WorkerView{sick}},
		"2 of 3 workers need attention":                  {Engine: up, Workers: []fleet.WorkerView{sick, wrong, stopped}},
		"1 of 3 workers needs attention, 2 being healed": {Engine: up, Workers: []fleet.WorkerView{sick, healing, is(fleet.StateWaiting)}},
		"1 of 2 workers needs attention, 1 being healed": {Engine: up, Workers: []fleet.WorkerView{is(fleet.StateExhausted), healing}},
		"3 workers: 1 running, 1 held, 1 unknown":        {Engine: up, Workers: []fleet.WorkerView{running, stopped, is(fleet.StateUnknown)}},
		"4 of 4 workers need attention":                  {Engine: up, Workers: heldBy(worker.HeldBadLabels, worker.HeldNeedsRecreate, worker.HeldStarved, worker.HeldExitNotObserved)},
		"5 workers: 5 held":                              {Engine: up, Workers: heldBy(worker.HeldPaused, worker.HeldFinished, worker.HeldSwarm, worker.HeldOneOff, worker.HeldDocker)},
	} {
		require.Equal(t, want, summarize(v).Text)
	}
}

// A page without an engine shows why there is none, and one without workers what to do.
func TestSummaryHelps(t *testing.T) {
	t.Parallel()
	denied := fleet.View{Engine: fleet.EngineLink{Problem: "may not open /var/run/docker.sock"}}
	require.Equal(t, "may not open /var/run/docker.sock", summarize(denied).Hint)
	require.Contains(t, summarize(fleet.View{}).Hint, "log")
	denied.Engine.Synced = noon
	require.Contains(t, summarize(denied).Hint, "may not open /var/run/docker.sock")

	advice := candidates.Advise(policy.Selector{}, "", []candidates.Container{{Name: "a\u202eb", CPUs: 0.5}})
	v := fleet.View{Engine: fleet.EngineLink{Connected: true, Synced: noon}, Candidates: &advice}
	s := summarize(v)
	require.Len(t, s.Advice, len(advice.Lines()))
	require.NotContains(t, s.Advice[0].Text, "\u202e", "a name that turns the text around")
	require.Empty(t, s.Hint)
	v.Workers = []fleet.WorkerView{{HealView: fleet.HealView{State: fleet.StateRunning}}}
	require.Empty(t, summarize(v).Advice)
}

func heldBy(reasons ...worker.Reason) []fleet.WorkerView {
	var workers []fleet.WorkerView
	for _, r := range reasons {
		workers = append(workers, fleet.WorkerView{HealView: fleet.HealView{State: fleet.StateHeld, Held: r}})
	}
	return workers
}

func TestSkew(t *testing.T) {
	t.Parallel()
	require.Empty(t, engineOf(fleet.EngineLink{Skew: time.Second}).Skew)
	require.Equal(t, "5 min ahead", engineOf(fleet.EngineLink{Skew: 5 * time.Minute}).Skew)
	require.Equal(t, "5 min behind", engineOf(fleet.EngineLink{Skew: -5 * time.Minute}).Skew)
}

// Where the periods of a quota are not counted, the page does not show that nothing is throttled.
func TestThrottlingThatIsNotMeasured(t *testing.T) {
	t.Parallel()
	g := gaugeOf(fleet.WorkerView{ContainerView: fleet.ContainerView{CPUs: 1, Share: worker.Share{At: noon, CPUs: 0.5}}}, noon)
	require.Equal(t, "0 %", g.Throttled)
	g = gaugeOf(fleet.WorkerView{ContainerView: fleet.ContainerView{CPUs: 1, Share: worker.Share{At: noon, CPUs: 0.5, ThrottlingUnknown: true}}}, noon)
	require.Equal(t, "not measured", g.Throttled)
	require.False(t, g.Hurts)
}
