package dockertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// bubble runs a test of the real client against the server in virtual time.
func bubble(t *testing.T, test func(t *testing.T, s *Server, c *client.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(Config{Seed: 9, Timing: RealTiming(), Version: "20.10.24", APIVersion: "1.41"})
		defer s.Close()
		c, err := client.NewClientWithOpts(
			client.WithHTTPClient(&http.Client{Transport: s.Transport(ByStoker)}), client.WithAPIVersionNegotiation(),
		)
		require.NoError(t, err)
		test(t, s, c)
	})
}

func (s *Server) truth(name string) Truth {
	var truth Truth
	s.With(func(w *World) { truth, _ = w.Truth(name) })
	return truth
}

func run(t *testing.T, s *Server, specs ...Spec) {
	t.Helper()
	for _, spec := range specs {
		s.With(func(w *World) { w.Operator().Run(spec) })
		time.Sleep(time.Second)
	}
}

func TestClientLooks(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, c *client.Client) {
		labels := map[string]string{"stoker.enable": "true"}
		run(t, s, Spec{
			Name: "a", Labels: labels, CPUs: 0.5,
			EndRules: worker.EndRules{
				StopSignal: syscall.SIGINT, StopTimeout: 3 * time.Second, RestartPolicy: worker.RestartPolicy{Name: "on-failure", MaxRetries: 4},
			},
			Health: &Healthcheck{Interval: time.Second},
		}, Spec{Name: "b"})
		time.Sleep(2 * time.Second)

		got, raw, err := c.ContainerInspectWithRaw(t.Context(), "a", false)
		require.NoError(t, err)
		require.NotEmpty(t, raw)
		truth := s.truth("a")
		require.Equal(t, truth.ID, got.ID)
		require.Equal(t, "/a", got.Name)
		require.Equal(t, "running", got.State.Status)
		require.Equal(t, "healthy", got.State.Health.Status)
		require.NotEmpty(t, got.State.Health.Log)
		require.Equal(t, int64(500_000_000), got.HostConfig.NanoCPUs)
		require.Equal(t, 3, *got.Config.StopTimeout)
		require.Equal(t, "2", got.Config.StopSignal)
		started, err := time.Parse(time.RFC3339Nano, got.State.StartedAt)
		require.NoError(t, err)
		require.True(t, truth.StartedAt.Equal(started))
		require.Equal(t, "0001-01-01T00:00:00Z", got.State.FinishedAt)

		list, err := c.ContainerList(t.Context(), api.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", "stoker.enable=true"))})
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, "Up 3 seconds (healthy)", list[0].Status)
		_, err = c.ContainerInspect(t.Context(), "missing")
		require.True(t, cerrdefs.IsNotFound(err))

		info, err := c.Info(t.Context())
		require.NoError(t, err)
		require.Equal(t, "20.10.24", info.ServerVersion)
		require.Equal(t, 2, info.ContainersRunning)
		require.Equal(t, "1.41", c.ClientVersion())
		bridge, err := c.NetworkInspect(t.Context(), "bridge", network.InspectOptions{})
		require.NoError(t, err)
		s.With(func(w *World) { require.True(t, w.BootedAt().Equal(bridge.Created)) })
	})
}

func TestClientLists(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, c *client.Client) {
		run(t, s, Spec{Name: "up"}, Spec{Name: "exited"}, Spec{Name: "paused"}, Spec{Name: "unhealthy", Health: &Healthcheck{Interval: time.Second, Retries: 1}})
		s.With(func(w *World) {
			w.Exit("exited", 3)
			w.Operator().Pause("paused")
			w.Operator().Create(Spec{Name: "created"})
			w.SetHealthCheck("unhealthy", Failing)
		})
		time.Sleep(5 * time.Second)
		texts := map[string]string{}
		list, err := c.ContainerList(t.Context(), api.ListOptions{All: true})
		require.NoError(t, err)
		for _, one := range list {
			texts[one.Names[0]] = one.State + ": " + one.Status
		}
		require.Equal(t, map[string]string{
			"/up": "running: Up 8 seconds", "/exited": "exited: Exited (3) 5 seconds ago", "/paused": "paused: Up 6 seconds (Paused)",
			"/unhealthy": "running: Up 5 seconds (unhealthy)", "/created": "created: Created",
		}, texts)
		list, err = c.ContainerList(t.Context(), api.ListOptions{})
		require.NoError(t, err)
		require.Len(t, list, 3)
		list, err = c.ContainerList(t.Context(), api.ListOptions{Filters: filters.NewArgs(filters.Arg("status", "exited"))})
		require.NoError(t, err)
		require.Len(t, list, 1)
	})
}

