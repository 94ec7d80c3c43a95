package policy

import (
	"maps"
	"slices"
	"strings"

	"stoker/sidecar/internal/core/demand"
)

// MostReplicas bounds stoker.max-replicas of a service.
const MostReplicas = 10000

// ServiceDemand parses the labels of a Swarm service about its replicas. It is not ok without a stoker.demand or stoker.hours of its own, with
// stoker.enable=false, or in another scope. With problems the demand must not be used.
func (r Rules) ServiceDemand(labels map[string]string) (d Demand, problems []Problem, ok bool) {
	set := collect(labels)
	_, source := set.once(labelDemand)
	_, hours := set.once(labelHours)
	if !source && !hours || !r.inScope(set) || set.enable() == enableNo {
		return Demand{}, nil, false
	}
	own := maps.Clone(labels)
	maps.DeleteFunc(own, func(key, _ string) bool { return ofStoker(key) && !aboutReplicas(key) })
	p, problems := r.Parse(own)
	d = p.Demand
	w, ok := set.once("stoker.max-replicas")
	if !ok {
		w = label{key: "stoker.max-replicas"}
	}
	switch {
	case len(problems) > 0:
	case d.Max == demand.All:
		problems = append(problems, w.problem("a service needs a number, for nothing else bounds it"))
	case d.Max > MostReplicas:
		problems = append(problems, w.problem("more than 10000"))
	}
	return d, problems, true
}

// aboutReplicas reports whether a label is about the number of workers. An unknown one may be a misspelling of such a label.
func aboutReplicas(key string) bool {
	name := strings.ToLower(strings.TrimSpace(key))
	if name == LabelGroup || name == "stoker.clone-up-to" || name == LabelCloneOf {
		return false
	}
	is := func(l Label) bool { return l.Name == name }
	return slices.ContainsFunc(demandLabels(), is) || !slices.ContainsFunc(Labels(), is)
}
