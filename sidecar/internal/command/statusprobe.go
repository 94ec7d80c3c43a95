package command

import "stoker/sidecar/internal/core/worker"

// probeRow is the part of the API's answer about the probe from outside.
type probeRow struct {
	Status string `json:"status"`
	Detail string `json:"detail"`
}

// health is that of the engine's own check, and of the probe from outside beside it.
func (w workerRow) health() string {
	if w.Probe == nil {
		return w.Health
	}
	outside := "outside " + w.Probe.Status
	if w.Probe.Status == string(worker.HealthNone) {
		outside = "not probed"
	}
	if w.Health == "" || w.Health == string(worker.HealthNone) {
		return outside
	}
	return w.Health + ", " + outside
}
