package service

import (
	"maps"
	"slices"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// Settings of a Table.
type Settings struct {
	Rules  policy.Rules
	Zone   *time.Location // of hours that name none
	DryRun bool
}

// Table is all services whose replicas Stoker sets. It has one owner.
type Table struct {
	set      Settings
	role     Role
	problem  string
	services map[string]*scaled // by ID
	sources  map[demand.Source]*source
	losses   map[string]*losses // by the service's name
	events   []worker.Event
	again    bool // poll again at once: a service was changed meanwhile
}

// scaled is a service whose replicas Stoker sets.
type scaled struct {
	seen     Service
	words    policy.Demand
	problems []policy.Problem
	settings demand.Settings
	memory   demand.Memory
	decision demand.Decision
	manual   manualScale
	change   changing
	unplaced unplaced
	waitedAt time.Time // when work last waited
	calmAt   time.Time // when work last did not wait, or the replicas were changed
	reported worker.Reason
	limited  bool // reported that there is more work than tasks that may run
}

// manualScale is a change of the replicas by another client.
type manualScale struct {
	on     bool
	wanted int // when it was first seen
	noted  bool
}

// changing is Stoker's update of the replicas.
type changing struct {
	sent    bool // in this round: the last view of the service is out of date
	asked   int  // replicas of the last update, until seen; Unknown for none
	state   State
	err     string
	retryAt time.Time
}

// The intervals between polls.
const (
	pollLeader   = 5 * time.Second // or the shortest stoker.demand-poll
	pollFollower = 5 * time.Second // another leader may take over
	pollOften    = time.Second
	pollIdle     = 15 * time.Second // no service has a demand
	pollNone     = time.Minute      // a node may become a manager
	retryUpdate  = 30 * time.Second
)

// mostReplicas is the maximum number of tasks.
const mostReplicas = policy.MostReplicas

// New returns an empty Table.
func New(set Settings) *Table {
	return &Table{set: set, services: map[string]*scaled{}, sources: map[demand.Source]*source{}, losses: map[string]*losses{}}
}

// Apply takes a poll of the Swarm. A Table that does not lead forgets all but the losses: another node decides, and a new leader starts from the
// current state. After a failed poll nothing is known of the leader, so what is known of services and losses is kept.
func (t *Table) Apply(now time.Time, l Poll) {
	t.role, t.problem, t.again = l.Role, l.Err, false
	if l.Role == RoleUnknown && l.Err != "" {
		for _, s := range t.services {
			s.change.sent = true
		}
		for _, l := range t.losses {
			l.forget(now)
		}
		t.dropSettledLosses()
		return
	}
	if l.Role != RoleLeader {
		t.services, t.sources = map[string]*scaled{}, map[demand.Source]*source{}
		t.dropOldLosses(now)
		return
	}
	gone := maps.Clone(t.services)
	for _, seen := range l.Services {
		delete(gone, seen.ID)
		t.see(seen)
		t.seeLosses(now, seen)
	}
	for id := range gone {
		delete(t.services, id)
	}
	t.forgetLosses(now, l.Services)
	t.orderSources(now)
}

// see updates one service.
func (t *Table) see(seen Service) {
	words, problems, ours := t.set.Rules.ServiceDemand(seen.Labels)
	if !ours || !seen.Replicated {
		delete(t.services, seen.ID)
		return
	}
	s := t.services[seen.ID]
	if s == nil {
		s = &scaled{seen: seen}
		s.change.asked, s.change.state = Unknown, StateWaiting
		t.services[seen.ID] = s
	}
	if s.words != words {
		settings, err := words.Settings(t.set.Rules.Named, t.set.Zone)
		if err != nil {
			problems = append(problems, policy.Problem{Label: "stoker.demand", Message: err.Error()})
		}
		settings.CloneUpTo = 0
		s.settings, s.words = settings, words
	}
	s.problems = problems
	if len(problems) > 0 {
		s.settings.Sources = nil
		s.words = policy.Demand{}
	}
	s.seeReplicas(seen)
	s.seen, s.change.sent = seen, false
}

// seeReplicas distinguishes Stoker's own change from one by another client.
func (s *scaled) seeReplicas(seen Service) {
	own := seen.Replicas == s.change.asked
	if seen.Replicas != s.seen.Replicas && !own {
		s.manual, s.memory = manualScale{on: true}, demand.Memory{}
		s.reported = ""
	}
	s.change.asked = Unknown
}

// Next returns when to poll again.
func (t *Table) Next(now time.Time) time.Time {
	switch {
	case t.again:
		return now
	case t.role == RoleLeader && len(t.services)+len(t.losses) > 0:
		every := pollLeader
		for _, s := range t.services {
			every = min(every, max(s.settings.Poll, pollOften))
		}
		return now.Add(every)
	case t.role == RoleLeader:
		return now.Add(pollIdle)
	case t.role == RoleFollower, t.role == RoleUnknown:
		return now.Add(pollFollower)
	}
	return now.Add(pollNone)
}

// Take returns the pending events, once.
func (t *Table) Take() []worker.Event {
	events := t.events
	t.events = nil
	return events
}

func (t *Table) emit(e worker.Event) { t.events = append(t.events, e) }

// sortedKeys returns the keys of a map in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
