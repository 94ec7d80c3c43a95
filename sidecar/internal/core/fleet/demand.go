package fleet

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// demands is the groups whose number of workers depends on their work or on hours.
type demands struct {
	groups  map[string]*group
	sources map[demand.Source]*source
	byName  []*group
	inOrder []*source
	pending []*member // whose group or sleep must be checked
}

func newDemands() demands {
	return demands{groups: map[string]*group{}, sources: map[demand.Source]*source{}}
}

// group is the workers that share a demand.
type group struct {
	name     string
	labels   policy.Demand // the demand that all of them have
	settings demand.Settings
	members  []*member // in the order in which they wake
	groupDecision
	measuring int // CPU readings in flight
	limit     limitReport
	clone     cloning
	dryRun    string // the change that a dry run last reported
	changesAt hoursChange
}

// groupDecision is the last decision about a group, and when the next one is due.
type groupDecision struct {
	memory   demand.Memory
	decision demand.Decision
	changed  bool      // an input of the decision has changed
	decideAt time.Time // even without a change; zero for never
	recalled time.Time // when a wake was last recalled: a decision at the same instant would be the same
}

// limitReport is the state of reporting a limit. A limit is reported after two answers: right after a start, some workers are not known yet.
type limitReport struct {
	stands   demand.Limit
	reported demand.Limit
}

// hoursChange is when the hours next begin or end, computed once a minute.
type hoursChange struct {
	asked time.Time
	at    time.Time
}

// demandUse is the CPU use of a member since the reading before.
type demandUse struct {
	last worker.Stats
	use  demand.Use
}

// joinGroup adds a member to its group, or holds it if its labels contradict the group's.
func (f *Fleet) joinGroup(now time.Time, m *member) {
	asked := m.machine.Demand()
	if m.group != nil || m.undecided || !asked.Set() || !m.machine.Manageable() && !m.contradicts {
		return
	}
	name, _ := groupOf(m)
	g := f.demands.groups[name]
	if g == nil {
		settings, err := asked.Settings(f.set.Rules.Named, f.set.Zone)
		if err != nil { // the labels were checked before: a named source is gone
			return
		}
		g = &group{name: name, labels: asked, settings: settings, groupDecision: groupDecision{changed: true}}
		f.demands.groups[name] = g
		f.addSources(now, g)
	}
	if g.labels != asked {
		f.contradict(now, m, g)
		return
	}
	if m.contradicts {
		m.contradicts = false
		f.step(now, m, worker.GroupConflict{})
	}
	m.group = g
	g.members = append(g.members, m)
	if m.key() == g.clone.made {
		g.clone.made = ""
	}
	slices.SortFunc(g.members, byNumber)
	g.changed = true
}

// contradict holds a worker whose demand labels differ from those of its group.
func (f *Fleet) contradict(now time.Time, m *member, g *group) {
	if m.contradicts {
		return
	}
	m.contradicts = true
	f.step(now, m, worker.GroupConflict{Problem: &policy.Problem{
		Label: policy.LabelGroup, Value: g.name,
		Message: fmt.Sprintf("the demand labels differ from those of %s in the same group; give all of them the same, or another group", g.members[0].key()),
	}})
}

// leaveGroup removes a member from its group.
func (f *Fleet) leaveGroup(m *member) {
	if g := m.group; g != nil {
		m.group, m.use = nil, demandUse{}
		g.members = slices.DeleteFunc(g.members, func(o *member) bool { return o == m })
		g.changed = true
	}
}

// joinPending updates the groups of members that have changed.
func (f *Fleet) joinPending(now time.Time) {
	for len(f.demands.pending) > 0 {
		pending := f.demands.pending
		f.demands.pending = nil
		for _, m := range pending {
			if f.byID[m.id] != m || !f.bound(m) {
				continue
			}
			f.joinGroup(now, m)
			f.joinRecycles(m)
			if m.group == nil && f.sleepsForNothing(m) {
				f.step(now, m, worker.Wake{Reason: worker.ReasonDemandRemoved})
			}
		}
		f.dropEmptyGroups()
	}
}

