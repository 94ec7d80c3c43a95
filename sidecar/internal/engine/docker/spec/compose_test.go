package spec

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/test/testenv"
)

const composeFile = `version: "2.4"
services:
  burner:
    image: ` + liveImage + `
    cpus: 0.4
    networks: {app: {ipv4_address: 10.77.5.10, aliases: [hot]}}
    volumes: [/scratch, "data:/data"]
    stop_grace_period: 2s
    depends_on: [peer]
  dependent:
    image: ` + liveImage + `
    network_mode: service:burner
  peer:
    image: ` + liveImage + `
    networks: [app]
networks: {app: {ipam: {config: [{subnet: 10.77.5.0/24}]}}}
volumes: {data: {}}
`

// A recreated worker is no drift to compose (R23): up -d leaves it as it is, and its dependents too. The service dependent shares its
// network. Compose v1 hashes the name of the parent's service, compose v2 the ID of its container (resolveSharedNamespaces, ServiceHash):
// v2 recreates the dependent once, onto the same parent, and then leaves it alone as well.
func TestLiveComposeSeesNoDrift(t *testing.T) {
	program := composeProgram(t)
	w := newWorld(t)
	file := filepath.Join(t.TempDir(), "compose.yml")
	require.NoError(t, os.WriteFile(file, []byte(composeFile), 0o600))
	compose := func(ctx context.Context, args ...string) (string, error) {
		full := append(append(program[1:], "-p", "h7c", "-f", file), args...)
		out, err := exec.CommandContext(ctx, program[0], full...).CombinedOutput()
		return string(out), err
	}
	w.cleanup(func(ctx context.Context) error {
		_, err := compose(ctx, "down", "-v", "-t", "1")
		return err
	})
	out, err := compose(t.Context(), "up", "-d")
	require.NoError(t, err, out)
	name, dependent := w.composed("burner"), w.composed("dependent")

	oldID, newID := w.recreate(name)
	require.NoError(t, w.api.ContainerRemove(t.Context(), oldID, container.RemoveOptions{}))
	_, newDependent := w.recreate(dependent)
	require.NoError(t, w.api.ContainerRemove(t.Context(), dependent+"-old", container.RemoveOptions{}))
	peer := w.inspect(w.composed("peer")).ID

	version := w.inspect(newDependent).Config.Labels["com.docker.compose.version"]
	for _, unchanged := range []bool{strings.HasPrefix(version, "1."), true} {
		out, err = compose(t.Context(), "up", "-d")
		require.NoError(t, err, out)
		require.Equal(t, newID, w.inspect(w.composed("burner")).ID, out)
		require.Equal(t, peer, w.inspect(w.composed("peer")).ID, out)
		now := w.inspect(w.composed("dependent"))
		require.Equal(t, unchanged, now.ID == newDependent, "compose %s: %s", version, out)
		require.Equal(t, "container:"+newID, string(now.HostConfig.NetworkMode), out)
		require.True(t, now.State.Running)
		newDependent = now.ID
	}
	// The dependent that compose created has the volumes of the one before, which the cleanup must remove.
	out, err = compose(t.Context(), "down", "-v", "-t", "1")
	require.NoError(t, err, out)
}

// composeProgram is compose v2 if there is one, else v1.
func composeProgram(t *testing.T) []string {
	t.Helper()
	if exec.CommandContext(t.Context(), "docker", "compose", "version").Run() == nil {
		return []string{"docker", "compose"}
	}
	path, err := exec.LookPath("docker-compose")
	if err != nil {
		testenv.Missing(t, "no Docker Compose here")
	}
	return []string{path}
}

func (w *world) composed(service string) (name string) {
	w.t.Helper()
	all, err := w.api.ContainerList(w.t.Context(), container.ListOptions{All: true})
	require.NoError(w.t, err)
	for _, one := range all {
		if one.Labels["com.docker.compose.project"] == "h7c" && one.Labels["com.docker.compose.service"] == service {
			require.Empty(w.t, name, "two containers of one service")
			name = one.Names[0][1:]
		}
	}
	require.NotEmpty(w.t, name)
	return name
}
