package docker

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

func in(s worker.Snapshot) container.HostConfig {
	return container.HostConfig{NetworkMode: container.NetworkMode("container:" + s.ID)}
}

func (b *bench) listDependents() worker.Outcome {
	return b.c.Do(b.t.Context(), worker.Action{ID: 11, Verb: worker.ListDependents, Deadline: time.Minute})
}

func restartOf(s worker.Snapshot) worker.Action {
	return worker.Action{ID: 12, Key: s.Key, Verb: worker.RestartDependent, Incarnation: s.Incarnation, Deadline: time.Minute}
}

func TestListDependents(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		p := b.run("p", container.Config{}, container.HostConfig{})
		q := b.run("q", container.Config{}, container.HostConfig{})
		b.run("net", container.Config{Labels: map[string]string{"x": "y"}}, in(p))
		b.run("more", container.Config{}, container.HostConfig{
			NetworkMode: in(p).NetworkMode, IpcMode: container.IpcMode("container:" + p.ID), PidMode: container.PidMode("container:" + q.ID),
		})
		b.world(func(w *dockertest.World) { w.Operator().Stop("more", dockertest.OwnGrace) })
		time.Sleep(20 * time.Second)
		self := b.run("stoker", container.Config{}, in(p))
		b.c.opts.Self = self.ID // it may share a worker's network itself
		out := b.listDependents()
		require.Equal(t, worker.Done, out.Result, out.Err)
		found := map[worker.Key]worker.Dependent{}
		for _, d := range out.Dependents {
			found[d.Key] = d
		}
		require.Len(t, found, 4)
		require.Empty(t, found["p"].Parents)
		require.Equal(t, worker.Dependent{
			Key: "net", ID: b.snapshot("net").ID, Labels: map[string]string{"x": "y"}, Parents: []string{p.ID},
		}, found["net"])
		require.Equal(t, []string{p.ID, q.ID}, found["more"].Parents)
		require.Equal(t, q.ID, found["more"].PIDParent)
	})
}

// The namespaces of a container are requested once in its lifetime.
func TestListDependentsAsksLittle(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		for _, name := range []string{"a", "b", "c"} {
			b.run(name, container.Config{}, container.HostConfig{})
		}
		b.sent("")
		for _, want := range []int{1 + 3, 1, 1} {
			require.Equal(t, worker.Done, b.listDependents().Result)
			require.Len(t, b.sent(http.MethodGet), want)
		}
		require.NoError(t, b.api().ContainerRemove(t.Context(), "c", container.RemoveOptions{Force: true}))
		b.run("d", container.Config{}, container.HostConfig{})
		b.sent("")
		require.Equal(t, worker.Done, b.listDependents().Result)
		require.Len(t, b.sent(http.MethodGet), 1+1)
	})
}

// While the event stream is open, no further list is requested: 20 heals cost none (point 9).
func TestListDependentsFollowsTheEvents(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		p := b.run("p", container.Config{}, container.HostConfig{})
		b.run("gone", container.Config{}, in(p))
		ctx, cancel := context.WithCancel(t.Context())
		out, end := b.c.Events(ctx, time.Time{})
		go func() {
			for o := range out {
				t.Log(o.Kind, o.Key)
			}
		}()
		time.Sleep(time.Second)
		_, err := b.c.List(t.Context())
		require.NoError(t, err)
		require.Equal(t, worker.Done, b.listDependents().Result)
		b.run("g", container.Config{}, in(p))
		b.run("x", container.Config{}, in(p))
		require.NoError(t, b.api().ContainerRename(t.Context(), "x", "renamed"))
		require.NoError(t, b.api().ContainerRemove(t.Context(), "gone", container.RemoveOptions{Force: true}))
		time.Sleep(time.Second)
		b.sent("")
		for range 20 {
			list := b.listDependents()
			require.Equal(t, worker.Done, list.Result, list.Err)
			keys := []worker.Key{}
			for _, d := range list.Dependents {
				keys = append(keys, d.Key)
			}
			require.ElementsMatch(t, []worker.Key{"p", "g", "renamed"}, keys)
		}
		require.Len(t, b.sent(http.MethodGet), 2, "one inspect for each new container, and no list")
		cancel()
		require.NoError(t, <-end)
		time.Sleep(time.Second)
		require.Equal(t, worker.Done, b.listDependents().Result)
		require.Equal(t, []string{"GET containers/json"}, b.sent(http.MethodGet), "what happened since the stream ended is not known")
	})
}

func TestRestartDependent(t *testing.T) {
	onBench(t, func(t *testing.T, b *bench) {
		p := b.run("p", container.Config{}, container.HostConfig{})
		g := b.run("g", container.Config{}, in(p))
		b.sent("")
		out := b.c.Do(t.Context(), restartOf(g))
		require.Equal(t, worker.Done, out.Result, out.Err)
		require.True(t, out.Snapshot.StartedAt.After(g.StartedAt))
		require.Len(t, b.sent(http.MethodPost), 1)

		require.NoError(t, b.api().ContainerStop(t.Context(), "g", container.StopOptions{}))
		a := restartOf(b.snapshot("g"))
		a.Down = true
		out = b.c.Do(t.Context(), a)
		require.Equal(t, worker.Done, out.Result, out.Err)
		require.Equal(t, worker.StatusRunning, out.Snapshot.Status)
	})
}

func TestDependentsWithoutAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		at          string
		answer      func(*http.Request) (*http.Response, error)
		restart     bool
		want        worker.Result
		unreachable bool
		forbidden   bool
	}{
		"no list":             {"/containers/json", fails(errRefused), false, worker.Failed, true, false},
		"the list is refused": {"/containers/json", replies(500, `{"message":"no"}`), false, worker.Failed, false, false},
		"no inspect":          {"g/json", fails(errRefused), false, worker.Failed, true, false},
		"restart unanswered":  {"/restart", fails(errors.New("EOF")), true, worker.Unknown, false, false},
		"restart never sent":  {"/restart", fails(errRefused), true, worker.Failed, true, false},
		"restart refused":     {"/restart", replies(500, `{"message":"no"}`), true, worker.Failed, false, false},
		"restart forbidden":   {"/restart", replies(403, `{"message":"forbidden"}`), true, worker.Failed, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, func(t *testing.T, b *bench) {
				p := b.run("p", container.Config{}, container.HostConfig{})
				g := b.run("g", container.Config{}, in(p))
				at := strings.Replace(c.at, "g/", g.ID+"/", 1)
				b.before = func(r *http.Request) (*http.Response, error) {
					if strings.HasSuffix(r.URL.Path, at) {
						return c.answer(r)
					}
					return nil, nil
				}
				out := b.listDependents()
				if c.restart {
					out = b.c.Do(t.Context(), restartOf(g))
				}
				require.Equal(t, c.want, out.Result, out.Err)
				require.Equal(t, c.unreachable, out.Unreachable)
				require.Equal(t, c.forbidden, out.Forbidden)
				require.NotEmpty(t, out.Err)
				require.Equal(t, g.Incarnation, b.snapshot("g").Incarnation)
			})
		})
	}
}
