package docker_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/recreate"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// at calls do once, before the first call of a kind reaches the engine.
func at(method, part string, do func()) func(int, *http.Request) fault {
	done := false
	return func(_ int, r *http.Request) fault {
		if !done && r.Method == method && strings.Contains(r.URL.Path, part) {
			done = true
			do()
		}
		return noFault
	}
}

// A refusal has no effect: no changing request is sent, and the worker is untouched.
func TestRefusalCostsNothing(t *testing.T) {
	k := kinds()["old engine"]
	foreign := func(name string) func(*bench, *request) {
		return func(b *bench, _ *request) {
			b.world(func(w *dockertest.World) { w.Operator().Create(dockertest.Spec{Name: name}) })
		}
	}
	for name, inject := range map[string]func(*bench, *request){
		"volume gone":  func(b *bench, _ *request) { b.world(func(w *dockertest.World) { w.RemoveVolume("stock") }) },
		"network gone": func(b *bench, _ *request) { b.world(func(w *dockertest.World) { w.RemoveNetwork("rear") }) },
		"paused":       func(b *bench, _ *request) { b.world(func(w *dockertest.World) { w.Operator().Pause(workerName) }) },
		"renamed": func(b *bench, _ *request) {
			b.world(func(w *dockertest.World) { w.Operator().Rename(workerName, "other") })
		},
		"replaced":             func(_ *bench, r *request) { r.OldID = strings.Repeat("0", 64) },
		"not remembered":       func(_ *bench, r *request) { r.OldID, r.Name, r.Definition = strings.Repeat("0", 64), "unheard-of", nil },
		"temporary name taken": foreign(workerName + worker.NewSuffix),
		"aside name taken":     foreign(workerName + worker.BackupSuffix),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, k, func(t *testing.T, b *bench) {
				req := b.request()
				inject(b, &req)
				time.Sleep(time.Second)
				before := b.startTimes()
				w := &faultTransport{}
				result := b.recreator(w, "a").Do(t.Context(), req)
				require.Equal(t, recreate.Refused, result.Ending, "%v", result.Err)
				require.True(t, result.Untouched)
				require.Error(t, result.Err)
				for _, call := range w.calls {
					require.True(t, strings.HasPrefix(call, http.MethodGet), call)
				}
				results, err := b.recreator(nil, "a").Sweep(t.Context())
				require.NoError(t, err)
				require.Empty(t, results, "what has no labels of a transaction is left alone, whatever its name")
				require.Equal(t, before, b.startTimes())
			})
		})
	}
}

// startTimes returns all existing containers, with their start times.
func (b *bench) startTimes() map[string]string {
	starts := map[string]string{}
	b.world(func(w *dockertest.World) {
		for _, truth := range w.Truths() {
			if !truth.Gone {
				starts[truth.ID] = fmt.Sprint(truth.Key, truth.Status, truth.StartedAt)
			}
		}
	})
	return starts
}

// A Swarm task is refused by its spec, and reported as such.
func TestRefusalOfTheSpec(t *testing.T) {
	k := kinds()["old engine"]
	k.labels = map[string]string{"com.docker.swarm.task.id": "x"}
	inBubble(t, k, func(t *testing.T, b *bench) {
		result := b.recreator(nil, "a").Do(t.Context(), b.request())
		require.Equal(t, recreate.Refused, result.Ending)
		require.ErrorContains(t, result.Err, "com.docker.swarm.task.id")
	})
}

// A difference between the new and the old container is detected before the old one is touched.
func TestDifferenceIsFoundInTime(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		before := b.startTimes()
		w := &faultTransport{inject: at(http.MethodPost, "/connect", func() {
			b.world(func(w *dockertest.World) { w.Operator().Update(workerName+worker.NewSuffix, 0.1) })
			time.Sleep(100 * time.Millisecond)
		})}
		result := b.recreator(w, "a").Do(t.Context(), b.request())
		require.Equal(t, recreate.Refused, result.Ending)
		require.ErrorContains(t, result.Err, "HostConfig.NanoCpus")
		require.Equal(t, before, b.startTimes())
	})
}

