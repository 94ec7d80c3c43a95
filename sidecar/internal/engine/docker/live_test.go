package docker

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker/spec"
	"stoker/sidecar/internal/test/dockertest"
)

func ptr[T any](v T) *T { return &v }

func (w *liveWorld) recreateOf(s worker.Snapshot) worker.Action {
	a := recreateOf(s)
	a.Grace = -1
	return a
}

func (w *liveWorld) at(net string, third, address int, alias string) map[string]*network.EndpointSettings {
	return map[string]*network.EndpointSettings{w.name(net): {
		Aliases: []string{alias}, IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: fmt.Sprintf("10.%d.%d.%d", third, w.subnet, address)},
	}}
}

func (w *liveWorld) rich() container.CreateRequest {
	return container.CreateRequest{
		Config: &container.Config{
			Hostname: "furnace", User: "0:0", WorkingDir: "/declared", Env: []string{"A=1", "B=x y"}, StopSignal: "SIGTERM", StopTimeout: ptr(4),
			Labels: map[string]string{"of": w.prefix}, ExposedPorts: nat.PortSet{"9000/tcp": {}}, Tty: true,
			Healthcheck: &container.HealthConfig{Test: []string{"CMD", "/talk", "dial", "127.0.0.1:7000"}, Interval: time.Minute, Retries: 4},
		},
		HostConfig: &container.HostConfig{
			NetworkMode: container.NetworkMode(w.name("a")), Binds: []string{w.name("kept") + ":/named", "/bare"},
			Mounts:       []mount.Mount{{Type: mount.TypeTmpfs, Target: "/scratch", TmpfsOptions: &mount.TmpfsOptions{SizeBytes: 1 << 20}}},
			PortBindings: nat.PortMap{"9000/tcp": {{HostIP: "127.0.0.1"}}}, Sysctls: map[string]string{"net.core.somaxconn": "512"}, Init: ptr(true),
			CapAdd: []string{"NET_ADMIN"}, CapDrop: []string{"MKNOD"}, ExtraHosts: []string{"elsewhere:10.1.2.3"}, OomScoreAdj: 100,
			RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyOnFailure, MaximumRetryCount: 2},
			LogConfig:     container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "1m"}},
			Resources:     container.Resources{NanoCPUs: 300_000_000, Memory: 64 << 20, PidsLimit: ptr(int64(50)), Ulimits: []*container.Ulimit{{Name: "nofile", Soft: 100, Hard: 200}}},
		},
		NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: w.at("a", 110, 10, "one")},
	}
}

func TestLiveRecreate(t *testing.T) {
	t.Parallel()
	w := newLiveWorld(t)
	w.network("a", 110)
	w.network("b", 111)
	w.run("rich", "7000", w.rich())
	require.NoError(t, w.api.NetworkConnect(t.Context(), w.name("b"), w.name("rich"), w.at("b", 111, 11, "two")[w.name("b")]))
	for _, folder := range []string{"/named", "/declared", "/bare"} {
		w.write("rich", folder+"/data", "kept in "+folder)
	}
	_, err := w.api.ContainerUpdate(t.Context(), w.name("rich"), container.UpdateConfig{Resources: dockertest.Quota(w.podman, 0.45)})
	require.NoError(t, err)
	old := w.snapshot("rich")

	out := recreateWith(t.Context(), w.c, w.recreateOf(old), nil)

	require.Equal(t, worker.Done, out.Result, out.Err)
	w.requireNothingLost(out.Err)
	now := w.snapshot("rich")
	require.NotEqual(t, old.ID, now.ID)
	require.Equal(t, now.Incarnation, out.Snapshot.Incarnation)
	require.Equal(t, worker.StatusRunning, now.Status)
	require.InDelta(t, 0.45, now.CPUs, 1e-9)
	found, err := spec.Diff(old.Definition, now.Definition, nil)
	require.NoError(t, err)
	require.Empty(t, found)
	for _, folder := range []string{"/named", "/declared", "/bare"} {
		require.Equal(t, "kept in "+folder, w.read("rich", folder+"/data"))
	}
	in, err := w.api.ContainerInspect(t.Context(), now.ID)
	require.NoError(t, err)
	require.Contains(t, in.NetworkSettings.Networks, w.name("b"))
	if !w.podman { // whose inspect hides that the address was asked for
		require.Equal(t, fmt.Sprintf("10.111.%d.11", w.subnet), in.NetworkSettings.Networks[w.name("b")].IPAddress)
	}
	out = recreateWith(t.Context(), w.c, w.recreateOf(old), nil)
	require.Equal(t, worker.Done, out.Result, "%s", out.Err)
	require.Equal(t, now.Incarnation, out.Snapshot.Incarnation, "it was done already")
}

