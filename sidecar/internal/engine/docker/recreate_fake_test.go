package docker_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/recreate"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker"
	"stoker/sidecar/internal/test/dockertest"
)

// fault is what happens to one call.
type fault string

const (
	noFault     fault = ""
	killBefore  fault = "killed before the call"
	killAfter   fault = "killed after the call"
	refuse      fault = "refused"
	timeOutDone fault = "no answer, done"
	timeOut     fault = "no answer, not done"
	restarted   fault = "engine restarted"
	crashed     fault = "engine crashed"
)

// faultTransport is a transport that injects faults into some calls.
type faultTransport struct {
	next   http.RoundTripper
	server *dockertest.Server
	inject func(n int, r *http.Request) fault // n counts from 0, without pings; nil injects none
	pause  func(n int) time.Duration          // before a call; nil is none

	mu    sync.Mutex
	calls []string
	dead  bool
}

func (w *faultTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/_ping") {
		return w.next.RoundTrip(r)
	}
	w.mu.Lock()
	n := len(w.calls)
	w.calls = append(w.calls, r.Method+" "+r.URL.Path)
	dead := w.dead
	w.mu.Unlock()
	if dead {
		runtime.Goexit()
	}
	if w.pause != nil {
		time.Sleep(w.pause(n))
	}
	kind := noFault
	if w.inject != nil {
		kind = w.inject(n, r)
	}
	return w.apply(kind, r)
}

// apply carries out the call with the fault. A killed Stoker is a goroutine that ends in the middle.
func (w *faultTransport) apply(kind fault, r *http.Request) (*http.Response, error) {
	switch kind {
	case killBefore:
		w.die()
	case killAfter:
		if resp, err := w.next.RoundTrip(r); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		w.die()
	case refuse:
		return &http.Response{
			StatusCode: http.StatusInternalServerError, ProtoMajor: 1, ProtoMinor: 1, Request: r,
			Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(`{"message":"no"}`)),
		}, nil
	case timeOutDone:
		resp, err := w.next.RoundTrip(r.Clone(context.WithoutCancel(r.Context())))
		if err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		<-r.Context().Done()
		return nil, r.Context().Err()
	case timeOut:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case restarted:
		w.server.With(func(world *dockertest.World) { world.RestartEngine(3 * time.Second) })
	case crashed:
		w.server.With(func(world *dockertest.World) {
			world.CrashEngine()
			world.Boot()
		})
	case noFault:
	}
	return w.next.RoundTrip(r)
}

func (w *faultTransport) die() {
	w.mu.Lock()
	w.dead = true
	w.mu.Unlock()
	runtime.Goexit()
}

// bench is a fake engine with one worker on it.
type bench struct {
	t       *testing.T
	server  *dockertest.Server
	kind    kind
	oldID   string
	raw     []byte // the worker's inspect before any fault
	volumes []string
}

const workerName = "furnace"

// kind is a worker that is to be recreated, and the state it is in.
type kind struct {
	api     string
	host    func(*container.HostConfig)
	labels  map[string]string
	env     []string
	down    bool // it has ended
	missing bool // and it was removed
}

func kinds() map[string]kind {
	return map[string]kind{
		"old engine": {api: "1.41"},
		"new engine": {api: "1.47"},
		"down":       {api: "1.41", down: true},
		"compose":    {api: "1.41", labels: map[string]string{"com.docker.compose.project": "p"}},
		"policy":     {api: "1.41", host: func(h *container.HostConfig) { h.RestartPolicy.Name = "always" }},
		"rm":         {api: "1.41", host: func(h *container.HostConfig) { h.AutoRemove = true }},
		"missing":    {api: "1.41", missing: true},
	}
}

func newBench(t *testing.T, k kind) *bench {
	t.Helper()
	b := &bench{t: t, kind: k, server: dockertest.NewServer(dockertest.Config{
		Seed: 3, Timing: dockertest.RealTiming(), Version: "20.10.24", APIVersion: k.api,
	})}
	b.world(func(w *dockertest.World) {
		w.AddNetwork("front")
		w.AddNetwork("rear")
		w.Operator().Run(b.spec())
	})
	time.Sleep(time.Second)
	c := b.client(nil)
	require.NoError(t, c.NetworkConnect(t.Context(), "rear", workerName, &network.EndpointSettings{Aliases: []string{"r"}}))
	b.world(func(w *dockertest.World) {
		w.WriteFile(workerName, "/run/secrets/token", "secret")
		w.Operator().Update(workerName, 0.45)
	})
	time.Sleep(time.Second)
	in, raw, err := c.ContainerInspectWithRaw(t.Context(), workerName, false)
	require.NoError(t, err)
	b.oldID, b.raw = in.ID, raw
	b.world(func(w *dockertest.World) {
		b.volumes = w.Volumes()
		if k.down {
			w.Crash(workerName, 9)
		}
		if k.missing {
			w.Operator().Remove(workerName, true)
		}
	})
	require.Len(t, b.volumes, 4)
	time.Sleep(time.Second)
	return b
}

