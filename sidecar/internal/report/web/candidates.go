package web

import "stoker/sidecar/internal/core/candidates"

// adviceJSON is the advice of a Stoker without workers.
type adviceJSON struct {
	Containers int               `json:"containers"` // that were looked at
	Near       []nearJSON        `json:"near"`       // that were probably meant to be managed
	Quotas     []quotaJSON       `json:"with_quota"` // that could be managed
	Lines      []candidates.Line `json:"lines"`      // all of it in words
}

type nearJSON struct {
	Container string `json:"container"`
	Why       string `json:"why"`
}

type quotaJSON struct {
	Container string  `json:"container"`
	CPUs      float64 `json:"cpus"`
}

// maxCandidates bounds each list.
const maxCandidates = 100

func adviceOf(a *candidates.Advice) *adviceJSON {
	if a == nil {
		return nil
	}
	shown := &adviceJSON{Containers: a.Containers, Near: []nearJSON{}, Quotas: []quotaJSON{}, Lines: a.Lines()}
	for _, c := range a.Near[:min(len(a.Near), maxCandidates)] {
		shown.Near = append(shown.Near, nearJSON{clip(c.Name), clip(c.Why)})
	}
	for _, c := range a.Quotas[:min(len(a.Quotas), maxCandidates)] {
		shown.Quotas = append(shown.Quotas, quotaJSON{clip(c.Name), c.CPUs})
	}
	return shown
}
