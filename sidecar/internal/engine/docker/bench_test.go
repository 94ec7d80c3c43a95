package docker

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

const stokerID = "5e1f000000000000000000000000000000000000000000000000000000000000"

// bench is a client that is connected to the fake engine.
type bench struct {
	t      *testing.T
	server *dockertest.Server
	c      *Client

	mu    sync.Mutex
	calls []string // that changed something, or would have
	// before is called for each request; a response or error of its own replaces the engine's. Nil calls nothing.
	before func(r *http.Request) (*http.Response, error)
}

func onBench(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{t: t, server: dockertest.NewServer(dockertest.Config{
			Seed: 3, Timing: dockertest.RealTiming(), Version: "20.10.24", APIVersion: "1.41",
		})}
		defer b.server.Close()
		var err error
		b.c, err = New(Options{Transport: b, Self: stokerID})
		require.NoError(t, err)
		test(t, b)
	})
}

func (b *bench) RoundTrip(r *http.Request) (*http.Response, error) {
	_, call, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	b.mu.Lock()
	b.calls = append(b.calls, r.Method+" "+call)
	b.mu.Unlock()
	if b.before != nil {
		if resp, err := b.before(r); resp != nil || err != nil {
			return resp, err
		}
	}
	return b.server.Transport(dockertest.ByStoker).RoundTrip(r)
}

// sent returns the calls since its last call.
func (b *bench) sent(method string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	sent := []string{}
	for _, call := range b.calls {
		if strings.HasPrefix(call, method) && !strings.HasSuffix(call, "_ping") {
			sent = append(sent, call)
		}
	}
	b.calls = nil
	return sent
}

// api returns a client of the engine that Stoker does not observe.
func (b *bench) api() *client.Client {
	c, err := client.NewClientWithOpts(client.WithHTTPClient(&http.Client{Transport: b.server.Transport(dockertest.ByStoker)}), client.WithAPIVersionNegotiation())
	require.NoError(b.t, err)
	return c
}

// run creates a container and starts it.
func (b *bench) run(name string, conf container.Config, host container.HostConfig) worker.Snapshot {
	b.t.Helper()
	if conf.Image == "" {
		conf.Image = "furnace:1"
	}
	b.server.With(func(w *dockertest.World) { w.Operator().Run(dockertest.Made(name, conf, host, nil)) })
	time.Sleep(time.Second)
	return b.snapshot(name)
}

func (b *bench) snapshot(ref string) worker.Snapshot {
	b.t.Helper()
	in, raw, err := b.api().ContainerInspectWithRaw(b.t.Context(), ref, false)
	require.NoError(b.t, err)
	s, err := translateInspect(in, raw)
	require.NoError(b.t, err)
	return s
}

// fresh restarts a container, as a heal does.
func (b *bench) fresh(name string) worker.Snapshot {
	b.t.Helper()
	require.NoError(b.t, b.api().ContainerRestart(b.t.Context(), name, container.StopOptions{}))
	return b.snapshot(name)
}

// recreated recreates a container, as a heal does.
func (b *bench) recreated(s worker.Snapshot) worker.Snapshot {
	b.t.Helper()
	out := recreateWith(b.t.Context(), b.c, recreateOf(s), nil)
	require.Equal(b.t, worker.Done, out.Result, out.Err)
	return *out.Snapshot
}

func recreateOf(s worker.Snapshot) worker.Action {
	return worker.Action{ID: 9, Key: s.Key, Verb: worker.Recreate, Incarnation: s.Incarnation, StopArgs: worker.StopArgs{Grace: 5 * time.Second}, Deadline: time.Minute}
}

func (b *bench) world(do func(w *dockertest.World)) { b.server.With(do) }