func TestClientActs(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, c *client.Client) {
		ctx := t.Context()
		made, err := c.ContainerCreate(ctx, &api.Config{Image: "w", Labels: map[string]string{"x": "y"}},
			&api.HostConfig{Resources: api.Resources{NanoCPUs: 250_000_000}}, nil, nil, "a")
		require.NoError(t, err)
		_, err = c.ContainerCreate(ctx, &api.Config{Image: "w"}, nil, nil, nil, "a")
		require.True(t, cerrdefs.IsConflict(err))
		require.NoError(t, c.ContainerStart(ctx, made.ID, api.StartOptions{}))
		require.NoError(t, c.ContainerStart(ctx, made.ID, api.StartOptions{}), "already running is no error")
		require.InDelta(t, 0.25, s.truth("a").CPUs, 0)
		began := time.Now()
		s.With(func(w *World) { w.Behave("a", Behaviour{IgnoreTerm: true}) })
		grace := 4
		require.NoError(t, c.ContainerStop(ctx, "a", api.StopOptions{Timeout: &grace}))
		require.InDelta(t, 4, time.Since(began).Seconds(), 0.5)
		require.Equal(t, 137, s.truth("a").ExitCode)
		require.True(t, cerrdefs.IsConflict(c.ContainerKill(ctx, "a", "KILL")))
		require.NoError(t, c.ContainerRestart(ctx, "a", api.StopOptions{}))
		require.NoError(t, c.ContainerPause(ctx, "a"))
		require.NoError(t, c.ContainerUnpause(ctx, "a"))
		require.NoError(t, c.ContainerRename(ctx, "a", "b"))
		_, err = c.ContainerUpdate(ctx, "b", api.UpdateConfig{Resources: api.Resources{NanoCPUs: 1_500_000_000}})
		require.NoError(t, err)
		require.InDelta(t, 1.5, s.truth("b").CPUs, 0)
		require.NoError(t, c.ContainerKill(ctx, "b", "SIGHUP"))
		require.True(t, cerrdefs.IsConflict(c.ContainerRemove(ctx, "b", api.RemoveOptions{})))
		require.NoError(t, c.ContainerRemove(ctx, "b", api.RemoveOptions{Force: true}))
		require.True(t, cerrdefs.IsNotFound(c.ContainerStart(ctx, "b", api.StartOptions{})))
		s.With(func(w *World) {
			require.Equal(t, ByStoker, w.Audit()[0].By)
			require.False(t, w.Audit()[1].Effect, "the second create")
		})
	})
}

func TestClientFollowsEvents(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, c *client.Client) {
		run(t, s, Spec{Name: "a", Labels: map[string]string{"scope": "x"}}, Spec{Name: "b"})
		before := time.Now().Add(-time.Minute)
		args := filters.NewArgs(filters.Arg("type", "container"), filters.Arg("event", "start"), filters.Arg("event", "die"),
			filters.Arg("event", "health_status"), filters.Arg("label", "scope=x"))
		messages, errs := c.Events(t.Context(), events.ListOptions{Since: stampUnix(before), Filters: args})
		first := <-messages
		require.Equal(t, events.ActionStart, first.Action)
		require.Equal(t, "x", first.Actor.Attributes["scope"])
		s.With(func(w *World) { w.Exit("b", 1); w.Exit("a", 3) })
		die := <-messages
		require.Equal(t, "3", die.Actor.Attributes["exitCode"])
		require.Equal(t, "a", die.Actor.Attributes["name"])
		synctest.Wait()
		s.With(func(w *World) {
			for _, e := range w.Events() {
				seen := e.Name == "a" && (e.Action == "die" || e.Action == "start")
				require.Equal(t, seen, !e.SeenAt.IsZero(), e.short())
			}
			w.CutStreams()
		})
		require.ErrorContains(t, <-errs, "EOF")

		past, errs := c.Events(t.Context(), events.ListOptions{Since: stampUnix(before), Until: stampUnix(time.Now().Add(-time.Millisecond)), Filters: args})
		require.Equal(t, events.ActionStart, (<-past).Action)
		require.Equal(t, events.ActionDie, (<-past).Action)
		require.ErrorIs(t, <-errs, io.EOF)
	})
}

