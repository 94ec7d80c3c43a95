package service_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/service"
)

func TestUpAtOnceAndDownOneAtATime(t *testing.T) {
	w := newWorld(t, labels())
	w.work(9, 0)
	w.round()
	w.took([]string{"4"}, limited, scaledUp)
	w.work(0, 4)
	w.pass(5 * time.Minute)
	w.took(nil)
	w.work(0, 2) // the other two may end: Swarm chooses which
	w.pass(5 * time.Minute)
	w.took([]string{"3", "2"}, scaledDown, scaledDown)
	w.work(0, 0)
	w.pass(50 * time.Second)
	w.took(nil)
	w.pass(2 * time.Minute)
	w.took([]string{"1", "0"}, scaledDown, scaledDown)
	require.Equal(t, string(service.StateScaled), w.state())
}

func TestSourceThatDoesNotTellItemsInHand(t *testing.T) {
	w := newWorld(t, labels("stoker.demand", "redis://host/0?list=l"))
	w.reading.InHand.Kind = demand.InHandUnknown
	w.work(2, 0)
	w.round()
	w.took([]string{"2"}, scaledUp)
	w.pass(55 * time.Second)
	w.took(nil)
	w.round() // two have waited for a minute, so both tasks count as busy
	w.took([]string{"4"}, scaledUp)
	w.work(0, 0)
	w.pass(55 * time.Second)
	w.took(nil)
	w.round() // none has waited for a cooldown
	w.took([]string{"3"}, scaledDown)
	w.work(1, 0) // one waits, and three may be busy
	w.pass(5 * time.Second)
	w.work(0, 0)
	w.pass(50 * time.Second)
	w.took(nil)
}

func TestNumberThatHasThoseInHand(t *testing.T) {
	w := newWorld(t, labels("stoker.demand", "prometheus+http://host:9090?query=x"))
	w.reading.InHand.Kind = demand.InHandIncluded
	w.set(3)
	w.work(1, 0)
	w.pass(3 * time.Minute)
	w.took([]string{"2", "1"}, scaledDown, scaledDown)
}

func TestAmqpBesideItsManagement(t *testing.T) {
	w := newWorld(t, labels("stoker.demand", "amqp://host/v?queue=q rabbitmq+http://host/v?queue=q"))
	w.reading.InHand.Kind = demand.InHandUnknown // both sources answer so: no item is known to be in hand, and the first one has no unknown ones
	w.round()
	w.work(5, 0)
	w.round()
	w.took([]string{"4"}, limited, scaledUp)
}

func TestOnlyTheLeaderDecides(t *testing.T) {
	for _, role := range []service.Role{service.RoleUnknown, service.RoleNone, service.RoleWorker, service.RoleFollower} {
		w := newWorld(t, labels())
		w.work(9, 0)
		w.role = role
		w.pass(time.Minute)
		w.took(nil)
		require.Empty(t, w.table.View(w.now).Groups, role)
	}
	w := newWorld(t, labels())
	w.set(3)
	w.pass(50 * time.Second)
	w.role = service.RoleFollower
	w.round()
	w.took(nil)
	w.role = service.RoleLeader // it starts from the current state: with a cooldown
	w.pass(50 * time.Second)
	w.took(nil)
	w.pass(time.Minute)
	w.took([]string{"2"}, scaledDown)
}

func TestScaledByHand(t *testing.T) {
	w := newWorld(t, labels())
	w.work(2, 0)
	w.round()
	w.took([]string{"2"}, scaledUp)
	w.set(3)
	w.pass(5 * time.Minute)
	w.took(nil, byHand)
	require.Equal(t, string(service.StateByHand), w.state())
	w.set(0)
	w.pass(5 * time.Minute)
	w.took(nil, byHand)
	w.work(1, 0)
	w.round()
	w.took([]string{"1"}, scaledUp)
	w.set(6) // an operator may set more than the maximum, and Stoker adds none
	w.pass(time.Minute)
	w.took(nil, byHand)
	w.work(9, 0)
	w.pass(5 * time.Second)
	w.took(nil, limited)
}

func TestConflict(t *testing.T) {
	w := newWorld(t, labels())
	w.work(3, 0)
	w.result = service.Conflict
	w.round()
	w.took([]string{"3!1"})
	require.Equal(t, w.now, w.table.Next(w.now), "it polls again at once")
	w.result = service.Done
	w.round()
	w.took([]string{"3"}, scaledUp)
}