// dropEmptyGroups removes groups without members. Workers that contradicted one may form it again.
func (f *Fleet) dropEmptyGroups() {
	for _, name := range slices.Sorted(maps.Keys(f.demands.groups)) {
		if len(f.demands.groups[name].members) > 0 {
			continue
		}
		delete(f.demands.groups, name)
		f.orderSources()
		for _, o := range f.sorted() {
			if of, _ := groupOf(o); o.contradicts && of == name && f.bound(o) {
				f.demands.pending = append(f.demands.pending, o)
			}
		}
	}
}

// sleepsForNothing reports whether a worker sleeps although no demand requires it any more.
func (f *Fleet) sleepsForNothing(m *member) bool {
	return m.machine.Saved().State.Phase == worker.PhaseAsleep && !m.machine.Demand().Set() && m.machine.Wakeable()
}

func groupOf(m *member) (string, int) {
	return policy.Group(m.machine.Saved().Labels, string(m.key()))
}

func byNumber(a, b *member) int {
	_, m := groupOf(a)
	_, n := groupOf(b)
	return cmp.Or(cmp.Compare(m, n), byKey(a, b))
}

// demandChanged records that a member's state for its group may have changed.
func (f *Fleet) demandChanged(now time.Time, m *member) {
	if m.group == nil {
		if f.sleepsForNothing(m) {
			f.demands.pending = append(f.demands.pending, m)
		}
		return
	}
	if state := f.stateForDemand(now, m.group, m); state != m.demandState {
		m.demandState = state
		m.group.changed = true
	}
}

// decideDemand decides for each changed group, in order of names, and reports whether anything changed.
func (f *Fleet) decideDemand(now time.Time) bool {
	f.joinPending(now)
	if !f.reads() {
		return false
	}
	moved := false
	for _, g := range f.groupsDue(now) {
		moved = f.decideGroup(now, g) || moved
	}
	return moved
}

func (f *Fleet) groupsDue(now time.Time) []*group {
	var due []*group
	for _, g := range f.demands.byName {
		timeUp := !g.decideAt.IsZero() && !g.decideAt.After(now)
		if (g.changed || timeUp) && g.measuring == 0 && !g.recalled.Equal(now) {
			due = append(due, g)
		}
	}
	return due
}

func (f *Fleet) decideGroup(now time.Time, g *group) bool {
	in := demand.Input{Budget: math.Inf(1)}
	if slices.ContainsFunc(g.members, func(m *member) bool { return m.machine.Wakeable() }) {
		in.Budget = f.budgetLeft(now, func(m *member) bool { return m.machine.TakesBudget() })
	}
	for _, m := range g.members {
		in.Workers = append(in.Workers, f.demandWorker(now, g, m))
	}
	for _, s := range g.settings.Sources {
		in.Answers = append(in.Answers, f.demands.sources[s].Answer())
	}
	d, memory := demand.Decide(now, g.settings, g.memory, in)
	g.decision, g.memory, g.decideAt, g.changed = d, memory, d.Next, false
	if !d.Measure {
		for _, m := range g.members {
			m.use = demandUse{}
		}
	}
	if f.set.DryRun && !g.dryRunChanged(d) {
		return false
	}
	members := slices.Clone(g.members) // a step may remove one
	for _, i := range d.Wake {
		f.step(now, members[i], worker.Wake{Reason: f.wakeReason(now, g), Detail: g.situation()})
	}
	for _, i := range d.Sleep {
		f.step(now, members[i], worker.Sleep{Reason: g.sleepReason(), Detail: g.situation()})
	}
	f.changeClones(now, g, d, members)
	return len(d.Wake)+len(d.Sleep) > 0
}

// dryRunChanged reports whether a dry run has a new decision to report: it repeats the same one at each poll.
func (g *group) dryRunChanged(d demand.Decision) bool {
	now := fmt.Sprint(d.Wake, d.Sleep)
	before := g.dryRun
	g.dryRun = now
	return now != before
}

// demandWorker returns a member as input of a decision.
func (f *Fleet) demandWorker(now time.Time, g *group, m *member) demand.Worker {
	saved := m.machine.Saved()
	w := demand.Worker{State: f.stateForDemand(now, g, m), Use: m.use.use, CPUs: m.machine.BudgetShare(), InHand: f.inHand(g, m)}
	m.demandState = w.State
	w.AsleepSince = m.cloneAsleep(now, w.State)
	if began := saved.Incarnation.StartedAt.Add(-f.stream.engine.Skew); !saved.Incarnation.StartedAt.IsZero() && began.Before(now.Add(clockError)) {
		w.Since = began // otherwise the clock has stepped back since, and the start is unknown
	}
	alone := f.heldByPause(m)
	if w.State == demand.Awake && (alone || !m.machine.Sleepable()) {
		w.Use = demand.UseUnknown // do not put it to sleep now
	}
	if alone && (w.State == demand.Asleep || w.State == demand.Waking || w.State == demand.Down) {
		w.State = demand.Out
	}
	return w
}

