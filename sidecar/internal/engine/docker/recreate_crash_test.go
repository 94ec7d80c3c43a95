package docker_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/recreate"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// Every call of the recreate meets every fault; for the other kinds of worker only the calls that change something, because a fault of an
// inspect has the same effect for all. Afterwards Stoker starts again without a state, and sweeps.
func TestEveryCallMeetsEveryFault(t *testing.T) {
	onRequest(t)
	for name, k := range kinds() {
		calls := callsOf(t, k)
		require.Greater(t, len(calls), 30)
		for _, f := range []fault{killBefore, killAfter, refuse, timeOutDone, timeOut, restarted, crashed} {
			t.Run(name+"/"+string(f), func(t *testing.T) {
				for n, call := range calls {
					if name == "old engine" || !strings.HasPrefix(call, http.MethodGet) {
						t.Run(fmt.Sprint(n), func(t *testing.T) { inBubble(t, k, func(_ *testing.T, b *bench) { b.survives(f, n) }) })
					}
				}
			})
		}
	}
}

func callsOf(t *testing.T, k kind) []string {
	t.Helper()
	w := &faultTransport{}
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, k)
		defer b.close()
		require.Equal(t, recreate.Done, b.recreator(w, "a").Do(t.Context(), b.request()).Ending)
	})
	return w.calls
}

// survives injects a fault into the n-th call of a transaction, and checks the result.
func (b *bench) survives(f fault, n int) {
	t := b.t
	changes := false
	w := &faultTransport{inject: func(at int, r *http.Request) fault {
		if at != n {
			return noFault
		}
		changes = r.Method != http.MethodGet
		t.Logf("call %d, %s: %s", at, r.Method+" "+r.URL.Path, f)
		return f
	}}
	result, ended := b.attempt(b.recreator(w, "a"), func(r *recreator) result { return r.Do(t.Context(), b.request()) })
	require.Equal(t, f != killBefore && f != killAfter, ended)
	if ended {
		t.Logf("%s: %v", result.Ending, result.Err)
		b.requireTrue(result)
		require.True(t, f != timeOutDone || !changes || b.copies(w.calls[n]) || result.Ending == recreate.Done, "it was done, and an inspect shows that")
	}
	b.repair("a")
	b.heal(f == restarted || f == crashed)
	id := b.running()
	if result.Ending == recreate.Done {
		require.Equal(t, result.ID, id)
	}
}

// copies reports whether a call copies files, which no inspect shows.
func (b *bench) copies(call string) bool { return strings.HasSuffix(call, "/archive") }

// requireTrue compares a result with the containers that exist.
func (b *bench) requireTrue(result result) {
	t := b.t
	list, err := b.client(nil).ContainerList(t.Context(), container.ListOptions{All: true})
	if err != nil {
		require.NotEqual(t, recreate.Done, result.Ending, "the engine does not answer")
		return
	}
	switch result.Ending {
	case recreate.Done, recreate.Undone, recreate.Refused, recreate.Unproven:
		require.Len(t, list, 1, "%s leaves one container", result.Ending)
		require.Equal(t, list[0].ID, result.ID)
	case recreate.Lost:
		require.Empty(t, list)
	case recreate.Unknown, recreate.Busy, recreate.Nothing:
	}
}

// heal does what the worker's state machine does about a worker that is down or gone. A sweep leaves no such worker unless it was down
// before the transaction, the engine stopped it, or there was no other container.
func (b *bench) heal(engine bool) {
	t := b.t
	switch status := b.status(); {
	case status == worker.StatusGone:
		require.True(t, b.kind.missing || b.kind.autoRemoves(), "the worker is lost")
		result := b.recreator(nil, "a").Do(t.Context(), b.request())
		require.Equal(t, recreate.Done, result.Ending, "%v", result.Err)
	case status.Down():
		require.True(t, b.kind.down || engine, "the worker is left down")
		require.NoError(t, b.client(nil).ContainerStart(t.Context(), workerName, container.StartOptions{}))
	}
}

