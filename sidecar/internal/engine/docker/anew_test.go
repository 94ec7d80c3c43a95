package docker

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker/recreate"
	"stoker/sidecar/internal/engine/docker/spec"
	"stoker/sidecar/internal/test/dockertest"
)

func TestRecreate(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		old := b.run("w", container.Config{}, container.HostConfig{Binds: []string{"/bare"}, Resources: container.Resources{NanoCPUs: 300_000_000}})
		out := b.c.Do(t.Context(), recreateOf(old))
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

// A recreate is of one life of one container, as it was when it was decided on.
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
				out := b.c.Do(t.Context(), a)
				require.Equal(t, worker.Refused, out.Result, out.Err)
				require.NotEmpty(t, out.Err)
				require.Equal(t, c.status, out.Snapshot.Status)
				require.Empty(t, b.sent(http.MethodPost))
			})
		})
	}
}

// A worker that is down is recreated as well, also when only an unhealthy running one may be.
func TestRecreateOfOneThatIsDown(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		old := b.run("w", container.Config{}, container.HostConfig{})
		b.world(func(w *dockertest.World) { w.Crash("w", 3) })
		time.Sleep(time.Second)
		a := recreateOf(old)
		a.OnlyIfUnhealthy = true
		out := b.c.Do(t.Context(), a)
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
		out := b.c.Do(t.Context(), a)
		require.Equal(t, worker.Failed, out.Result)
		require.True(t, out.Missing)
		require.False(t, out.CannotRecreate)
		require.Nil(t, out.Snapshot)

		a.Definition = old.Definition
		out = b.c.Do(t.Context(), a)
		require.Equal(t, worker.Done, out.Result, out.Err)
		require.InDelta(t, 0.3, b.snapshot("w").CPUs, 1e-9)

		again := b.c.Do(t.Context(), a) // the answer was lost
		require.Equal(t, worker.Done, again.Result, again.Err)
		require.Equal(t, out.Snapshot.ID, again.Snapshot.ID)
	})
}

// What cannot be recreated faithfully is said with its field, and nothing is touched.
func TestRecreateUnfit(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		old := b.run("w", container.Config{Labels: map[string]string{"io.kubernetes.pod.uid": "1"}}, container.HostConfig{})
		b.sent("")
		out := b.c.Do(t.Context(), recreateOf(old))
		require.Equal(t, worker.Failed, out.Result)
		require.True(t, out.CannotRecreate)
		require.Contains(t, out.Err, "Config.Labels[io.kubernetes.pod.uid]")
		require.Equal(t, old.Incarnation, out.Snapshot.Incarnation)
		require.Empty(t, b.sent(http.MethodPost))
	})
}

// A proxy that lets through what a restart needs, and no more, will say no every time: the worker is restarted instead.
func TestForbiddenRecreate(t *testing.T) {
	for _, shut := range []string{"/images/", "/volumes/", "/containers/create"} {
		t.Run(shut, func(t *testing.T) {
			onBench(t, func(t *testing.T, b *bench) {
				old := b.run("w", container.Config{}, container.HostConfig{Binds: []string{"/bare"}})
				no := says(403, "forbidden")
				b.before = func(r *http.Request) (*http.Response, error) {
					if strings.Contains(r.URL.Path, shut) {
						return no(r)
					}
					return nil, nil
				}
				out := b.c.Do(t.Context(), recreateOf(old))
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
			"refused": fails(errRefused), "silent": hang, "proxy alone": says(503, "no server"),
		} {
			b.before = answer
			out := b.c.Do(t.Context(), recreateOf(old))
			require.Equal(t, worker.Failed, out.Result, name)
			require.True(t, out.Unreachable, name)
			require.NotEmpty(t, out.Err)
		}
	})
}

// What a Stoker that was killed has left is finished by a recreate and by a resume alike.
func TestLeftoverIsFinished(t *testing.T) {
	for name, verb := range map[string]worker.Verb{"recreate": worker.Recreate, "resume": worker.ResumeRecreate} {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(t *testing.T, b *bench) {
				old := b.run("w", container.Config{}, container.HostConfig{})
				b.leaveAfter("/start")
				a := recreateOf(old)
				a.Verb, a.ID = verb, 10
				out := b.c.Do(t.Context(), a)
				require.Equal(t, worker.Done, out.Result, out.Err)
				require.NotEqual(t, old.ID, out.Snapshot.ID)
				require.Equal(t, b.snapshot("w").ID, out.Snapshot.ID)
				out = b.c.Do(t.Context(), worker.Action{Key: "w", Verb: worker.ResumeRecreate, Grace: -1})
				require.Equal(t, worker.Done, out.Result)
				require.Equal(t, b.snapshot("w").ID, out.Snapshot.ID, "nothing to do: it tells who has the name")
			})
		})
	}
}

