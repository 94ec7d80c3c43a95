package docker_test

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/recreate"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// stopEvents collects the IDs of stopped containers some time after the stops, as the event stream does.
type stopEvents struct {
	mu  sync.Mutex
	ids []string
}

func (w *stopEvents) add(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ids = append(w.ids, id)
}

func (w *stopEvents) stopped() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.ids)
}

// eventsTake is the delay of an event. It is longer than the delay until an inspect shows the effect.
const eventsTake = 200 * time.Millisecond

// operatorStops stops the worker by its name after a delay, as an operator does.
func (b *bench) operatorStops(after time.Duration, w *stopEvents) {
	go func() {
		time.Sleep(after)
		id := ""
		b.world(func(world *dockertest.World) {
			if truth, ok := world.Truth(workerName); ok {
				id = truth.ID
			}
			world.Operator().Stop(workerName, dockertest.OwnGrace)
		})
		time.Sleep(eventsTake)
		w.add(id)
	}()
}

func (b *bench) requireLeftDown(result result) {
	t := b.t
	require.True(t, result.OperatorStopped)
	require.Equal(t, recreate.Undone, result.Ending, "%v", result.Err)
	require.Equal(t, b.oldID, result.ID)
	b.requireDownForGood()
}

func (b *bench) requireDownForGood() {
	t := b.t
	time.Sleep(time.Second)
	require.Len(t, b.startTimes(), 1)
	require.Equal(t, worker.StatusExited, b.status())
	time.Sleep(time.Minute)
	require.Equal(t, worker.StatusExited, b.status())
}

// An operator's stop is never undone, whichever of the two containers it stops, and however late its event is.
func TestOperatorStopsItInTheMiddle(t *testing.T) {
	for name, c := range map[string]struct {
		call  string
		after time.Duration
	}{
		"the old one during its grace":   {"/stop", 0},
		"the new one as soon as it runs": {"/start", 300 * time.Millisecond},
		"the new one while it is proven": {"/start", 700 * time.Millisecond},
	} {
		for _, takes := range []time.Duration{0, 500 * time.Millisecond} {
			t.Run(name+", which takes "+takes.String(), func(t *testing.T) {
				k := kinds()["old engine"]
				k.env = []string{dockertest.BehaviourEnv(dockertest.Behaviour{TermDelay: takes})}
				inBubble(t, k, func(t *testing.T, b *bench) {
					events := &stopEvents{}
					w := &faultTransport{inject: at(http.MethodPost, c.call, func() { b.operatorStops(c.after, events) })}
					req := b.request()
					req.Stopped = events.stopped
					b.requireLeftDown(b.recreator(w, "a").Do(t.Context(), req))
				})
			})
		}
	}
}

// Just after the verification it is an ordinary stop of the new container.
func TestOperatorStopsItAtTheEnd(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		events := &stopEvents{}
		w := &faultTransport{inject: at(http.MethodDelete, "", func() {
			b.operatorStops(0, events)
			time.Sleep(time.Second)
		})}
		req := b.request()
		req.Stopped = events.stopped
		result := b.recreator(w, "a").Do(t.Context(), req)
		require.Equal(t, recreate.Done, result.Ending)
		require.NotEqual(t, b.oldID, result.ID)
		b.requireDownForGood()
	})
}

// A rollback stops the new container itself: the event of that stop is not an operator's.
func TestItsOwnStopIsNoWord(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		events := &stopEvents{}
		stops := 0
		w := &faultTransport{inject: func(_ int, r *http.Request) fault {
			if r.Method == http.MethodPost && r.URL.Path[len(r.URL.Path)-5:] == "/stop" {
				if stops++; stops == 2 {
					b.world(func(world *dockertest.World) {
						truth, _ := world.Truth(workerName)
						events.add(truth.ID)
					})
				}
			}
			if r.Method == http.MethodPost && r.URL.Path[len(r.URL.Path)-6:] == "/start" && stops == 1 {
				b.world(func(w *dockertest.World) { w.Operator().Update(workerName, 0.1) })
				time.Sleep(100 * time.Millisecond)
			}
			return noFault
		}}
		req := b.request()
		req.Stopped = events.stopped
		result := b.recreator(w, "a").Do(t.Context(), req)
		require.Equal(t, recreate.Undone, result.Ending)
		require.ErrorContains(t, result.Err, "not like the old one")
		require.Len(t, events.ids, 1)
		require.False(t, result.OperatorStopped)
		require.Equal(t, b.oldID, b.running())
	})
}

// An operator's stop also ends a transaction that is resumed.
func TestOperatorStopsItDuringResume(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		renames := 0
		w := &faultTransport{inject: func(_ int, r *http.Request) fault {
			if r.Method == http.MethodPost && r.URL.Path[len(r.URL.Path)-7:] == "/rename" {
				if renames++; renames == 2 {
					return killAfter
				}
			}
			return noFault
		}}
		_, ended := b.attempt(b.recreator(w, "a"), func(r *recreator) result { return r.Do(t.Context(), b.request()) })
		require.False(t, ended)
		events := &stopEvents{}
		over := &faultTransport{inject: at(http.MethodPost, "/start", func() { b.operatorStops(time.Second, events) })}
		req := b.request()
		req.Stopped = events.stopped
		b.requireLeftDown(b.recreator(over, "a").Resume(t.Context(), req))
	})
}

// A container that the caller does not accept is refused at the first inspect.
func TestAccept(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		before := b.startTimes()
		req := b.request()
		req.Expect = &recreate.Expectation{StartedAt: time.Unix(1, 0)}
		result := b.recreator(nil, "a").Do(t.Context(), req)
		require.Equal(t, recreate.Refused, result.Ending)
		require.ErrorContains(t, result.Err, "restarted since")
		require.True(t, result.Untouched)
		require.Equal(t, b.oldID, result.ID)
		require.NotEmpty(t, result.Holder)
		require.Equal(t, worker.Refused, result.Result.Outcome(worker.Action{}).Result)
		require.Equal(t, before, b.startTimes())
	})
}

// An earlier attempt was undone, and the container that it started again is no longer accepted. That is no refusal, because something was done.
func TestAcceptAfterAnEarlierTry(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		w := &faultTransport{inject: func(_ int, r *http.Request) fault {
			if r.Method == http.MethodPost && r.URL.Path[len(r.URL.Path)-5:] == "/stop" {
				return killAfter
			}
			return noFault
		}}
		_, ended := b.attempt(b.recreator(w, "a"), func(r *recreator) result { return r.Do(t.Context(), b.request()) })
		require.False(t, ended)
		req := b.request()
		req.Expect = &recreate.Expectation{StartedAt: time.Unix(1, 0)}
		result := b.recreator(nil, "a").Do(t.Context(), req)
		require.Equal(t, recreate.Undone, result.Ending, "%v", result.Err)
		require.False(t, result.Untouched)
		require.Equal(t, b.oldID, b.running())
		require.Equal(t, b.oldID, result.ID)
	})
}

// It was recreated, and the result was lost: a second request for the same container returns that result.
func TestRecreatedAlready(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		first := b.recreator(nil, "a").Do(t.Context(), b.request())
		require.Equal(t, recreate.Done, first.Ending)
		w := &faultTransport{}
		again := b.recreator(w, "a").Do(t.Context(), b.request())
		require.Equal(t, recreate.Done, again.Ending)
		require.NoError(t, again.Err)
		require.Equal(t, first.ID, again.ID)
		for _, call := range w.calls {
			require.Contains(t, call, http.MethodGet)
		}
	})
}
