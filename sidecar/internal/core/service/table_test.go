package service_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/service"
)

// A Swarm without a service to scale costs two calls now and then.
func TestNextPoll(t *testing.T) {
	for _, c := range []struct {
		name   string
		role   service.Role
		labels map[string]string
		loss   bool
		want   time.Duration
	}{
		{name: "a service with demand", role: service.RoleLeader, labels: labels(), want: 5 * time.Second},
		{name: "whose source is asked more often", role: service.RoleLeader, labels: labels("stoker.demand-poll", "2s"), want: 2 * time.Second},
		{name: "whose source is asked very often", role: service.RoleLeader, labels: labels("stoker.demand-poll", "100ms"), want: time.Second},
		{name: "whose source is asked seldom", role: service.RoleLeader, labels: labels("stoker.demand-poll", "1m"), want: 5 * time.Second},
		{name: "whose labels are wrong", role: service.RoleLeader, labels: labels("stoker.demand", "missing"), want: 5 * time.Second},
		{name: "a service with demand, and a loss", role: service.RoleLeader, labels: labels(), loss: true, want: 5 * time.Second},
		{name: "a loss", role: service.RoleLeader, loss: true, want: 5 * time.Second},
		{name: "nothing to do", role: service.RoleLeader, want: 15 * time.Second},
		{name: "nothing to do for a follower, which may become the leader", role: service.RoleFollower, labels: labels(), loss: true, want: 5 * time.Second},
		{name: "no answer", role: service.RoleUnknown, labels: labels(), want: 5 * time.Second},
		{name: "a node that is no manager", role: service.RoleWorker, labels: labels(), loss: true, want: time.Minute},
		{name: "no Swarm", role: service.RoleNone, want: time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.labels)
			w.role = c.role
			if c.loss {
				w.lose("a", "running")
			}
			w.round()
			require.Equal(t, w.now.Add(c.want), w.table.Next(w.now))
		})
	}
}

// A poll that fails does not change the leader: what it knows is kept, and no update is sent on it.
func TestPollThatFails(t *testing.T) {
	w := newWorld(t, labels())
	w.set(3)
	w.pass(50 * time.Second)
	w.pollErr = "no answer"
	w.pass(15 * time.Second) // the cooldown ends meanwhile
	w.took(nil)
	require.Equal(t, 3, w.view().Workers)
	w.pollErr = ""
	w.round()
	w.took([]string{"2"}, scaledDown)

	w.set(4)
	w.round()
	w.took(nil, byHand)
	w.pollErr = "no answer"
	w.round()
	w.pollErr = ""
	w.pass(5 * time.Minute)
	w.took(nil)
	require.Equal(t, string(service.StateByHand), w.state())
}

func TestDetailsOfUpdates(t *testing.T) {
	t.Run("with a source", func(t *testing.T) {
		w := newWorld(t, labels())
		w.work(1.5, 0)
		w.round()
		w.told("2 replicas instead of 1: 1.5 to do, 2 wanted")
		w.took([]string{"2"}, scaledUp)
		w.work(1, 0)
		w.pass(2 * time.Minute)
		w.told("1 replica instead of 2: 1 to do, 1 wanted")
	})
	t.Run("with hours alone", func(t *testing.T) {
		w := newWorld(t, map[string]string{"stoker.hours": "13:00-14:00 UTC", "stoker.max-replicas": "4"})
		w.round()
		w.told("0 replicas instead of 1: outside its hours")
		w.took([]string{"0"}, "service-scaled hours")
		w.now = noon.Add(time.Hour)
		w.round()
		w.told("4 replicas instead of 0: 4 wanted")
		w.took([]string{"4"}, "service-scaled hours")
	})
}
