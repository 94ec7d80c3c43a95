package command

import (
	"fmt"
)

// plan is what the workers' quotas come to on this host.
type plan struct {
	HostCPUs  int     `json:"host_cpus"` // 0: the engine does not tell
	Promised  float64 `json:"promised_cpus"`
	Running   int     `json:"running"`
	Unlimited int     `json:"unlimited"` // running workers without a quota

	draft bool // of containers that are still to be made
}

// load is some containers of one quota; 0 is none.
type load struct {
	cpus       float64
	containers int
}

// planOf adds up the quotas of what runs. A worker that is down takes nothing and is not in it.
func planOf(hostCPUs int, loads []load) plan {
	p := plan{HostCPUs: hostCPUs}
	for _, l := range loads {
		p.Running += l.containers
		if p.Promised += l.cpus * float64(l.containers); l.cpus == 0 {
			p.Unlimited += l.containers
		}
	}
	return p
}

// words are the plan in a line, and what to think of it.
func (p plan) words() []string {
	if p.Running == 0 || (p.HostCPUs == 0 && !p.draft) {
		return nil
	}
	words := []string{p.sum() + "."}
	switch host := float64(p.HostCPUs); {
	case p.HostCPUs > 0 && p.Promised > host:
		words = append(words, fmt.Sprintf("That is %.0f%% too much: when all are busy none gets its quota, and health checks time out.", 100*(p.Promised/host-1)))
	case p.Unlimited == 1:
		words = append(words, "1 of them has no quota and may take all of it.")
	case p.Unlimited > 0:
		words = append(words, fmt.Sprintf("%d of them have no quota and may take all of it.", p.Unlimited))
	case p.HostCPUs > 0 && p.Promised > 0.9*host:
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
	text := fmt.Sprintf("%s %s promised %.4g CPUs", count(p.Running, kind), verb, p.Promised)
	if p.HostCPUs > 0 {
		text += fmt.Sprintf(" of this host's %d", p.HostCPUs)
	}
	return text
}
