package spec

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"stoker/sidecar/internal/test/dockertest"
	"stoker/sidecar/internal/test/testenv"
)

const liveImage = "sp-spec:live"

// world is a real engine and the objects that this test created on it.
type world struct {
	t       *testing.T
	api     *client.Client
	podman  bool
	volumes map[string]bool // that will be removed
	book    map[string]string
	// ownNetwork is the network of containers that request none; empty is the engine's default one.
	ownNetwork string
}

// newWorld skips the test when no engine answers. The names of all that it creates begin with sp-, and it is removed by name at the end.
// Runs of these tests on one machine wait for each other, because they use the same names and addresses.
func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Getenv("STOKER_TEST_RECREATE") == "" {
		t.Skip("not run without STOKER_TEST_RECREATE=1 (make test-recreate): this takes half a minute")
	}
	takeTurns(t)
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	require.NoError(t, err)
	t.Cleanup(func() { _ = api.Close() })
	asked, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := api.Ping(asked); err != nil {
		testenv.Missing(t, "no Docker engine answers: %v", err)
	}
	w := &world{t: t, api: api, podman: dockertest.IsPodman(t.Context(), api), volumes: map[string]bool{}, book: map[string]string{}}
	if w.podman {
		t.Skip("not on a Podman: it imports no image with a health check, as this one")
	}
	w.image()
	w.ownNetwork = dockertest.OwnNetwork(t, api, "sp-own")
	return w
}

// needsDefaultNetwork skips a test that needs the default bridge, for example for links.
func (w *world) needsDefaultNetwork() {
	w.t.Helper()
	if !dockertest.HasDefaultNetwork(w.api) {
		w.t.Skip("this engine has no default network (bridge none, or its interface is gone)")
	}
}

func takeTurns(t *testing.T) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(os.TempDir(), "stoker-sp-live.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() }) // releases the lock
	require.NoError(t, unix.Flock(int(file.Fd()), unix.LOCK_EX))
}

func (w *world) image() {
	w.t.Helper()
	binary := filepath.Join(w.t.TempDir(), "hold")
	compile := exec.CommandContext(w.t.Context(), "go", "build", "-ldflags=-s -w", "-o", binary, "./testdata/hold")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	out, err := compile.CombinedOutput()
	require.NoError(w.t, err, string(out))
	program, err := os.ReadFile(binary)
	require.NoError(w.t, err)
	root := archive(w.t, map[string][]byte{"hold": program, "img/seed": []byte("from the image")})
	made, err := w.api.ImageImport(w.t.Context(), image.ImportSource{Source: root, SourceName: "-"}, liveImage, image.ImportOptions{Changes: []string{
		"VOLUME /img", "EXPOSE 7000", "ENV FROM_IMAGE=1", "LABEL from=image", `HEALTHCHECK --interval=30s CMD ["/hold", "health"]`, `ENTRYPOINT ["/hold"]`,
	}})
	require.NoError(w.t, err)
	text, err := io.ReadAll(made)
	require.NoError(w.t, err)
	require.NoError(w.t, made.Close())
	require.Contains(w.t, string(text), "sha256:")
	w.cleanup(func(ctx context.Context) error {
		_, err := w.api.ImageRemove(ctx, liveImage, image.RemoveOptions{PruneChildren: true})
		return err
	})
}

// cleanup runs after the test, whose own context is over by then.
func (w *world) cleanup(undo func(context.Context) error) {
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := undo(ctx); err != nil && !cerrdefs.IsNotFound(err) {
			w.t.Errorf("clean up: %v", err)
		}
	})
}

func (w *world) network(name, subnet string) (id string) {
	w.t.Helper()
	made, err := w.api.NetworkCreate(w.t.Context(), name, network.CreateOptions{IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet}}}})
	require.NoError(w.t, err)
	w.cleanup(func(ctx context.Context) error { return w.api.NetworkRemove(ctx, made.ID) })
	return made.ID
}

func (w *world) volume(name string) {
	w.t.Helper()
	_, err := w.api.VolumeCreate(w.t.Context(), volume.CreateOptions{Name: name})
	require.NoError(w.t, err)
	w.volumes[name] = true
	w.cleanup(func(ctx context.Context) error { return w.api.VolumeRemove(ctx, name, false) })
}

// create creates a container, and removes it and its volumes after the test.
func (w *world) create(name string, body container.CreateRequest) (id string) {
	w.t.Helper()
	if body.Config == nil {
		body.Config = &container.Config{}
	}
	if body.Image == "" {
		body.Image = liveImage
	}
	if body.HostConfig == nil {
		body.HostConfig = &container.HostConfig{}
	}
	if body.HostConfig.NetworkMode == "" {
		body.HostConfig.NetworkMode = container.NetworkMode(w.ownNetwork)
	}
	made, err := w.api.ContainerCreate(w.t.Context(), body.Config, body.HostConfig, body.NetworkingConfig, nil, name)
	require.NoError(w.t, err, name)
	w.cleanupContainer(made.ID)
	return made.ID
}

