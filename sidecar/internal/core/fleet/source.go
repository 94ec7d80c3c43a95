package fleet

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/worker"
)

// sourceDeadline bounds one question.
const sourceDeadline = 5 * time.Second

// source is where work is, for all groups that have it.
type source struct {
	source demand.Source
	name   string        // without secrets; to make it takes longer than to ask
	groups []*group      // that have it, by name
	every  time.Duration // the shortest of its groups'
	due    time.Time
	asking bool
	demand.SourceStatus
}

// addSources asks for the sources of a group from now on.
func (f *Fleet) addSources(now time.Time, g *group) {
	for _, key := range g.settings.Sources {
		s := f.demands.sources[key]
		if s == nil {
			s = &source{source: key, name: key.String(), due: now, SourceStatus: demand.SourceStatus{Since: now}}
			f.demands.sources[key] = s
		}
	}
	f.orderSources()
}

// orderSources brings the order of groups and sources up to date: a source that no group has is dropped, the others are asked as often as
// their groups want.
func (f *Fleet) orderSources() {
	f.demands.byName = slices.SortedFunc(maps.Values(f.demands.groups), func(a, b *group) int { return cmp.Compare(a.name, b.name) })
	for _, s := range f.demands.sources {
		s.groups, s.every = nil, 0
	}
	for _, g := range f.demands.byName {
		for _, key := range g.settings.Sources {
			s := f.demands.sources[key]
			s.groups = append(s.groups, g)
			if s.every == 0 || g.settings.Poll < s.every {
				s.every = g.settings.Poll
			}
		}
	}
	maps.DeleteFunc(f.demands.sources, func(_ demand.Source, s *source) bool { return len(s.groups) == 0 })
	f.demands.inOrder = slices.SortedFunc(maps.Values(f.demands.sources), func(a, b *source) int {
		return cmp.Or(cmp.Compare(a.groups[0].name, b.groups[0].name), cmp.Compare(a.name, b.name))
	})
}

// askDue asks the sources that are due.
func (f *Fleet) askDue(now time.Time) {
	if !f.reads() {
		return
	}
	for _, s := range f.demands.inOrder {
		if s.due.Sub(now) > s.every { // the clock stepped back
			s.due = now
		}
		if s.asking || s.due.After(now) {
			continue
		}
		s.asking, s.due = true, f.nextAsk(now, s.every)
		f.send(inFlight{session: f.stream.session, verb: worker.AskSource}, worker.Action{Verb: worker.AskSource, Source: s.source, Deadline: sourceDeadline})
	}
}

// nextAsk is when a source is asked again: all that are asked as often are asked together, because each time that a process wakes costs more
// than a question. Stokers of several hosts have a moment of their own each.
func (f *Fleet) nextAsk(now time.Time, every time.Duration) time.Time {
	own := worker.Key(f.set.Owner).Phase(every)
	return now.Add(-own).Truncate(every).Add(every + own)
}

// answered takes in what a source has said.
func (f *Fleet) answered(now time.Time, o worker.Outcome) {
	s := f.demands.sources[o.Action.Source]
	if s == nil {
		return
	}
	s.asking = false
	groups := s.groups
	if o.Result != worker.Done || o.Work == nil {
		f.sourceFailed(now, s, groups, o.Err)
	} else {
		f.sourceAnswered(now, s, groups, *o.Work)
	}
	for _, g := range groups {
		g.changed = true
		f.notifyWork(now, g)
		f.reportLimit(now, g)
		f.measure(g)
	}
}

func (f *Fleet) sourceFailed(now time.Time, s *source, groups []*group, why string) {
	if s.Failed(now, why) {
		f.out.Events = append(f.out.Events, worker.Event{
			At: now, Kind: worker.EventDemandLost, Group: groupNames(groups), Reason: worker.ReasonSourceFailed, Detail: why,
		})
	}
}

func (f *Fleet) sourceAnswered(now time.Time, s *source, groups []*group, r demand.Reading) {
	taken := r.Waiting < s.Reading.Waiting
	if s.Answered(now, r) {
		f.out.Events = append(f.out.Events, worker.Event{At: now, Kind: worker.EventDemandBack, Group: groupNames(groups), Detail: s.name})
	}
	if taken {
		f.consumed(now, groups)
	}
}

