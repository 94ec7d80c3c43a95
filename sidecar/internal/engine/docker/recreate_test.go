package docker

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

func TestRecreate(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		old := b.run("w", container.Config{}, container.HostConfig{Binds: []string{"/bare"}, Resources: container.Resources{NanoCPUs: 300_000_000}})
		out := recreateWith(t.Context(), b.c, recreateOf(old), nil)
		require.Equal(t, worker.Done, out.Result, out.Err)
		require.Empty(t, out.Err)
		require.NotNil(t, out.Snapshot)
		require.NotEqual(t, old.ID, out.Snapshot.ID)
		require.Equal(t, b.snapshot("w").Incarnation, out.Snapshot.Incarnation)
		require.Equal(t, worker.StatusRunning, out.Snapshot.Status)
		require.InDelta(t, 0.3, out.Snapshot.CPUs, 1e-9)
		require.NotEmpty(t, out.Snapshot.Definition)
	})
}

// A recreate applies only to the incarnation and state that it was decided on.
func TestRecreateRefuses(t *testing.T) {
	type do = func(b *bench, s worker.Snapshot, a *worker.Action)
	operator := func(f func(o dockertest.Operator)) do {
		return func(b *bench, _ worker.Snapshot, _ *worker.Action) {
			b.world(func(w *dockertest.World) { f(w.Operator()) })
			time.Sleep(2 * time.Second)
		}
	}
	for name, c := range map[string]struct {
		do     do
		status worker.Status
	}{
		"restarted since": {func(b *bench, _ worker.Snapshot, _ *worker.Action) { b.fresh("w") }, worker.StatusRunning},
		"paused":          {operator(func(o dockertest.Operator) { o.Pause("w") }), worker.StatusPaused},
		"renamed":         {operator(func(o dockertest.Operator) { o.Rename("w", "v") }), worker.StatusRunning},
		"healthy":         {func(_ *bench, _ worker.Snapshot, a *worker.Action) { a.OnlyIfUnhealthy = true }, worker.StatusRunning},
		"there after all": {func(_ *bench, s worker.Snapshot, a *worker.Action) { a.Definition = s.Definition }, worker.StatusRunning},
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(t *testing.T, b *bench) {
				old := b.run("w", container.Config{}, container.HostConfig{})
				a := recreateOf(old)
				c.do(b, old, &a)
				b.sent("")
				out := recreateWith(t.Context(), b.c, a, nil)
				require.Equal(t, worker.Refused, out.Result, out.Err)
				require.NotEmpty(t, out.Err)
				require.Equal(t, c.status, out.Snapshot.Status)
				require.Empty(t, b.sent(http.MethodPost))
			})
		})
	}
}

// A worker that is down is recreated as well, even if only an unhealthy running one may be.
func TestRecreateOfOneThatIsDown(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		old := b.run("w", container.Config{}, container.HostConfig{})
		b.world(func(w *dockertest.World) { w.Crash("w", 3) })
		time.Sleep(time.Second)
		a := recreateOf(old)
		a.OnlyIfUnhealthy = true
		out := recreateWith(t.Context(), b.c, a, nil)
		require.Equal(t, worker.Done, out.Result, out.Err)
		require.Equal(t, worker.StatusRunning, b.snapshot("w").Status)
	})
}

func TestRecreateOfOneThatIsGone(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		old := b.run("w", container.Config{}, container.HostConfig{Resources: container.Resources{NanoCPUs: 300_000_000}})
		b.world(func(w *dockertest.World) { w.Operator().Remove("w", true) })
		time.Sleep(time.Second)
		a := recreateOf(old)
		out := recreateWith(t.Context(), b.c, a, nil)
		require.Equal(t, worker.Refused, out.Result, "nothing was done")
		require.True(t, out.Missing)
		require.False(t, out.CannotRecreate)
		require.Nil(t, out.Snapshot)

		a.Definition = old.Definition
		out = recreateWith(t.Context(), b.c, a, nil)
		require.Equal(t, worker.Done, out.Result, out.Err)
		require.InDelta(t, 0.3, b.snapshot("w").CPUs, 1e-9)

		again := recreateWith(t.Context(), b.c, a, nil) // the answer was lost
		require.Equal(t, worker.Done, again.Result, again.Err)
		require.Equal(t, out.Snapshot.ID, again.Snapshot.ID)
	})
}

