package service_test

import (
	"testing"
	"time"

	"stoker/sidecar/internal/core/service"
)

// lose ends a task of the service with 0 while it is unhealthy; state is its state in Swarm.
func (w *world) lose(container, state string) {
	w.table.Lost(service.Loss{Service: "web", Container: container, At: w.now})
	w.tasks = append(w.tasks, service.Task{Container: container, State: state})
}

const forced = "service-forced task-lost"

func TestLostTaskIsBroughtBackOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.round()
	w.lose("a", "complete")
	w.table.Lost(service.Loss{Service: "web", Container: "a", At: w.now})
	w.pass(time.Minute)
	w.took([]string{"force"}, forced)
	w.pass(time.Hour)
	w.took(nil)
}

func TestLostTasksBackOff(t *testing.T) {
	w := newWorld(t, nil)
	w.lose("a", "complete")
	w.pass(10 * time.Second)
	w.took([]string{"force"}, forced)
	w.lose("b", "complete")
	w.lose("c", "complete")
	w.pass(40 * time.Second)
	w.took(nil)
	w.pass(30 * time.Second)
	w.took([]string{"force"}, forced)
	w.lose("d", "complete")
	w.pass(100 * time.Second)
	w.took(nil)
	w.pass(30 * time.Second)
	w.took([]string{"force"}, forced)
}

func TestWhatIsNoLoss(t *testing.T) {
	for _, state := range []string{"shutdown", "failed", "remove"} {
		w := newWorld(t, nil)
		w.lose("a", state)
		w.pass(time.Minute)
		w.took(nil)
	}
	w := newWorld(t, nil)
	w.web().Condition = "any"
	w.lose("a", "complete")
	w.pass(time.Minute)
	w.took(nil)
	w = newWorld(t, nil)
	w.table.Lost(service.Loss{Service: "web", Container: "gone", At: w.now})
	w.pass(3 * time.Minute)
	w.took(nil)
}

// The manager may receive an exit later than the node does.
func TestLossNotReportedBySwarmYet(t *testing.T) {
	w := newWorld(t, nil)
	w.lose("a", "running")
	w.pass(10 * time.Second)
	w.took(nil)
	w.tasks[0].State = "complete"
	w.pass(10 * time.Second)
	w.took([]string{"force"}, forced)
}

func TestLossWhileTheServiceIsUpdated(t *testing.T) {
	w := newWorld(t, nil)
	w.lose("a", "complete")
	w.web().Updating = true
	w.pass(time.Minute)
	w.took(nil)
	w.web().Updating = false
	w.pass(10 * time.Second)
	w.took([]string{"force"}, forced)
}

func TestLossOfAFollower(t *testing.T) {
	w := newWorld(t, nil)
	w.role = service.RoleFollower
	w.lose("a", "complete")
	w.pass(time.Minute)
	w.took(nil)
	w.role = service.RoleLeader
	w.pass(10 * time.Second)
	w.took([]string{"force"}, forced)
	w.role = service.RoleFollower
	w.lose("b", "complete")
	w.pass(20 * time.Minute)
	w.role = service.RoleLeader
	w.pass(time.Minute)
	w.took(nil)
}

// A poll that fails does not change the leader: losses and the time between two updates are kept.
func TestLossWhilePollsFail(t *testing.T) {
	t.Run("the update was refused", func(t *testing.T) {
		w := newWorld(t, nil)
		w.lose("a", "complete")
		w.result = service.Refused
		w.round()
		w.took([]string{"force!2"}, "service-held update-refused")
		w.pollErr, w.result = "no answer", service.Done
		w.round()
		w.pollErr = ""
		w.pass(2 * time.Minute)
		w.took([]string{"force"}, forced)
	})
	t.Run("the update was done", func(t *testing.T) {
		w := newWorld(t, nil)
		w.lose("a", "complete")
		w.round()
		w.took([]string{"force"}, forced)
		w.pollErr = "no answer"
		w.round()
		w.pollErr = ""
		w.lose("b", "complete")
		w.pass(50 * time.Second)
		w.took(nil)
		w.pass(10 * time.Second)
		w.took([]string{"force"}, forced)
	})
	t.Run("for too long", func(t *testing.T) {
		w := newWorld(t, nil)
		w.pollErr = "no answer"
		w.lose("a", "complete")
		w.pass(11 * time.Minute)
		w.pollErr = ""
		w.pass(time.Minute)
		w.took(nil)
	})
}

// A change of the replicas and a restart of a lost task are two updates. The second one waits for the next poll.
func TestLossBesideDemand(t *testing.T) {
	w := newWorld(t, labels())
	w.work(3, 0)
	w.lose("a", "complete")
	w.round()
	w.took([]string{"3"}, scaledUp)
	w.round()
	w.took([]string{"force"}, forced)
}

func TestLossThatIsRefused(t *testing.T) {
	w := newWorld(t, nil)
	w.lose("a", "complete")
	w.result = service.Refused
	w.pass(time.Minute)
	w.took([]string{"force!2"}, "service-held update-refused")
	w.result = service.Done
	w.pass(2 * time.Minute)
	w.took([]string{"force"}, forced)
}
