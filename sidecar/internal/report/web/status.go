// Package web serves the API and the health checks over HTTP, and the page and the metrics that are passed in. It is read-only
// and reads nothing but the last view: no request reaches the supervisor's loop or the engine.
package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
	"stoker/sidecar/internal/report/peers"
)

// Options are the sources of the server, and its addresses.
type Options struct {
	Address
	Identity
	Fleet

	History *history.Log                           // nil serves none, and no stream of events
	Hosts   func(ctx context.Context) []peers.Host // the other hosts; it may wait for their answers for seconds; nil has none
	Metrics http.Handler                           // at /metrics; nil serves none
	Page    http.Handler                           // at / and all paths that nothing else serves; nil serves a list of paths
}

// Address is where the server listens.
type Address struct {
	Listen   string // host:port; empty serves health on the unix socket only
	StateDir string // with Scope and the host name it names the unix socket, see HealthSockets
	Scope    string
}

// Identity is which Stoker answers.
type Identity struct {
	Version  string
	Commit   string
	Instance string // of this process, by which it recognizes its own answers
}

// Fleet is what the server shows, and how well it goes. None of the functions may block.
type Fleet struct {
	View     func() fleet.View // the last view
	Display  func() fleet.View // the same for a viewer of the workers, whose CPU use is then measured; nil is View
	LastTick func() time.Time  // when the supervisor's loop last ran; it must run at least every 10 s
	Lacking  func() string     // which calls are refused without which Stoker cannot do its work, in one line; nil or empty is none
}

// recentEvents is how many events are shown with a worker.
const recentEvents = 50

// site answers requests.
type site struct {
	opts    Options
	began   time.Time
	views   views
	encoded encoded
	streams chan struct{} // a place for each stream of events
	closing chan struct{} // closed when the server shuts down, for streams have no end of their own
}

func newSite(opts Options) *site {
	if opts.Display == nil {
		opts.Display = opts.View
	}
	return &site{opts: opts, began: time.Now(), streams: make(chan struct{}, maxStreams), closing: make(chan struct{})}
}

// Handler serves everything. Its creation counts as the start of the program.
func Handler(opts Options) http.Handler {
	return hardened(newSite(opts).routes())
}

func (s *site) routes() *http.ServeMux {
	mux := http.NewServeMux()
	s.routeHealth(mux)
	mux.HandleFunc("GET /api/", notFound)
	mux.HandleFunc("GET /api/v1/workers", s.workers)
	mux.HandleFunc("GET /api/v1/workers/{key}", s.worker)
	mux.HandleFunc("GET /api/v1/groups", s.groups)
	mux.HandleFunc("GET /api/v1/hosts", s.hosts)
	if s.opts.History != nil {
		mux.HandleFunc("GET /api/v1/history", s.history)
		mux.HandleFunc("GET /api/v1/workers/{key}/evidence", s.evidence)
		mux.HandleFunc("GET /api/v1/events", s.events)
	}
	if s.opts.Metrics != nil {
		mux.Handle("GET /metrics", s.opts.Metrics)
	}
	if s.opts.Page != nil {
		mux.Handle("GET /", s.opts.Page)
		return mux
	}
	mux.HandleFunc("GET /", notFound)
	mux.HandleFunc("GET /{$}", s.index)
	return mux
}

// localRoutes are the routes of the unix socket: health only.
func (s *site) localRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	s.routeHealth(mux)
	mux.HandleFunc("GET /", notFound)
	return mux
}

func (s *site) routeHealth(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
}

// hardened refuses methods other than GET and HEAD and sets headers that forbid browsers everything but to show the answer.
func hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			fail(w, http.StatusMethodNotAllowed, "read-only: GET and HEAD")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *site) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(w, `Stoker %s (%s), read-only

/api/v1/workers        all workers
/api/v1/workers/{key}  one worker, by its container's name, and its last events
/api/v1/groups         groups of workers with a demand
/api/v1/hosts          the workers of all hosts
/api/v1/history        events, newest first
/api/v1/events         events as they happen, as server-sent events
/metrics               for Prometheus
/healthz               503 when Stoker is stuck or disconnected from the engine
/readyz                503 until the first complete list from the engine, and while it is disconnected
`, s.opts.Version, s.opts.Commit)
}

func (s *site) workers(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, workersJSON{fleetJSON: fleetOf(s.opts.Display()), Version: clip(s.opts.Version), Instance: s.opts.Instance})
}

func (s *site) worker(w http.ResponseWriter, r *http.Request) {
	view, key := s.opts.Display(), worker.Key(r.PathValue("key"))
	for _, worker := range view.Workers {
		if worker.Key == key {
			write(w, http.StatusOK, workerEventsJSON{workerJSON: workerOf(worker, view.At), Events: s.recent(key)})
			return
		}
	}
	fail(w, http.StatusNotFound, "no such worker")
}

func (s *site) recent(key worker.Key) []history.Entry {
	if s.opts.History == nil {
		return []history.Entry{}
	}
	return s.opts.History.Page(history.Query{Worker: key, Limit: recentEvents})
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	fail(w, http.StatusNotFound, "not found")
}

func fail(w http.ResponseWriter, code int, text string) {
	write(w, code, failureJSON{Error: text})
}

type failureJSON struct {
	Error string `json:"error"`
}

// write sends body as JSON. encoding/json escapes what a container's name or labels may hold, HTML included, and
// replaces invalid UTF-8.
func write(w http.ResponseWriter, code int, body any) {
	text, err := json.MarshalIndent(body, "", "  ")
	if err != nil { // a value that JSON cannot hold, which none of the types here has
		http.Error(w, "cannot encode the answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(append(text, '\n'))
}
