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
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// versioned is the API version before a path.
var versioned = regexp.MustCompile(`^/v[0-9.]+`)

// recordedCalls is a proxy before an engine that records the calls, without the API version.
type recordedCalls struct {
	proxy *httputil.ReverseProxy
	mu    sync.Mutex
	calls []string
}

func (r *recordedCalls) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.calls = append(r.calls, req.Method+" "+versioned.ReplaceAllString(req.URL.Path, ""))
	r.mu.Unlock()
	r.proxy.ServeHTTP(w, req)
}

func (r *recordedCalls) count(call string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, one := range r.calls {
		if one == call {
			n++
		}
	}
	return n
}

// ofSwarm returns the calls that read or change objects of the whole cluster.
func (r *recordedCalls) ofSwarm() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.calls), func(call string) bool {
		_, path, _ := strings.Cut(call, " ")
		return !slices.Contains([]string{"services", "tasks", "nodes", "swarm", "secrets", "configs"}, strings.Split(path, "/")[1])
	})
}

// recordCalls starts a recording proxy before an engine that reports to be a manager of a Swarm.
func recordCalls(t *testing.T, h *singleWorker) (*recordedCalls, string) {
	t.Helper()
	network, address, _ := strings.Cut(h.DockerHost(), "://")
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	proxy.FlushInterval = -1
	proxy.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) }
	proxy.ModifyResponse = reportManager
	proxy.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	r := &recordedCalls{proxy: proxy}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return r, "DOCKER_HOST=tcp://" + server.Listener.Addr().String()
}

func reportManager(answer *http.Response) error {
	if !strings.HasSuffix(answer.Request.URL.Path, "/info") {
		return nil
	}
	var info map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&info); err != nil {
		return err
	}
	info["Swarm"] = map[string]any{"NodeID": "n1", "LocalNodeState": "active", "ControlAvailable": true}
	text, err := json.Marshal(info)
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	answer.Header.Set("Content-Length", strconv.Itoa(len(text)))
	return err
}

// A manager's socket controls the whole cluster: without STOKER_SWARM_SCALE Stoker sends no request about it.
func TestNothingIsAskedOfASwarm(t *testing.T) {
	t.Parallel()
	h := newSingleWorker(t)
	calls, through := recordCalls(t, h)
	s := startStoker(t, h.environ(through, "STOKER_RESYNC=5s"))
	h.watched(s)
	h.heals()
	h.watched(s)
	h.eventually("a second list", func() bool { return calls.count("GET /containers/json") > 1 })
	s.Stop()
	require.Empty(t, calls.ofSwarm())
}

func TestServicesAreAskedFor(t *testing.T) {
	t.Parallel()
	h := newSingleWorker(t)
	calls, through := recordCalls(t, h)
	s := startStoker(t, h.environ(through, "STOKER_SWARM_SCALE=true"))
	h.eventually("a call about the Swarm", func() bool { return slices.Contains(calls.ofSwarm(), "GET /nodes/n1") })
	s.Stop()
}
