package command

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"stoker/sidecar/internal/core/candidates"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/sanitize"
)

// fleetView is the part of the API's answer that status shows.
type fleetView struct {
	At             time.Time `json:"at"`
	Host           string    `json:"host"`
	HostOverloaded bool      `json:"host_overloaded"`
	Engine         struct {
		Connected bool      `json:"connected"`
		Since     time.Time `json:"since"`
		Version   string    `json:"version"`
		Problem   string    `json:"problem"`
	} `json:"engine"`
	Workers []workerRow `json:"workers"`
	Groups  []groupRow  `json:"groups"`
	Pauses  []pauseRow  `json:"pauses"`
	Swarm   *swarmState `json:"swarm"` // nil without STOKER_SWARM_SCALE
	// Candidates is why there are no workers; nil where there are some.
	Candidates *struct {
		Lines []candidates.Line `json:"lines"`
	} `json:"candidates"`
}

type pauseRow struct {
	Scope  string    `json:"scope"`
	Name   string    `json:"name"`
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
}

// words returns what is paused, for how long, and why.
func (p pauseRow) words(now time.Time) string {
	line := "paused for " + short(p.Until.Sub(now)) + " more: " + strings.TrimSpace(p.Scope+" "+p.Name)
	if p.Reason != "" {
		line += " (" + p.Reason + ")"
	}
	return line
}

type groupRow struct {
	Name    string      `json:"name"`
	Sources []sourceRow `json:"sources"`
	Work    float64     `json:"work"`
	countRow
	hoursRow
	Awake   time.Time   `json:"awake_until"`
	Service *serviceRow `json:"service"` // nil where it is no service of a Swarm
}

// countRow is how many workers of a group run, and why not more or fewer.
type countRow struct {
	Wanted  int    `json:"wanted"`
	Running int    `json:"running"`
	Asleep  int    `json:"asleep"`
	Workers int    `json:"workers"`
	Limit   string `json:"limit"`
}

// hoursRow is when a group may run; it is empty where that is always.
type hoursRow struct {
	Hours   string    `json:"hours"`
	Open    bool      `json:"open"`
	Changes time.Time `json:"open_changes_at"`
}

type serviceRow struct {
	State    string `json:"state"`
	Replicas int    `json:"replicas"`
	Problem  string `json:"problem"`
}

// swarmState is what the engine is in its Swarm.
type swarmState struct {
	Role    string `json:"role"`
	Problem string `json:"problem"`
}

type sourceRow struct {
	Name  string    `json:"name"`
	State string    `json:"state"`
	Since time.Time `json:"since"`
	Error string    `json:"error"`
}

type workerRow struct {
	Key   string `json:"key"`
	State string `json:"state"`
	containerRow
	healRow
	cpuRow
	Problems []policy.Problem
}

// containerRow is how the container of a worker is.
type containerRow struct {
	Status    string    `json:"status"`
	Health    string    `json:"health"`
	StartedAt time.Time `json:"started_at"`
	Probe     *probeRow `json:"probe"`
}

// healRow is what happens to a worker, or why nothing does.
type healRow struct {
	Held     string     `json:"held"`
	Fault    string     `json:"fault"`
	Reason   string     `json:"reason"`
	Heal     string     `json:"heal"`
	Attempts int        `json:"attempts"`
	NextAt   time.Time  `json:"next_at"`
	NextIn   float64    `json:"next_in_seconds"`
	Recycle  recycleRow `json:"recycle"`
}

// cpuRow is the quota of a worker and what it uses of it.
type cpuRow struct {
	CPUs      float64  `json:"cpus"`
	Boosted   bool     `json:"boosted"`
	Used      *float64 `json:"used_cpus"` // nil when it is not known
	Throttled *float64 `json:"throttled_share"`
}

// recycleRow is a restart without a fault, as long as it waits.
type recycleRow struct {
	Fault string    `json:"fault"`
	Stage string    `json:"stage"`
	Since time.Time `json:"since"`
}

// now returns the sidecar's time: the clock here may differ.
func (f fleetView) now(here time.Time) time.Time {
	if f.At.IsZero() {
		return here
	}
	return f.At
}

// wrong reports whether a person has to do something.
func (f fleetView) wrong() bool {
	for _, w := range f.Workers {
		if w.State == "exhausted" || len(w.Problems) > 0 {
			return true
		}
	}
	return !f.Engine.Connected || f.HostOverloaded
}

