package page

import (
	"time"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/sanitize"
)

// outside is what the probes from outside have shown of a worker. It is zero without any.
type outside struct {
	Status  string // empty: there are none
	Tone    worker.Health
	Target  string
	Address string // sanitized, as Detail is
	Detail  string
	Since   instant
}

func outsideOf(v worker.ProbeView, now time.Time) outside {
	target := v.Target.String()
	if target == "" {
		return outside{}
	}
	o := outside{
		Status: string(v.Status), Tone: v.Status, Target: sanitize.Line(target), Address: sanitize.Line(v.Address),
		Detail: brief(v.Detail, 300), Since: instantOf(v.Since, now),
	}
	if v.Status == worker.HealthNone {
		o.Status = "not probed"
	}
	if v.Status == worker.HealthHealthy {
		o.Detail = ""
	}
	return o
}