func (b *bench) spec() dockertest.Spec {
	host := container.HostConfig{
		NetworkMode: "front", Resources: container.Resources{NanoCPUs: 500_000_000},
		Binds:        []string{"stock:/stock", "/bare"},
		Mounts:       []mount.Mount{{Type: mount.TypeVolume, Target: "/nameless"}},
		PortBindings: nat.PortMap{"80/tcp": {{HostPort: "4000"}}},
	}
	if b.kind.host != nil {
		b.kind.host(&host)
	}
	conf := container.Config{
		Image: "furnace:1", Labels: b.kind.labels, Volumes: map[string]struct{}{"/declared": {}}, Env: append([]string{"HEAT=9"}, b.kind.env...),
		Entrypoint: []string{"/furnace"}, Cmd: []string{"burn"},
	}
	return dockertest.Made(workerName, conf, host, map[string]*network.EndpointSettings{
		"front": {IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: "10.1.0.5"}, Aliases: []string{"f"}},
	})
}

// client is a Docker client whose calls go over a faultTransport; nil is one without faults.
func (b *bench) client(w *faultTransport) *client.Client {
	b.t.Helper()
	if w == nil {
		w = &faultTransport{}
	}
	w.server, w.next = b.server, b.server.Transport(dockertest.ByStoker)
	c, err := client.NewClientWithOpts(client.WithHTTPClient(&http.Client{Transport: w}), client.WithAPIVersionNegotiation())
	require.NoError(b.t, err)
	return c
}

func (b *bench) recreator(w *faultTransport, owner string) *recreator {
	b.t.Helper()
	if w == nil {
		w = &faultTransport{}
	}
	w.server, w.next = b.server, b.server.Transport(dockertest.ByStoker)
	return b.recreatorOver(w, owner)
}

func (b *bench) recreatorOver(transport http.RoundTripper, owner string) *recreator {
	b.t.Helper()
	engine, err := docker.New(docker.Options{Transport: transport})
	require.NoError(b.t, err)
	return &recreator{engine: engine, list: b.client(nil), owner: owner, verify: time.Second}
}

func (b *bench) request() request {
	return request{Name: workerName, OldID: b.oldID, Definition: b.raw, Grace: -1}
}

// attempt runs Do until it ends or is killed; then there is no result.
func (b *bench) attempt(r *recreator, do func(*recreator) result) (result, bool) {
	results := make(chan result, 1)
	go func() {
		defer close(results)
		results <- do(r)
	}()
	result, ok := <-results
	return result, ok
}

// repair is the next run of Stoker: it sweeps, and heals a worker that is down or gone as its state machine would.
func (b *bench) repair(owner string) {
	b.t.Helper()
	time.Sleep(10 * time.Second) // the engine is up again, and calls that timed out are done
	r := b.recreator(nil, owner)
	results, err := r.Sweep(b.t.Context())
	require.NoError(b.t, err)
	for _, one := range results {
		require.NotContains(b.t, []recreate.Ending{recreate.Unknown, recreate.Busy, recreate.Nothing}, one.Ending, "%v", one.Err)
	}
}

// running requires that exactly one container has the worker's name and runs, and returns its ID.
func (b *bench) running() string {
	b.t.Helper()
	list, err := b.client(nil).ContainerList(b.t.Context(), container.ListOptions{All: true})
	require.NoError(b.t, err)
	require.Len(b.t, list, 1, "exactly one container")
	require.Equal(b.t, "/"+workerName, list[0].Names[0])
	in, raw, err := b.client(nil).ContainerInspectWithRaw(b.t.Context(), workerName, false)
	require.NoError(b.t, err)
	require.Equal(b.t, container.StateRunning, in.State.Status)
	require.EqualValues(b.t, 450_000_000, in.HostConfig.NanoCPUs, "the quota it had")
	require.Equal(b.t, mountsOf(b.t, b.raw), mountsOf(b.t, raw), "the same volumes")
	require.Equal(b.t, "10.1.0.5", in.NetworkSettings.Networks["front"].IPAddress)
	require.Equal(b.t, []string{"r"}, in.NetworkSettings.Networks["rear"].Aliases)
	b.world(func(w *dockertest.World) {
		require.Equal(b.t, b.volumes, w.Volumes(), "no volume more or less")
		if b.kind.labels != nil {
			require.Equal(b.t, "secret", w.File(workerName, "/run/secrets/token"))
		}
	})
	return in.ID
}

func mountsOf(t *testing.T, raw []byte) map[string]string {
	t.Helper()
	var in container.InspectResponse
	require.NoError(t, json.Unmarshal(raw, &in))
	mounts := map[string]string{}
	for _, m := range in.Mounts {
		mounts[m.Destination] = m.Name
	}
	return mounts
}

func (b *bench) close() { b.server.Close() }

// world changes the fake engine without Stoker.
func (b *bench) world(do func(w *dockertest.World)) { b.server.With(do) }

func (b *bench) status() worker.Status {
	status := worker.StatusGone
	b.world(func(w *dockertest.World) {
		if truth, ok := w.Truth(workerName); ok && !truth.Gone {
			status = truth.Status
		}
	})
	return status
}
