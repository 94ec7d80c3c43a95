package command

import (
	"cmp"
	"slices"
	"strconv"

	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/policy"
)

// swarmReport is the result for a service of a Swarm.
type swarmReport struct {
	Service   string   `json:"service"`
	Condition string   `json:"restart_condition"`
	CPUs      float64  `json:"cpus"` // limit of a task; 0 is none
	Problems  []string `json:"problems"`
	Advice    []string `json:"advice"`
}

// servicesOf checks the services that have labels of Stoker, by name.
func servicesOf(c config.Config, services []policy.Service) []swarmReport {
	all := []swarmReport{}
	for _, s := range services {
		if !s.Concerned() {
			continue
		}
		problems, advice := s.Check(c.Rules, c.Cluster.Scale)
		all = append(all, swarmReport{Service: s.Name, Condition: s.Condition, CPUs: s.CPUs, Problems: append([]string{}, problems...), Advice: append([]string{}, advice...)})
	}
	slices.SortFunc(all, func(a, b swarmReport) int { return cmp.Compare(a.Service, b.Service) })
	return all
}

func serviceRows(services []swarmReport) []reportRow {
	var rows []reportRow
	for _, s := range services {
		limit := "-"
		if s.CPUs > 0 {
			limit = strconv.FormatFloat(s.CPUs, 'f', -1, 64)
		}
		rows = append(rows, reportRow{[]string{s.Service, limit, s.Condition}, evaluation{Problems: s.Problems, Advice: s.Advice}})
	}
	return rows
}

func (e Env) servicesTable(services []swarmReport) string {
	return e.reportTable([]string{"SERVICE", "CPUS", "RESTART"}, serviceRows(services))
}