// A container that cannot be recreated faithfully is refused with the field's name, and not touched.
func TestRecreateUnfit(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		old := b.run("w", container.Config{Labels: map[string]string{"io.kubernetes.pod.uid": "1"}}, container.HostConfig{})
		b.sent("")
		out := recreateWith(t.Context(), b.c, recreateOf(old), nil)
		require.Equal(t, worker.Failed, out.Result)
		require.True(t, out.CannotRecreate)
		require.Contains(t, out.Err, "Config.Labels[io.kubernetes.pod.uid]")
		require.Equal(t, old.Incarnation, out.Snapshot.Incarnation)
		require.Empty(t, b.sent(http.MethodPost))
	})
}

// A proxy that allows only the calls of a restart refuses every recreate: the worker is restarted instead.
func TestForbiddenRecreate(t *testing.T) {
	for _, shut := range []string{"/images/", "/volumes/", "/containers/create"} {
		t.Run(shut, func(t *testing.T) {
			onBench(t, func(t *testing.T, b *bench) {
				old := b.run("w", container.Config{}, container.HostConfig{Binds: []string{"/bare"}})
				no := replies(403, "forbidden")
				b.before = func(r *http.Request) (*http.Response, error) {
					if strings.Contains(r.URL.Path, shut) {
						return no(r)
					}
					return nil, nil
				}
				out := recreateWith(t.Context(), b.c, recreateOf(old), nil)
				require.Equal(t, worker.Failed, out.Result)
				require.True(t, out.CannotRecreate, out.Err)
			})
		})
	}
}

func TestRecreateWithoutAnEngine(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		old := b.run("w", container.Config{}, container.HostConfig{})
		for name, answer := range map[string]func(*http.Request) (*http.Response, error){
			"refused": fails(errRefused), "silent": hang, "proxy alone": replies(503, "no server"),
		} {
			b.before = answer
			out := recreateWith(t.Context(), b.c, recreateOf(old), nil)
			require.Equal(t, worker.Failed, out.Result, name)
			require.True(t, out.Unreachable, name)
			require.NotEmpty(t, out.Err)
		}
	})
}

// Both a recreate and a resume finish the transaction of a Stoker that was killed.
func TestLeftoverIsFinished(t *testing.T) {
	for name, resume := range map[string]bool{"recreate": false, "resume": true} {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(t *testing.T, b *bench) {
				old := b.run("w", container.Config{}, container.HostConfig{})
				b.leaveAfter("/start")
				a := recreateOf(old)
				a.ID = 10
				out := worker.Outcome{}
				if resume {
					out = resumeWith(t.Context(), b.c, a)
				} else {
					out = recreateWith(t.Context(), b.c, a, nil)
				}
				require.Equal(t, worker.Done, out.Result, out.Err)
				require.NotEqual(t, old.ID, out.Snapshot.ID)
				require.Equal(t, b.snapshot("w").ID, out.Snapshot.ID)
				out = resumeWith(t.Context(), b.c, worker.Action{Key: "w", StopArgs: worker.StopArgs{Grace: -1}})
				require.Equal(t, worker.Done, out.Result)
				require.Equal(t, b.snapshot("w").ID, out.Snapshot.ID, "nothing to do: it returns the container with the name")
			})
		})
	}
}

