package demand_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoker/sidecar/internal/core/demand"
)

var noon = time.Date(2026, 6, 3, 12, 0, 0, 0, time.UTC) // a Wednesday

// settings are those of a group with one source and default labels.
func settings(edit ...func(*demand.Settings)) demand.Settings {
	s := demand.Settings{
		Sources: make([]demand.Source, 1), Target: 1, Max: demand.All, Poll: 5 * time.Second, Cooldown: 5 * time.Minute, Fallback: demand.Keep,
		HoursReplicas: demand.Default,
	}
	for _, e := range edit {
		e(&s)
	}
	return s
}

// workers returns one worker for each letter: z asleep, i awake and idle, b awake and busy, u awake and not measured, s starting, d down, w
// waking, f failing, l leaving, n unseen, o out, x exhausted. Each has one CPU and has run for an hour.
func workers(letters string) []demand.Worker {
	states := map[rune]demand.Worker{
		'z': {State: demand.Asleep}, 'i': {State: demand.Awake, Use: demand.UseIdle}, 'b': {State: demand.Awake, Use: demand.UseBusy},
		'u': {State: demand.Awake}, 's': {State: demand.Starting}, 'd': {State: demand.Down}, 'f': {State: demand.Failing}, 'l': {State: demand.Leaving},
		'n': {State: demand.Unseen}, 'o': {State: demand.Out}, 'w': {State: demand.Waking}, 'x': {State: demand.Exhausted},
	}
	var all []demand.Worker
	for _, letter := range letters {
		w := states[letter]
		w.CPUs = 1
		if w.State == demand.Awake {
			w.Since = noon.Add(-time.Hour)
		}
		all = append(all, w)
	}
	return all
}

func waiting(n float64) demand.Answer {
	return demand.Answer{State: demand.SourceAnswered, Reading: demand.Reading{Waiting: n}}
}

func inHand(ready, unacked float64) demand.Answer {
	return demand.Answer{State: demand.SourceAnswered, Reading: demand.Reading{
		Waiting: ready, InHand: demand.InHand{Kind: demand.InHandCounted, Total: unacked},
	}}
}

func included(n float64) demand.Answer {
	return demand.Answer{State: demand.SourceAnswered, Reading: demand.Reading{Waiting: n, InHand: demand.InHand{Kind: demand.InHandIncluded}}}
}

// quiet is the memory after a long time without need.
var quiet = demand.Memory{NeededAt: noon.Add(-time.Hour)}

