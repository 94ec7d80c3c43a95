// Package page is the status page: workers, their last day, and what was healed, for people with a browser. All of it is
// rendered here; the browser's script only fetches the same parts again when something changed, so that the page is whole
// without it. It loads nothing from elsewhere and writes nothing.
package page

import (
	"html/template"
	"net/http"
	"time"

	"stoker/sidecar/internal/fleet"
	"stoker/sidecar/internal/lifecycle"
)

// Options is what the page tells. Its functions are called at each request, at the same time by several, and must not block.
type Options struct {
	// View is the last picture of the workers.
	View func() fleet.View
	// Events are the newest notes that are not older than since, at most limit of them, the oldest first.
	Events func(since time.Time, limit int) []lifecycle.Note
	// Version is Stoker's own.
	Version string
	// Now is the time on the clock that the notes are dated by.
	Now func() time.Time
}

const (
	day = 24 * time.Hour
	// reach is how far back notes are asked for: a timeline of a day must know how that day began, and the note that tells
	// may be older.
	reach = 7 * day
	// mostNotes bounds what one request reads.
	mostNotes = 10000
)

// policyOfContent lets the browser load the page's own style, script and icon, and listen to its own server; nothing else.
const policyOfContent = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// site answers requests.
type site struct {
	opts   Options
	pages  *template.Template
	assets assets
	squash *squasher
}

// New serves the page at / and what it loads below /assets/. The script listens to the events at api/v1/events, which are
// not served here. All addresses are relative, so that a proxy may put everything below a prefix.
func New(opts Options) http.Handler {
	s := &site{opts: opts, pages: parse(), assets: readAssets(), squash: newSquasher()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /assets/{name}", s.asset)
	return mux
}

// page answers with all workers, with one (worker=NAME), or with a part of either for the script (fragment=...).
func (s *site) page(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	look := s.look()
	name, body, found := "page", any(look.all(s.assets.names)), true
	one := asked.Has("worker")
	if one {
		body, found = look.one(lifecycle.Key(asked.Get("worker")), s.assets.names)
		name = "single"
	}
	switch asked.Get("fragment") {
	case "":
	case "workers":
		name = "workers"
	case "history":
		name = "history"
	case "detail":
		name = "detail"
	default:
		found = false
	}
	if !found || one != (name == "single" || name == "detail") {
		http.Error(w, "no such worker or part of the page", http.StatusNotFound)
		return
	}
	s.write(w, r, name, body)
}

func (s *site) write(w http.ResponseWriter, r *http.Request, name string, body any) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policyOfContent)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	out := s.squash.open(w, r)
	defer out.close()
	// A template that fails midway has a bug that the tests find, or a reader that left; the status is already on its way.
	_ = s.pages.ExecuteTemplate(out, name, body)
}

func (s *site) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := s.assets.files[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Content-Security-Policy", policyOfContent)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, max-age=31536000, immutable") // the name changes with the content
	out := s.squash.open(w, r)
	defer out.close()
	_, _ = out.Write(a.text)
}

// look takes the picture that one request is answered from.
func (s *site) look() look {
	now := s.opts.Now()
	notes := s.opts.Events(now.Add(-reach), mostNotes)
	return look{now: now, view: s.opts.View(), notes: notes, past: tell(notes), version: s.opts.Version}
}