// clockError is the maximum error of the difference between the engine's clock and Stoker's.
const clockError = 5 * time.Second

// inHand returns how many items the member holds, as the sources report.
func (f *Fleet) inHand(g *group, m *member) float64 {
	items := 0.0
	for _, s := range g.settings.Sources {
		held := f.demands.sources[s].Reading.InHand.ByAddress
		if held == nil {
			continue
		}
		for _, address := range m.machine.Addresses() {
			items += held[address]
		}
	}
	return items
}

// budgetLeft returns how many CPUs are left for sleeping workers, besides those for which takes is true. It is none until all workers were
// inspected, because their quotas are unknown. A worker whose inspect fails does not delay it.
func (f *Fleet) budgetLeft(now time.Time, takes func(*member) bool) float64 {
	budget := f.set.CPUBudget
	switch {
	case budget < 0:
		return math.Inf(1)
	case budget == 0:
		budget = float64(f.stream.engine.Engine.CPUs)
	}
	for _, m := range f.byID {
		switch {
		case !f.bound(m) || !m.machine.Manageable():
		case f.awaitsInspect(now, m):
			return 0
		case takes(m):
			budget -= m.machine.BudgetShare()
		}
	}
	return budget + budgetSlack
}

// awaitsInspect reports whether a member's state is about to be inspected.
func (f *Fleet) awaitsInspect(now time.Time, m *member) bool {
	return !m.machine.Inspected() && now.Sub(f.stream.engine.Since) < inspectWait
}

// stateForDemand returns the state of a member for its group. One that was not inspected yet may run.
func (f *Fleet) stateForDemand(now time.Time, g *group, m *member) demand.State {
	state := m.machine.DemandState(now, g.settings.Poll)
	if f.awaitsInspect(now, m) && m.machine.Manageable() {
		return demand.Unseen
	}
	return state
}

// inspectWait is how long after the connection a first inspect is waited for.
const inspectWait = 20 * time.Second

// budgetSlack is less than any quota, and more than the rounding error of a sum.
const budgetSlack = 1e-6

// wakeReason returns why the group has more workers woken now.
func (f *Fleet) wakeReason(now time.Time, g *group) worker.Reason {
	switch {
	case g.memory.AwakeUntil.After(now):
		return worker.ReasonWokenByHand
	case g.decision.Work > 0:
		return worker.ReasonWorkWaits
	case g.settings.Hours.Set():
		return worker.ReasonHours
	}
	return worker.ReasonMinReplicas
}

func (g *group) sleepReason() worker.Reason {
	if g.decision.Closed || len(g.settings.Sources) == 0 {
		return worker.ReasonHours
	}
	return worker.ReasonNoWork
}

// situation returns the decision as text.
func (g *group) situation() string {
	d := g.decision
	if d.Closed {
		return "outside its hours"
	}
	text := fmt.Sprintf("%d of %d workers wanted", d.Wanted, len(g.members))
	if len(g.settings.Sources) > 0 {
		text = fmt.Sprintf("%s to do, %s", items(d.Work), text)
	}
	return text
}

// items returns a number of items as text.
func items(n float64) string {
	text := strings.TrimSuffix(fmt.Sprintf("%.1f", n), ".0")
	if text == "1" {
		return "1 item"
	}
	return text + " items"
}

// WakeGroup wakes all workers of a group for at least a cooldown, for an operator. Its error is that there is no such group.
func (f *Fleet) WakeGroup(now time.Time, name string) (Effects, error) {
	g := f.demands.groups[name]
	if g == nil {
		return f.settle(now), fmt.Errorf("there is no group %q of workers with stoker.demand or stoker.hours; stoker status lists them", name)
	}
	g.memory.AwakeUntil, g.changed = now.Add(max(g.settings.Cooldown, time.Minute)), true
	return f.settle(now), nil
}