func stampUnix(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }

func TestClientMeetsFaults(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, c *client.Client) {
		run(t, s, Spec{Name: "a"})
		s.With(func(w *World) {
			w.Exit("a", 1)
			w.Plan(Fault{Kind: Refuse, Text: "not today"}, Fault{Kind: TimeOutDone})
		})
		time.Sleep(time.Second)
		require.ErrorContains(t, c.ContainerStart(t.Context(), "a", api.StartOptions{}), "not today")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		require.ErrorIs(t, c.ContainerStart(ctx, "a", api.StartOptions{}), context.DeadlineExceeded)
		require.Equal(t, worker.StatusRunning, s.truth("a").Status)
	})
}

func TestClientMeetsAnEngineThatFalls(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, c *client.Client) {
		run(t, s, Spec{Name: "a"})
		_, errs := c.Events(t.Context(), events.ListOptions{Filters: filters.NewArgs(filters.Arg("event", "oom"))})
		s.With(func(w *World) { w.Exit("a", 1) })
		time.Sleep(time.Second)
		s.With(func(w *World) { w.after(100*time.Millisecond, w.CrashEngine) })
		err := c.ContainerStart(t.Context(), "a", api.StartOptions{})
		require.ErrorContains(t, err, "EOF")
		require.Error(t, <-errs)
		_, err = c.Ping(t.Context())
		require.True(t, client.IsErrConnectionFailed(err) || errors.Is(err, syscall.ECONNREFUSED), err)
		s.With(func(w *World) { w.Boot() })
		time.Sleep(10 * time.Second)
		_, err = c.Ping(t.Context())
		require.NoError(t, err)
	})
}

// The socket is tried on the real clock: a bubble cannot wait for it.
func TestServeComesAndGoesWithTheEngine(t *testing.T) {
	s := NewServer(Config{})
	defer s.Close()
	c, err := client.NewClientWithOpts(client.WithHost(Serve(t, s)), client.WithAPIVersionNegotiation())
	require.NoError(t, err)
	made, err := c.ContainerCreate(t.Context(), &api.Config{Image: "w"}, nil, nil, nil, "a")
	require.NoError(t, err)
	messages, errs := c.Events(t.Context(), events.ListOptions{})
	require.NoError(t, c.ContainerStart(t.Context(), made.ID, api.StartOptions{}))
	require.Equal(t, events.ActionStart, (<-messages).Action)
	s.With(func(w *World) { w.RestartEngine(time.Millisecond) })
	require.Equal(t, events.ActionKill, (<-messages).Action)
	require.Equal(t, events.ActionDie, (<-messages).Action)
	require.Equal(t, events.ActionStop, (<-messages).Action)
	require.Error(t, <-errs)
	c.HTTPClient().CloseIdleConnections()
	require.Eventually(t, func() bool {
		_, err := c.Ping(t.Context())
		return err == nil
	}, 5*time.Second, 5*time.Millisecond)
}

func TestClientOfAnotherVersion(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, _ *client.Client) {
		c, err := client.NewClientWithOpts(client.WithHTTPClient(&http.Client{Transport: s.Transport(ByOperator)}), client.WithVersion("1.51"))
		require.NoError(t, err)
		_, err = c.Info(t.Context())
		require.ErrorContains(t, err, "client version 1.51 is too new. Maximum supported API version is 1.41")
	})
}
