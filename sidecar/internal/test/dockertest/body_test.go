package dockertest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"
)

// What a container was made from comes back in its inspect, and what it has besides itself is there.
func TestBodyIsEchoed(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, c *client.Client) {
		ctx := t.Context()
		s.With(func(w *World) { w.AddNetwork("front"); w.AddNetwork("rear") })
		made, err := c.ContainerCreate(ctx,
			&api.Config{Image: "furnace:1", Env: []string{"A=1", BehaviourEnv(Behaviour{RunFor: time.Minute, ExitCode: 4})}, Volumes: map[string]struct{}{"/declared": {}}},
			&api.HostConfig{
				NetworkMode: "front", Binds: []string{"stock:/stock:ro", "/bare"}, Resources: api.Resources{NanoCPUs: 5e8, PidsLimit: ptr(int64(7))},
				Mounts: []mount.Mount{{Type: mount.TypeVolume, Target: "/nameless"}},
			},
			&network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{"front": address("10.0.0.5")}}, nil, "a")
		require.NoError(t, err)
		require.NoError(t, c.NetworkConnect(ctx, "rear", made.ID, &network.EndpointSettings{Aliases: []string{"r"}}))
		require.Error(t, c.NetworkConnect(ctx, "nowhere", made.ID, nil))
		require.NoError(t, c.CopyToContainer(ctx, made.ID, "/", strings.NewReader(""), api.CopyToContainerOptions{}))
		_, err = c.ContainerUpdate(ctx, "a", api.UpdateConfig{Resources: api.Resources{NanoCPUs: 4e8}})
		require.NoError(t, err)
		require.NoError(t, c.ContainerStart(ctx, "a", api.StartOptions{}))
		in, err := c.ContainerInspect(ctx, "a")
		require.NoError(t, err)
		require.EqualValues(t, 7, *in.HostConfig.PidsLimit)
		require.Equal(t, int64(400_000_000), in.HostConfig.NanoCPUs)
		require.Equal(t, made.ID[:12], in.Config.Hostname)
		require.Equal(t, "10.0.0.5", in.NetworkSettings.Networks["front"].IPAddress)
		require.Equal(t, []string{"r"}, in.NetworkSettings.Networks["rear"].Aliases)
		require.Len(t, in.Mounts, 4)
		for _, m := range in.Mounts {
			v, err := c.VolumeInspect(ctx, m.Name)
			require.NoError(t, err)
			require.Equal(t, m.Name, v.Name)
			require.Equal(t, m.Destination != "/stock", m.RW)
		}
		var img image.InspectResponse
		img, err = c.ImageInspect(ctx, in.Image)
		require.NoError(t, err)
		require.Equal(t, []string{"furnace:1"}, img.RepoTags)
		synctest.Wait()
		time.Sleep(2 * time.Minute)
		in, err = c.ContainerInspect(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, 4, in.State.ExitCode, "it behaves as its environment asks")
	})
}

// A static address is the container's that runs; volumes outlive their container unless they are anonymous and it is
// removed with them.
func TestAddressesAndVolumes(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, c *client.Client) {
		ctx := t.Context()
		s.With(func(w *World) { w.AddNetwork("front") })
		for _, name := range []string{"a", "b"} {
			_, err := c.ContainerCreate(ctx, &api.Config{Image: "x", Volumes: map[string]struct{}{"/own": {}}},
				&api.HostConfig{NetworkMode: "front", Binds: []string{"shared:/shared"}},
				&network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{"front": address("10.0.0.5")}}, nil, name)
			require.NoError(t, err)
		}
		require.NoError(t, c.ContainerStart(ctx, "a", api.StartOptions{}))
		require.ErrorContains(t, c.ContainerStart(ctx, "b", api.StartOptions{}), "Address already in use")
		require.NoError(t, c.ContainerStop(ctx, "a", api.StopOptions{}))
		require.NoError(t, c.ContainerStart(ctx, "b", api.StartOptions{}))
		volumes := func() (names []string) {
			s.With(func(w *World) { names = w.Volumes() })
			return names
		}
		require.Len(t, volumes(), 3)
		require.NoError(t, c.ContainerRemove(ctx, "a", api.RemoveOptions{}))
		require.Len(t, volumes(), 3)
		require.NoError(t, c.ContainerRemove(ctx, "b", api.RemoveOptions{Force: true, RemoveVolumes: true}))
		require.Len(t, volumes(), 2)
		require.Contains(t, volumes(), "shared")
	})
}

func address(text string) *network.EndpointSettings {
	return &network.EndpointSettings{IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: text}}
}

func ptr[T any](v T) *T { return &v }