// leaveAfter disconnects another Stoker of the same owner from the engine after a call.
func (b *bench) leaveAfter(part string) {
	b.t.Helper()
	dead := false
	other, err := New(Options{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if dead {
			return nil, errRefused
		}
		dead = r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, part)
		return b.server.Transport(dockertest.ByStoker).RoundTrip(r)
	})})
	require.NoError(b.t, err)
	out := recreateWith(b.t.Context(), other, recreateOf(b.snapshot("w")), nil)
	require.Equal(b.t, worker.Unknown, out.Result, out.Err)
	require.NotEmpty(b.t, out.Err)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestResumeOfNothing(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		out := resumeWith(t.Context(), b.c, worker.Action{Key: "w", StopArgs: worker.StopArgs{Grace: -1}})
		require.Equal(t, worker.Done, out.Result, out.Err)
		require.Nil(t, out.Snapshot)
		require.Empty(t, out.Err)
	})
}

// An operator's stop, before or during the transaction.
func TestStoppedDuringRecreate(t *testing.T) {
	for name, early := range map[string]bool{"before it began": true, "in the middle": false} {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(t *testing.T, b *bench) {
				old := b.run("w", container.Config{}, container.HostConfig{})
				var stopped atomic.Bool
				stopped.Store(early)
				b.before = func(r *http.Request) (*http.Response, error) {
					if !early && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/stop") {
						stopped.Store(true)
					}
					return nil, nil
				}
				out := recreateWith(t.Context(), b.c, recreateOf(old), func() []string {
					if stopped.Load() {
						return []string{old.ID}
					}
					return nil
				})
				require.Equal(t, worker.Failed, out.Result, out.Err)
				require.True(t, out.OperatorStopped)
				require.Equal(t, old.ID, out.Snapshot.ID)
				require.Equal(t, early, b.snapshot("w").Status == worker.StatusRunning, "an untouched worker is unchanged")
			})
		})
	}
}

// Newer API versions do not show whether a MAC address is static.
func TestRecreateUsesAnOlderVersion(t *testing.T) {
	for pinned, want := range map[string]string{"1.52": "/v1.51/", "1.99": "/v1.51/", "1.51": "/v1.51/", "1.43": "/v1.43/"} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{answer: replies(404, `{"message":"no such container"}`)}
			c, err := New(Options{Transport: f, APIVersion: pinned})
			require.NoError(t, err)
			a := action(worker.Recreate)
			a.Key = "w"
			require.True(t, recreateWith(t.Context(), c, a, nil).Missing)
			require.NotEmpty(t, f.seen())
			for _, call := range f.seen() {
				require.Contains(t, call, want)
			}
		})
	}
}

// The engine does not create a second container of a name: 409 on Docker, 500 on Podman.
func TestNameTaken(t *testing.T) {
	text := `creating container storage: the container name "w.stoker-new" is already in use by 74c8: that name is already in use`
	require.True(t, nameTaken(fmt.Errorf("%w: Conflict", cerrdefs.ErrConflict)))
	require.True(t, nameTaken(fmt.Errorf("%w: %s", cerrdefs.ErrInternal, text)))
	require.False(t, nameTaken(fmt.Errorf("%w: no space left on device", cerrdefs.ErrInternal)))
	require.False(t, nameTaken(errors.New(text)), "not an error of the engine")
}

// Names of what was recreated: the labels lead from the old ID to the name.
func TestNamesOf(t *testing.T) {
	list := []container.Summary{
		{ID: "plain", Names: []string{"/web/db", "/db"}},
		{ID: "made", Names: []string{"/w"}, Labels: map[string]string{worker.MarkName: "w", worker.MarkOf: "gone"}},
		{ID: "making", Names: []string{"/v.stoker-new"}, Labels: map[string]string{worker.MarkName: "v", worker.MarkOf: "aside"}},
		{ID: "aside", Names: []string{"/v.stoker-old"}},
		{ID: "moved", Names: []string{"/u2"}, Labels: map[string]string{worker.MarkName: "u", worker.MarkOf: "else"}},
	}
	require.Equal(t, map[string]string{
		"plain": "db", "made": "w", "gone": "w", "making": "v", "aside": "v", "moved": "u2", "more": "m",
	}, namesOf(list, map[string]worker.Key{"more": "m"}))
}