func TestDecide(t *testing.T) {
	target := func(n float64) func(*demand.Settings) { return func(s *demand.Settings) { s.Target = n } }
	limits := func(low, high int) func(*demand.Settings) {
		return func(s *demand.Settings) { s.Min, s.Max = low, high }
	}
	for _, c := range []struct {
		name    string
		set     demand.Settings
		memory  demand.Memory
		workers string
		answers []demand.Answer
		budget  float64
		want    string // wanted, woken, asleep, the limit, whether readings are needed
	}{
		{name: "nothing to do", set: settings(), workers: "zzzz", answers: []demand.Answer{waiting(0)}, want: "0"},
		{name: "one item wakes one", set: settings(), workers: "zzzz", answers: []demand.Answer{waiting(1)}, want: "1 wake 0"},
		{name: "up at once", set: settings(), workers: "zzzz", answers: []demand.Answer{waiting(1000)}, want: "4 wake 0 1 2 3 limit workers"},
		{name: "target", set: settings(target(10)), workers: "zzzz", answers: []demand.Answer{waiting(21)}, want: "3 wake 0 1 2"},
		{name: "maximum", set: settings(limits(0, 2)), workers: "zzzz", answers: []demand.Answer{waiting(9)}, want: "2 wake 0 1 limit max-replicas"},
		{name: "exactly the maximum", set: settings(limits(0, 2)), workers: "zzzz", answers: []demand.Answer{waiting(2)}, want: "2 wake 0 1"},
		{name: "minimum", set: settings(limits(2, 4)), workers: "zzzz", answers: []demand.Answer{waiting(0)}, want: "2 wake 0 1"},
		{name: "a starting one counts", set: settings(), workers: "szzz", answers: []demand.Answer{waiting(1)}, want: "1"},
		{name: "a dead one that starts soon counts", set: settings(), workers: "dzzz", answers: []demand.Answer{waiting(1)}, want: "1"},
		{name: "one that fails for long does not", set: settings(), workers: "fzzz", answers: []demand.Answer{waiting(1)}, want: "1 wake 1"},
		{name: "a held one is not woken", set: settings(), workers: "ozoz", answers: []demand.Answer{waiting(9)}, want: "2 wake 1 3 limit workers"},
		{name: "one that is being stopped is no capacity", set: settings(), workers: "lzzz", answers: []demand.Answer{waiting(1)}, want: "1 wake 1"},
		{name: "one whose wake is decided on counts", set: settings(), workers: "wzzz", answers: []demand.Answer{waiting(1)}, want: "1"},
		{
			name: "one that is being stopped runs still, so that none may run in its place", set: settings(limits(0, 2)), workers: "izl",
			answers: []demand.Answer{waiting(9)}, want: "2 limit max-replicas measure",
		},
		{
			name: "one that is exhausted and runs is one of those that may", set: settings(limits(0, 2)), workers: "izzx",
			answers: []demand.Answer{waiting(9)}, want: "2 limit max-replicas measure",
		},
		{name: "and no capacity", set: settings(), workers: "xzz", answers: []demand.Answer{waiting(1)}, want: "1 wake 1"},
		{name: "budget", set: settings(), workers: "izzz", answers: []demand.Answer{waiting(9)}, budget: 2, want: "4 wake 1 2 limit cpu-budget measure"},
		{name: "more are being stopped than may run", set: settings(limits(0, 1)), workers: "zzll", answers: []demand.Answer{waiting(9)}, want: "1 limit max-replicas"},
		{name: "no budget at all", set: settings(), workers: "zz", answers: []demand.Answer{waiting(9)}, budget: 0.5, want: "2 limit cpu-budget"},
		{
			name: "activation is strict", set: settings(func(s *demand.Settings) { s.Activation = 5 }), workers: "zz", answers: []demand.Answer{waiting(5)}, want: "0",
		},
		{
			name: "above activation", set: settings(func(s *demand.Settings) { s.Activation = 5 }, target(10)), workers: "zz", answers: []demand.Answer{waiting(6)},
			want: "1 wake 0",
		},
		{name: "items in hand count", set: settings(), workers: "bbzz", answers: []demand.Answer{inHand(1, 2)}, want: "3 wake 2"},
		{name: "readings are needed for a further worker alone", set: settings(), workers: "uuo", answers: []demand.Answer{waiting(1)}, want: "1"},
		{
			name: "which may be a clone", set: settings(func(s *demand.Settings) { s.CloneUpTo = 3 }), workers: "uu", answers: []demand.Answer{waiting(1)},
			want: "1 measure",
		},
		{name: "not for more clones than may be", set: settings(func(s *demand.Settings) { s.CloneUpTo = 2 }), workers: "uu", answers: []demand.Answer{waiting(1)}, want: "1"},
		{name: "busy workers have an item each", set: settings(), workers: "bbzz", answers: []demand.Answer{waiting(1)}, want: "3 wake 2 measure"},
		{name: "a number of the user's has them in it", set: settings(), workers: "bbzz", answers: []demand.Answer{included(2)}, want: "2"},
		{name: "the largest request", set: settings(), workers: "zzzz", answers: []demand.Answer{waiting(1), waiting(3)}, want: "3 wake 0 1 2"},
		{
			name: "the largest request, of the source with fewer items", set: settings(func(s *demand.Settings) { s.Fallback = 3 }), workers: "zzzz",
			answers: []demand.Answer{{State: demand.SourceLost}, waiting(1)}, want: "3 wake 0 1 2",
		},
		{name: "a negative number", set: settings(), workers: "zz", answers: []demand.Answer{waiting(-7)}, want: "0"},
		{name: "an absurd number", set: settings(limits(0, 2)), workers: "zzz", answers: []demand.Answer{waiting(1e12)}, want: "2 wake 0 1 limit max-replicas"},

		{name: "need was a moment ago", set: settings(), memory: demand.Memory{NeededAt: noon.Add(-4 * time.Minute)}, workers: "iizz", answers: []demand.Answer{waiting(0)}, want: "0"},
		{name: "one step down, the last one", set: settings(), memory: quiet, workers: "iiiz", answers: []demand.Answer{waiting(0)}, want: "0 sleep 2 measure"},
		{name: "never a busy one", set: settings(), memory: quiet, workers: "ibbz", answers: []demand.Answer{included(0)}, want: "0 sleep 0 measure"},
		{name: "all are busy", set: settings(), memory: quiet, workers: "bbb", answers: []demand.Answer{included(0)}, want: "0 measure"},
		{name: "nor one that was not measured", set: settings(), memory: quiet, workers: "uu", answers: []demand.Answer{waiting(0)}, want: "0 measure"},
		{name: "none when as many run as are wanted", set: settings(func(s *demand.Settings) { s.Cooldown = 0 }), memory: quiet, workers: "ii", answers: []demand.Answer{included(2)}, want: "2"},
		{
			name: "readings are needed from two polls before the end of the cooldown", set: settings(), memory: demand.Memory{NeededAt: noon.Add(10*time.Second - 5*time.Minute)},
			workers: "ii", answers: []demand.Answer{waiting(0)}, want: "0 measure",
		},
		{
			name: "and not before", set: settings(), memory: demand.Memory{NeededAt: noon.Add(11*time.Second - 5*time.Minute)}, workers: "ii",
			answers: []demand.Answer{waiting(0)}, want: "0",
		},
		{
			name: "a second step waits for a cooldown", set: settings(), memory: demand.Memory{NeededAt: noon.Add(-time.Hour), SteppedAt: noon.Add(-time.Minute)}, workers: "iizz",
			answers: []demand.Answer{waiting(0)}, want: "0",
		},
		{name: "scale-down never", set: settings(func(s *demand.Settings) { s.KeepAwake = true }), memory: quiet, workers: "ii", answers: []demand.Answer{waiting(0)}, want: "0"},
		{name: "not below the request", set: settings(), memory: quiet, workers: "iib", answers: []demand.Answer{inHand(0, 2)}, want: "2 sleep 1 measure"},

		{name: "nothing is known yet", set: settings(), memory: quiet, workers: "iizz", answers: []demand.Answer{{}}, want: "2"},
		{name: "a source that fails changes nothing", set: settings(), memory: quiet, workers: "iizz", answers: []demand.Answer{{State: demand.SourceFailing}}, want: "0"},
		{name: "nor does one that is lost", set: settings(), memory: quiet, workers: "iizz", answers: []demand.Answer{{State: demand.SourceLost}}, want: "2"},
		{
			name: "fallback", set: settings(func(s *demand.Settings) { s.Fallback = 3 }), memory: quiet, workers: "iizz", answers: []demand.Answer{{State: demand.SourceLost}},
			want: "3 wake 2",
		},
		{
			name: "fallback goes down too", set: settings(func(s *demand.Settings) { s.Fallback = 1 }), memory: quiet, workers: "ii", answers: []demand.Answer{{State: demand.SourceLost}},
			want: "1 sleep 1 measure",
		},
		{name: "one of two is lost", set: settings(), memory: quiet, workers: "iiz", answers: []demand.Answer{{State: demand.SourceLost}, waiting(3)}, want: "3 wake 2 measure"},
		{name: "woken by an operator", set: settings(limits(0, 1)), memory: demand.Memory{NeededAt: noon, AwakeUntil: noon.Add(time.Minute)}, workers: "izo", answers: []demand.Answer{waiting(0)}, want: "2 wake 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.budget == 0 {
				c.budget = math.Inf(1)
			}
			d, _ := demand.Decide(noon, c.set, c.memory, demand.Input{Workers: workers(c.workers), Answers: c.answers, Budget: c.budget})
			require.Equal(t, c.want, inWords(d))
		})
	}
}

