// Package page is the status page: workers, their last day, and the history of heals, for people with a browser. All of it
// is rendered here. The browser's script only fetches the same fragments again when something changed, so that the page works
// without JavaScript. It loads nothing from elsewhere and is read-only.
package page

import (
	"bytes"
	"compress/gzip"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
	"stoker/sidecar/internal/report/peers"
	"stoker/sidecar/internal/report/trend"
)

// Options are the sources of the page. Its functions are called at each request, by several goroutines, and must not block.
type Options struct {
	// View returns the last view of the workers.
	View func() fleet.View
	// Events returns all known events with an ID above after, the oldest first.
	Events func(after uint64) []history.Entry
	// Evidence returns what is kept of the last heals of a worker, the newest first; nil has none.
	Evidence func(key worker.Key) []history.Heal
	// Hosts returns the other hosts; nil has none.
	Hosts func() []peers.Host
	// Trend returns the last day of a group; nil has none.
	Trend func(group string) []trend.Point
	// Version is the version of Stoker.
	Version string
	// Now is the clock that the events are dated by.
	Now func() time.Time
}

// contentPolicy lets the browser load the page's own style, script and icon, and connect to its own server; nothing else.
const contentPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// site answers requests.
type site struct {
	opts      Options
	files     map[string]asset
	addresses addresses
	templates *template.Template

	mu   sync.Mutex
	past *past // what the events up to its last ID show
}

// New serves the page at / and its assets below /assets/. The script connects to the stream of events at api/v1/events, which
// is not served here. All addresses are relative, so that a proxy may put everything below a prefix.
func New(opts Options) http.Handler {
	if opts.Evidence == nil {
		opts.Evidence = func(worker.Key) []history.Heal { return nil }
	}
	if opts.Trend == nil {
		opts.Trend = func(string) []trend.Point { return nil }
	}
	files, addresses := readAssets()
	s := &site{opts: opts, files: files, addresses: addresses, templates: parseTemplates(), past: newPast()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /assets/{name}", s.asset)
	return mux
}

// page answers with all workers, with one (worker=NAME), with one other host (host=ADDRESS), or with a fragment of these for the script
// (fragment=...).
func (s *site) page(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	name, found := templateOf(query)
	var content any
	if found {
		content, found = s.content(name, query)
	}
	if !found {
		http.Error(w, "no such worker, host or fragment of the page", http.StatusNotFound)
		return
	}
	var body bytes.Buffer
	if err := s.templates.ExecuteTemplate(&body, name, content); err != nil { // a template and its data do not fit, which tests would show
		http.Error(w, "the page cannot be rendered", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	write(w, r, body.Bytes())
}

// templateOf returns the template for one worker, for one host or for all, and for a fragment.
func templateOf(query url.Values) (name string, found bool) {
	names := map[string]string{"": "page", "workers": "workers", "history": "history", "hosts": "hosts"}
	switch {
	case query.Has("worker"):
		names = map[string]string{"": "worker", "detail": "detail"}
	case query.Has("host"):
		names = map[string]string{"": "host", "hosts": "hosts"}
	}
	name, found = names[query.Get("fragment")]
	return name, found
}

// content returns what a template shows, and false when nothing is known of the worker or the host.
func (s *site) content(name string, query url.Values) (any, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.update()
	r := request{
		now: s.opts.Now(), view: s.opts.View(), past: s.past, trend: s.opts.Trend, evidence: s.opts.Evidence, others: s.opts.Hosts, version: s.opts.Version,
		assets: s.addresses,
	}
	var data pageData
	found := true
	switch {
	case query.Has("worker"):
		data, found = r.worker(worker.Key(query.Get("worker")))
	case query.Has("host"):
		data, found = r.host(query.Get("host"))
	case name == "hosts":
		data.Hosts = r.hosts()
		found = data.Hosts != nil
	case name == "page":
		data = r.all()
		data.Hosts = r.hosts()
	default:
		data = r.all()
	}
	switch name {
	case "history":
		return data.History, found
	case "detail":
		return data.Worker, found
	case "hosts":
		return data.Hosts, found
	}
	return data, found
}

// update adds the events since the last request. Once it holds many events that the history has dropped, it starts again with
// those that the history still has.
func (s *site) update() {
	events := s.opts.Events(s.past.last)
	if s.past.count+len(events) > maxPast {
		s.past = newPast()
		events = s.opts.Events(0)
	}
	for _, e := range events {
		s.past.add(e)
	}
}

func (s *site) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := s.files[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Content-Security-Policy", contentPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, max-age=31536000, immutable") // the name changes with the content
	write(w, r, a.text)
}

// write sends a body, compressed if the client takes gzip. A client that gives gzip a weight gets the body as it is: no browser
// does that.
func write(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Add("Vary", "Accept-Encoding")
	accepted := strings.Split(r.Header.Get("Accept-Encoding"), ",")
	if !slices.ContainsFunc(accepted, func(name string) bool { return strings.EqualFold(strings.TrimSpace(name), "gzip") }) {
		_, _ = w.Write(body)
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	compressed := gzip.NewWriter(w)
	_, _ = compressed.Write(body)
	_ = compressed.Close()
}
