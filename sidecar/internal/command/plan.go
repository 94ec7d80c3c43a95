package command

import (
	"fmt"
)

// plan is the sum of the workers' quotas on this host.
type plan struct {
	HostCPUs  int     `json:"host_cpus"` // 0: not known
	Allocated float64 `json:"allocated_cpus"`
	Running   int     `json:"running"`
	Unlimited int     `json:"unlimited"` // running workers without a quota

	draft bool // of containers that are still to be recreated
}

// load is some containers of one quota; 0 is none.
type load struct {
	cpus       float64
	containers int
}

// planOf adds up the quotas of running workers.
func planOf(hostCPUs int, loads []load) plan {
	p := plan{HostCPUs: hostCPUs}
	for _, l := range loads {
		p.Running += l.containers
		if p.Allocated += l.cpus * float64(l.containers); l.cpus == 0 {
			p.Unlimited += l.containers
		}
	}
	return p
}

// lines returns the plan in a line, and an opinion about it.
func (p plan) lines() []string {
	if p.Running == 0 || (p.HostCPUs == 0 && !p.draft) {
		return nil
	}
	words := []string{p.sum() + "."}
	switch host := float64(p.HostCPUs); {
	case p.HostCPUs > 0 && p.Allocated > host:
		words = append(words, fmt.Sprintf("That is %.0f%% too much: when all are busy none gets its quota, and health checks time out.", 100*(p.Allocated/host-1)))
	case p.Unlimited == 1:
		words = append(words, "1 of them has no quota and may take all of it.")
	case p.Unlimited > 0:
		words = append(words, fmt.Sprintf("%d of them have no quota and may take all of it.", p.Unlimited))
	case p.HostCPUs > 0 && p.Allocated > 0.9*host:
		words = append(words, "That leaves less than a tenth for everything else, the engine and the health checks among it.")
	}
	return words
}

func (p plan) sum() string {
	verb := "are"
	switch {
	case p.draft:
		verb = "would be"
	case p.Running == 1:
		verb = "is"
	}
	kind := "running worker"
	if p.draft {
		kind = "worker"
	}
	text := fmt.Sprintf("%s %s allocated %.4g CPUs", count(p.Running, kind), verb, p.Allocated)
	if p.HostCPUs > 0 {
		text += fmt.Sprintf(" of this host's %d", p.HostCPUs)
	}
	return text
}