// TestRecall: waking workers are not started if others were started meanwhile.
func TestRecall(t *testing.T) {
	limit := func(most int) demand.Settings { return settings(func(s *demand.Settings) { s.Max = most }) }
	for _, c := range []struct {
		workers string
		set     demand.Settings
		memory  demand.Memory
		budget  float64
		want    []int
	}{
		{workers: "wwi", set: settings(), budget: 9},
		{workers: "wwi", set: limit(2), budget: 9, want: []int{1}},
		{workers: "wwii", set: limit(2), budget: 9, want: []int{0, 1}},
		{workers: "wl", set: limit(1), budget: 9, want: []int{0}},
		{workers: "wdz", set: limit(2), budget: 9},
		{workers: "www", set: settings(), budget: 2, want: []int{2}},
		{workers: "wii", set: limit(1), budget: 9, memory: demand.Memory{AwakeUntil: noon.Add(time.Minute)}},
	} {
		got := demand.Recall(noon, c.set, c.memory, demand.Input{Workers: workers(c.workers), Budget: c.budget})
		require.Equal(t, c.want, got, "%+v", c)
	}
}

func inWords(d demand.Decision) string {
	text := fmt.Sprint(d.Wanted)
	for _, list := range []struct {
		verb string
		who  []int
	}{{"wake", d.Wake}, {"sleep", d.Sleep}} {
		if len(list.who) > 0 {
			text += " " + list.verb + " " + strings.Trim(fmt.Sprint(list.who), "[]")
		}
	}
	if d.Limit != demand.LimitNone {
		text += " limit " + d.Limit.String()
	}
	if d.Measure {
		text += " measure"
	}
	return text
}