// leaveAfter has another Stoker of the same owner be cut off from the engine after a call.
func (b *bench) leaveAfter(part string) {
	b.t.Helper()
	dead := false
	other, err := New(Options{Owner: "bench", Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if dead {
			return nil, errRefused
		}
		dead = r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, part)
		return b.server.Transport(dockertest.ByStoker).RoundTrip(r)
	})})
	require.NoError(b.t, err)
	out := other.Do(b.t.Context(), recreateOf(b.snapshot("w")))
	require.Equal(b.t, worker.Unknown, out.Result, out.Err)
	require.NotEmpty(b.t, out.Err)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestResumeOfNothing(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		out := b.c.Do(t.Context(), worker.Action{Key: "w", Verb: worker.ResumeRecreate, Grace: -1})
		require.Equal(t, worker.Done, out.Result, out.Err)
		require.True(t, out.Missing)
		require.Nil(t, out.Snapshot)
		require.Empty(t, out.Err)
	})
}

// The word of a stop comes through the client, before the action begins or while it is under way.
func TestStoppedWhileMadeAnew(t *testing.T) {
	for name, early := range map[string]bool{"before it began": true, "in the middle": false} {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(t *testing.T, b *bench) {
				old := b.run("w", container.Config{}, container.HostConfig{})
				a := recreateOf(old)
				if early {
					b.c.StopNotice(a.ID, old.ID)
				}
				b.c.StopNotice(a.ID+1, old.ID)
				b.before = func(r *http.Request) (*http.Response, error) {
					if !early && r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/stop") {
						b.c.StopNotice(a.ID, old.ID)
					}
					return nil, nil
				}
				out := b.c.Do(t.Context(), a)
				require.Equal(t, worker.Failed, out.Result, out.Err)
				require.True(t, out.OperatorStopped)
				require.Equal(t, old.ID, out.Snapshot.ID)
				require.Equal(t, early, b.snapshot("w").Status == worker.StatusRunning, "what nobody touched is as it was")
				require.Empty(t, b.c.heard.words[1:], "the word is forgotten with its action")
			})
		})
	}
}

func TestHearsayIsBounded(t *testing.T) {
	c, _ := newFake(t, hang)
	for i := range uint64(3 * mostWords) {
		c.StopNotice(i, "a")
		c.StopNotice(i, "a")
	}
	require.Len(t, c.heard.words, mostWords)
	none := func(string) bool { return false }
	require.True(t, c.heard.stopped(3*mostWords-1, none))
	require.False(t, c.heard.stopped(3*mostWords-1, func(id string) bool { return id == "a" }))
	require.False(t, c.heard.stopped(0, none))
}

// Newer API versions do not tell a static MAC address.
func TestRecreateSpeaksAnOlderVersion(t *testing.T) {
	for pinned, want := range map[string]string{"1.52": "/v1.51/", "1.99": "/v1.51/", "1.51": "/v1.51/", "1.43": "/v1.43/"} {
		synctest.Test(t, func(t *testing.T) {
			f := &fake{answer: says(404, `{"message":"no such container"}`)}
			c, err := New(Options{Transport: f, APIVersion: pinned})
			require.NoError(t, err)
			a := action(worker.Recreate)
			a.Key = "w"
			require.True(t, c.Do(t.Context(), a).Missing)
			require.NotEmpty(t, f.seen())
			for _, call := range f.seen() {
				require.Contains(t, call, want)
			}
		})
	}
}

