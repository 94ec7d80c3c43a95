package command

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

func TestPlan(t *testing.T) {
	runs := func(cpus ...float64) report {
		var all []containerReport
		for _, n := range cpus {
			all = append(all, containerReport{Status: worker.StatusRunning, evaluation: evaluation{CPUs: n, promised: n}})
		}
		return report{Workers: append(all, containerReport{Status: worker.StatusExited, evaluation: evaluation{CPUs: 64, promised: 64}})}
	}
	for name, c := range map[string]struct {
		host    int
		workers report
		want    []string
	}{
		"fits":         {4, runs(1, 0.5), []string{"2 running workers are allocated 1.5 CPUs of this host's 4."}},
		"too much":     {2, runs(1.5, 1.5), []string{"2 running workers are allocated 3 CPUs of this host's 2.", "That is 50% too much: when all are busy none gets its quota, and health checks time out."}},
		"tight":        {2, runs(1, 0.9), []string{"2 running workers are allocated 1.9 CPUs of this host's 2.", "That leaves less than a tenth for everything else, the engine and the health checks among it."}},
		"unlimited":    {2, runs(1, 0), []string{"2 running workers are allocated 1 CPUs of this host's 2.", "1 of them has no quota and may take all of it."}},
		"two of them":  {2, runs(0, 0), []string{"2 running workers are allocated 0 CPUs of this host's 2.", "2 of them have no quota and may take all of it."}},
		"one":          {2, runs(1), []string{"1 running worker is allocated 1 CPUs of this host's 2."}},
		"none runs":    {2, runs(), nil},
		"no such word": {0, runs(1), nil},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, planOf(c.host, c.workers.loads()).lines()) })
	}
}
