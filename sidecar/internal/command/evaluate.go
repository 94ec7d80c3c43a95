package command

import (
	"strings"

	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// evaluation is the result of check for a container or for a service of a compose file.
type evaluation struct {
	Managed  bool          `json:"managed"`
	Why      policy.Why    `json:"why"`
	Held     worker.Reason `json:"held"` // never touched, although managed
	CPUs     float64       `json:"cpus"`
	Restart  string        `json:"restart_policy"`
	Problems []string      `json:"problems"`
	Advice   []string      `json:"advice"`

	promised float64 // the quota that it has under Stoker, in CPUs; 0 is none
}

// promised is the quota of a container under Stoker: its own, or what Stoker gives it (rule 17).
func promised(p policy.Policy, cpus float64) float64 {
	if p.CPUsExplicit || p.CPUsWhereNone && cpus == 0 {
		return p.CPUs
	}
	return cpus
}

// evaluate evaluates the labels and adds advice about them.
func evaluate(c config.Config, reading policy.Reading, labels map[string]string) evaluation {
	v := evaluation{Managed: reading.Take, Why: reading.Why, Held: unmanageable(reading, labels), Problems: []string{}, Advice: []string{}}
	for _, p := range reading.Problems {
		v.Problems = append(v.Problems, problemText(p))
	}
	v.Advice = append(v.Advice, adviseOnLabels(c, v, labels)...)
	return v
}

// unmanageable returns why a managed container is never touched.
func unmanageable(r policy.Reading, labels map[string]string) worker.Reason {
	switch {
	case !r.Take:
		return worker.HeldNot
	case policy.SwarmTask(labels) && r.Policy.Swarm == policy.SwarmKill && len(r.Problems) == 0:
		return worker.HeldNot
	case policy.SwarmTask(labels):
		return worker.HeldSwarm
	case policy.OneOff(labels):
		return worker.HeldOneOff
	case len(r.Problems) > 0:
		return worker.HeldBadLabels
	}
	return worker.HeldNot
}

// hasHealerLabels reports whether a container has a label of Stoker, or of another healer whose labels Stoker understands.
func hasHealerLabels(labels map[string]string) bool {
	for key := range labels {
		key = strings.ToLower(strings.TrimSpace(key))
		if strings.HasPrefix(key, "stoker.") || key == "autoheal" || strings.HasPrefix(key, "autoheal.") || strings.HasPrefix(key, "deunhealth.") {
			return true
		}
	}
	return false
}

// place is where a container is listed: as managed, as ignored although it has labels of a healer, or nowhere.
type place int

const (
	placeUnlabelled place = iota
	placeIgnored
	placeManaged
)

func (v evaluation) place(labels map[string]string) place {
	switch {
	case v.Managed:
		return placeManaged
	case len(v.Problems) > 0 || hasHealerLabels(labels):
		return placeIgnored
	}
	return placeUnlabelled
}
