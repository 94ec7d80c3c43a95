package docker_test

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"sync/atomic"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"
	"github.com/docker/go-connections/sockets"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker"

	"stoker/sidecar/internal/test/dockertest"
)

const liveImage = "stoker-worker:test"

// liveWorld is a real engine with two networks. The names of all that it creates begin with its prefix, and cleanup removes it.
type liveWorld struct {
	api    *client.Client
	host   string
	podman bool
	prefix string
	nets   map[string]string // by name, the first three bytes of its addresses: "10.97.3"
	count  atomic.Int32
}

// newLiveWorld skips the test, in one line, when no engine answers.
func newLiveWorld(t *testing.T) *liveWorld {
	t.Helper()
	onRequest(t)
	host := dockertest.RealHost(t).DockerHost()
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails
	w := &liveWorld{host: host, prefix: "rc-" + hex.EncodeToString(b[:]), nets: map[string]string{}}
	w.api = w.client(t)
	w.podman = dockertest.IsPodman(t.Context(), w.api)
	w.network(t, "a")
	w.network(t, "b")
	return w
}

// network creates a network with unused addresses. Those of other tests and of other networks of the engine are found only by trying.
func (w *liveWorld) network(t *testing.T, name string) {
	t.Helper()
	var err error
	for range 20 {
		var b [2]byte
		_, _ = rand.Read(b[:])                               // never fails
		subnet := fmt.Sprintf("10.%d.%d", 128+b[0]%64, b[1]) // other packages have theirs below
		var made network.CreateResponse
		made, err = w.api.NetworkCreate(t.Context(), w.net(name), network.CreateOptions{IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet + ".0/24"}}}})
		if err != nil {
			continue
		}
		w.nets[name] = subnet
		w.cleanup(t, func(ctx context.Context) error { return w.api.NetworkRemove(ctx, made.ID) })
		return
	}
	require.NoError(t, err)
}

func (w *liveWorld) net(name string) string { return w.prefix + "-" + name }

// cleanup runs after the test, whose own context is over by then.
func (w *liveWorld) cleanup(t *testing.T, undo func(context.Context) error) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := undo(ctx); err != nil && !cerrdefs.IsNotFound(err) {
			t.Errorf("clean up: %v", err)
		}
	})
}

// transport dials the engine for each request.
func (w *liveWorld) transport(t *testing.T) *http.Transport {
	t.Helper()
	url, err := client.ParseHostURL(w.host)
	require.NoError(t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	require.NoError(t, sockets.ConfigureTransport(transport, url.Scheme, url.Host))
	return transport
}

func (w *liveWorld) client(t *testing.T) *client.Client {
	t.Helper()
	c, err := client.NewClientWithOpts(client.WithHost(w.host), client.WithHTTPClient(&http.Client{Transport: w.transport(t)}), client.WithAPIVersionNegotiation())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (w *liveWorld) recreator(t *testing.T, over *faultTransport) *recreator {
	t.Helper()
	options := docker.Options{Host: w.host}
	if over != nil {
		over.next = w.transport(t)
		options.Transport = over
	}
	engine, err := docker.New(options)
	require.NoError(t, err)
	return &recreator{engine: engine, list: w.api, owner: w.prefix, verify: 400 * time.Millisecond}
}

// liveWorker is a worker with static addresses in two networks, a fixed and a random port, and volumes with data: one named, two anonymous.
type liveWorker struct {
	w       *liveWorld
	name    string
	id      string
	number  int
	port    int // published, the same for all its incarnations
	raw     []byte
	volumes []string
}

func (w *liveWorld) newWorker(t *testing.T, change func(*container.Config, *container.HostConfig)) *liveWorker {
	t.Helper()
	number := int(w.count.Add(1))
	l := &liveWorker{w: w, name: fmt.Sprintf("%s-%d", w.prefix, number), number: number, port: freePort(t)}
	_, err := w.api.VolumeCreate(t.Context(), volume.CreateOptions{Name: l.name})
	require.NoError(t, err)
	l.volumes = []string{l.name}
	conf, host := l.config(), l.host()
	if change != nil {
		change(conf, host)
	}
	made, err := w.api.ContainerCreate(t.Context(), conf, host,
		&network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{w.net("a"): l.at("a", "one")}}, nil, l.name)
	require.NoError(t, err)
	l.id = made.ID
	w.cleanup(t, l.remove)
	require.NoError(t, w.api.NetworkConnect(t.Context(), w.net("b"), l.id, l.at("b", "two")))
	for _, m := range l.inspect(t).Mounts {
		if m.Type == mount.TypeVolume && m.Name != l.name {
			l.volumes = append(l.volumes, volumeOf(m))
		}
	}
	require.Len(t, l.volumes, 3)
	for _, folder := range []string{"/named", "/declared", "/bare"} {
		l.write(t, folder+"/data", "kept in "+folder)
	}
	require.NoError(t, w.api.ContainerStart(t.Context(), l.id, container.StartOptions{}))
	_, err = w.api.ContainerUpdate(t.Context(), l.id, container.UpdateConfig{Resources: dockertest.Quota(w.podman, 0.13)})
	require.NoError(t, err)
	_, l.raw, err = w.api.ContainerInspectWithRaw(t.Context(), l.id, false)
	require.NoError(t, err)
	return l
}

// freePort returns a port that nothing uses, below the kernel's and the engine's ephemeral ports, so that it also stays free while the
// worker is down.
func freePort(t *testing.T) int {
	t.Helper()
	var err error
	for range 20 {
		var b [2]byte
		_, _ = rand.Read(b[:]) // never fails
		port := 12000 + int(binary.BigEndian.Uint16(b[:]))%20000
		var listener net.Listener
		if listener, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			require.NoError(t, listener.Close())
			return port
		}
	}
	require.NoError(t, err)
	return 0
}