// stopsOf returns the containers that an operator stopped, by the rules of the worker's state machine: each signal to another container
// than the old one, and each to the old one after the recreate's own.
func (w *liveWorld) stopsOf(a worker.Action) func() []string {
	ctx, cancel := context.WithCancel(context.Background())
	args := filters.NewArgs(filters.Arg("type", "container"), filters.Arg("event", "kill"), filters.Arg("label", "of="+string(a.Key)))
	messages, _ := w.api.Events(ctx, events.ListOptions{Filters: args})
	var (
		group   sync.WaitGroup
		mu      sync.Mutex
		stopped []string
	)
	group.Go(func() {
		own := 0
		for {
			select {
			case m := <-messages:
				if m.Actor.ID == a.Incarnation.ID {
					if own++; own == 1 {
						continue
					}
				}
				mu.Lock()
				stopped = append(stopped, m.Actor.ID)
				mu.Unlock()
			case <-ctx.Done():
				return
			}
		}
	})
	w.t.Cleanup(func() {
		cancel()
		group.Wait()
	})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(stopped)
	}
}

// An operator's docker stop in the middle of a recreate is respected, whether it reaches the old or the new container.
func TestLiveStopDuringRecreate(t *testing.T) {
	t.Parallel()
	w := newLiveWorld(t)
	id := uint64(0)
	for name, during := range map[string]func(old worker.Snapshot) bool{
		"old": func(old worker.Snapshot) bool { // its stop has begun
			made, err := w.api.ContainerInspect(t.Context(), string(old.Key)+worker.NewSuffix)
			if err != nil || len(made.NetworkSettings.Networks) == 0 {
				return false
			}
			time.Sleep(300 * time.Millisecond)
			return true
		},
		"new": func(old worker.Snapshot) bool {
			in, err := w.api.ContainerInspect(t.Context(), string(old.Key))
			return err == nil && in.ID != old.ID && in.State.Running && w.ready(in.ID)
		},
	} {
		id++
		w, id := *w, id
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if w.podman && name == "old" {
				t.Skip("not on a Podman: it emits no event for a stop while another one is in progress")
			}
			w.t = t
			old := w.run(name, "0", container.CreateRequest{Config: &container.Config{
				Cmd: []string{"0", "1500ms"}, Labels: map[string]string{"of": w.name(name)}}})
			require.Eventually(t, func() bool { return w.ready(old.ID) }, time.Minute, 10*time.Millisecond)
			a := w.recreateOf(old)
			a.ID, a.Grace = id, 10*time.Second
			stopped := w.stopsOf(a)
			outs := make(chan worker.Outcome, 1)
			go func() { outs <- recreateWith(t.Context(), w.c, a, stopped) }()
			for !during(old) {
				select {
				case out := <-outs:
					require.Fail(t, "the recreate ended before the stop", "%s: %v", out.Result, out.Err)
				case <-time.After(10 * time.Millisecond):
				}
			}
			require.NoError(t, w.api.ContainerStop(t.Context(), w.name(name), container.StopOptions{}))

			out := <-outs

			require.Equal(t, worker.Failed, out.Result, out.Err)
			require.True(t, out.OperatorStopped, out.Err)
			require.Equal(t, old.ID, out.Snapshot.ID)
			require.Equal(t, worker.StatusExited, w.snapshot(name).Status)
			require.Equal(t, old.Incarnation, w.snapshot(name).Incarnation, "it was never started again")
			for _, suffix := range []string{worker.NewSuffix, worker.BackupSuffix} {
				_, err := w.api.ContainerInspect(t.Context(), w.name(name)+suffix)
				require.Error(t, err)
			}
		})
	}
}

