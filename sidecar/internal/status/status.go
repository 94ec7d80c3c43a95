// Package status tells over HTTP how Stoker and its workers are. It is read-only, and reads nothing but the last View:
// no request reaches the supervisor's loop or the engine.
package status

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"stoker/sidecar/internal/fleet"
)

// Options is what the server tells, and where.
type Options struct {
	Listen   string // host:port; empty serves health on the local socket only
	StateDir string // with Scope and the host name it names the local socket, see SocketName
	Scope    string
	View     func() fleet.View // the last picture; must not block
	LoopBeat func() time.Time  // when the supervisor's loop last turned; it must turn at least every 10 s
	Version  string
	Commit   string
}

// site answers requests.
type site struct {
	opts  Options
	began time.Time
}

// Handler serves everything. It takes this moment for the start of the program.
func Handler(opts Options) http.Handler {
	s := &site{opts: opts, began: time.Now()}
	return hardened(s.routes())
}

func (s *site) routes() *http.ServeMux {
	mux := s.healthRoutes()
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /api/v1/workers", s.workers)
	mux.HandleFunc("GET /api/v1/workers/{key}", s.worker)
	return mux
}

func (s *site) healthRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	return mux
}

// hardened refuses what is not read-only and tells browsers to do nothing with an answer but show it.
func hardened(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "read-only: GET and HEAD", http.StatusMethodNotAllowed)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *site) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = fmt.Fprintf(w, `Stoker %s (%s), read-only

/api/v1/workers        all workers
/api/v1/workers/{key}  one worker, by its container's name
/healthz               503 when Stoker hangs or has lost the engine
/readyz                503 until the first complete look at the engine, and while the link to it is down
`, s.opts.Version, s.opts.Commit)
}

func (s *site) workers(w http.ResponseWriter, _ *http.Request) {
	write(w, http.StatusOK, fleetOf(s.opts.View()))
}

func (s *site) worker(w http.ResponseWriter, r *http.Request) {
	view := s.opts.View()
	for _, worker := range view.Workers {
		if string(worker.Key) == r.PathValue("key") {
			write(w, http.StatusOK, workerOf(worker, view.At))
			return
		}
	}
	write(w, http.StatusNotFound, failureJSON{Error: "no such worker"})
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