func groupNames(groups []*group) string {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.name
	}
	return strings.Join(names, ", ")
}

// consumed: some work was taken. Where all workers of a group look idle, one of them has done it, and none hangs for certain.
func (f *Fleet) consumed(now time.Time, groups []*group) {
	for _, g := range groups {
		busy := slices.ContainsFunc(g.members, func(m *member) bool { return m.demandState == demand.Awake && !m.machine.LooksIdle() })
		if busy {
			continue
		}
		for _, m := range slices.Clone(g.members) {
			f.step(now, m, worker.WorkTold{Waits: m.workReported, Consumed: true})
		}
	}
}

// notifyWork tells the workers of a group whether work waits for them.
func (f *Fleet) notifyWork(now time.Time, g *group) {
	waits := f.workWaits(g)
	for _, m := range slices.Clone(g.members) {
		if own := waits || f.inHand(g, m) > 0; own != m.workReported {
			m.workReported = own
			f.step(now, m, worker.WorkTold{Waits: own})
		}
	}
}

// workWaits reports whether there is work that nobody has taken. Of a number that has the items in hand in it, each worker that runs may
// hold one.
func (f *Fleet) workWaits(g *group) bool {
	running := 0
	for _, m := range g.members {
		if s := m.demandState; s == demand.Awake || s == demand.Starting {
			running++
		}
	}
	for _, key := range g.settings.Sources {
		s := f.demands.sources[key]
		taken := 0.0
		if s.Reading.InHand.Kind == demand.InHandIncluded {
			taken = float64(running)
		}
		if s.State == demand.SourceAnswered && s.Reading.Waiting > taken {
			return true
		}
	}
	return false
}

// reportLimit tells once that a group has more work than workers that may run.
func (f *Fleet) reportLimit(now time.Time, g *group) {
	limit := g.decision.Limit
	if limit == g.limit.stands && limit != g.limit.reported {
		g.limit.reported = limit
		if limit == demand.LimitBudget || limit == demand.LimitMax {
			f.out.Events = append(f.out.Events, worker.Event{
				At: now, Kind: worker.EventDemandLimited, Group: g.name, Reason: worker.Reason(limit.String()), Detail: g.situation(),
			})
		}
	}
	g.limit.stands = limit
}

// measure reads the CPU use of a group's workers where the decision depends on who is busy.
func (f *Fleet) measure(g *group) {
	if !g.decision.Measure {
		return
	}
	for _, m := range slices.Backward(g.members) { // the last ones sleep first
		if m.demandState != demand.Awake || m.reading[forDemand] {
			continue
		}
		if f.readStats(m, forDemand, false) {
			g.measuring++
		} else {
			m.use = demandUse{} // what was measured before is not of the time since the last poll
		}
	}
}

// measured takes in a reading: with the one before it, it tells what the worker did meanwhile.
func (f *Fleet) measured(m *member, in worker.StatsRead) {
	g := m.group
	if g == nil {
		return
	}
	g.measuring = max(g.measuring-1, 0)
	g.changed = true
	if in.Usage == nil {
		m.use = demandUse{}
		return
	}
	before := m.use.last
	m.use = demandUse{last: in.Usage.Now}
	if idle, ok := m.machine.IdleBetween(before, in.Usage.Now); ok {
		m.use.use = demand.UseBusy
		if idle {
			m.use.use = demand.UseIdle
		}
	}
}

// nextDecision is when to decide again, which is never at the instant of a recall.
func (g *group) nextDecision() time.Time {
	if !g.decideAt.IsZero() && !g.decideAt.After(g.recalled) {
		return g.recalled.Add(time.Millisecond)
	}
	return g.decideAt
}

// demandWake is when a source is to be asked or a group decided about again.
func (f *Fleet) demandWake() time.Time {
	var wake time.Time
	for _, s := range f.demands.sources {
		if !s.asking {
			wake = earliest(wake, s.due)
		}
	}
	for _, g := range f.demands.groups {
		if g.measuring == 0 {
			wake = earliest(wake, g.nextDecision())
		}
	}
	return wake
}