// How a transaction ended, in the words of an action.
func TestConcludeAnew(t *testing.T) {
	no := errors.New("no")
	inspect := []byte(inspected("running", ""))
	result := func(o recreate.Outcome, err error, change func(*recreate.Result)) recreate.Result {
		r := recreate.Result{Outcome: o, OldID: testID, ID: testID, Inspect: inspect, Err: err}
		if change != nil {
			change(&r)
		}
		return r
	}
	changed := fmt.Errorf("look: %w", recreate.Declined{Why: "it is paused", Changed: true})
	for name, c := range map[string]struct {
		r        recreate.Result
		want     worker.Outcome
		snapshot bool
	}{
		"done": {result(recreate.Done, nil, nil), worker.Outcome{Result: worker.Done}, true},
		"done, with something to tell": {
			result(recreate.Done, no, func(r *recreate.Result) {
				r.Leftover = "abc"
				r.Notes = []spec.Note{{Hazard: "R12", Field: "x", Text: "y"}, {Hazard: "R25", Field: "Config.Image", Text: "by ID"}}
			}),
			worker.Outcome{Result: worker.Done, Err: "no; the old container abc is still there; Config.Image: by ID"}, true,
		},
		"unproven": {result(recreate.Unproven, no, nil), worker.Outcome{Result: worker.Done, Err: "no"}, true},
		"unfit": {
			result(recreate.Refused, spec.Refusal{Field: "HostConfig.Binds", Why: "gone"}, nil),
			worker.Outcome{Result: worker.Failed, CannotRecreate: true, Err: "cannot recreate faithfully: HostConfig.Binds: gone"}, true,
		},
		"gone and forgotten": {
			result(recreate.Refused, recreate.Declined{Why: "gone"}, func(r *recreate.Result) { r.ID, r.Inspect, r.Gone = "", nil, true }),
			worker.Outcome{Result: worker.Failed, Missing: true, Err: "gone"}, false,
		},
		"changed":       {result(recreate.Refused, changed, nil), worker.Outcome{Result: worker.Refused, Err: "look: it is paused"}, true},
		"a stranger":    {result(recreate.Refused, changed, func(r *recreate.Result) { r.ID = "other" }), worker.Outcome{Result: worker.Refused, Err: "look: it is paused"}, false},
		"busy":          {result(recreate.Busy, no, nil), worker.Outcome{Result: worker.Refused, Err: "no"}, false},
		"undone":        {result(recreate.Undone, no, nil), worker.Outcome{Result: worker.Failed, Err: "no"}, true},
		"stood down":    {result(recreate.Undone, no, func(r *recreate.Result) { r.StoodDown = true }), worker.Outcome{Result: worker.Failed, OperatorStopped: true, Err: "no"}, true},
		"lost":          {result(recreate.Lost, no, func(r *recreate.Result) { r.ID, r.Inspect = "", nil }), worker.Outcome{Result: worker.Failed, Missing: true, Err: "no"}, false},
		"unknown":       {result(recreate.Unknown, no, func(r *recreate.Result) { r.ID = "" }), worker.Outcome{Result: worker.Unknown, Err: "no"}, false},
		"nobody to ask": {result(recreate.Unknown, no, func(r *recreate.Result) { r.ID, r.Untouched = "", true }), worker.Outcome{Result: worker.Failed, Unreachable: true, Err: "make the container anew: no answer from unix:///var/run/docker.sock: EOF"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			client, _ := newFake(t, hang)
			out := worker.Outcome{}
			client.concludeAnew(&out, &response{err: io.EOF}, c.r)
			require.Equal(t, c.snapshot, out.Snapshot != nil)
			out.Snapshot = nil
			require.Equal(t, c.want, out)
		})
	}
}
