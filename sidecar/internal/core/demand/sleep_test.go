package demand_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
)

// TestClones: one more worker is made if all that exist run, or cannot run, and more are wanted.
func TestClones(t *testing.T) {
	for _, c := range []struct {
		name    string
		workers string
		upTo    int
		most    int // 0 is all
		budget  float64
		clone   bool
	}{
		{name: "all run", workers: "ib", upTo: 3, clone: true},
		{name: "the only one runs", workers: "i", upTo: 2, clone: true},
		{name: "one starts", workers: "is", upTo: 3, clone: true},
		{name: "one is held, and cannot be woken", workers: "io", upTo: 3, clone: true},
		{name: "as many as there may be", workers: "ii", upTo: 2},
		{name: "as many as there may be, and one is held", workers: "io", upTo: 2},
		{name: "no clones", workers: "ii"},
		{name: "one can be woken", workers: "iz", upTo: 3},
		{name: "one fails, and starts later", workers: "if", upTo: 3},
		{name: "one is being stopped, and can be woken then", workers: "il", upTo: 3},
		{name: "one is not inspected yet", workers: "in", upTo: 3},
		{name: "none exists to make one from", workers: "", upTo: 3},
		{name: "below the maximum", workers: "ii", upTo: 3, most: 3, clone: true},
		{name: "at the maximum with one that is exhausted and runs", workers: "xi", upTo: 3, most: 2},
		{name: "the budget has exactly room", workers: "ii", upTo: 3, budget: 1, clone: true},
		{name: "the budget has no room", workers: "ii", upTo: 3, budget: 0.9},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := settings(func(s *demand.Settings) { s.CloneUpTo = c.upTo })
			if c.most > 0 {
				set.Max = c.most
			}
			if c.budget == 0 {
				c.budget = math.Inf(1)
			}
			d, _ := demand.Decide(noon, set, demand.Memory{}, demand.Input{Workers: workers(c.workers), Answers: []demand.Answer{waiting(9)}, Budget: c.budget})
			require.Equal(t, c.clone, d.Clone)
		})
	}
}

// TestSurplusClones: a clone that has slept for a cooldown is removed, one at a time, unless workers are needed.
func TestSurplusClones(t *testing.T) {
	for _, c := range []struct {
		name    string
		workers string
		slept   map[int]time.Duration // how long each clone has slept
		waiting float64
		remove  []int
	}{
		{name: "one that has slept for a cooldown", workers: "izz", slept: map[int]time.Duration{2: 5 * time.Minute}, remove: []int{2}},
		{name: "one that has not", workers: "izz", slept: map[int]time.Duration{2: 5*time.Minute - time.Second}},
		{name: "none is a clone", workers: "izz"},
		{name: "the last of two", workers: "izz", slept: map[int]time.Duration{1: time.Hour, 2: time.Hour}, remove: []int{2}},
		{name: "the first worker is the clone", workers: "zi", slept: map[int]time.Duration{0: time.Hour}, remove: []int{0}},
		{name: "another one is woken", workers: "zz", slept: map[int]time.Duration{1: time.Hour}, waiting: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := demand.Input{Workers: workers(c.workers), Answers: []demand.Answer{included(c.waiting)}, Budget: math.Inf(1)}
			for i, slept := range c.slept {
				in.Workers[i].AsleepSince = noon.Add(-slept)
			}
			d, _ := demand.Decide(noon, settings(), demand.Memory{}, in)
			require.Equal(t, c.remove, d.Remove)
		})
	}
}

// TestNext: a group decides again when a cooldown ends, and not without a reason.
func TestNext(t *testing.T) {
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	for _, c := range []struct {
		name    string
		memory  demand.Memory
		waiting float64
		slept   time.Time // when the clone fell asleep
		want    time.Time
	}{
		{name: "as many run as are wanted", memory: demand.Memory{NeededAt: ago(time.Minute)}, waiting: 2},
		{name: "more than are wanted", memory: demand.Memory{NeededAt: ago(time.Minute)}, waiting: 1, want: noon.Add(4 * time.Minute)},
		{name: "and one was put to sleep since", memory: demand.Memory{NeededAt: ago(time.Hour), SteppedAt: ago(2 * time.Minute)}, waiting: 1, want: noon.Add(3 * time.Minute)},
		{name: "fewer than are wanted", memory: demand.Memory{NeededAt: ago(time.Minute)}, waiting: 9},
		{name: "woken by an operator", memory: demand.Memory{NeededAt: ago(time.Minute), AwakeUntil: noon.Add(time.Hour)}, waiting: 1, want: noon.Add(time.Hour)},
		{name: "a clone sleeps", memory: demand.Memory{NeededAt: ago(time.Minute)}, waiting: 2, slept: ago(time.Minute), want: noon.Add(4 * time.Minute)},
		{name: "a clone has slept for a cooldown", memory: demand.Memory{NeededAt: ago(time.Minute)}, waiting: 2, slept: ago(time.Hour)},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := demand.Input{Workers: workers("iiz"), Answers: []demand.Answer{included(c.waiting)}, Budget: math.Inf(1)}
			in.Workers[2].AsleepSince = c.slept
			d, _ := demand.Decide(noon, settings(), c.memory, in)
			require.Equal(t, c.want, d.Next)
		})
	}
}

// TestWorkOfTheLargestRequest: of two sources with the same request, the work is that of the one with more items.
func TestWorkOfTheLargestRequest(t *testing.T) {
	set := settings(func(s *demand.Settings) { s.Target = 10 })
	for _, c := range []struct{ first, second, want float64 }{{11, 19, 19}, {19, 11, 19}, {19, 21, 21}, {21, 19, 21}} {
		in := demand.Input{Workers: workers("zzz"), Answers: []demand.Answer{waiting(c.first), waiting(c.second)}, Budget: math.Inf(1)}
		d, _ := demand.Decide(noon, set, demand.Memory{}, in)
		require.InDelta(t, c.want, d.Work, 0, c)
	}
}
