package docker

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
	"stoker/sidecar/internal/test/testenv"
)

// liveWorld is a real engine. The names of all that a test creates there begin with the world's prefix, and cleanup removes it.
type liveWorld struct {
	t      *testing.T
	api    *client.Client
	c      *Client
	podman bool
	prefix string
	subnet int
	// ownNetwork is the network of containers that request none; empty is the engine's default one.
	ownNetwork string
}

// newLiveWorld skips the test, in one line, when no engine answers.
func newLiveWorld(t *testing.T) *liveWorld {
	t.Helper()
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	require.NoError(t, err)
	t.Cleanup(func() { _ = api.Close() })
	asked, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := api.Ping(asked); err != nil {
		testenv.Missing(t, "no Docker engine answers: %v", err)
	}
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails
	w := &liveWorld{t: t, api: api, podman: dockertest.IsPodman(t.Context(), api), prefix: "dk-" + hex.EncodeToString(b[:]), subnet: int(b[0])}
	w.c, err = New(Options{Host: api.DaemonHost()})
	require.NoError(t, err)
	w.image()
	w.ownNetwork = dockertest.OwnNetwork(t, api, w.prefix)
	return w
}

// requireNothingLost requires that no note reports a loss. The exception is the second network's MAC address: engines from 28 on draw it,
// and do not show whether it was requested. On Podman there is one note about what its inspect hides.
func (w *liveWorld) requireNothingLost(notes string) {
	w.t.Helper()
	if w.podman {
		require.Regexp(w.t, "^HostConfig: Podman's inspect does not show [^;\n]*$", notes)
		return
	}
	if versions.LessThan(w.api.ClientVersion(), "1.48") {
		require.Empty(w.t, notes)
		return
	}
	require.Contains(w.t, notes, "["+w.name("b")+"].MacAddress")
	require.NotContains(w.t, notes, "\n")
	require.NotContains(w.t, notes, ";")
}

func (w *liveWorld) name(name string) string { return w.prefix + "-" + name }

// cleanup runs after the test, whose own context is over by then.
func (w *liveWorld) cleanup(undo func(context.Context) error) {
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := undo(ctx); err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) {
			w.t.Errorf("clean up: %v", err)
		}
	})
}

func (w *liveWorld) image() {
	w.t.Helper()
	binary := filepath.Join(w.t.TempDir(), "talk")
	compile := exec.CommandContext(w.t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./testdata/talk")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	out, err := compile.CombinedOutput()
	require.NoError(w.t, err, string(out))
	program, err := os.ReadFile(binary)
	require.NoError(w.t, err)
	made, err := w.api.ImageImport(w.t.Context(), image.ImportSource{Source: tarOf(w.t, "talk", program), SourceName: "-"},
		w.name("talk"), image.ImportOptions{Changes: []string{"VOLUME /declared", `ENTRYPOINT ["/talk"]`}})
	require.NoError(w.t, err)
	output, err := io.ReadAll(made)
	require.NoError(w.t, err)
	require.NoError(w.t, made.Close())
	require.Contains(w.t, string(output), "sha256:")
	w.cleanup(func(ctx context.Context) error {
		_, err := w.api.ImageRemove(ctx, w.name("talk"), image.RemoveOptions{PruneChildren: true})
		return err
	})
}

func tarOf(t *testing.T, name string, content []byte) io.Reader {
	t.Helper()
	var b bytes.Buffer
	to := tar.NewWriter(&b)
	require.NoError(t, to.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}))
	_, err := to.Write(content)
	require.NoError(t, err)
	require.NoError(t, to.Close())
	return &b
}

func (w *liveWorld) network(name string, third int) {
	w.t.Helper()
	made, err := w.api.NetworkCreate(w.t.Context(), w.name(name), network.CreateOptions{
		IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: fmt.Sprintf("10.%d.%d.0/24", third, w.subnet)}}}})
	require.NoError(w.t, err)
	w.cleanup(func(ctx context.Context) error { return w.api.NetworkRemove(ctx, made.ID) })
}

