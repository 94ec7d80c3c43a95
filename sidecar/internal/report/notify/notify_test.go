package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// fakeTarget takes messages, or does not.
type fakeTarget struct {
	mu    sync.Mutex
	fail  int  // so many tries
	stuck bool // answers when the try is given up
	tried []time.Duration
	got   []Message
	began time.Time
}

func (f *fakeTarget) send(ctx context.Context, m Message) error {
	f.mu.Lock()
	f.tried = append(f.tried, time.Since(f.began))
	stuck := f.stuck
	bad := f.fail > 0
	if bad {
		f.fail--
	} else if !stuck {
		f.got = append(f.got, m)
	}
	f.mu.Unlock()
	switch {
	case stuck:
		<-ctx.Done()
		return ctx.Err()
	case bad:
		return errors.New("out of luck")
	}
	return nil
}

type world struct {
	*Notifier
	mu       sync.Mutex
	outcomes map[string]int
	dropped  uint64
	ended    chan struct{}
	end      context.CancelFunc
}

// running is a Notifier with the targets, called a, b …
func running(t *testing.T, targets ...*fakeTarget) *world {
	t.Helper()
	w := &world{outcomes: map[string]int{}, ended: make(chan struct{})}
	n, err := New(Options{
		OnDropped: func(n uint64) { w.dropped += n },
		OnResult: func(target, outcome string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.outcomes[target+" "+outcome]++
		},
	})
	require.NoError(t, err)
	w.Notifier = n
	for i, f := range targets {
		f.began = time.Now()
		n.addTarget(redactor{name: string(rune('a' + i))}, f)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w.end = cancel
	go func() {
		defer close(w.ended)
		n.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-w.ended })
	return w
}

func (w *world) seen() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.outcomes)
}

func storm(n int) []worker.Event {
	var all []worker.Event
	for i := range n {
		all = append(all, gaveUp(fmt.Sprintf("w%d", i)))
	}
	return all
}

func TestADeadTargetDelaysNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		good, dead := &fakeTarget{}, &fakeTarget{stuck: true}
		w := running(t, dead, good)
		for n := range 30 {
			w.Record([]worker.Event{gaveUp(fmt.Sprint(n))})
			time.Sleep(3 * time.Second)
			synctest.Wait()
			require.Len(t, good.got, n+1)
		}
		require.Equal(t, 30, w.seen()["b sent"])
		require.Equal(t, 30-maxWaiting-1, w.seen()["a dropped"])
	})
}

func TestTriesAndTheWaitsBetweenThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTarget{fail: tries + 1}
		w := running(t, f)
		w.Record(storm(50))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Len(t, f.tried, tries)
		require.Equal(t, 2*time.Second, f.tried[0])
		for n, wait := range []time.Duration{8, 24, 72, 216} {
			got := f.tried[n+1] - f.tried[n]
			require.InDelta(t, float64(wait*time.Second), float64(got), float64(wait*time.Second)/4)
		}
		require.Equal(t, map[string]int{"a failed": 1}, w.seen())

		w.Record([]worker.Event{gaveUp("late")})
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, map[string]int{"a failed": 1, "a sent": 1}, w.seen())
		require.Contains(t, f.got[0].Text, "(1 earlier messages could not be sent)")
	})
}

func TestTellNeverBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTarget{stuck: true}
		w := running(t, f)
		long := strings.Repeat("x", 100_000)
		began := time.Now()
		for n := range 100_000 {
			note := gaveUp(fmt.Sprint(n))
			note.Output = long
			w.Record([]worker.Event{note})
		}
		require.Equal(t, time.Duration(0), time.Since(began))
		require.LessOrEqual(t, len(w.queue), maxQueued)
		time.Sleep(time.Minute)
		f.mu.Lock()
		f.stuck = false
		f.mu.Unlock()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		counted := int(w.dropped)
		for _, m := range f.got {
			require.LessOrEqual(t, len(m.JSON), 4<<20)
			var record digestJSON
			require.NoError(t, json.Unmarshal(m.JSON, &record))
			counted += record.Counts[eventGaveUp]
		}
		require.Equal(t, 100_000, counted, "each is sent or counted")
		require.Equal(t, map[string]int{"a sent": len(f.got)}, w.seen())
	})
}

func TestNotesNobodyWantsCostNothing(t *testing.T) {
	t.Parallel()
	n, err := New(Options{URLs: []string{"ntfy://ntfy.sh/t"}, OnDropped: func(uint64) { panic("dropped") }})
	require.NoError(t, err)
	for range 2 * maxQueued {
		n.Record([]worker.Event{{Kind: worker.EventManaged}, {Kind: worker.EventHealed, HealDetails: worker.HealDetails{Heal: worker.HealStart}}})
	}
	require.Empty(t, n.queue)
}

func TestTheEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		target *fakeTarget
		before time.Duration // from the telling to the end
		within time.Duration
		want   map[string]int
	}{
		"what waits is sent":            {&fakeTarget{}, 0, 0, map[string]int{"a sent": 1}},
		"one more try":                  {&fakeTarget{fail: 1}, 5 * time.Second, 0, map[string]int{"a sent": 1}},
		"and no more than one":          {&fakeTarget{fail: 9}, 5 * time.Second, 0, map[string]int{"a failed": 1}},
		"a stuck target is left behind": {&fakeTarget{stuck: true}, 5 * time.Second, lastWait, map[string]int{"a failed": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := running(t, c.target)
				w.Record([]worker.Event{gaveUp("w")})
				time.Sleep(c.before)
				synctest.Wait()
				began := time.Now()
				w.end()
				<-w.ended
				require.Equal(t, c.within, time.Since(began))
				require.Equal(t, c.want, w.seen())
			})
		})
	}
}

func TestNoTargets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := running(t)
		w.Record(storm(5000))
		require.Zero(t, w.dropped)
		require.Empty(t, w.Test(t.Context()))
	})
}

func TestTheTestMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n, err := New(Options{Host: func() string { return "node-1" }, On: []string{"none"}})
		require.NoError(t, err)
		good := &fakeTarget{}
		n.addTarget(redactor{name: "good"}, good)
		n.addTarget(redactor{name: "stuck"}, &fakeTarget{stuck: true})
		n.addTarget(redactor{name: "bad"}, &fakeTarget{fail: 1})
		results := n.Test(t.Context())
		require.Equal(t, Result{Target: "good", OK: true}, results[0])
		require.Equal(t, "no answer in time", results[1].Problem)
		require.Equal(t, tryWait, results[1].Took)
		require.Equal(t, "out of luck", results[2].Problem)
		require.NotEmpty(t, results[2].Advice)
		require.Equal(t, "stoker on node-1: this is a test, notifications work", good.got[0].whole())
	})
}