// A dependent of a worker's network namespace is unreachable after the worker restarts, until the dependent is restarted too.
func TestLiveFollow(t *testing.T) {
	t.Parallel()
	w := newLiveWorld(t)
	w.network("net", 112)
	join := container.CreateRequest{HostConfig: &container.HostConfig{NetworkMode: container.NetworkMode(w.name("net"))}}
	w.run("friend", "0", join)
	parent := w.run("parent", "0", join)
	shared := func(s worker.Snapshot, rm bool) container.CreateRequest {
		return container.CreateRequest{HostConfig: &container.HostConfig{NetworkMode: container.NetworkMode("container:" + s.ID), AutoRemove: rm}}
	}
	dependent := w.run("dependent", "7001", shared(parent, false))
	w.run("thrown-away", "7002", shared(parent, true))
	reached := func(want bool) {
		t.Helper()
		for _, port := range []string{"7001", "7002"} {
			require.Eventually(t, func() bool { return w.answers("friend", "parent", port) == want }, 30*time.Second, 100*time.Millisecond, port)
		}
	}
	reached(true)

	require.NoError(t, w.api.ContainerRestart(t.Context(), parent.ID, container.StopOptions{}))
	reached(false)
	again := w.snapshot("parent")
	list := w.c.Do(t.Context(), worker.Action{Verb: worker.ListDependents})
	require.Equal(t, worker.Done, list.Result, list.Err)
	shares := []worker.Key{}
	for _, d := range list.Dependents {
		if slices.Contains(d.Parents, parent.ID) {
			shares = append(shares, d.Key)
		}
	}
	require.ElementsMatch(t, []worker.Key{worker.Key(w.name("dependent")), worker.Key(w.name("thrown-away"))}, shares)
	for _, name := range []string{"dependent", "thrown-away"} {
		s := w.snapshot(name)
		require.Equal(t, []string{parent.ID}, s.Parents)
		out := w.c.Do(t.Context(), worker.Action{Verb: worker.RestartDependent, Key: s.Key, Incarnation: s.Incarnation})
		require.Equal(t, worker.Done, out.Result, out.Err)
	}
	reached(true)
	require.Equal(t, dependent.ID, w.snapshot("dependent").ID)

	out := recreateWith(t.Context(), w.c, w.recreateOf(again), nil)
	require.Equal(t, worker.Done, out.Result, out.Err)
	reached(false)
	names := map[string]worker.Key{parent.ID: parent.Key, out.Snapshot.ID: parent.Key}
	for _, name := range []string{"dependent", "thrown-away"} {
		a := w.recreateOf(w.snapshot(name))
		a.Names = names
		out := recreateWith(t.Context(), w.c, a, nil)
		require.Equal(t, worker.Done, out.Result, out.Err)
		if !w.podman {
			require.Empty(t, out.Err)
			continue
		}
		w.requireNothingLost(out.Err)
	}
	reached(true)
	require.NotEqual(t, dependent.ID, w.snapshot("dependent").ID)
}

// A probe that cannot be run has failed; it has not timed out.
func TestLiveProbeThatCannotRun(t *testing.T) {
	t.Parallel()
	w := newLiveWorld(t)
	w.run("probed", "0", container.CreateRequest{Config: &container.Config{
		Healthcheck: &container.HealthConfig{Test: []string{"CMD", "/gone"}, Interval: time.Second, Retries: 1},
	}})
	var last worker.Probe
	require.Eventually(t, func() bool {
		out := w.c.Do(t.Context(), worker.Action{Verb: worker.Inspect, Incarnation: w.snapshot("probed").Incarnation})
		if out.Snapshot == nil {
			return false
		}
		last, _ = out.Snapshot.LastProbe()
		return out.Snapshot.Health == worker.HealthUnhealthy
	}, time.Minute, 100*time.Millisecond)
	require.NotEqual(t, worker.ProbeTimedOut, last.ExitCode, last.Output)
	require.NotZero(t, last.ExitCode)
	if !w.podman {
		require.Equal(t, worker.ProbeNotRun, last.ExitCode, last.Output)
	}
}