// run creates a container that answers on a port (0 is none), and by default exits at once on SIGTERM.
func (w *liveWorld) run(name, port string, body container.CreateRequest) worker.Snapshot {
	w.t.Helper()
	if body.Config == nil {
		body.Config = &container.Config{}
	}
	body.Image = w.name("talk")
	if body.Cmd == nil {
		body.Cmd = []string{port, "0s"}
	}
	if body.HostConfig == nil {
		body.HostConfig = &container.HostConfig{}
	}
	if body.HostConfig.NetworkMode == "" {
		body.HostConfig.NetworkMode = container.NetworkMode(w.ownNetwork)
	}
	made, err := w.api.ContainerCreate(w.t.Context(), body.Config, body.HostConfig, body.NetworkingConfig, nil, w.name(name))
	require.NoError(w.t, err)
	w.cleanup(func(ctx context.Context) error { return w.remove(ctx, name) })
	require.NoError(w.t, w.api.ContainerStart(w.t.Context(), made.ID, container.StartOptions{}))
	return w.snapshot(name)
}

// ready reports whether a container handles SIGTERM. Without a handler the signal ends the first process at once, or is ignored.
func (w *liveWorld) ready(id string) bool {
	logs, err := w.api.ContainerLogs(w.t.Context(), id, container.LogsOptions{ShowStdout: true})
	if err != nil {
		return false
	}
	defer func() { _ = logs.Close() }()
	text, err := io.ReadAll(logs)
	return err == nil && strings.Contains(string(text), "ready")
}

// remove removes all containers with one of the names that a worker may have, with their volumes.
func (w *liveWorld) remove(ctx context.Context, name string) error {
	for _, suffix := range []string{"", worker.NewSuffix, worker.BackupSuffix} {
		in, err := w.api.ContainerInspect(ctx, w.name(name)+suffix)
		if err != nil {
			continue
		}
		if err := w.api.ContainerRemove(ctx, in.ID, container.RemoveOptions{Force: true}); err != nil && !cerrdefs.IsNotFound(err) {
			return err
		}
		for _, m := range in.Mounts {
			if m.Type == mount.TypeVolume { // 28.5.2 does not name each, but shows its path
				name := cmp.Or(m.Name, path.Base(path.Dir(m.Source)))
				if err := w.api.VolumeRemove(ctx, name, false); err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) {
					return err
				}
			}
		}
	}
	return nil
}

func (w *liveWorld) snapshot(name string) worker.Snapshot {
	w.t.Helper()
	in, raw, err := w.api.ContainerInspectWithRaw(w.t.Context(), w.name(name), false)
	require.NoError(w.t, err)
	s, err := translateInspect(in, raw)
	require.NoError(w.t, err)
	return s
}

func (w *liveWorld) write(name, file, text string) {
	w.t.Helper()
	require.NoError(w.t, w.api.CopyToContainer(w.t.Context(), w.name(name), path.Dir(file), tarOf(w.t, path.Base(file), []byte(text)), container.CopyToContainerOptions{}))
}

func (w *liveWorld) read(name, file string) string {
	w.t.Helper()
	body, _, err := w.api.CopyFromContainer(w.t.Context(), w.name(name), file)
	require.NoError(w.t, err)
	defer func() { _ = body.Close() }()
	files := tar.NewReader(body)
	_, err = files.Next()
	require.NoError(w.t, err)
	text, err := io.ReadAll(files)
	require.NoError(w.t, err)
	return string(text)
}

// answers reports whether a container gets an answer from another one's port, by name and over their network. If the engine has no DNS it
// uses the address.
func (w *liveWorld) answers(from, to, port string) bool {
	w.t.Helper()
	at := w.name(to)
	if testenv.NoDNS() {
		if at = w.address(to); at == "" {
			return false
		}
	}
	made, err := w.api.ContainerExecCreate(w.t.Context(), w.name(from), container.ExecOptions{Cmd: []string{"/talk", "dial", at + ":" + port}})
	require.NoError(w.t, err)
	require.NoError(w.t, w.api.ContainerExecStart(w.t.Context(), made.ID, container.ExecStartOptions{Detach: true}))
	var now container.ExecInspect
	require.Eventually(w.t, func() bool {
		now, err = w.api.ContainerExecInspect(w.t.Context(), made.ID)
		return err == nil && !now.Running
	}, time.Minute, 20*time.Millisecond)
	return now.ExitCode == 0
}

// address returns the address of a container in its only network, or empty.
func (w *liveWorld) address(name string) string {
	w.t.Helper()
	in, err := w.api.ContainerInspect(w.t.Context(), w.name(name))
	require.NoError(w.t, err)
	for _, at := range in.NetworkSettings.Networks {
		return at.IPAddress
	}
	return ""
}
