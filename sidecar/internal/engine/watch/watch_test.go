package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// viewer reads a watch's stream as the supervisor does, and records the observations with their times.
type viewer struct {
	mu     sync.Mutex // for the order of writes; reads are after synctest.Wait
	out    chan worker.Observation
	got    []worker.Observation
	at     []time.Time
	errs   []error
	done   chan error
	cancel context.CancelFunc
}

// begin starts a watch over a script. Everything ends with the test.
func begin(t *testing.T, src Source, opts Options) *viewer {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	v := &viewer{out: make(chan worker.Observation), done: make(chan error, 1), cancel: cancel}
	opts.OnError = func(err error) { v.errs = append(v.errs, err) }
	go func() {
		v.done <- New(src, opts).Run(ctx, v.out)
		close(v.out)
	}()
	go func() {
		for o := range v.out {
			v.mu.Lock()
			v.got, v.at = append(v.got, o), append(v.at, time.Now())
			v.mu.Unlock()
		}
	}()
	return v
}

func (v *viewer) end(t *testing.T) {
	t.Helper()
	v.cancel()
	require.ErrorIs(t, <-v.done, context.Canceled)
	synctest.Wait()
}

// story returns the observations, one short text each.
func (v *viewer) story() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var texts []string
	for _, o := range v.got {
		if o.Origin == worker.OriginRepeated { // it is a repetition
			continue
		}
		text := o.Kind.String()
		if o.ID != "" {
			text += " " + o.ID
		}
		if o.History() {
			text = "old " + text
		}
		texts = append(texts, text)
	}
	return texts
}

func (v *viewer) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.got, v.at = nil, nil
}

func listed(id string) worker.Observation {
	return worker.Observation{Kind: worker.Listed, ID: id, Key: worker.Key(id), ListState: worker.ListState{Status: worker.StatusRunning}}
}

func TestOneSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{list: []worker.Observation{listed("a"), listed("b")}}
		src.missed(worker.Exited, "a")
		time.Sleep(time.Hour)
		v := begin(t, src, Options{})
		synctest.Wait()
		require.Equal(t, []string{"engine-connecting", "old exited a", "list-began", "listed a", "listed b", "list-ended"}, v.story())
		require.Equal(t, "test", v.got[0].Engine.Version)
		require.Equal(t, []time.Time{{}}, src.asked, "without a bookmark: all that the engine remembers")
		for _, o := range v.got {
			require.False(t, o.At.IsZero())
		}

		v.forget()
		src.happen(worker.Started, "a")
		synctest.Wait()
		require.Equal(t, []string{"started a"}, v.story())

		v.forget()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"list-began", "listed a", "listed b", "list-ended"}, v.story())
		require.Equal(t, 2, src.lists)
		v.end(t)
		require.Empty(t, v.errs)
	})
}

// The list may be answered before the replay was read. The stop before an exit must still come before the list.
func TestHistoryBeforeList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{list: []worker.Observation{listed("a")}, scriptFaults: scriptFaults{replayLag: time.Second, listTakes: 100 * time.Millisecond}}
		src.missed(worker.Signalled, "a")
		time.Sleep(time.Hour)
		v := begin(t, src, Options{})
		time.Sleep(50 * time.Millisecond)
		src.missed(worker.Exited, "a") // during the list; the stream is late
		time.Sleep(time.Minute / 2)
		synctest.Wait()
		require.Equal(t, []string{"engine-connecting", "old signalled a", "exited a", "list-began", "listed a", "list-ended"}, v.story(), "and the late replay is dropped")
		v.end(t)
	})
}

func TestSlowListHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{list: []worker.Observation{listed("a")}}
		v := begin(t, src, Options{})
		synctest.Wait()
		src.set(func(s *script) { s.listTakes = 20 * time.Second })
		time.Sleep(time.Minute + time.Second)
		v.forget()
		src.happen(worker.Exited, "a")
		died := time.Now()
		time.Sleep(25 * time.Second)
		synctest.Wait()
		require.Equal(t, []string{"exited a", "list-began", "listed a", "list-ended"}, v.story())
		require.Equal(t, died, v.at[0])
		require.True(t, v.got[1].At.Before(died), "the list's time is when it was asked")
		require.Equal(t, v.got[1].At, v.got[2].At)
		v.end(t)
	})
}

func TestNoGapAndNothingTwice(t *testing.T) {
	for name, cause := range map[string]error{"engine gone": io.EOF, "overflow": errors.New("full"), "silent": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &script{}
				v := begin(t, src, Options{})
				synctest.Wait()
				for i := range 5 {
					src.happen(worker.Exited, fmt.Sprint(i))
					time.Sleep(500 * time.Millisecond)
				}
				src.cut(cause)
				src.missed(worker.Exited, "5")
				src.missed(worker.Started, "5")
				time.Sleep(time.Second)
				src.happen(worker.Exited, "6")
				synctest.Wait()
				require.Equal(t, []string{"engine-connecting", "list-began", "list-ended",
					"exited 0", "exited 1", "exited 2", "exited 3", "exited 4", "engine-disconnected",
					"engine-connecting", "old exited 5", "old started 5", "list-began", "list-ended", "exited 6"}, v.story())
				require.Len(t, v.errs, 1)
				if cause != nil {
					require.ErrorIs(t, v.errs[0], cause)
				}
				require.Equal(t, 2*time.Second, src.memory[4].At.Sub(src.asked[1]), "the overlap")
				v.end(t)
			})
		})
	}
}

