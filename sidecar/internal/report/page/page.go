// Package page is the status page: workers, their last day, and what was healed, for people with a browser. All of it is
// rendered here; the browser's script only fetches the same parts again when something changed, so that the page is whole
// without it. It loads nothing from elsewhere and writes nothing.
package page

import (
	"net/http"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// Options is what the page tells. Its functions are called at each request, at the same time by several, and must not block.
type Options struct {
	// View is the last picture of the workers.
	View func() fleet.View
	// Events are the newest notes that are not older than since, at most limit of them, the oldest first.
	Events func(since time.Time, limit int) []worker.Event
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
	assets assets
	squash *squasher
}

// New serves the page at / and what it loads below /assets/. The script listens to the events at api/v1/events, which are
// not served here. All addresses are relative, so that a proxy may put everything below a prefix.
func New(opts Options) http.Handler {
	s := &site{opts: opts, assets: readAssets(), squash: newSquasher()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /assets/{name}", s.asset)
	return mux
}

// page answers with all workers, with one (worker=NAME), or with a part of either for the script (fragment=...).
func (s *site) page(w http.ResponseWriter, r *http.Request) {
	asked := r.URL.Query()
	one := asked.Has("worker")
	draw, found := part(one, asked.Get("fragment"))
	look := s.look()
	var body shown
	switch {
	case one && found:
		body, found = look.one(worker.Key(asked.Get("worker")), s.assets)
	case found:
		body = look.all(s.assets)
	}
	if !found {
		http.Error(w, "no such worker or part of the page", http.StatusNotFound)
		return
	}
	s.write(w, r, func(k ink) { draw(k, body) })
}

// part is what is asked for: of one worker, or of all.
func part(one bool, fragment string) (draw func(ink, shown), found bool) {
	switch {
	case one && fragment == "":
		return ink.single, true
	case one && fragment == "detail":
		return ink.detail, true
	case one:
		return nil, false
	case fragment == "":
		return ink.page, true
	case fragment == "workers":
		return ink.workers, true
	case fragment == "history":
		return func(k ink, s shown) { k.history(s.History) }, true
	}
	return nil, false
}

func (s *site) write(w http.ResponseWriter, r *http.Request, draw func(ink)) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policyOfContent)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	out := s.squash.open(w, r)
	defer out.close()
	draw(ink{out})
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
