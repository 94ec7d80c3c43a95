package dockertest

import (
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path"
	"testing"
	"time"

	api "github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
)

// Workers of a fake engine have addresses of their own in 127.0.0.0/8, at which their health endpoints really listen: one server for all
// of them finds by the address which worker is asked.

// BeatFile is a file that a worker writes while it works, where an engine's archive calls show it.
const BeatFile = "/beat"

// healthPort is where real workers with WorkerSpec.Probed listen.
const healthPort = 8000

// loopbackOf is a container's own address; another container has another one.
func loopbackOf(id string) string {
	n := fingerprint(id)
	return net.IPv4(127, byte(1+n%254), byte(n>>8), byte(1+(n>>16)%254)).String() //nolint:gosec // bytes of it are wanted
}

// show gives the networks of a running container addresses.
func showAddresses(networks map[string]*network.EndpointSettings, d Details) {
	for _, e := range networks {
		if d.Running && e.IPAddress == "" {
			e.IPAddress = loopbackOf(d.ID)
		}
	}
}

// serveHealth answers GET /health for all workers of a host until the test ends, and returns its port.
func serveHealth(t testing.TB, s *Server) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatalf("listen for probes: %v", err)
	}
	ended := make(chan struct{})
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		at, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		host, _, _ := net.SplitHostPort(at.String())
		switch result, runs := s.healthCheckAt(host); {
		case !runs:
			panic(http.ErrAbortHandler) // closes the connection
		case result == Failing:
			http.Error(w, "unhealthy: last heartbeat 1m ago", http.StatusServiceUnavailable)
		case result != Passing:
			select {
			case <-r.Context().Done():
			case <-ended:
			}
		}
	})}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() {
		close(ended)
		_ = server.Close()
	})
	return listener.Addr().(*net.TCPAddr).Port //nolint:forcetypeassert // of a TCP listener
}

func (s *Server) healthCheckAt(address string) (result CheckResult, runs bool) {
	s.With(func(w *World) {
		for _, c := range w.containers {
			if c.Running && c.process != nil && loopbackOf(c.ID) == address {
				result, runs = c.process.healthCheck(w.now), true
			}
		}
	})
	return result, runs
}

// statArchive has one file: BeatFile, which a worker that is well has just written.
func (h *handler) statArchive(w http.ResponseWriter, r *http.Request) {
	if _, ok := h.ask(w, r, Request{Op: OpInspect, Ref: r.PathValue("id")}); !ok {
		return
	}
	file := r.URL.Query().Get("path")
	var written time.Time
	h.server.With(func(world *World) {
		c := world.find(r.PathValue("id"))
		if c == nil || file != BeatFile || c.process == nil {
			return
		}
		written = world.EngineNow()
		if c.process.healthCheck(world.now) != Passing {
			written = written.Add(-time.Hour)
		}
	})
	if written.IsZero() {
		h.fail(w, refuse(http.StatusNotFound, "Could not find the file %s in container", file))
		return
	}
	stat, _ := json.Marshal(api.PathStat{Name: path.Base(file), Mode: os.FileMode(0o644), Mtime: written}) // never fails
	w.Header().Set("X-Docker-Container-Path-Stat", base64.StdEncoding.EncodeToString(stat))
	w.WriteHeader(http.StatusOK)
}