// cleanupContainer removes a container and then its volumes, except those that an earlier container has too.
func (w *world) cleanupContainer(id string) {
	w.t.Helper()
	for _, m := range w.inspect(id).Mounts {
		name := cmp.Or(m.Name, nameByPlace(m.Source))
		if m.Type == mount.TypeVolume && !w.volumes[name] {
			w.volumes[name] = true
			w.cleanup(func(ctx context.Context) error { return w.api.VolumeRemove(ctx, name, false) })
		}
	}
	w.cleanup(func(ctx context.Context) error {
		return w.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true})
	})
}

func (w *world) run(name string, body container.CreateRequest) (id string) {
	w.t.Helper()
	id = w.create(name, body)
	require.NoError(w.t, w.api.ContainerStart(w.t.Context(), id, container.StartOptions{}), name)
	return id
}

func (w *world) raw(ref string) []byte {
	w.t.Helper()
	_, raw, err := w.api.ContainerInspectWithRaw(w.t.Context(), ref, false)
	require.NoError(w.t, err)
	return raw
}

func (w *world) inspect(ref string) container.InspectResponse {
	w.t.Helper()
	var c container.InspectResponse
	require.NoError(w.t, json.Unmarshal(w.raw(ref), &c))
	return c
}

// names returns the names as a caller of Build takes them from the list of containers. The first name of an ID is kept: an old container
// that was renamed to its backup name no longer has its own.
func (w *world) names() map[string]string {
	w.t.Helper()
	all, err := w.api.ContainerList(w.t.Context(), container.ListOptions{All: true})
	require.NoError(w.t, err)
	for _, one := range all {
		for _, name := range one.Names {
			if path.Dir(name) == "/" && w.book[one.ID] == "" { // and not an alias of a link
				w.book[one.ID] = strings.TrimSuffix(name, "-new")
			}
		}
	}
	return maps.Clone(w.book)
}

func (w *world) input(ref, newName string) Input {
	w.t.Helper()
	old := w.inspect(ref)
	var img bytes.Buffer
	_, err := w.api.ImageInspect(w.t.Context(), old.Image, client.ImageInspectWithRawResponse(&img))
	require.NoError(w.t, err)
	info, err := w.api.Info(w.t.Context())
	require.NoError(w.t, err)
	return Input{
		Name: newName, Container: w.raw(ref), Image: img.Bytes(), Names: w.names(),
		Engine: Engine{APIVersion: w.api.ClientVersion(), Podman: w.podman, Hostname: info.Name},
	}
}

// make creates and connects the container of a Spec.
func (w *world) make(s Spec) (id string) {
	w.t.Helper()
	made, err := w.api.ContainerCreate(w.t.Context(), s.Config, s.HostConfig, s.NetworkingConfig, s.Platform, s.Name)
	require.NoError(w.t, err)
	w.cleanupContainer(made.ID)
	for _, e := range s.Connect {
		require.NoError(w.t, w.api.NetworkConnect(w.t.Context(), e.Network, made.ID, e.Settings), e.Network)
	}
	return made.ID
}

func (w *world) write(id, file, text string) {
	w.t.Helper()
	folder := archive(w.t, map[string][]byte{path.Base(file): []byte(text)})
	require.NoError(w.t, w.api.CopyToContainer(w.t.Context(), id, path.Dir(file), folder, container.CopyToContainerOptions{}), file)
}

func (w *world) read(id, file string) string {
	w.t.Helper()
	body, _, err := w.api.CopyFromContainer(w.t.Context(), id, file)
	require.NoError(w.t, err, file)
	defer func() { _ = body.Close() }()
	files := tar.NewReader(body)
	_, err = files.Next()
	require.NoError(w.t, err, file)
	text, err := io.ReadAll(files)
	require.NoError(w.t, err)
	return string(text)
}

func (w *world) exec(id string, command ...string) {
	w.t.Helper()
	made, err := w.api.ContainerExecCreate(w.t.Context(), id, container.ExecOptions{Cmd: command})
	require.NoError(w.t, err)
	require.NoError(w.t, w.api.ContainerExecStart(w.t.Context(), made.ID, container.ExecStartOptions{Detach: true}))
	var now container.ExecInspect
	require.Eventually(w.t, func() bool {
		now, err = w.api.ContainerExecInspect(w.t.Context(), made.ID)
		return err == nil && !now.Running
	}, time.Minute, 20*time.Millisecond)
	require.Zero(w.t, now.ExitCode)
}

func archive(t *testing.T, files map[string][]byte) io.Reader {
	t.Helper()
	var b bytes.Buffer
	to := tar.NewWriter(&b)
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		require.NoError(t, to.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(files[name]))}))
		_, err := to.Write(files[name])
		require.NoError(t, err)
	}
	require.NoError(t, to.Close())
	return &b
}