// TestJustStarted: a worker started by an operator runs for at least a cooldown.
func TestJustStarted(t *testing.T) {
	in := demand.Input{Workers: workers("ii"), Answers: []demand.Answer{waiting(0)}, Budget: math.Inf(1)}
	in.Workers[1].Since = noon.Add(-time.Minute)
	d, _ := demand.Decide(noon, settings(), quiet, in)
	require.Equal(t, []int{0}, d.Sleep)
}

// TestHoldsAnItem: the source reports that the idle worker holds an item.
func TestHoldsAnItem(t *testing.T) {
	in := demand.Input{Workers: workers("ii"), Answers: []demand.Answer{inHand(0, 0)}, Budget: math.Inf(1)}
	in.Workers[1].InHand = 1
	d, _ := demand.Decide(noon, settings(), quiet, in)
	require.Equal(t, []int{0}, d.Sleep)
}

// TestCooldown: a group that is needed repeatedly does not sleep; an unneeded one loses one worker after another.
func TestCooldown(t *testing.T) {
	var memory demand.Memory
	in := demand.Input{Workers: workers("iii"), Answers: []demand.Answer{waiting(3)}, Budget: math.Inf(1)}
	var slept []time.Duration
	for at := time.Duration(0); at < 40*time.Minute; at += 5 * time.Second {
		in.Answers[0] = waiting(0)
		if at < 20*time.Minute && at%(4*time.Minute) == 0 {
			in.Answers[0] = waiting(3)
		}
		var d demand.Decision
		d, memory = demand.Decide(noon.Add(at), settings(), memory, in)
		for _, i := range d.Sleep {
			in.Workers[i] = demand.Worker{State: demand.Asleep}
			slept = append(slept, at)
		}
	}
	require.Equal(t, []time.Duration{21 * time.Minute, 26 * time.Minute, 31 * time.Minute}, slept)
}

// TestClockStepsBack: the step extends no wait.
func TestClockStepsBack(t *testing.T) {
	memory := demand.Memory{NeededAt: noon.Add(time.Hour), SteppedAt: noon.Add(time.Hour)}
	in := demand.Input{Workers: workers("i"), Answers: []demand.Answer{waiting(0)}, Budget: math.Inf(1)}
	_, memory = demand.Decide(noon, settings(), memory, in)
	d, _ := demand.Decide(noon.Add(5*time.Minute), settings(), memory, in)
	require.Equal(t, []int{0}, d.Sleep)
}

