package fleet

import (
	"time"

	"stoker/sidecar/internal/core/demand"
)

// GroupView is one group of workers in a View.
type GroupView struct {
	Name    string
	Sources []SourceView
	Work    float64 // items waiting or in hand, as far as known
	GroupCounts
	Limit demand.Limit
	Hours HoursView
	// AwakeUntil is until when an operator has woken all workers; zero for none.
	AwakeUntil time.Time
	// Service is set for a Swarm service, whose workers are its tasks.
	Service *ServiceView
}

// GroupCounts is numbers of workers of a group.
type GroupCounts struct {
	Wanted  int // that should run
	Running int // that run and are not being put to sleep
	Asleep  int // that can be woken
	Workers int // all that belong to the group
	Min     int
	Max     int // demand.All is all that exist
}

// ServiceView is the scaling of a Swarm service.
type ServiceView struct {
	State    string // in one word: scaled, updating, by-hand, …
	Replicas int    // as set in Swarm
	Problem  string // in one line; empty when there is none
}

// SwarmView is the state of STOKER_SWARM_SCALE.
type SwarmView struct {
	Role    string // of the engine: leader, follower, no-manager, no-swarm, unknown; empty when it is off
	Problem string // why it is unknown
}

// Starving reports whether work waits and no worker runs.
func (g GroupView) Starving() bool { return g.Work > 0 && g.Running == 0 && g.Wanted > 0 }

// HoursView is the hours of a group.
type HoursView struct {
	Text      string // as written; empty for any time
	Open      bool
	ChangesAt time.Time // when Open changes next; zero when it does not within eight days
}

// SourceView is one source of work.
type SourceView struct {
	Name    string // its URL without secrets
	State   demand.SourceState
	Since   time.Time // of State
	Waiting float64   // items that wait, by the last answer
	InHand  float64   // items in hand, where InHandKnown
	Err     string    // why the last question failed
	// InHandKnown: the source tells of the items in hand beside those that wait.
	InHandKnown bool
}

func (f *Fleet) groupViews(now time.Time) []GroupView {
	var views []GroupView
	for _, g := range f.demands.byName {
		views = append(views, f.groupView(now, g))
	}
	return views
}

func (f *Fleet) groupView(now time.Time, g *group) GroupView {
	v := GroupView{
		Name: g.name, Work: g.decision.Work, GroupCounts: GroupCounts{Wanted: g.decision.Wanted, Workers: len(g.members), Min: g.settings.Min, Max: g.settings.Max},
		Limit: g.decision.Limit, Hours: HoursView{Text: g.labels.Hours, Open: g.settings.Hours.Open(now), ChangesAt: g.hoursChange(now)},
	}
	if g.memory.AwakeUntil.After(now) {
		v.AwakeUntil = g.memory.AwakeUntil
	}
	for _, m := range g.members {
		switch m.demandState {
		case demand.Awake, demand.Starting:
			v.Running++
		case demand.Asleep:
			v.Asleep++
		case demand.Out, demand.Failing, demand.Down, demand.Waking, demand.Unseen, demand.Leaving, demand.Exhausted:
		}
	}
	for _, key := range g.settings.Sources {
		s := f.demands.sources[key]
		v.Sources = append(v.Sources, SourceView{
			Name: s.name, State: s.State, Since: s.Since, Waiting: max(s.Reading.Waiting, 0), InHand: s.Reading.InHand.Total,
			InHandKnown: s.Reading.InHand.Kind == demand.InHandCounted, Err: s.Err,
		})
	}
	return v
}

// hoursChange is when the hours begin or end next. To find it takes a check of each minute, so that it is done once in one.
func (g *group) hoursChange(now time.Time) time.Time {
	if minute := now.Truncate(time.Minute); g.settings.Hours.Set() && !g.changesAt.asked.Equal(minute) {
		g.changesAt = hoursChange{asked: minute, at: g.settings.Hours.Changes(now)}
	}
	return g.changesAt.at
}