func (e Env) statusText(f fleetView, now time.Time) string {
	var b strings.Builder
	b.WriteString(paint(text.Snip(sanitize.Escape(headline(f, now)), e.width(), ellipsis), bold, e.coloured()) + "\n")
	if !f.Engine.Connected && f.Engine.Problem != "" {
		b.WriteString(e.lines(red, f.Engine.Problem))
	}
	if len(f.Workers) == 0 {
		b.WriteString(e.adviceText(f))
		return b.String()
	}
	t := e.table(column{"WORKER", 10}, column{"STATE", 7}, column{"HEALTH", 4}, column{"UP", 3}, column{"CPUS", 4},
		column{"THROTTLED", 4}, column{"TRIES", 2}, column{"NEXT", 4}, column{"WHY", 8})
	for _, w := range f.Workers {
		t.rows = append(t.rows, row{cells: w.cells(now)})
	}
	b.WriteString(t.text())
	b.WriteString(e.groupText(f, now))
	for _, p := range f.Pauses {
		b.WriteString(e.lines(yellow, p.words(now)))
	}
	for _, w := range f.Workers {
		for _, p := range w.Problems {
			b.WriteString(e.lines(red, w.Key+": "+problemText(p)))
		}
	}
	return b.String()
}

// adviceText is what a Stoker without workers advises. What is to be typed has a line of its own.
func (e Env) adviceText(f fleetView) string {
	if f.Candidates == nil {
		return ""
	}
	var b strings.Builder
	for _, l := range f.Candidates.Lines {
		b.WriteString(e.lines(plain, l.Text))
		if l.Code != "" {
			b.WriteString("  " + paint(sanitize.Escape(l.Code), bold, e.coloured()) + "\n")
		}
	}
	return b.String()
}

// width is the width for text.
func (c Console) width() int {
	return cmp.Or(c.tableWidth(), unlimited)
}

// tableWidth is 0 without a limit, and never too small for a table.
func (c Console) tableWidth() int {
	if c.Width <= 0 {
		return 0
	}
	return max(c.Width, 20)
}

func headline(f fleetView, now time.Time) string {
	engine := "engine disconnected"
	if f.Engine.Connected {
		engine = "connected to engine " + f.Engine.Version
	}
	if !f.Engine.Since.IsZero() {
		engine += " for " + short(now.Sub(f.Engine.Since))
	}
	line := count(len(f.Workers), "worker")
	if f.Host != "" {
		line += " on " + f.Host
	}
	line += ", " + engine
	if f.HostOverloaded {
		line += "; the host is overloaded: restarts of running workers wait"
	}
	return line
}

func (w workerRow) cells(now time.Time) []cell {
	next := "-"
	if !w.NextAt.IsZero() {
		next = "in " + short(w.NextAt.Sub(now))
	}
	up, health := "-", "-"
	if w.Status == string(worker.StatusRunning) { // else the health is outdated
		health = orDash(w.health())
		if !w.StartedAt.IsZero() {
			up = short(now.Sub(w.StartedAt))
		}
	}
	return []cell{
		{w.Key, plain}, {w.State, stateColour(w.State)}, {health, plain}, {up, plain}, {w.cpus(), plain}, {w.throttled(), plain},
		{strconv.Itoa(w.Attempts), plain}, {next, plain}, {w.why(), plain},
	}
}

// cpus returns the use and the quota.
func (c cpuRow) cpus() string {
	quota := cpus(c.CPUs)
	if c.Boosted {
		quota += " boosted"
	}
	if c.Used == nil {
		return quota
	}
	return strconv.FormatFloat(*c.Used, 'f', 2, 64) + " of " + quota
}

func (c cpuRow) throttled() string {
	switch {
	case c.Throttled != nil:
		return fmt.Sprintf("%.0f%%", *c.Throttled*100)
	case c.Used != nil:
		return "not measured"
	}
	return "-"
}

// why returns why a worker is held, or why it is healed and how.
func (h healRow) why() string {
	if h.Held != "" {
		return h.Held
	}
	var parts []string
	for _, part := range []string{h.Fault, h.Reason, h.Heal} {
		if part != "" && (len(parts) == 0 || parts[len(parts)-1] != part) {
			parts = append(parts, part)
		}
	}
	if h.Recycle.Fault != "" && len(parts) == 0 {
		parts = []string{h.Recycle.Fault, h.Recycle.Stage}
	}
	return orDash(strings.Join(parts, ", "))
}

func stateColour(state string) colour {
	switch state {
	case "running":
		return green
	case "unhealthy", "exhausted":
		return red
	case "healing", "waiting":
		return yellow
	case "starting", "waking":
		return blue
	}
	return faint
}

// short returns a duration in one unit.
func short(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < 10*time.Second:
		return strconv.FormatFloat(d.Round(100*time.Millisecond).Seconds(), 'f', -1, 64) + "s"
	case d < 2*time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}