// TestOutsideTheHours: idle workers sleep at once, busy ones when idle; without a source all sleep at once.
func TestOutsideTheHours(t *testing.T) {
	hours, err := demand.ParseHours("Mon-Fri 13:00-19:00 UTC", time.UTC)
	require.NoError(t, err)
	set := settings(func(s *demand.Settings) { s.Hours, s.Min = hours, 2 })
	d, _ := demand.Decide(noon, set, demand.Memory{}, demand.Input{Workers: workers("ibiz"), Answers: []demand.Answer{waiting(9)}, Budget: math.Inf(1)})
	require.Equal(t, "0 sleep 2 0 measure", inWords(d))
	require.True(t, d.Closed)

	alone := settings(func(s *demand.Settings) { s.Hours, s.Sources = hours, nil })
	d, _ = demand.Decide(noon, alone, demand.Memory{}, demand.Input{Workers: workers("ubz"), Budget: math.Inf(1)})
	require.Equal(t, "0 sleep 1 0", inWords(d))
	d, _ = demand.Decide(noon.Add(time.Hour), alone, demand.Memory{}, demand.Input{Workers: workers("zzz"), Budget: math.Inf(1)})
	require.Equal(t, "3 wake 0 1 2", inWords(d))
	require.Equal(t, noon.Add(time.Hour+time.Minute), d.Next)

	d, _ = demand.Decide(noon.Add(time.Hour), set, demand.Memory{}, demand.Input{Workers: workers("zzz"), Answers: []demand.Answer{waiting(0)}, Budget: math.Inf(1)})
	require.Equal(t, "2 wake 0 1", inWords(d))

	fewer := settings(func(s *demand.Settings) { s.Hours, s.HoursReplicas, s.Sources = hours, 1, nil })
	d, _ = demand.Decide(noon.Add(time.Hour), fewer, quiet, demand.Input{Workers: workers("ub"), Budget: math.Inf(1)})
	require.Equal(t, "1 sleep 1", inWords(d), "without a source it does not matter which worker is busy")
}

// TestInvariants: for any input, demand never stops a busy worker and never wakes one that is not asleep. It never exceeds the maximum or the
// budget.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		set := settings(func(s *demand.Settings) {
			s.Target = rapid.Float64Range(0.1, 20).Draw(t, "target")
			s.Activation = rapid.Float64Range(0, 10).Draw(t, "activation")
			s.Max = rapid.IntRange(-1, 6).Draw(t, "max")
			s.Min = rapid.IntRange(0, max(s.Max, 0)).Draw(t, "min")
			s.Fallback = rapid.IntRange(-1, 8).Draw(t, "fallback")
		})
		in := demand.Input{Workers: workers(rapid.StringOfN(rapid.SampledFrom([]rune("zibusdflox")), 0, 8, -1).Draw(t, "workers")), Budget: rapid.Float64Range(-2, 8).Draw(t, "budget")}
		a := demand.Answer{State: demand.SourceState(rapid.IntRange(0, 3).Draw(t, "state"))}
		a.Reading.Waiting = rapid.OneOf(rapid.Float64Range(-5, 30), rapid.Just(1e300)).Draw(t, "waiting")
		a.Reading.InHand.Kind = demand.InHandKind(rapid.IntRange(0, 2).Draw(t, "kind"))
		a.Reading.InHand.Total = rapid.Float64Range(0, 10).Draw(t, "in hand")
		in.Answers = []demand.Answer{a}
		memory := demand.Memory{NeededAt: noon.Add(-time.Duration(rapid.IntRange(0, 900).Draw(t, "quiet")) * time.Second)}

		d, _ := demand.Decide(noon, set, memory, in)
		running, leaving, cpus := 0, 0, 0.0
		for _, w := range in.Workers {
			switch w.State {
			case demand.Awake, demand.Starting, demand.Down:
				running++
			case demand.Leaving, demand.Exhausted:
				leaving++
			}
		}
		for _, i := range d.Wake {
			require.Equal(t, demand.Asleep, in.Workers[i].State)
			running, cpus = running+1, cpus+in.Workers[i].CPUs
		}
		if len(d.Wake) > 0 {
			require.LessOrEqual(t, cpus, in.Budget)
			require.LessOrEqual(t, running, d.Wanted)
			if set.Max != demand.All {
				require.LessOrEqual(t, running+leaving, set.Max)
			}
		}
		require.LessOrEqual(t, len(d.Sleep), 1)
		for _, i := range d.Sleep {
			require.Equal(t, demand.Awake, in.Workers[i].State)
			require.Equal(t, demand.UseIdle, in.Workers[i].Use)
			require.Greater(t, running, d.Wanted)
			require.Empty(t, d.Wake)
		}
		room := set.Max == demand.All || leaving < set.Max // a leaving worker still runs
		work := a.State == demand.SourceAnswered && a.Reading.Waiting > set.Activation && room
		for _, w := range in.Workers {
			if work && w.State == demand.Asleep && w.CPUs <= in.Budget {
				require.Positive(t, running, "work waits, and no worker runs or is woken")
			}
		}
	})
}
