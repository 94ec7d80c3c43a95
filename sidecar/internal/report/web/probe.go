package web

import (
	"time"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// probeJSON is what the probes from outside have shown in the worker's present life.
type probeJSON struct {
	Target  string        `json:"target"`  // the URL, without user, password and query
	Status  worker.Health `json:"status"`  // none: it cannot be made, or the worker does not run
	Since   *time.Time    `json:"since"`   // of status
	Address string        `json:"address"` // that was last asked
	Detail  string        `json:"detail"`  // of the last failure, or why the probe cannot be made
}

func probeOf(v worker.ProbeView) *probeJSON {
	if v.Target.Kind == policy.ProbeNone {
		return nil
	}
	return &probeJSON{Target: v.Target.String(), Status: v.Status, Since: moment(v.Since), Address: clip(v.Address), Detail: clip(v.Detail)}
}
