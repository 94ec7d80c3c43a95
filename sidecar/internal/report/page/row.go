package page

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// group is what a viewer sorts the workers into at a glance.
type group string

// The groups, the most urgent first.
const (
	groupAttention group = "attention" // somebody should look
	groupHealing   group = "healing"   // Stoker is at it
	groupUnknown   group = "unknown"
	groupHeld      group = "held" // left alone on purpose
	groupRunning   group = "running"
)

// row is one worker in the table.
type row struct {
	Key      worker.Key // as it is, for addresses
	Name     string     // for eyes
	Rev      string     // changes with what is shown, apart from the time that goes by
	Group    group
	Rank     int // the more urgent the smaller
	State    fleet.State
	Since    instant // of its life, when it runs
	Why      string  // fault and reason, or why it is held
	Heal     worker.HealAction
	Health   worker.Health
	Status   worker.Status
	Problems []string
	CPU      gauge
	Attempts int
	Next     instant
	Strip    drawing
	Heals    int // in the last day
	Failed   int
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
	g.Use, g.Throttled = cpus(w.Share.CPUs), percent(w.Share.Throttled)
	g.Share, g.Periods = w.Share.CPUs, w.Share.Throttled
	g.Hurts = w.Share.Throttled >= hurtful
	if w.CPUs > 0 {
		g.Fill = int(60 * min(1, max(0, w.Share.CPUs/w.CPUs)))
	}
	return g
}

// row is a worker's line.
func (l look) row(w fleet.WorkerView) row {
	r := row{
		Key: w.Key, Name: plain(string(w.Key)), State: w.State, Heal: w.Heal, Health: w.Health, Status: w.Status,
		Group: groupOf(w), CPU: gaugeOf(w, l.now), Attempts: w.Attempts, Next: instantOf(w.NextAt, l.now), Why: why(w),
	}
	r.Rank = rank(r.Group, w.State)
	if w.Status == worker.StatusRunning {
		r.Since = instantOf(w.StartedAt.Add(-l.view.Engine.Skew), l.now)
	}
	for _, p := range w.Problems {
		r.Problems = append(r.Problems, problem(p.Label, p.Value, p.Message, p.Nearest))
	}
	r.Strip = strip(l.spans(w), l.now)
	r.Heals, r.Failed = heals(l.past.notes[w.Key], l.now.Add(-day))
	r.Rev = r.rev()
	return r
}

// strip is the last day in quarters of an hour by the clock, so that it changes four times an hour and not all the time.
func strip(spans []span, now time.Time) drawing {
	const quarter = 15 * time.Minute
	to := now.Truncate(quarter)
	if to.Before(now) {
		to = to.Add(quarter)
	}
	return draw(spans, to.Add(-day), to, int(day/quarter), 16)
}

func problem(label, value, message, nearest string) string {
	said := fmt.Sprintf("%s=%q: %s", brief(plain(label), 100), brief(plain(value), 100), brief(plain(message), 300))
	if nearest != "" {
		said += ", probably " + nearest
	}
	return said
}

// spans is a worker's last day.
func (l look) spans(w fleet.WorkerView) []span {
	running := life{Running: w.Status == worker.StatusRunning && !w.StartedAt.IsZero(), Since: w.StartedAt.Add(-l.view.Engine.Skew)}
	return l.past.timeline(w.Key, running, l.now.Add(-day), l.now)
}

// heals counts the heals that worked, and those that did not.
func heals(notes []worker.Event, since time.Time) (healed, failed int) {
	for _, n := range notes {
		switch {
		case n.At.Before(since):
		case n.Kind == worker.EventHealed:
			healed++
		case n.Kind == worker.EventHealFailed:
			failed++
		}
	}
	return healed, failed
}

func (r row) rev() string {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, r.State, r.Group, r.Since.UTC, r.Why, r.Heal, r.Health, r.Status, r.Problems, r.CPU.Use, r.CPU.Quota,
		r.CPU.Throttled, r.CPU.Boosted, r.Attempts, r.Next.UTC, r.Strip.Strokes, r.Heals, r.Failed)
	return fmt.Sprintf("%x", h.Sum64())
}

// why is what is behind a state, in the fixed words.
func why(w fleet.WorkerView) string {
	switch {
	case w.Held != worker.HeldNot:
		return string(w.Held)
	case w.Fault != worker.FaultNone && string(w.Fault) != string(w.Reason):
		return fmt.Sprintf("%s, %s", w.Fault, w.Reason)
	}
	return string(w.Reason)
}

func groupOf(w fleet.WorkerView) group {
	if len(w.Problems) > 0 {
		return groupAttention
	}
	switch w.State {
	case fleet.StateRunning, fleet.StateStarting:
		return groupRunning
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

// onPurpose: somebody meant this worker to be left alone, or it does no harm.
func onPurpose(r worker.Reason) bool {
	switch r {
	case worker.HeldBadLabels, worker.HeldExitNotObserved, worker.HeldExhausted, worker.HeldHostOverloaded,
		worker.HeldNeedsRecreate, worker.HeldStarved, worker.HeldDryRun:
		return false
	default:
		return true
	}
}

func rank(g group, s fleet.State) int {
	groups := []group{groupAttention, groupHealing, groupUnknown, groupHeld, groupRunning}
	states := []fleet.State{
		fleet.StateExhausted, fleet.StateUnhealthy, fleet.StateHeld, fleet.StateHealing, fleet.StateWaiting, fleet.StateUnknown,
		fleet.StateStarting, fleet.StateRunning,
	}
	return 10*slices.Index(groups, g) + slices.Index(states, s)
}

// rows are all workers, the most urgent first.
func (l look) rows() []row {
	rows := make([]row, len(l.view.Workers))
	for n, w := range l.view.Workers {
		rows[n] = l.row(w)
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(cmp.Compare(a.Rank, b.Rank), cmp.Compare(a.Key, b.Key)) })
	return rows
}