func TestAnswerThatDidNotCome(t *testing.T) {
	w := newWorld(t, labels())
	w.work(3, 0)
	w.result = service.Lost
	w.round()
	w.took([]string{"3!3"})
	require.Equal(t, w.now, w.table.Next(w.now), "it polls again at once")
	w.set(3) // it was done after all, by Stoker
	w.result = service.Done
	w.work(4, 0)
	w.round()
	w.took([]string{"4"}, scaledUp)
}

func TestRefused(t *testing.T) {
	w := newWorld(t, labels())
	w.work(3, 0)
	w.result = service.Refused
	w.pass(2 * time.Minute)
	w.took([]string{"3!2", "3!2", "3!2", "3!2"}, "service-held update-refused")
	require.Equal(t, string(service.StateRefused), w.state())
	require.Equal(t, "no", w.table.View(w.now).Groups[0].Service.Problem)
}

func TestUpdateUnderWay(t *testing.T) {
	w := newWorld(t, labels())
	w.work(3, 0)
	w.web().Updating = true
	w.pass(time.Minute)
	w.took(nil, "service-held service-updating")
	require.Equal(t, string(service.StateUpdating), w.state())
	w.web().Updating = false
	w.round()
	w.took([]string{"3"}, scaledUp)
}

func TestSourceThatFails(t *testing.T) {
	w := newWorld(t, labels())
	w.set(3)
	w.failing = true
	w.pass(5 * time.Minute)
	w.took(nil, "demand-lost source-failed")
	w.failing = false
	w.pass(50 * time.Second)
	w.took(nil, "demand-back ")
	w.pass(time.Minute)
	w.took([]string{"2"}, scaledDown)
}

func TestFallback(t *testing.T) {
	w := newWorld(t, labels("stoker.demand-fallback", "2"))
	w.failing = true
	w.pass(time.Minute)
	w.took([]string{"2"}, "demand-lost source-failed", "service-scaled min-replicas")
}

// A fallback that is a number is reached from above, too: what is in hand is not known.
func TestFallbackBelowWhatRuns(t *testing.T) {
	w := newWorld(t, labels("stoker.demand-fallback", "1"))
	w.set(3)
	w.failing = true
	w.pass(3 * time.Minute)
	w.took([]string{"2", "1"}, "demand-lost source-failed", scaledDown, scaledDown)
}

func TestOutsideTheHours(t *testing.T) {
	w := newWorld(t, labels("stoker.hours", "13:00-14:00 UTC"))
	w.set(4)
	w.work(9, 1)
	w.round()
	w.took([]string{"1"}, "service-scaled hours")
	w.work(9, 0)
	w.round()
	w.took([]string{"0"}, "service-scaled hours")
	w.now = noon.Add(time.Hour)
	w.round()
	w.took([]string{"4"}, limited, scaledUp)
}

func TestPlacementThatCannotBeMet(t *testing.T) {
	w := newWorld(t, labels())
	w.work(9, 0)
	w.round()
	w.web().Running = 2
	w.tasks = []service.Task{{State: "running"}, {State: "pending", Err: "no suitable node"}, {State: "pending", Err: "no suitable node"}}
	w.took([]string{"4"}, limited, scaledUp)
	w.pass(30 * time.Second)
	require.Zero(t, w.asked, "a task needs time to start")
	w.round()
	require.Equal(t, 1, w.asked)
	w.pass(55 * time.Second)
	require.Equal(t, 1, w.asked)
	w.round()
	require.Equal(t, 2, w.asked, "once a minute")
	w.took(nil, "demand-limited placement")
	g := w.table.View(w.now).Groups[0]
	require.Equal(t, demand.LimitPlacement, g.Limit)
	require.Equal(t, 2, g.Running)
	require.Equal(t, "no suitable node", g.Service.Problem)
	w.web().Running = 4
	w.round()
	require.NotEqual(t, demand.LimitPlacement, w.table.View(w.now).Groups[0].Limit)
}

func TestDryRun(t *testing.T) {
	w := newWorld(t, labels())
	w.stoker(true)
	w.work(2, 0)
	w.pass(time.Minute)
	w.took(nil, "service-held dry-run")
}