// A difference that appears later causes a rollback, too.
func TestLateDifferenceRollsBack(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		w := &faultTransport{inject: at(http.MethodPost, "/start", func() {
			b.world(func(w *dockertest.World) { w.Operator().Update(workerName, 0.1) })
			time.Sleep(100 * time.Millisecond)
		})}
		result := b.recreator(w, "a").Do(t.Context(), b.request())
		require.Equal(t, recreate.Undone, result.Ending)
		require.ErrorContains(t, result.Err, "not like the old one")
		require.Equal(t, b.oldID, b.running())
	})
}

// The old container's short first run is over; the new one runs too briefly to be verified.
func TestUnprovenGoesBack(t *testing.T) {
	short := dockertest.Behaviour{RunFor: 300 * time.Millisecond, ExitCode: 3}
	for name, k := range map[string]kind{
		"alone":       {},
		"with policy": {host: func(h *container.HostConfig) { h.RestartPolicy.Name = "always" }},
	} {
		k.api, k.env = "1.41", []string{dockertest.BehaviourEnv(dockertest.Behaviour{}, short)}
		t.Run(name, func(t *testing.T) {
			inBubble(t, k, func(t *testing.T, b *bench) {
				if k.host == nil {
					require.NoError(t, b.client(nil).ContainerStart(t.Context(), workerName, container.StartOptions{}))
				}
				result := b.recreator(nil, "a").Do(t.Context(), b.request())
				require.Equal(t, recreate.Undone, result.Ending, "%v", result.Err)
				require.ErrorContains(t, result.Err, "does not stay up")
				require.Equal(t, b.oldID, b.running())
				require.Equal(t, b.oldID, result.ID)
			})
		})
	}
}

// Without an old one there is nothing to go back to: the new one keeps the name, down as it is.
func TestUnprovenWithoutOld(t *testing.T) {
	k := kinds()["missing"]
	k.env = []string{dockertest.BehaviourEnv(dockertest.Behaviour{RunFor: 300 * time.Millisecond, ExitCode: 3})}
	inBubble(t, k, func(t *testing.T, b *bench) {
		result := b.recreator(nil, "a").Do(t.Context(), b.request())
		require.Equal(t, recreate.Unproven, result.Ending)
		require.ErrorContains(t, result.Err, "does not stay up")
		require.Equal(t, worker.StatusExited, b.status())
		require.NotEmpty(t, result.ID)
		require.Equal(t, recreate.Nothing, b.recreator(nil, "a").Resume(t.Context(), b.request()).Ending)
	})
}

// Neither the new container nor, by then, the old one can be started. The old one has its name again, and no other container is left.
func TestNeitherStarts(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		w := &faultTransport{inject: at(http.MethodPost, "/start", func() { b.world(func(w *dockertest.World) { w.TakePort(4000) }) })}
		result := b.recreator(w, "a").Do(t.Context(), b.request())
		require.Equal(t, recreate.Undone, result.Ending)
		require.ErrorContains(t, result.Err, string(recreate.StartOld))
		require.Equal(t, worker.StatusExited, b.status())
		b.world(func(w *dockertest.World) { w.FreePort(4000) })
		require.NoError(t, b.client(nil).ContainerStart(t.Context(), workerName, container.StartOptions{}))
		require.Equal(t, b.oldID, b.running())
	})
}

// An operator stops the worker before the transaction touches it: it stays stopped.
func TestOperatorStopsItMeanwhile(t *testing.T) {
	for _, name := range []string{"old engine", "rm"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, kinds()[name], func(t *testing.T, b *bench) {
				w := &faultTransport{inject: at(http.MethodPost, "/create", func() {
					b.world(func(w *dockertest.World) { w.Operator().Stop(workerName, dockertest.OwnGrace) })
					time.Sleep(time.Second)
				})}
				result := b.recreator(w, "a").Do(t.Context(), b.request())
				require.Equal(t, recreate.Refused, result.Ending, "%v", result.Err)
				require.NotEqual(t, worker.StatusRunning, b.status())
				require.LessOrEqual(t, len(b.startTimes()), 1)
			})
		})
	}
}

// A rollback starts no container that an operator has stopped since.
func TestStayDown(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		var stopped atomic.Bool
		w := &faultTransport{inject: at(http.MethodPost, "/start", func() { b.world(func(w *dockertest.World) { w.TakePort(4000) }); stopped.Store(true) })}
		req := b.request()
		req.Stopped = func() []string {
			if stopped.Load() {
				return []string{b.oldID}
			}
			return nil
		}
		result := b.recreator(w, "a").Do(t.Context(), req)
		require.Equal(t, recreate.Undone, result.Ending)
		require.True(t, result.OperatorStopped)
		require.Len(t, b.startTimes(), 1)
		require.Equal(t, worker.StatusExited, b.status())
	})
}