// volumeOf returns the volume's name, also if the engine shows only its path.
func volumeOf(m container.MountPoint) string {
	return cmp.Or(m.Name, path.Base(path.Dir(m.Source)))
}

func (l *liveWorker) config() *container.Config {
	return &container.Config{
		Image: liveImage, Labels: map[string]string{"of": l.w.prefix}, Volumes: map[string]struct{}{"/declared": {}},
		Env:          []string{"WORKER_STATE=off", "WORKER_THREADS=1"},
		ExposedPorts: nat.PortSet{"80/tcp": {}, "81/tcp": {}},
	}
}

func (l *liveWorker) host() *container.HostConfig {
	return &container.HostConfig{
		NetworkMode: container.NetworkMode(l.w.net("a")), Binds: []string{l.name + ":/named", "/bare"},
		PortBindings: nat.PortMap{
			"80/tcp": {{HostIP: "127.0.0.1", HostPort: fmt.Sprint(l.port)}}, "81/tcp": {{HostIP: "127.0.0.1"}},
		},
		Resources: container.Resources{NanoCPUs: 150_000_000},
	}
}

func (l *liveWorker) address(net string) string {
	return fmt.Sprintf("%s.%d", l.w.nets[net], 10+l.number)
}

// at requests no address on Podman, whose inspect does not show a requested one.
func (l *liveWorker) at(net, alias string) *network.EndpointSettings {
	if l.w.podman {
		return &network.EndpointSettings{Aliases: []string{alias}}
	}
	return &network.EndpointSettings{Aliases: []string{alias}, IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: l.address(net)}}
}

// remove removes the worker's containers, under each of the names, and their volumes.
func (l *liveWorker) remove(ctx context.Context) error {
	for _, name := range []string{l.name, l.name + worker.NewSuffix, l.name + worker.BackupSuffix} {
		err := l.w.api.ContainerRemove(ctx, name, container.RemoveOptions{Force: true})
		if err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) {
			return err
		}
	}
	for _, name := range l.volumes {
		if err := l.w.api.VolumeRemove(ctx, name, false); err != nil && !cerrdefs.IsNotFound(err) {
			return err
		}
	}
	return nil
}

func (l *liveWorker) request() request {
	return request{Name: l.name, OldID: l.id, Definition: l.raw, Grace: 5 * time.Second}
}

func (l *liveWorker) inspect(t *testing.T) container.InspectResponse {
	t.Helper()
	in, err := l.w.api.ContainerInspect(t.Context(), l.name)
	require.NoError(t, err)
	return in
}

func (l *liveWorker) write(t *testing.T, file, text string) {
	t.Helper()
	var b bytes.Buffer
	to := tar.NewWriter(&b)
	require.NoError(t, to.WriteHeader(&tar.Header{Name: path.Base(file), Mode: 0o644, Size: int64(len(text))}))
	_, err := to.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, to.Close())
	require.NoError(t, l.w.api.CopyToContainer(t.Context(), l.name, path.Dir(file), &b, container.CopyToContainerOptions{}))
}

func (l *liveWorker) read(t *testing.T, file string) string {
	t.Helper()
	body, _, err := l.w.api.CopyFromContainer(t.Context(), l.name, file)
	require.NoError(t, err)
	defer func() { _ = body.Close() }()
	files := tar.NewReader(body)
	_, err = files.Next()
	require.NoError(t, err)
	text, err := io.ReadAll(files)
	require.NoError(t, err)
	return string(text)
}

// requireWell: there is exactly one container of the workerName, and it has all that the first one had.
func (l *liveWorker) requireWell(t *testing.T) (id string) {
	t.Helper()
	for _, name := range []string{l.name + worker.NewSuffix, l.name + worker.BackupSuffix} {
		_, err := l.w.api.ContainerInspect(t.Context(), name)
		require.True(t, cerrdefs.IsNotFound(err), "%s is left over: %v", name, err)
	}
	in := l.inspect(t)
	require.True(t, in.State.Running, "%s %s", in.State.Status, in.State.Error)
	require.EqualValues(t, 130_000_000, in.HostConfig.NanoCPUs)
	for net, alias := range map[string]string{"a": "one", "b": "two"} {
		end := in.NetworkSettings.Networks[l.w.net(net)]
		require.NotNil(t, end, net)
		require.Contains(t, end.Aliases, alias)
		if !l.w.podman {
			require.Equal(t, l.address(net), end.IPAddress)
		}
	}
	require.Equal(t, fmt.Sprint(l.port), in.NetworkSettings.Ports["80/tcp"][0].HostPort)
	names := []string{}
	for _, m := range in.Mounts {
		names = append(names, volumeOf(m))
		require.Equal(t, "kept in "+m.Destination, l.read(t, m.Destination+"/data"))
	}
	require.ElementsMatch(t, l.volumes, names)
	return in.ID
}

// onRequest skips a test that takes minutes and is meant for changes of this package.
func onRequest(t *testing.T) {
	t.Helper()
	if os.Getenv("STOKER_TEST_RECREATE") == "" {
		t.Skip("not run without STOKER_TEST_RECREATE=1 (make test-recreate): this takes minutes")
	}
}
