package page

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/sanitize"
)

// group is how urgent a worker is for a viewer.
type group string

// The groups, the most urgent first.
const (
	groupAttention group = "attention" // a person should look
	groupHealing   group = "healing"   // Stoker heals it
	groupUnknown   group = "unknown"
	groupHeld      group = "held" // and it is intended
	groupRunning   group = "running"
)

// row is one worker in the table.
type row struct {
	Key  worker.Key // as it is, for addresses
	Name string     // sanitized
	Rev  string     // changes with what is shown, apart from the passing of time
	standing
	Since  instant // of its incarnation, when it runs
	Status worker.Status
	Task   string // its place in Swarm; empty for none
	checks
	CPU gauge
	plan
	lastDay
}

// standing is the state of a worker, how urgent it is, and why.
type standing struct {
	Group    group
	Rank     int // the more urgent the smaller
	State    fleet.State
	Why      string // fault and reason, or why it is held
	Problems []string
}

// checks are what is known of a worker's health.
type checks struct {
	Health worker.Health
	Probe  outside
}

// plan is the next heal of a worker.
type plan struct {
	Heal     worker.HealAction
	Next     instant
	Attempts int
}

// lastDay is the last 24 hours of a worker.
type lastDay struct {
	Day    drawing
	Heals  int
	Failed int
}

// gauge is the CPU use of a worker.
type gauge struct {
	Known     bool
	Use       string
	Quota     string // empty when there is none
	Share     float64
	Fill      int // of 60
	Throttled string
	Hurts     bool // throttled so much that a probe may time out
	Periods   float64
	Boosted   bool
	At        instant
}

// notMeasured stands where the periods of a quota are not counted.
const notMeasured = "not measured"

// hurtful is the share of throttled periods that is worth a colour.
const hurtful = 0.5

func gaugeOf(w fleet.WorkerView, now time.Time) gauge {
	g := gauge{Known: !w.Share.At.IsZero(), Boosted: w.Boosted, At: instantOf(w.Share.At, now)}
	if w.CPUs > 0 {
		g.Quota = cpus(w.CPUs)
	}
	if !g.Known {
		return g
	}
	g.Use, g.Share = cpus(w.Share.CPUs), w.Share.CPUs
	if g.Throttled = notMeasured; !w.Share.ThrottlingUnknown {
		g.Throttled, g.Periods = percent(w.Share.Throttled), w.Share.Throttled
	}
	g.Hurts = g.Periods >= hurtful
	if w.CPUs > 0 {
		g.Fill = int(60 * min(1, max(0, w.Share.CPUs/w.CPUs)))
	}
	return g
}

// row returns a worker's line.
func (r request) row(w fleet.WorkerView) row {
	line := row{
		Key: w.Key, Name: sanitize.Line(string(w.Key)), standing: standingOf(w, r.now), Status: w.Status, Task: taskText(w.Task.Service, w.Task.Slot),
		checks: checks{Health: w.Health, Probe: outsideOf(w.Probe, r.now)}, CPU: gaugeOf(w, r.now),
		plan:    plan{Heal: w.Heal, Next: instantOf(w.NextAt, r.now), Attempts: w.Attempts},
		lastDay: lastDay{Day: quarters(r.spans(w), r.now)},
	}
	if w.Status == worker.StatusRunning {
		line.Since = instantOf(w.StartedAt.Add(-r.view.Engine.Skew), r.now)
	}
	line.Heals, line.Failed = r.past.workers[w.Key].healsSince(r.now.Add(-day))
	line.Rev = line.rev()
	return line
}

func standingOf(w fleet.WorkerView, now time.Time) standing {
	s := standing{Group: groupOf(w), State: w.State, Why: why(w, now)}
	s.Rank = rank(s.Group, s.State)
	for _, p := range w.Problems {
		s.Problems = append(s.Problems, problem(p.Label, p.Value, p.Message, p.Nearest))
	}
	return s
}

// taskText is where a task stands in Swarm.
func taskText(service, slot string) string {
	if service == "" {
		return ""
	}
	return "task " + brief(slot, 40) + " of " + brief(service, 100)
}

// NoCheck reports whether the worker has no health check of Docker's.
func (c checks) NoCheck() bool { return c.Health == worker.HealthNone }

// Unchecked reports whether it has no check of any kind.
func (c checks) Unchecked() bool { return c.NoCheck() && c.Probe.Status == "" }

