package web

import (
	"fmt"
	"net/http"
	"time"
)

const (
	// StuckAfter is how long the supervisor's loop may pause. It runs every few seconds even when nothing happens, so that a
	// pause of this length is a loop that hangs.
	StuckAfter = 30 * time.Second
	// disconnectedAfter is how long the engine may be disconnected before Stoker reports itself unhealthy: longer than a restart
	// of the engine takes.
	disconnectedAfter = time.Minute
)

// healthJSON is the answer of /healthz and /readyz.
type healthJSON struct {
	Status string `json:"status"` // ok, stuck, disconnected; ready, not-ready
	Detail string `json:"detail,omitempty"`
}

// healthz is 200 as long as Stoker can do its work.
//
// Stuck comes first: the view of a loop that hangs is old, and its engine looks connected for ever. Disconnected counts too. When
// Docker runs its health check, the engine is up, so that a Stoker without a connection for a minute has a stale socket mount, no
// permission or a broken proxy, and heals nothing. Clients over TCP want to know in either case. Docker itself does
// nothing to an unhealthy container, and restarting Stoker does no harm, because the journal keeps its state.
func (s *site) healthz(w http.ResponseWriter, _ *http.Request) {
	health, now := healthJSON{Status: "ok"}, time.Now()
	engine := s.opts.View().Engine
	tick, since := later(s.opts.LastTick(), s.began), later(engine.Since, s.began)
	switch {
	case now.Sub(tick) > StuckAfter:
		health = healthJSON{Status: "stuck", Detail: fmt.Sprintf("the loop has not run for %s: restart Stoker", age(now, tick))}
	case !engine.Connected && now.Sub(since) > disconnectedAfter:
		health = healthJSON{Status: "disconnected", Detail: fmt.Sprintf("no connection to the engine for %s: the log shows why", age(now, since))}
	}
	writeHealth(w, health, health.Status == "ok")
}

// readyz is 200 while the view of the workers is complete and up to date, and nothing before the engine refuses what Stoker has to do.
func (s *site) readyz(w http.ResponseWriter, _ *http.Request) {
	engine, lacking := s.opts.View().Engine, ""
	if s.opts.Lacking != nil {
		lacking = s.opts.Lacking()
	}
	switch {
	case lacking != "":
		writeHealth(w, healthJSON{Status: "not-ready", Detail: lacking}, false)
	case engine.Synced.IsZero():
		writeHealth(w, healthJSON{Status: "not-ready", Detail: "the engine's containers have not been listed yet"}, false)
	case !engine.Connected:
		writeHealth(w, healthJSON{Status: "not-ready", Detail: "the engine is disconnected"}, false)
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

// later returns the later of a time and the start of the program: a time that was never set is as old as Stoker.
func later(t, began time.Time) time.Time {
	if t.After(began) {
		return t
	}
	return began
}

func age(now, since time.Time) time.Duration {
	return now.Sub(since).Round(time.Second)
}
