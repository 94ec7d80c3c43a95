package watch

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// A connection that was lost silently looks like an engine without events, but the engine still has the events. The list that would show a
// stopped worker as dead is not passed on before the stop is.
func TestStalledStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{list: []worker.Observation{listed("a")}}
		v := begin(t, src, Options{})
		synctest.Wait()
		v.forget()
		began := time.Now()
		time.Sleep(20 * time.Second)
		src.missed(worker.Signalled, "a")
		src.missed(worker.Exited, "a")
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"engine-disconnected", "engine-connecting", "old signalled a", "old exited a", "list-began", "listed a", "list-ended"}, v.story())
		require.Equal(t, time.Minute+5*time.Second, v.at[0].Sub(began), "the next list, and what a stream may lag")
		require.Len(t, v.errs, 1)
		require.ErrorIs(t, v.errs[0], errStreamStalled)
		v.end(t)
	})
}

// A list may overtake the events: it waits for them, and the session continues.
func TestSlowStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{list: []worker.Observation{listed("a")}}
		v := begin(t, src, Options{})
		synctest.Wait()
		v.forget()
		time.Sleep(time.Minute - time.Second)
		src.late(worker.Exited, "a", 4*time.Second)
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"exited a", "list-began", "listed a", "list-ended"}, v.story())
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, 1, src.sessions)
		require.Equal(t, 3, src.lists, "and there are lists again")
		v.end(t)
		require.Empty(t, v.errs)
	})
}

// Without events a session lasts, and each list but the first is compared with the newest event.
func TestQuietStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{}
		src.missed(worker.Exited, "a")
		v := begin(t, src, Options{})
		time.Sleep(time.Hour - time.Second)
		synctest.Wait()
		require.Equal(t, 1, src.sessions)
		require.Equal(t, 60, src.lists)
		require.Equal(t, 59, src.newests)
		v.end(t)
		require.Empty(t, v.errs)
	})
}

// An event without a kind is not passed on, but shows that the stream works.
func TestStreamWithoutNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{}
		v := begin(t, src, Options{})
		for range 90 {
			time.Sleep(2 * time.Second)
			src.happen(0, "a")
		}
		synctest.Wait()
		require.Equal(t, []string{"engine-connecting", "list-began", "list-ended", "list-began", "list-ended", "list-began", "list-ended"}, v.story()[:7])
		require.Equal(t, 1, src.sessions)
		v.end(t)
		require.Empty(t, v.errs)
	})
}

// If Newest fails, the session ends as with a list that fails.
func TestNewestFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{scriptFaults: scriptFaults{newestErr: errors.New("broken")}}
		v := begin(t, src, Options{})
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"engine-connecting", "list-began", "list-ended", "engine-disconnected"}, v.story()[:4])
		require.ErrorIs(t, v.errs[0], src.newestErr)
		v.end(t)
	})
}

// Events out of order do not count as a lag.
func TestReadOutOfOrderIsNoStall(t *testing.T) {
	tests := map[string]func(src *script){
		"history after a newer event": func(src *script) {
			time.Sleep(time.Second)
			src.happen(worker.Started, "b") // while the history is being read
		},
		"two times inverted": func(src *script) {
			time.Sleep(20 * time.Second)
			src.happen(worker.Started, "b")
			src.set(func(s *script) { s.clock = -10 * time.Millisecond })
			src.happen(worker.Started, "c")
			src.set(func(s *script) { s.clock = 0 })
		},
	}
	for name, play := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				src := &script{scriptFaults: scriptFaults{pastTakes: 2 * time.Second}}
				src.missed(worker.Exited, "a")
				time.Sleep(time.Minute)
				v := begin(t, src, Options{})
				play(src)
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				require.Equal(t, 1, src.sessions)
				v.end(t)
				require.Empty(t, v.errs)
			})
		})
	}
}

// After the clock steps back, a stalled stream is still detected.
func TestStallAfterAClockStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &script{}
		v := begin(t, src, Options{})
		time.Sleep(10 * time.Second)
		src.happen(worker.Started, "a")
		time.Sleep(10 * time.Minute)
		src.set(func(s *script) { s.clock = -time.Hour; s.memory = nil })
		src.happen(worker.Started, "b")
		time.Sleep(10 * time.Second)
		src.missed(worker.Exited, "b")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Len(t, v.errs, 1)
		require.ErrorIs(t, v.errs[0], errStreamStalled)
		v.end(t)
	})
}
