package web

import (
	"math"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
	"stoker/sidecar/internal/sanitize"
)

// The types of the API: their field names are stable when those in the code change. Every field is always present; an unknown
// time is null. Times are RFC 3339 in UTC, durations are seconds.

type fleetJSON struct {
	At             *time.Time   `json:"at"`   // of this view
	Host           string       `json:"host"` // the name of this host
	Engine         engineJSON   `json:"engine"`
	HostOverloaded bool         `json:"host_overloaded"`
	Workers        []workerJSON `json:"workers"`
	Groups         []groupJSON  `json:"groups"`
	Pauses         []pauseJSON  `json:"pauses"`     // in force
	Swarm          *swarmJSON   `json:"swarm"`      // null without STOKER_SWARM_SCALE
	Candidates     *adviceJSON  `json:"candidates"` // why there are no workers; null while there are some, and before the first list of containers
}

// workersJSON is all of it, and which Stoker answers.
type workersJSON struct {
	fleetJSON
	Version  string `json:"version"`  // of Stoker
	Instance string `json:"instance"` // of its process, another one after each start
}

// pauseJSON is a pause.
type pauseJSON struct {
	Scope  fleet.PauseScope `json:"scope"` // worker, project or all
	Name   string           `json:"name"`  // of the worker or the project
	Since  *time.Time       `json:"since"`
	Until  *time.Time       `json:"until"`
	Reason string           `json:"reason"` // as the operator gave it
}

func pauseOf(p fleet.Pause) pauseJSON {
	return pauseJSON{Scope: p.Scope, Name: clip(p.Name), Since: moment(p.At), Until: moment(p.Until), Reason: clip(p.Reason)}
}

type engineJSON struct {
	Connected  bool       `json:"connected"`
	Problem    string     `json:"problem"` // why it is not connected
	Since      *time.Time `json:"since"`
	Synced     *time.Time `json:"synced"`
	BootedAt   *time.Time `json:"booted_at"`
	Version    string     `json:"version"`
	APIVersion string     `json:"api_version"`
	CPUs       int        `json:"cpus"`
	Skew       float64    `json:"clock_skew_seconds"` // the engine's clock minus Stoker's
}

// workerJSON is a worker. Its parts are not visible in JSON.
type workerJSON struct {
	containerJSON
	healingJSON
	cpuJSON
	placeJSON
	Lost     []string      `json:"lost_networks"`
	Recycle  recycleJSON   `json:"recycle"`
	Probe    *probeJSON    `json:"probe"` // from outside; null without stoker.probe
	Pause    *pauseJSON    `json:"pause"` // that it is under; null for none
	Problems []problemJSON `json:"problems"`
}

type containerJSON struct {
	Key       worker.Key    `json:"key"`
	ID        string        `json:"id"`
	State     fleet.State   `json:"state"`
	Status    worker.Status `json:"status"`
	Health    worker.Health `json:"health"`
	StartedAt *time.Time    `json:"started_at"` // the engine's clock
	Expected  bool          `json:"expected"`
}

// healingJSON is what is wrong and what is done about it.
type healingJSON struct {
	Held     worker.Reason     `json:"held"`
	Fault    worker.Fault      `json:"fault"`
	Reason   worker.Reason     `json:"reason"`
	Heal     worker.HealAction `json:"heal"`
	Attempts int               `json:"attempts"`
	NextAt   *time.Time        `json:"next_at"`
	NextIn   float64           `json:"next_in_seconds"` // 0 when none waits
}

type cpuJSON struct {
	CPUs      float64    `json:"cpus"`    // the quota; 0 is none
	Boosted   bool       `json:"boosted"` // the quota is raised for a while
	Used      *float64   `json:"used_cpus"`
	Throttled *float64   `json:"throttled_share"` // of the quota's periods, 0 to 1; null when it is not measured
	Measured  *time.Time `json:"measured_at"`     // the engine's clock
}

// placeJSON is what the worker is part of.
type placeJSON struct {
	Group   string `json:"group"` // whose demand decides how many run
	Scope   string `json:"scope"`
	Service string `json:"service"` // of Swarm, whose task it is; empty for none
	Slot    string `json:"slot"`    // of the service: a number, or the node of a global one
}

