package web

import (
	"time"

	"stoker/sidecar/internal/core/worker"
)

// recycleJSON is the restart of a worker with which nothing is wrong.
type recycleJSON struct {
	Fault  worker.Fault        `json:"fault"` // of the restart that waits
	Stage  worker.RecycleStage `json:"stage"`
	Since  *time.Time          `json:"since"` // of the stage
	NextAt *time.Time          `json:"next_at"`
}

func recycleOf(v worker.RecycleView) recycleJSON {
	return recycleJSON{Fault: v.Fault, Stage: v.Stage, Since: moment(v.Since), NextAt: moment(v.NextAt)}
}
