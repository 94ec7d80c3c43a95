package command

import "stoker/sidecar/internal/core/worker"

// probeRow is the part of the API's answer about the probe from outside.
type probeRow struct {
	Status string `json:"status"`
	Detail string `json:"detail"`
}

// health is that of the engine's own check, and of the probe from outside beside it.
func (c containerRow) health() string {
	if c.Probe == nil {
		return c.Health
	}
	outside := "outside " + c.Probe.Status
	if c.Probe.Status == string(worker.HealthNone) {
		outside = "not probed"
	}
	if c.Health == "" || c.Health == string(worker.HealthNone) {
		return outside
	}
	return c.Health + ", " + outside
}