// If the old container cannot be removed, the new one stays; a later sweep removes the old one.
func TestLeftover(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		w := &faultTransport{inject: func(_ int, r *http.Request) fault {
			if r.Method == http.MethodDelete {
				return refuse
			}
			return noFault
		}}
		result := b.recreator(w, "a").Do(t.Context(), b.request())
		require.Equal(t, recreate.Done, result.Ending)
		require.Equal(t, b.oldID, result.Leftover)
		require.Error(t, result.Err)
		b.repair("a")
		require.Equal(t, result.ID, b.running())
	})
}

// Another client recreates the worker while no container has the name. Its container is left alone, and so is the old one: Stoker must not
// decide whether that may be removed.
func TestStrangerTakesTheName(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		renames := 0
		w := &faultTransport{inject: func(_ int, r *http.Request) fault {
			if strings.HasSuffix(r.URL.Path, "/rename") {
				if renames++; renames == 2 {
					b.world(func(w *dockertest.World) { w.Operator().Create(dockertest.Spec{Name: workerName}) })
					time.Sleep(time.Second)
				}
			}
			return noFault
		}}
		result := b.recreator(w, "a").Do(t.Context(), b.request())
		require.Equal(t, recreate.Refused, result.Ending, "%v", result.Err)
		require.Equal(t, b.oldID, result.Leftover)
		require.NotEqual(t, b.oldID, result.ID)
		require.Len(t, b.startTimes(), 2)
		require.Equal(t, worker.StatusCreated, b.status())
	})
}

// Only the journal has the old container of a transaction whose new container was removed in the middle.
func TestResumeWithTheJournalAlone(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		w := &faultTransport{inject: func(_ int, r *http.Request) fault {
			if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/start") {
				return killAfter
			}
			return noFault
		}}
		_, ended := b.attempt(b.recreator(w, "a"), func(r *recreator) result { return r.Do(t.Context(), b.request()) })
		require.False(t, ended)
		b.world(func(w *dockertest.World) { w.Operator().Remove(workerName, true) })
		time.Sleep(time.Second)
		require.Equal(t, recreate.Nothing, b.recreator(nil, "a").Resume(t.Context(), request{Name: workerName}).Ending)
		result := b.recreator(nil, "a").Resume(t.Context(), b.request())
		require.Equal(t, recreate.Undone, result.Ending, "%v", result.Err)
		require.Equal(t, b.oldID, b.running())
	})
}

// A transaction of another Stoker is left to it for a while.
func TestAnotherOwner(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		w := &faultTransport{inject: func(_ int, r *http.Request) fault {
			if strings.HasSuffix(r.URL.Path, "/stop") {
				return killAfter
			}
			return noFault
		}}
		b.attempt(b.recreator(w, "a"), func(r *recreator) result { return r.Do(t.Context(), b.request()) })
		other := b.recreator(nil, "b")
		before := b.startTimes()
		require.Equal(t, recreate.Busy, other.Do(t.Context(), b.request()).Ending)
		results, err := other.Sweep(t.Context())
		require.NoError(t, err)
		require.Len(t, results, 1)
		require.Equal(t, recreate.Busy, results[0].Ending)
		require.Equal(t, before, b.startTimes())
		time.Sleep(10 * time.Minute)
		require.Equal(t, recreate.Undone, other.Resume(t.Context(), b.request()).Ending)
		require.Equal(t, b.oldID, b.running())
	})
}

// An owner whose container was removed will not come back: Stoker does not wait ten minutes for it.
func TestAnotherOwnerThatIsGone(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		w := &faultTransport{inject: func(_ int, r *http.Request) fault {
			if strings.HasSuffix(r.URL.Path, "/stop") {
				return killAfter
			}
			return noFault
		}}
		gone := strings.Repeat("0123456789abcdef", 4)
		b.attempt(b.recreator(w, gone), func(r *recreator) result { return r.Do(t.Context(), b.request()) })
		require.Equal(t, recreate.Undone, b.recreator(nil, "b").Resume(t.Context(), b.request()).Ending)
		require.Equal(t, b.oldID, b.running())
	})
}
