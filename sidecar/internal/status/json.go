package status

import (
	"strings"
	"time"
	"unicode/utf8"

	"stoker/sidecar/internal/fleet"
	"stoker/sidecar/internal/lifecycle"
	"stoker/sidecar/internal/policy"
)

// The API's own shapes: their field names stay when the ones in the code change. Every field is always there; a time
// that is not known is null. Times are RFC 3339 in UTC, durations are seconds.

type fleetJSON struct {
	At      *time.Time   `json:"at"` // of this picture
	Link    linkJSON     `json:"link"`
	HostIll bool         `json:"host_ill"`
	Workers []workerJSON `json:"workers"`
}

type linkJSON struct {
	Up         bool       `json:"up"`
	Since      *time.Time `json:"since"`
	Synced     *time.Time `json:"synced"`
	EngineAt   *time.Time `json:"engine_booted_at"`
	Engine     string     `json:"engine_version"`
	APIVersion string     `json:"engine_api_version"`
	CPUs       int        `json:"engine_cpus"`
	Skew       float64    `json:"clock_skew_seconds"` // the engine's clock minus Stoker's
}

type workerJSON struct {
	Key       lifecycle.Key    `json:"key"`
	ID        string           `json:"id"`
	State     fleet.State      `json:"state"`
	Status    lifecycle.Status `json:"status"`
	Health    lifecycle.Health `json:"health"`
	StartedAt *time.Time       `json:"started_at"` // the engine's clock
	Expected  bool             `json:"expected"`
	Held      lifecycle.Reason `json:"held"`
	Fault     lifecycle.Fault  `json:"fault"`
	Reason    lifecycle.Reason `json:"reason"`
	Heal      lifecycle.Heal   `json:"heal"`
	Attempts  int              `json:"attempts"`
	NextAt    *time.Time       `json:"next_at"`
	NextIn    float64          `json:"next_in_seconds"` // 0 when none waits
	CPUs      float64          `json:"cpus"`
	Scope     string           `json:"scope"`
	Problems  []problemJSON    `json:"problems"`
}

type problemJSON struct {
	Label   string `json:"label"`
	Value   string `json:"value"`
	Message string `json:"message"`
	Nearest string `json:"nearest"`
}

func fleetOf(v fleet.View) fleetJSON {
	all := fleetJSON{At: moment(v.At), Link: linkOf(v.Link), HostIll: v.HostIll, Workers: make([]workerJSON, len(v.Workers))}
	for n, w := range v.Workers {
		all.Workers[n] = workerOf(w, v.At)
	}
	return all
}

func linkOf(l fleet.Link) linkJSON {
	return linkJSON{
		Up: l.Up, Since: moment(l.Since), Synced: moment(l.Synced), EngineAt: moment(l.Engine.BootedAt),
		Engine: clip(l.Engine.Version), APIVersion: clip(l.Engine.APIVersion), CPUs: l.Engine.CPUs, Skew: l.Skew.Seconds(),
	}
}

func workerOf(w fleet.Worker, at time.Time) workerJSON {
	shown := workerJSON{
		Key: w.Key, ID: w.ID, State: w.State, Status: w.Status, Health: w.Health, StartedAt: moment(w.StartedAt),
		Expected: w.Expected, Held: w.Held, Fault: w.Fault, Reason: w.Reason, Heal: w.Heal, Attempts: w.Attempts,
		NextAt: moment(w.NextAt), CPUs: w.CPUs, Scope: w.Scope, Problems: make([]problemJSON, len(w.Problems)),
	}
	if !w.NextAt.IsZero() {
		shown.NextIn = max(0, w.NextAt.Sub(at).Seconds())
	}
	for n, p := range w.Problems {
		shown.Problems[n] = problemOf(p)
	}
	return shown
}

func problemOf(p policy.Problem) problemJSON {
	return problemJSON{Label: clip(p.Label), Value: clip(p.Value), Message: clip(p.Message), Nearest: p.Nearest}
}

// moment is t as the API shows it. A year that RFC 3339 cannot write, from an engine with a broken clock, is no time.
func moment(t time.Time) *time.Time {
	t = t.UTC()
	if t.IsZero() || t.Year() < 0 || t.Year() > 9999 {
		return nil
	}
	return &t
}

// clip bounds what a container can make the API say: a label may be megabytes long.
func clip(text string) string {
	const most = 500
	if len(text) <= most {
		return text
	}
	cut := most
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return strings.ToValidUTF8(text[:cut], "\uFFFD") + "…"
}