func TestServicesThatAreNotOurs(t *testing.T) {
	for name, all := range map[string]map[string]string{
		"no demand":     {"stoker.max-replicas": "4"},
		"another scope": labels("stoker.scope", "night"),
		"turned off":    labels("stoker.enable", "false"),
	} {
		w := newWorld(t, all)
		w.work(9, 0)
		w.pass(time.Minute)
		w.took(nil)
		require.Empty(t, w.table.View(w.now).Groups, name)
	}
	for name, all := range map[string]map[string]string{
		"no maximum":    {"stoker.demand": "redis://host/0?list=l"},
		"bad number":    labels("stoker.max-replicas", "many"),
		"no source":     labels("stoker.demand", "missing"),
		"unknown label": labels("stoker.max-replica", "4"),
	} {
		w := newWorld(t, all)
		w.work(9, 0)
		w.pass(time.Minute)
		w.took(nil, "service-held bad-labels")
		require.Equal(t, string(service.StateLabels), w.state(), name)
	}
	w := newWorld(t, labels())
	w.web().Replicated = false
	w.pass(time.Minute)
	w.took(nil)
}

// In every run: replicas never exceed the maximum. A service gets at most one update in a round, and none while it is being updated. Only a
// leader sends updates, and only for the version that it saw.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t, labels("stoker.max-replicas", "3", "stoker.cooldown", "10s"))
		w.web().Condition = rapid.SampledFrom([]string{"any", "on-failure"}).Draw(rt, "condition")
		most := 1
		for range rapid.IntRange(1, 60).Draw(rt, "rounds") {
			w.reading.InHand.Kind = demand.InHandKind(rapid.IntRange(0, 2).Draw(rt, "kind"))
			w.work(rapid.Float64Range(-1, 9).Draw(rt, "waiting"), rapid.Float64Range(0, 5).Draw(rt, "in hand"))
			w.failing = rapid.Bool().Draw(rt, "failing")
			w.role = rapid.SampledFrom([]service.Role{service.RoleLeader, service.RoleLeader, service.RoleFollower, service.RoleUnknown}).Draw(rt, "role")
			w.web().Updating = rapid.IntRange(0, 3).Draw(rt, "updating") == 0
			w.result = service.Result(rapid.IntRange(0, 3).Draw(rt, "result"))
			if rapid.IntRange(0, 4).Draw(rt, "by hand") == 0 {
				w.set(rapid.IntRange(0, 6).Draw(rt, "replicas"))
				most = max(most, w.web().Replicas)
			}
			if rapid.IntRange(0, 4).Draw(rt, "lost") == 0 {
				w.table.Lost(service.Loss{Service: "web", Container: w.now.String(), At: w.now})
				w.tasks = append(w.tasks, service.Task{Container: w.now.String(), State: rapid.SampledFrom([]string{"complete", "shutdown"}).Draw(rt, "state")})
			}
			before, version := w.web().Replicas, w.web().Version
			w.updates = nil
			w.round()
			require.LessOrEqual(rt, len(w.updates), 1)
			if w.role != service.RoleLeader || w.web().Updating {
				require.Empty(rt, w.updates)
			}
			require.LessOrEqual(rt, w.web().Version, version+1)
			if w.web().Replicas > before {
				require.LessOrEqual(rt, w.web().Replicas, 3)
			}
		}
	})
}

// Two Stokers with the same labels both take themselves for the leader: the version lets only one of them update.
func TestTwoLeaders(t *testing.T) {
	w := newWorld(t, labels())
	w.work(3, 0)
	other := newWorld(t, labels())
	other.services = w.services
	other.work(3, 0)
	stale := *w.web()
	w.round()
	other.table.Apply(other.now, service.Poll{Role: service.RoleLeader, Services: []service.Service{stale}})
	for _, s := range other.table.Due(other.now) {
		other.table.Answer(other.now, s, other.reading, "")
	}
	for _, c := range other.table.Changes(other.now) {
		other.update(c)
	}
	require.Equal(t, []string{"3!1"}, other.updates)
	other.updates, other.role = nil, service.RoleFollower
	other.pass(time.Minute)
	require.Empty(t, slices.Concat(other.updates, other.events))
}
