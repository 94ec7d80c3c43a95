package worker_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// The event of a task that is unhealthy and exits with 0 is emitted, also for a displayed task.
func TestLostTask(t *testing.T) {
	labels := map[string]string{"com.docker.swarm.task.id": "t1", "com.docker.swarm.task.name": "web.1.t1", "com.docker.swarm.service.name": "web"}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		health worker.Kind
		code   int
		lost   bool
	}{
		"unhealthy": {worker.Unhealthy, 0, true}, "healthy": {worker.Healthy, 0, false}, "failed": {worker.Unhealthy, 143, false},
	} {
		m := worker.Restore(worker.Identity{Key: "web.1.t1", ID: "c1", Policy: policy.Default(), Unmanageable: worker.HeldSwarm}, worker.Saved{Key: "web.1.t1", Labels: labels})
		lost := false
		for n, o := range []worker.Observation{{Kind: worker.Started}, {Kind: c.health}, {Kind: worker.Exited, Exit: worker.Exit{ExitCode: c.code}}} {
			o.Key, o.ID, o.At = "web.1.t1", "c1", at.Add(time.Duration(n)*time.Second)
			for _, e := range m.Step(o.At, o).Events {
				if e.Kind == worker.EventTaskLost {
					lost = true
					require.Equal(t, "web", e.Group, name)
				}
			}
		}
		require.Equal(t, c.lost, lost, name)
	}
}