// workerEventsJSON is one worker with its last events, newest first.
type workerEventsJSON struct {
	workerJSON
	Events []history.Entry `json:"events"`
}

type problemJSON struct {
	Label   string `json:"label"`
	Value   string `json:"value"`
	Message string `json:"message"`
	Nearest string `json:"nearest"`
}

func fleetOf(v fleet.View) fleetJSON {
	all := fleetJSON{At: moment(v.At), Host: clip(v.Engine.Engine.Name), Engine: engineOf(v.Engine), HostOverloaded: v.HostOverloaded, Swarm: swarmOf(v.Swarm), Workers: make([]workerJSON, len(v.Workers)), Groups: make([]groupJSON, len(v.Groups)), Pauses: make([]pauseJSON, len(v.Pauses))}
	for n, w := range v.Workers {
		all.Workers[n] = workerOf(w, v.At)
	}
	for n, g := range v.Groups {
		all.Groups[n] = groupOf(g)
	}
	for n, p := range v.Pauses {
		all.Pauses[n] = pauseOf(p)
	}
	all.Candidates = adviceOf(v.Candidates)
	return all
}

func engineOf(l fleet.EngineLink) engineJSON {
	return engineJSON{
		Connected: l.Connected, Problem: clip(l.Problem), Since: moment(l.Since), Synced: moment(l.Synced), BootedAt: moment(l.Engine.BootedAt),
		Version: clip(l.Engine.Version), APIVersion: clip(l.Engine.APIVersion), CPUs: l.Engine.CPUs, Skew: l.Skew.Seconds(),
	}
}

func workerOf(w fleet.WorkerView, at time.Time) workerJSON {
	shown := workerJSON{
		containerJSON: containerJSON{Key: w.Key, ID: w.ID, State: w.State, Status: w.Status, Health: w.Health, StartedAt: moment(w.StartedAt), Expected: w.Expected},
		healingJSON:   healingJSON{Held: w.Held, Fault: w.Fault, Reason: w.Reason, Heal: w.Heal, Attempts: w.Attempts, NextAt: moment(w.NextAt)},
		cpuJSON:       cpuOf(w),
		placeJSON:     placeJSON{Group: clip(w.Group), Scope: w.Scope, Service: clip(w.Task.Service), Slot: clip(w.Task.Slot)},
		Lost:          append([]string{}, w.LostNetworks...),
		Recycle:       recycleOf(w.Recycle),
		Probe:         probeOf(w.Probe),
		Problems:      make([]problemJSON, len(w.Problems)),
	}
	if !w.Pause.Until.IsZero() {
		pause := pauseOf(w.Pause)
		shown.Pause = &pause
	}
	if !w.NextAt.IsZero() {
		shown.NextIn = max(0, w.NextAt.Sub(at).Seconds())
	}
	for n, p := range w.Problems {
		shown.Problems[n] = problemOf(p)
	}
	return shown
}

func cpuOf(w fleet.WorkerView) cpuJSON {
	shown := cpuJSON{CPUs: w.CPUs, Boosted: w.Boosted, Measured: moment(w.Share.At)}
	if shown.Measured == nil {
		return shown
	}
	shown.Used = number(w.Share.CPUs)
	if !w.Share.ThrottlingUnknown {
		shown.Throttled = number(w.Share.Throttled)
	}
	return shown
}

func problemOf(p policy.Problem) problemJSON {
	return problemJSON{Label: clip(p.Label), Value: clip(p.Value), Message: clip(p.Message), Nearest: p.Nearest}
}

// number returns f unless JSON has no such number.
func number(f float64) *float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	return &f
}

// moment returns t as the API shows it. A year that RFC 3339 cannot write, from an engine with a broken clock, is null.
func moment(t time.Time) *time.Time {
	t = t.UTC()
	if t.IsZero() || t.Year() < 0 || t.Year() > 9999 {
		return nil
	}
	return &t
}

// clip bounds a text of a container: a label may be megabytes long.
func clip(text string) string {
	const most = 500
	return sanitize.Clip(text, most)
}
