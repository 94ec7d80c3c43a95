package fleet_test

import (
	"maps"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

func taskLabels(service, slot, id string) map[string]string {
	all := map[string]string{
		"stoker.swarm": "kill", "com.docker.swarm.task.id": id, "com.docker.swarm.task.name": service + "." + slot + "." + id, "com.docker.swarm.service.name": service,
	}
	maps.Copy(all, enabled)
	return all
}

// The next task in a slot inherits the attempts of the last one, so that kills are backed off. Another slot is independent.
func TestTasksOfASlotShareTheirAttempts(t *testing.T) {
	saved := func(key, slot, id string, attempts int, began time.Duration) worker.Saved {
		return worker.Saved{
			Key: worker.Key(key), Incarnation: worker.Incarnation{ID: "id-" + key, StartedAt: noon.Add(began)}, Labels: taskLabels("web", slot, id),
			SavedHeals: worker.SavedHeals{Budget: worker.Budget{Attempts: attempts}, State: worker.State{Phase: worker.PhaseHeld, Hold: worker.Hold{Reason: worker.HeldSwarm}}},
		}
	}
	d := newHarness(t, fleet.Settings{Saved: []worker.Saved{saved("old", "1", "t0", 9, -2*time.Hour), saved("last", "1", "t1", 3, -time.Hour), saved("other", "2", "t2", 7, 0)}})
	d.open()
	d.observe(worker.Observation{Kind: worker.ListBegin})
	for _, name := range []string{"old", "last", "other"} {
		d.listed(name, worker.StatusExited)
	}
	d.observe(worker.Observation{Kind: worker.ListEnd})
	d.observe(worker.Observation{Kind: worker.Started, ID: "id-next", Key: "next", Labels: taskLabels("web", "1", "t3")})
	d.observe(worker.Observation{Kind: worker.Started, ID: "id-new", Key: "new", Labels: taskLabels("web", "3", "t4")})
	require.Equal(t, 3, d.newWorker("next").Attempts)
	require.Zero(t, d.newWorker("new").Attempts)
}

func TestPlaceOfATask(t *testing.T) {
	require.Equal(t, policy.Task{Service: "web", Slot: "2"}, policy.TaskOf(taskLabels("web", "2", "t")))
	require.Equal(t, policy.Task{}, policy.TaskOf(enabled))
	require.Equal(t, policy.Task{}, policy.TaskOf(map[string]string{"com.docker.swarm.task.id": "t"}))
}
