package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// moved is an engine that can come back with another image store, without its containers.
type moved struct {
	address string
	away    atomic.Bool
	server  *httptest.Server
}

func newMoved(t *testing.T, host string) *moved {
	t.Helper()
	m := &moved{}
	_, socket, _ := strings.Cut(host, "://")
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "engine"}) },
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}},
		ModifyResponse: m.answer, FlushInterval: -1,
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	m.server = httptest.NewServer(proxy)
	m.server.Config.ErrorLog = nil
	t.Cleanup(m.server.Close)
	m.address = "tcp://" + m.server.Listener.Addr().String()
	return m
}

// answer changes the engine's answers to those with the other store.
func (m *moved) answer(r *http.Response) error {
	path := r.Request.URL.Path
	store, text := "overlay2", ""
	if m.away.Load() {
		store = "overlayfs"
	}
	switch {
	case strings.HasSuffix(path, "/info"):
		var info map[string]any
		if err := json.NewDecoder(r.Body).Decode(&info); err != nil {
			return err
		}
		info["Driver"] = store
		encoded, err := json.Marshal(info)
		if err != nil {
			return err
		}
		text = string(encoded)
	case !m.away.Load():
		return nil
	case strings.HasSuffix(path, "/containers/json"):
		text = "[]"
	case strings.Contains(path, "/containers/"):
		r.StatusCode, text = http.StatusNotFound, `{"message":"No such container"}`
	default:
		return nil
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader([]byte(text))), int64(len(text))
	r.Header.Del("Content-Length")
	return nil
}

// restart looks like a new engine process to Stoker: every connection ends.
func (m *moved) restart(away bool) {
	m.away.Store(away)
	m.server.CloseClientConnections()
}

// The engine comes back with another image store, while Stoker runs or before the next one starts. That is reported once, no action is
// sent, no state is lost, and with the old store all continues as before.
func TestEngineWithAnotherImageStore(t *testing.T) {
	t.Parallel()
	h := newSingleWorker(t)
	stopped := h.Run(dockertest.WorkerSpec{Name: "stopped", Labels: map[string]string{"stoker.on-missing": "recreate"}})
	m := newMoved(t, h.DockerHost())
	out := newRecord(t)
	environ := h.environ("DOCKER_HOST="+m.address, "STOKER_RESYNC=5s")
	s := startStokerWith(t, environ, out)
	h.eventually("both workers", func() bool { return len(s.View().Workers) == 2 })
	h.Operate(dockertest.OpStop, stopped.Name)
	h.eventually("the operator's stop to be noticed", func() bool { return held(s.View(), stopped.Name) == worker.HeldOperator })

	const warning = "another image store"
	starts := h.count("start")
	m.restart(true)
	h.eventually("the warning", func() bool { return strings.Contains(out.String(), warning) })
	h.Crash(h.w.Name, 9) // while it is not visible
	time.Sleep(7 * time.Second)
	require.Equal(t, 1, strings.Count(out.String(), warning), "once:\n%s", out)
	require.Len(t, s.View().Workers, 2)
	s.Stop()

	out = newRecord(t)
	s = startStokerWith(t, environ, out)
	h.eventually("the warning of the next Stoker", func() bool { return strings.Contains(out.String(), warning) })
	time.Sleep(2 * time.Second)
	require.Equal(t, starts, h.count("start"), "nothing was sent")
	m.restart(false)
	h.eventually("the worker to be back", func() bool { return h.State(h.w.Name).Running() })
	h.eventually("the stopped one to be held still", func() bool { return held(s.View(), stopped.Name) == worker.HeldOperator })
	require.Equal(t, worker.StatusExited, h.State(stopped.Name).Status)
}
