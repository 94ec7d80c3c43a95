package service_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
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
	w.told("1 task ended with 0 under on-failure: the service is updated by force, once")
	w.took([]string{"force"}, forced)
	w.pass(time.Hour)
	w.took(nil)
	require.Equal(t, 1, w.asked, "without a loss Swarm is not asked for tasks")
}

func TestLossesAtTheSameTime(t *testing.T) {
	for _, c := range []struct{ name, first, detail string }{
		{"both are lost", "complete", "2 tasks ended with 0 under on-failure: the service is updated by force, once"},
		{"the first one is no loss", "shutdown", "1 task ended with 0 under on-failure: the service is updated by force, once"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.lose("a", c.first)
			w.lose("b", "complete")
			w.pass(time.Minute)
			w.told(c.detail)
			w.took([]string{"force"}, forced)
		})
	}
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

// Swarm has a minute to list the task.
func TestLossNotListedBySwarmYet(t *testing.T) {
	for _, c := range []struct {
		name    string
		after   time.Duration
		updates []string
		events  []string
	}{
		{"listed soon", 20 * time.Second, []string{"force"}, []string{forced}},
		{"listed just after a minute", 65 * time.Second, []string{"force"}, []string{forced}},
		{"listed too late", 70 * time.Second, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.table.Lost(service.Loss{Service: "web", Container: "a", At: w.now})
			w.pass(c.after)
			w.took(nil)
			w.tasks = []service.Task{{Container: "a", State: "complete"}}
			w.pass(time.Minute)
			w.took(c.updates, c.events...)
		})
	}
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

// A loss waits ten minutes for a leader.
func TestLossUntilThereIsALeader(t *testing.T) {
	for after, updates := range map[time.Duration][]string{10 * time.Minute: {"force"}, 10*time.Minute + 5*time.Second: nil} {
		w := newWorld(t, nil)
		w.role = service.RoleFollower
		w.lose("a", "complete")
		w.pass(after)
		w.role = service.RoleLeader
		w.pass(time.Minute)
		require.Equal(t, updates, w.updates, after)
	}
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

// The time between two updates is forgotten at the first poll more than an hour after the last one.
func TestLossAfterAnHour(t *testing.T) {
	for after, waits := range map[time.Duration]time.Duration{time.Hour: 2 * time.Minute, time.Hour + 5*time.Second: time.Minute} {
		w := newWorld(t, nil)
		w.lose("a", "complete")
		w.round()
		w.pass(after)
		w.lose("b", "complete")
		w.round()
		w.lose("c", "complete")
		require.Len(t, w.updates, 2)
		w.pass(waits - 5*time.Second)
		require.Len(t, w.updates, 2, after)
		w.round()
		require.Len(t, w.updates, 3, after)
	}
}

// The back-off of a service is kept when another one loses a task.
func TestLossesOfTwoServices(t *testing.T) {
	w := newWorld(t, nil)
	w.services["api"] = &service.Service{ID: "api", Name: "api", Version: 1, Replicated: true, Replicas: 1, Running: 1, Condition: "on-failure"}
	w.lose("a", "complete")
	w.round()
	w.took([]string{"force"}, forced)
	w.tasks = append(w.tasks, service.Task{Container: "b", State: "complete"})
	w.table.Lost(service.Loss{Service: "api", Container: "b", At: w.now})
	w.round()
	w.took([]string{"force"}, forced)
	w.lose("c", "complete")
	w.pass(50 * time.Second)
	w.took(nil)
	w.round()
	w.took([]string{"force"}, forced)
}

func TestLossesOfManyServices(t *testing.T) {
	w := newWorld(t, nil)
	for n := range 101 {
		name := fmt.Sprintf("s%03d", n)
		w.services[name] = &service.Service{ID: name, Name: name, Version: 1, Replicated: true, Replicas: 1, Running: 1, Condition: "on-failure"}
		w.tasks = append(w.tasks, service.Task{Container: name, State: "complete"})
		w.table.Lost(service.Loss{Service: name, Container: name, At: w.now})
	}
	w.round()
	require.Len(t, w.updates, 100)
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
	w.services["api"] = &service.Service{ID: "api", Name: "api", Version: 1, Replicated: true, Replicas: 1, Running: 1, Condition: "on-failure"}
	w.tasks = append(w.tasks, service.Task{Container: "b", State: "complete"})
	w.table.Lost(service.Loss{Service: "api", Container: "b", At: w.now})
	w.work(4, 0)
	w.round()
	w.took([]string{"4", "force"}, scaledUp, forced) // they are two services
}

// After an update by force the version that was seen is out of date, and after a refused one it is not.
func TestLossBeforeDemandInOneRound(t *testing.T) {
	for result, later := range map[service.Result]int{service.Done: 0, service.Lost: 0, service.Conflict: 0, service.Refused: 1} {
		w := newWorld(t, labels())
		w.reading.Waiting = 1
		w.round()
		w.lose("a", "complete")
		w.result = result
		asked := w.now
		w.round()
		require.Len(t, w.updates, 1)
		for _, s := range w.table.Due(asked.Add(5 * time.Second)) {
			w.table.Answer(asked, s, demand.Reading{Waiting: 4}, "")
		}
		require.Len(t, w.table.Changes(asked.Add(5*time.Second)), later, result)
	}
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
