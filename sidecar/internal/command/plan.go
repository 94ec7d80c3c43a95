package command

import (
	"fmt"

	"stoker/sidecar/internal/lifecycle"
)

// plan is what the workers' quotas come to on this host.
type plan struct {
	HostCPUs  int     `json:"host_cpus"` // 0: the engine does not tell
	Promised  float64 `json:"promised_cpus"`
	Running   int     `json:"running"`
	Unlimited int     `json:"unlimited"` // running workers without a quota
}

// planOf adds up the quotas of the workers that run. One that is down takes nothing.
func planOf(hostCPUs int, workers []finding) plan {
	p := plan{HostCPUs: hostCPUs}
	for _, w := range workers {
		if w.Status != lifecycle.StatusRunning {
			continue
		}
		p.Running++
		if p.Promised += w.CPUs; w.CPUs == 0 {
			p.Unlimited++
		}
	}
	return p
}

// words are the plan in a line, and what to think of it.
func (p plan) words() []string {
	if p.Running == 0 || p.HostCPUs == 0 {
		return nil
	}
	words := []string{fmt.Sprintf("%d running workers are promised %.4g CPUs of this host's %d.", p.Running, p.Promised, p.HostCPUs)}
	switch host := float64(p.HostCPUs); {
	case p.Promised > host:
		words = append(words, fmt.Sprintf("That is %.0f%% too much: when all are busy none gets its quota, and health checks time out.", 100*(p.Promised/host-1)))
	case p.Unlimited > 0:
		words = append(words, fmt.Sprintf("%d of them have no quota and may take all of it.", p.Unlimited))
	case p.Promised > 0.9*host:
		words = append(words, "That leaves less than a tenth for everything else, the engine and the health checks among it.")
	}
	return words
}
