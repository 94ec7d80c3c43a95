package docker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// TestLiveClone creates a further worker on the real engine, and removes it again.
func TestLiveClone(t *testing.T) {
	w := newLiveWorld(t)
	w.network("a", 112)
	body := container.CreateRequest{
		Config: &container.Config{
			Labels:  map[string]string{"com.docker.compose.container-number": "1", "stoker.enable": "true", "of": w.prefix},
			Volumes: map[string]struct{}{"/scratch": {}},
		},
		HostConfig: &container.HostConfig{NetworkMode: container.NetworkMode(w.name("a"))},
	}
	body.HostConfig.NanoCPUs = 250_000_000
	old := w.run("w-1", "7000", body)
	w.write("w-1", "/scratch/data", "its own")
	ask := worker.Action{Verb: worker.Clone, Key: worker.Key(w.name("w-2")), Incarnation: old.Incarnation, RecreateArgs: worker.RecreateArgs{Definition: old.Definition, Number: 2}, Deadline: time.Minute}
	out := w.c.Do(t.Context(), ask)
	w.cleanup(func(ctx context.Context) error { return w.remove(ctx, "w-2") })
	require.Equal(t, worker.Done, out.Result, out.Err)

	made := w.snapshot("w-2")
	require.Equal(t, worker.StatusCreated, made.Status, "who starts it is another's decision")
	require.InDelta(t, 0.25, made.CPUs, 1e-9)
	require.Equal(t, "2", made.Labels["com.docker.compose.container-number"])
	require.True(t, policy.IsClone(made.Labels))
	require.Equal(t, old.ImageID, made.ImageID)
	require.Equal(t, []string{w.name("a")}, made.Networks)
	require.NoError(t, w.api.ContainerStart(t.Context(), made.ID, container.StartOptions{}))
	in, err := w.api.ContainerInspect(t.Context(), made.ID)
	require.NoError(t, err)
	before, err := w.api.ContainerInspect(t.Context(), old.ID)
	require.NoError(t, err)
	require.Len(t, in.Mounts, len(before.Mounts))
	for _, mine := range in.Mounts {
		for _, other := range before.Mounts {
			require.NotEqual(t, other.Name, mine.Name, "its anonymous volumes are its own")
		}
	}
	require.NotEqual(t, before.Config.Hostname, in.Config.Hostname)

	remove := worker.Action{Verb: worker.RemoveClone, Key: ask.Key, Incarnation: made.Incarnation, Deadline: time.Minute}
	require.Equal(t, worker.Failed, w.c.Do(t.Context(), remove).Result, "it runs")
	remove.Incarnation = old.Incarnation
	require.Equal(t, worker.Refused, w.c.Do(t.Context(), remove).Result, "it is no clone")
	require.NoError(t, w.api.ContainerKill(t.Context(), made.ID, "KILL"))
	remove.Incarnation = made.Incarnation
	require.Eventually(t, func() bool { return w.c.Do(t.Context(), remove).Result == worker.Done }, 10*time.Second, 50*time.Millisecond)
	_, err = w.api.VolumeInspect(t.Context(), in.Mounts[0].Name)
	require.Error(t, err, "and so is its volume")
	require.Equal(t, worker.Done, w.c.Do(t.Context(), remove).Result, "it is gone already")

	body.HostConfig.PortBindings = nat.PortMap{"80/tcp": {{HostPort: fmt.Sprint(20000 + w.subnet)}}}
	body.ExposedPorts = nat.PortSet{"80/tcp": {}}
	port := w.run("p-1", "7000", body)
	ask.Key, ask.Incarnation, ask.Definition = worker.Key(w.name("p-2")), port.Incarnation, port.Definition
	out = w.c.Do(t.Context(), ask)
	require.True(t, out.CannotRecreate)
	require.Contains(t, out.Err, "which only one container can have")
}