// quarters draws the last day in quarters of an hour by the clock, so that it changes four times an hour and not all the time.
func quarters(spans []span, now time.Time) drawing {
	const quarter = 15 * time.Minute
	to := now.Truncate(quarter)
	if to.Before(now) {
		to = to.Add(quarter)
	}
	return draw(spans, to.Add(-day), to, int(day/quarter), 16)
}

func problem(label, value, message, nearest string) string {
	text := fmt.Sprintf("%s=%q: %s", brief(label, 100), brief(value, 100), brief(message, 300))
	if nearest != "" {
		text += ", probably " + nearest
	}
	return text
}

// spans returns a worker's last day.
func (r request) spans(w fleet.WorkerView) []span {
	running := life{Running: w.Status == worker.StatusRunning && !w.StartedAt.IsZero(), Since: w.StartedAt.Add(-r.view.Engine.Skew)}
	return r.past.timeline(w.Key, running, r.now.Add(-day), r.now)
}

func (r row) rev() string {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, r.State, r.Group, r.Since.UTC, r.Why, r.Heal, r.Health, r.Probe.Status, r.Probe.Address, r.Probe.Detail, r.Status, r.Problems, r.CPU.Use, r.CPU.Quota,
		r.CPU.Throttled, r.CPU.Boosted, r.Attempts, r.Next.UTC, r.Day.Strokes, r.Heals, r.Failed)
	return fmt.Sprintf("%x", h.Sum64())
}

// why returns the reason for a state, in Stoker's fixed words.
func why(w fleet.WorkerView, now time.Time) string {
	switch {
	case w.Held == worker.HeldByPause:
		return fmt.Sprintf("%s, %s left", w.Held, lasting(w.Pause.Until.Sub(now)))
	case w.Held != worker.HeldNot:
		return string(w.Held)
	case w.Fault != worker.FaultNone && string(w.Fault) != string(w.Reason):
		return fmt.Sprintf("%s, %s", w.Fault, w.Reason)
	case w.Fault == worker.FaultNone && w.Recycle.Stage.Pending():
		return fmt.Sprintf("%s, %s", w.Recycle.Fault, w.Recycle.Stage)
	}
	return string(w.Reason)
}

func groupOf(w fleet.WorkerView) group {
	if len(w.Problems) > 0 {
		return groupAttention
	}
	switch w.State {
	case fleet.StateRunning, fleet.StateStarting, fleet.StateWaking, fleet.StateRetiring:
		return groupRunning
	case fleet.StateAsleep:
		return groupHeld
	case fleet.StateHealing, fleet.StateWaiting:
		return groupHealing
	case fleet.StateUnhealthy, fleet.StateExhausted:
		return groupAttention
	case fleet.StateHeld:
		if onPurpose(w.Held) {
			return groupHeld
		}
		return groupAttention
	case fleet.StateUnknown:
	}
	return groupUnknown
}

// onPurpose reports whether a worker is held because it is intended, or in a way that does no harm.
func onPurpose(r worker.Reason) bool {
	switch r {
	case worker.HeldBadLabels, worker.HeldExitNotObserved, worker.HeldExhausted, worker.HeldHostOverloaded,
		worker.HeldNeedsRecreate, worker.HeldStarved, worker.HeldDryRun, worker.HeldUnhealthy:
		return false
	default:
		return true
	}
}

// ranksPerGroup is more than there are states.
const ranksPerGroup = 20

func rank(g group, s fleet.State) int {
	return ranksPerGroup*slices.Index(groupOrder(), g) + slices.Index(stateOrder(), s)
}

// groupOrder is the groups, the most urgent first.
func groupOrder() []group {
	return []group{groupAttention, groupHealing, groupUnknown, groupHeld, groupRunning}
}

// stateOrder is all states, the most urgent first.
func stateOrder() []fleet.State {
	return []fleet.State{
		fleet.StateExhausted, fleet.StateUnhealthy, fleet.StateHeld, fleet.StateHealing, fleet.StateWaiting, fleet.StateUnknown,
		fleet.StateAsleep, fleet.StateWaking, fleet.StateRetiring, fleet.StateStarting, fleet.StateRunning,
	}
}

// rows returns all workers, the most urgent first.
func (r request) rows() []row {
	rows := make([]row, len(r.view.Workers))
	for n, w := range r.view.Workers {
		rows[n] = r.row(w)
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.Key, b.Key)) })
	return rows
}
