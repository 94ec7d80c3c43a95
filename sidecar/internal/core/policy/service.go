package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Service is the part of a Swarm service that is checked.
type Service struct {
	Name            string
	Labels          map[string]string // of the service; its containers do not have them
	ContainerLabels map[string]string // of its containers, which Stoker reads
	Condition       string            // none, on-failure or any
	Unchecked       bool              // its health check is turned off; otherwise it or its image may have one
	CPUs            float64           // limit of a task; 0 is none
	MaxAttempts     uint64            // 0 is no limit
	UsedUp          []string          // places whose tasks have reached MaxAttempts: slots, or nodes of a global service
}

// Check returns the problems of a service and advice. It ignores a service without labels of Stoker. Scale is whether Stoker sets the replicas of
// services (STOKER_SWARM_SCALE).
func (s Service) Check(rules Rules, scale bool) (problems, advice []string) {
	_, wrong, scaled := rules.ServiceDemand(s.Labels)
	for _, p := range wrong {
		problems = append(problems, p.String())
	}
	if scaled && !scale {
		advice = append(advice, "its labels ask for replicas by demand, which Stoker sets with STOKER_SWARM_SCALE=true alone, on the managers")
	}
	for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
		if _, also := s.ContainerLabels[key]; ofStoker(key) && !also && (!scaled || !aboutReplicas(key)) {
			problems = append(problems, key+"="+s.Labels[key]+": is a label of the service, which no container has; make it one of the containers (labels in a stack file, --container-label)")
		}
	}
	if !s.Concerned() {
		return problems, advice
	}
	for _, key := range slices.Sorted(maps.Keys(s.ContainerLabels)) {
		if strings.HasPrefix(strings.ToLower(key), prefix+"demand") || strings.EqualFold(key, labelHours) {
			advice = append(advice, key+": has no effect on a task; make it a label of the service (deploy.labels in a stack file, --label), for STOKER_SWARM_SCALE")
		}
	}
	if s.Condition == "on-failure" && !s.Unchecked {
		advice = append(advice, "restart condition on-failure and a health check: a task that is unhealthy and ends with 0 when it is stopped is never replaced; use condition any")
	}
	if s.Condition == "none" {
		advice = append(advice, "restart condition none: Swarm replaces no task, also none that Stoker kills")
	}
	if s.CPUs == 0 {
		advice = append(advice, "no limit of CPUs: its tasks can take all of a node; set deploy.resources.limits.cpus (--limit-cpu)")
	}
	if len(s.UsedUp) > 0 {
		problems = append(problems, fmt.Sprintf("max_attempts %d is used up in %s: nothing runs there until docker service update --force %s", s.MaxAttempts, strings.Join(s.UsedUp, ", "), s.Name))
	} else if s.MaxAttempts > 0 {
		advice = append(advice, fmt.Sprintf("max_attempts %d: a slot whose tasks failed so often stays empty until docker service update --force", s.MaxAttempts))
	}
	return problems, advice
}

// Concerned reports whether the service has labels of Stoker, on itself or its containers.
func (s Service) Concerned() bool {
	has := func(labels map[string]string) bool {
		return slices.ContainsFunc(slices.Collect(maps.Keys(labels)), ofStoker)
	}
	return has(s.Labels) || has(s.ContainerLabels)
}

func ofStoker(key string) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(key)), prefix)
}
