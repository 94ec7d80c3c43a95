package web

import (
	"fmt"
	"net/http"
	"time"
)

const (
	// frozenAfter is how long the supervisor's loop may go without a turn. It turns every few seconds even when nothing
	// happens, so that this long a pause is a loop that hangs.
	frozenAfter = 30 * time.Second
	// deafAfter is how long the link to the engine may be down before Stoker calls itself unhealthy: longer than a
	// restart of the engine takes.
	deafAfter = time.Minute
)

// healthJSON is the answer of /healthz and /readyz.
type healthJSON struct {
	Status string `json:"status"` // ok, frozen, deaf; ready, not-ready
	Detail string `json:"detail,omitempty"`
}

// healthz is 200 as long as Stoker can do its work.
//
// Frozen comes first: the View of a loop that hangs is old, and its link looks up for ever. Deaf counts too, although an
// engine that is gone cannot run Docker's health check anyway. Just for that reason it cannot be a false alarm there: when
// the engine does ask, then it is up, and a Stoker that has not heard it for a minute has a stale socket mount, no
// permission or a broken proxy, and guards nobody. Others who ask over TCP want to know in either case. Docker itself
// does nothing to an unhealthy container, and restarting Stoker does no harm, for the journal remembers.
func (s *site) healthz(w http.ResponseWriter, _ *http.Request) {
	health, now := healthJSON{Status: "ok"}, time.Now()
	link := s.opts.View().Engine
	beat, since := later(s.opts.LoopBeat(), s.began), later(link.Since, s.began)
	switch {
	case now.Sub(beat) > frozenAfter:
		health = healthJSON{Status: "frozen", Detail: fmt.Sprintf("the loop has not turned for %s: restart Stoker", age(now, beat))}
	case !link.Connected && now.Sub(since) > deafAfter:
		health = healthJSON{Status: "deaf", Detail: fmt.Sprintf("no link to the engine for %s: the log says why", age(now, since))}
	}
	writeHealth(w, health, health.Status == "ok")
}

// readyz is 200 while the picture of the workers is complete and followed.
func (s *site) readyz(w http.ResponseWriter, _ *http.Request) {
	link := s.opts.View().Engine
	switch {
	case link.Synced.IsZero():
		writeHealth(w, healthJSON{Status: "not-ready", Detail: "the engine's containers have not been listed yet"}, false)
	case !link.Connected:
		writeHealth(w, healthJSON{Status: "not-ready", Detail: "the link to the engine is down"}, false)
	default:
		writeHealth(w, healthJSON{Status: "ready"}, true)
	}
}

func writeHealth(w http.ResponseWriter, health healthJSON, good bool) {
	code := http.StatusOK
	if !good {
		code = http.StatusServiceUnavailable
	}
	write(w, code, health)
}

// later is the later of a time and the start of the program: what was never set is as old as Stoker.
func later(t, began time.Time) time.Time {
	if t.After(began) {
		return t
	}
	return began
}

func age(now, since time.Time) time.Duration {
	return now.Sub(since).Round(time.Second)
}