func TestWhereASessionBegins(t *testing.T) {
	read := time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC) // a day before the time in a bubble
	cases := map[string]struct {
		bookmark, booted time.Time
		want             time.Time
	}{
		"no bookmark":          {want: time.Time{}},
		"same engine":          {bookmark: read, booted: read.Add(-time.Hour), want: read.Add(-2 * time.Second)},
		"engine restarted":     {bookmark: read, booted: read.Add(time.Hour), want: time.Time{}},
		"engine's age unknown": {bookmark: read, want: read.Add(-2 * time.Second)},
		"clock stepped back":   {bookmark: read.Add(25 * time.Hour), booted: read, want: time.Time{}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &script{bootedAt: tc.booted}
				v := begin(t, src, Options{Bookmark: worker.Bookmark{EventAt: tc.bookmark}})
				synctest.Wait()
				require.Len(t, src.asked, 1)
				require.True(t, tc.want.Equal(src.asked[0]), "%v", src.asked[0])
				v.end(t)
			})
		})
	}
}

// Unmanaged containers are dropped first, but still advance the position in the stream.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{list: []worker.Observation{listed("mine"), listed("other")}}
		v := begin(t, src, Options{Keep: func(o worker.Observation) bool { return o.ID == "mine" }})
		synctest.Wait()
		for range 2000 {
			src.happen(worker.Exited, "other")
			time.Sleep(time.Millisecond)
		}
		src.happen(worker.Exited, "mine")
		time.Sleep(10 * time.Second)
		src.happen(worker.Exited, "other")
		newest := time.Now()
		synctest.Wait()
		require.Equal(t, []string{"engine-connecting", "list-began", "listed mine", "list-ended", "exited mine"}, v.story())
		src.cut(io.EOF)
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, newest.Add(-2*time.Second), src.asked[1])
		v.end(t)
	})
}

func TestBackoffGrowsAndIsReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{scriptFaults: scriptFaults{down: true}}
		v := begin(t, src, Options{})
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Empty(t, v.got, "there was no link to lose")
		require.InDelta(t, 3600/11.25, src.sessions, 60, "every 7.5 to 15 s in the long run")
		require.Len(t, v.errs, 1, "reported once")
		require.ErrorIs(t, v.errs[0], errDown)

		src.set(func(s *script) { s.down = false })
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, "list-ended", v.story()[2])
		v.forget()
		src.cut(io.EOF)
		cut := time.Now()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, []string{"engine-disconnected", "engine-connecting", "list-began", "list-ended"}, v.story())
		require.LessOrEqual(t, v.at[1].Sub(cut), 200*time.Millisecond)
		require.Len(t, v.errs, 2)
		require.ErrorIs(t, v.errs[1], io.EOF)
		v.end(t)
	})
}

// Stoker backs off from an engine that accepts connections and drops them at once.
func TestShortSessionsBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{scriptFaults: scriptFaults{listErr: errDown}}
		v := begin(t, src, Options{})
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		require.Less(t, src.sessions, 100)
		require.Len(t, v.errs, 1)
		for i, text := range v.story() {
			require.Equal(t, []string{"engine-connecting", "engine-disconnected"}[i%2], text, "rule 3: an error is no list")
		}
		v.end(t)
	})
}

func TestBackoffBounds(t *testing.T) {
	o := New(nil, Options{}).opts
	want := o.BackoffMin
	for n := 1; n < 100; n++ {
		for range 20 {
			got := o.backoff(n)
			require.GreaterOrEqual(t, got, want/2)
			require.LessOrEqual(t, got, want)
		}
		want = min(want*2, o.BackoffMax)
	}
}

// An engine that hangs is detected by a list without an answer.
func TestHangingEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{}
		v := begin(t, src, Options{})
		synctest.Wait()
		src.set(func(s *script) { s.listTakes = 100 * time.Hour })
		v.forget()
		began := time.Now()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, "engine-disconnected", v.story()[0])
		require.Equal(t, time.Minute+30*time.Second, v.at[0].Sub(began))
		require.ErrorIs(t, v.errs[0], context.DeadlineExceeded)
		v.end(t)
	})
}

// If the consumer does not read, nothing is lost, and the end of the context ends the watch.
func TestEndWhileNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		src := &script{list: []worker.Observation{listed("a")}}
		done := make(chan error, 1)
		out := make(chan worker.Observation)
		go func() { done <- New(src, Options{}).Run(ctx, out) }()
		<-out
		synctest.Wait()
		why := errors.New("enough")
		cancel(why)
		require.ErrorIs(t, <-done, why)
	})
}

func TestDedupeDropsTheOldest(t *testing.T) {
	m := newDedupe()
	at := func(i int) worker.Observation {
		return worker.Observation{Kind: worker.Exited, ID: "a", At: time.Unix(0, int64(i))}
	}
	for i := range 3 * dedupeSize {
		require.Equal(t, unseen, m.add(at(i), 1))
		require.Equal(t, seenNow, m.add(at(i), 1))
	}
	require.Len(t, m.known, dedupeSize)
	require.Equal(t, seenEarlier, m.add(at(2*dedupeSize), 2), "the oldest that is known")
	require.Equal(t, seenNow, m.add(at(2*dedupeSize), 2))
	require.Equal(t, unseen, m.add(at(2*dedupeSize-1), 2))
}
