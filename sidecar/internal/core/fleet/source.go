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

// sourceDeadline is the deadline of one request to a source.
const sourceDeadline = 5 * time.Second

// source is one source of work, for all groups that have it.
type source struct {
	source demand.Source
	name   string        // without secrets; formatting it takes longer than asking the source
	groups []*group      // by name
	every  time.Duration // the shortest poll interval of its groups
	due    time.Time
	asking bool
	demand.SourceStatus
}

// addSources starts polling the sources of a group.
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

// orderSources updates the order of groups and sources. A source without groups is dropped; the others are polled at the shortest interval of
// their groups.
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
		ask := worker.Action{Verb: worker.AskSource, OutsideArgs: worker.OutsideArgs{Source: s.source}, Deadline: sourceDeadline}
		f.send(inFlight{session: f.stream.session, verb: worker.AskSource}, ask)
	}
}

// nextAsk returns when a source is asked again. All sources with the same interval are asked together, because a wake-up of the process costs
// more than a request. Stokers of different hosts ask at different offsets.
func (f *Fleet) nextAsk(now time.Time, every time.Duration) time.Time {
	own := worker.Key(f.set.Owner).Phase(every)
	return now.Add(-own).Truncate(every).Add(every + own)
}

// answered handles the answer of a source.
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

// consumed handles that some work was taken. If all workers of a group look idle, one of them has done it, and none hangs for certain.
func (f *Fleet) consumed(now time.Time, groups []*group) {
	for _, g := range groups {
		busy := slices.ContainsFunc(g.members, func(m *member) bool { return m.demandState == demand.Awake && !m.machine.LooksIdle() })
		if busy {
			continue
		}
		for _, m := range slices.Clone(g.members) {
			f.step(now, m, worker.WorkReported{Waits: m.workReported, Consumed: true})
		}
	}
}

// notifyWork notifies the workers of a group whether work waits for them.
func (f *Fleet) notifyWork(now time.Time, g *group) {
	waits := f.workWaits(g)
	for _, m := range slices.Clone(g.members) {
		if own := waits || f.inHand(g, m) > 0; own != m.workReported {
			m.workReported = own
			f.step(now, m, worker.WorkReported{Waits: own})
		}
	}
}

// workWaits reports whether there is work that no worker has taken. In a number that includes the items in hand, each running worker may hold
// one.
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

// reportLimit reports once that a group has more work than workers that may run.
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

// measure reads the CPU use of a group's workers if the decision depends on which are busy.
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
			m.use = demandUse{} // earlier readings are from before the last poll
		}
	}
}

// measured handles a reading: with the previous one, it shows what the worker did meanwhile.
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

// nextDecision returns when to decide again. It is never the instant of a recall.
func (g *group) nextDecision() time.Time {
	if !g.decideAt.IsZero() && !g.decideAt.After(g.recalled) {
		return g.recalled.Add(time.Millisecond)
	}
	return g.decideAt
}

// demandWake returns when the next source is asked or the next group is decided.
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
