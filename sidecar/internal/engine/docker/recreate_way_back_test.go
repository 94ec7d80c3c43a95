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

// at does something when the first call of a kind comes by, before it reaches the engine.
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

// A refusal costs nothing: nothing is sent that changes anything, and the worker does not notice.
func TestRefusalCostsNothing(t *testing.T) {
	k := kinds()["old engine"]
	foreign := func(name string) func(*bench, *request) {
		return func(b *bench, _ *request) {
			b.world(func(w *dockertest.World) { w.Operator().Create(dockertest.Spec{Name: name}) })
		}
	}
	for name, spoil := range map[string]func(*bench, *request){
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
				spoil(b, &req)
				time.Sleep(time.Second)
				before := b.lives()
				w := &wire{}
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
				require.Equal(t, before, b.lives())
			})
		})
	}
}

// lives are all containers that there are, with their starts.
func (b *bench) lives() map[string]string {
	lives := map[string]string{}
	b.world(func(w *dockertest.World) {
		for _, truth := range w.Truths() {
			if !truth.Gone {
				lives[truth.ID] = fmt.Sprint(truth.Key, truth.Status, truth.StartedAt)
			}
		}
	})
	return lives
}

// A Swarm task is refused by its spec, and that refusal is told as what it is.
func TestRefusalOfTheSpec(t *testing.T) {
	k := kinds()["old engine"]
	k.labels = map[string]string{"com.docker.swarm.task.id": "x"}
	inBubble(t, k, func(t *testing.T, b *bench) {
		result := b.recreator(nil, "a").Do(t.Context(), b.request())
		require.Equal(t, recreate.Refused, result.Ending)
		require.ErrorContains(t, result.Err, "com.docker.swarm.task.id")
	})
}

// A new container that is not like the old one is found out before the old one is touched.
func TestDifferenceIsFoundInTime(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		before := b.lives()
		w := &wire{spoil: at(http.MethodPost, "/connect", func() {
			b.world(func(w *dockertest.World) { w.Operator().Update(workerName+worker.NewSuffix, 0.1) })
			time.Sleep(100 * time.Millisecond)
		})}
		result := b.recreator(w, "a").Do(t.Context(), b.request())
		require.Equal(t, recreate.Refused, result.Ending)
		require.ErrorContains(t, result.Err, "HostConfig.NanoCpus")
		require.Equal(t, before, b.lives())
	})
}

// A difference that comes later makes it go back, too.
func TestLateDifferenceRollsBack(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		w := &wire{spoil: at(http.MethodPost, "/start", func() {
			b.world(func(w *dockertest.World) { w.Operator().Update(workerName, 0.1) })
			time.Sleep(100 * time.Millisecond)
		})}
		result := b.recreator(w, "a").Do(t.Context(), b.request())
		require.Equal(t, recreate.Undone, result.Ending)
		require.ErrorContains(t, result.Err, "not like the old one")
		require.Equal(t, b.oldID, b.running())
	})
}

// The old one had its short first life already; that of the new one is too short to be proven.
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

// The new one cannot be started, and by then the old one cannot either. It has its name, and nothing else is left.
func TestNeitherStarts(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		w := &wire{spoil: at(http.MethodPost, "/start", func() { b.world(func(w *dockertest.World) { w.TakePort(4000) }) })}
		result := b.recreator(w, "a").Do(t.Context(), b.request())
		require.Equal(t, recreate.Undone, result.Ending)
		require.ErrorContains(t, result.Err, string(recreate.StartOld))
		require.Equal(t, worker.StatusExited, b.status())
		b.world(func(w *dockertest.World) { w.FreePort(4000) })
		require.NoError(t, b.client(nil).ContainerStart(t.Context(), workerName, container.StartOptions{}))
		require.Equal(t, b.oldID, b.running())
	})
}

// Somebody stops the worker before the transaction touched it: that is left so.
func TestOperatorStopsItMeanwhile(t *testing.T) {
	for _, name := range []string{"old engine", "rm"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, kinds()[name], func(t *testing.T, b *bench) {
				w := &wire{spoil: at(http.MethodPost, "/create", func() {
					b.world(func(w *dockertest.World) { w.Operator().Stop(workerName, dockertest.OwnGrace) })
					time.Sleep(time.Second)
				})}
				result := b.recreator(w, "a").Do(t.Context(), b.request())
				require.Equal(t, recreate.Refused, result.Ending, "%v", result.Err)
				require.NotEqual(t, worker.StatusRunning, b.status())
				require.LessOrEqual(t, len(b.lives()), 1)
			})
		})
	}
}

// On the way back nothing is started that somebody has stopped since.
func TestStayDown(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		var stopped atomic.Bool
		w := &wire{spoil: at(http.MethodPost, "/start", func() { b.world(func(w *dockertest.World) { w.TakePort(4000) }); stopped.Store(true) })}
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
		require.Len(t, b.lives(), 1)
		require.Equal(t, worker.StatusExited, b.status())
	})
}

// An old one that cannot be removed does not cost the new one; a later sweep removes it.
func TestLeftover(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		w := &wire{spoil: func(_ int, r *http.Request) fault {
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

// Somebody else recreates the worker, in the moment in which nobody has the name. His is left alone, and the old one
// too: whether it may go is not for Stoker to say.
func TestStrangerTakesTheName(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		renames := 0
		w := &wire{spoil: func(_ int, r *http.Request) fault {
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
		require.Len(t, b.lives(), 2)
		require.Equal(t, worker.StatusCreated, b.status())
	})
}

// The journal knows an old container whose replacement somebody removed in the middle: nothing else does.
func TestResumeWithTheJournalAlone(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		w := &wire{spoil: func(_ int, r *http.Request) fault {
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

// What another Stoker is at is its own for a while.
func TestAnotherOwner(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		w := &wire{spoil: func(_ int, r *http.Request) fault {
			if strings.HasSuffix(r.URL.Path, "/stop") {
				return killAfter
			}
			return noFault
		}}
		b.attempt(b.recreator(w, "a"), func(r *recreator) result { return r.Do(t.Context(), b.request()) })
		other := b.recreator(nil, "b")
		before := b.lives()
		require.Equal(t, recreate.Busy, other.Do(t.Context(), b.request()).Ending)
		results, err := other.Sweep(t.Context())
		require.NoError(t, err)
		require.Len(t, results, 1)
		require.Equal(t, recreate.Busy, results[0].Ending)
		require.Equal(t, before, b.lives())
		time.Sleep(10 * time.Minute)
		require.Equal(t, recreate.Undone, other.Resume(t.Context(), b.request()).Ending)
		require.Equal(t, b.oldID, b.running())
	})
}

// An owner that was a container and is gone will not come back: nobody waits ten minutes for it.
func TestAnotherOwnerThatIsGone(t *testing.T) {
	inBubble(t, kinds()["old engine"], func(t *testing.T, b *bench) {
		w := &wire{spoil: func(_ int, r *http.Request) fault {
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
