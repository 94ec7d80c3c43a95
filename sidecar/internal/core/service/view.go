package service

import (
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/fleet"
)

// View is a snapshot of the Table for display.
type View struct {
	Swarm  fleet.SwarmView
	Groups []fleet.GroupView // the services, by name
}

// View returns the current view. It is not modified afterwards.
func (t *Table) View(now time.Time) View {
	v := View{Swarm: fleet.SwarmView{Role: t.role.String(), Problem: t.problem}}
	for _, s := range t.inOrder() {
		v.Groups = append(v.Groups, t.groupView(now, s))
	}
	return v
}

func (t *Table) groupView(now time.Time, s *scaled) fleet.GroupView {
	d := s.decision
	g := fleet.GroupView{
		Name: s.seen.Name, Work: d.Work,
		GroupCounts: fleet.GroupCounts{
			Wanted: d.Wanted, Running: s.seen.Running, Workers: s.seen.Replicas, Min: s.settings.Min, Max: s.settings.Max,
		},
		Limit: d.Limit, Hours: fleet.HoursView{Text: s.words.Hours, Open: s.settings.Hours.Open(now), ChangesAt: s.settings.Hours.Changes(now)},
		Service: &fleet.ServiceView{State: string(s.change.state), Replicas: s.seen.Replicas, Problem: s.problem()},
	}
	if g.Running == Unknown {
		g.Running = s.seen.Replicas
	}
	if s.unplaced.why != "" {
		g.Limit = demand.LimitPlacement
	}
	for _, key := range s.settings.Sources {
		o := t.sources[key]
		g.Sources = append(g.Sources, fleet.SourceView{
			Name: o.name, State: o.State, Since: o.Since, Waiting: max(o.Reading.Waiting, 0), InHand: o.Reading.InHand.Total,
			InHandKnown: o.Reading.InHand.Kind == demand.InHandCounted, Err: o.Err,
		})
	}
	return g
}

// problem returns what prevents the wanted state of the service; empty if nothing does.
func (s *scaled) problem() string {
	switch {
	case len(s.problems) > 0:
		return s.problems[0].String()
	case s.change.state == StateRefused:
		return s.change.err
	}
	return s.unplaced.why
}
