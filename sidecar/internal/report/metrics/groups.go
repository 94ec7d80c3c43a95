package metrics

import (
	"slices"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/fleet"
)

// maxGroups bounds the groups with series of their own. The others have none: a sum over groups means nothing.
const maxGroups = 1000

// groups collects the groups whose number of workers depends on their work or on the hours.
func (s scrape) groups(view fleet.View) {
	for _, g := range view.Groups[:min(len(view.Groups), maxGroups)] {
		label := value(g.Name)
		if len(g.Sources) > 0 {
			s.put("demand_value", g.Work, label)
			down := slices.ContainsFunc(g.Sources, func(s fleet.SourceView) bool { return s.State != demand.SourceAnswered })
			s.put("demand_up", oneIf(!down), label)
		}
		if g.Service != nil {
			s.put("service_replicas", float64(g.Service.Replicas), label, g.Service.State)
		}
		s.put("replicas_wanted", float64(g.Wanted), label)
		s.put("replicas_running", float64(g.Running), label)
		s.put("replicas_asleep", float64(g.Asleep), label)
		if g.Limit != demand.LimitNone {
			s.put("demand_limited", 1, label, g.Limit.String())
		}
	}
}
