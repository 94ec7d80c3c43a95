package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Service is the part of a Swarm service that can be checked.
type Service struct {
	Name            string
	Labels          map[string]string // of the service, which no container has
	ContainerLabels map[string]string // of its containers, where Stoker reads them
	Condition       string            // none, on-failure or any
	Unchecked       bool              // its health check is turned off; else it has one, or the image may
	CPUs            float64           // limit of a task; 0 is none
	MaxAttempts     uint64            // 0 is no limit
}

// Check returns what is wrong with a service and what could be better. A service without labels of Stoker is none of its concern.
func (s Service) Check() (problems, advice []string) {
	for _, key := range slices.Sorted(maps.Keys(s.Labels)) {
		if _, also := s.ContainerLabels[key]; ofStoker(key) && !also {
			problems = append(problems, key+"="+s.Labels[key]+": is a label of the service, which no container has; make it one of the containers (labels in a stack file, --container-label)")
		}
	}
	if !s.Concerned() {
		return problems, advice
	}
	for _, key := range slices.Sorted(maps.Keys(s.ContainerLabels)) {
		if strings.HasPrefix(strings.ToLower(key), prefix+"demand") || strings.EqualFold(key, "stoker.hours") {
			advice = append(advice, key+": how many tasks a service has is up to Swarm; the label has no effect on a task")
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
	if s.MaxAttempts > 0 {
		advice = append(advice, fmt.Sprintf("max_attempts %d: a slot whose tasks failed so often stays empty until docker service update --force", s.MaxAttempts))
	}
	return problems, advice
}

// Concerned reports whether the service has labels of Stoker, wherever.
func (s Service) Concerned() bool {
	has := func(labels map[string]string) bool {
		return slices.ContainsFunc(slices.Collect(maps.Keys(labels)), ofStoker)
	}
	return has(s.Labels) || has(s.ContainerLabels)
}

func ofStoker(key string) bool {
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(key)), prefix)
}