func (k kind) autoRemoves() bool {
	h := container.HostConfig{}
	if k.host != nil {
		k.host(&h)
	}
	return h.AutoRemove
}

// Many faults in one transaction and in the sweeps after it.
func TestManyFaults(t *testing.T) {
	onRequest(t)
	faults := []fault{killBefore, killAfter, refuse, timeOutDone, timeOut, restarted, crashed}
	for seed := range uint64(20) {
		for name, k := range kinds() {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				inBubble(t, k, func(t *testing.T, b *bench) {
					dice := rand.New(rand.NewPCG(seed, 7))
					inject := func(_ int, r *http.Request) fault {
						if dice.IntN(40) > 0 {
							return noFault
						}
						f := faults[dice.IntN(len(faults))]
						t.Logf("%s %s: %s", r.Method, r.URL.Path, f)
						return f
					}
					b.attempt(b.recreator(&faultTransport{inject: inject}, "a"), func(r *recreator) result { return r.Do(t.Context(), b.request()) })
					for range 3 {
						result, _ := b.attempt(b.recreator(&faultTransport{inject: inject}, "a"), func(r *recreator) result {
							return r.Resume(t.Context(), request{Name: workerName, Grace: -1})
						})
						t.Log(result.Ending, result.Err)
						time.Sleep(time.Second)
					}
					time.Sleep(time.Minute)
					b.repair("a")
					b.heal(true)
					b.running()
				})
			})
		}
	}
}

// Two Stokers race for one worker: the loser does no damage, whether it recognizes the other one by its owner's name or not, and also if
// one of them is killed.
func TestTwoRace(t *testing.T) {
	onRequest(t)
	for seed := range uint64(40) {
		for _, second := range []string{"b", "a"} {
			t.Run(fmt.Sprintf("%s/%d", second, seed), func(t *testing.T) {
				inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
					dice := rand.New(rand.NewPCG(seed, 11))
					results := make(chan result, 2)
					for i, owner := range []string{"a", second} {
						late := time.Duration(dice.IntN(2000)) * time.Millisecond
						w := &faultTransport{}
						pauses := rand.New(rand.NewPCG(seed, uint64(i)))
						w.pause = func(int) time.Duration { return time.Duration(pauses.IntN(100)) * time.Millisecond }
						if i == 0 && seed%2 == 0 {
							die := dice.IntN(60)
							w.inject = func(n int, _ *http.Request) fault {
								if n == die {
									return killBefore
								}
								return noFault
							}
						}
						r := b.recreator(w, owner)
						go func() {
							result := result{Result: recreate.Result{Ending: "killed"}}
							defer func() { results <- result }()
							time.Sleep(late)
							result = r.Do(t.Context(), b.request())
						}()
					}
					for range 2 {
						result := <-results
						t.Log(result.Ending, result.Err)
						require.Equal(t, result.Ending == recreate.Done || result.Ending == "killed", result.Err == nil, "%v", result.Err)
					}
					time.Sleep(11 * time.Minute) // what another owner left counts as abandoned by now
					b.repair("a")
					b.repair(second)
					b.heal(false)
					b.running()
				})
			})
		}
	}
}

// At every moment of a transaction a container has the name, or the new one has the label with it.
func TestNeverWithoutAWorker(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		inspect := func(int, *http.Request) fault {
			kept := false
			b.server.With(func(w *dockertest.World) {
				for _, truth := range w.Truths() {
					kept = kept || !truth.Gone && (truth.Key == workerName || truth.Labels[worker.MarkName] == workerName)
				}
			})
			require.True(t, kept)
			return noFault
		}
		require.Equal(t, recreate.Done, b.recreator(&faultTransport{inject: inspect}, "a").Do(t.Context(), b.request()).Ending)
	})
}
