package docker

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// A task is killed only if it is the one that was decided on, and its service is not known to be updating.
func TestKill(t *testing.T) {
	const (
		killCall    = "POST /v1.41/containers/" + testID + "/kill?signal=SIGKILL"
		serviceCall = "GET /v1.41/services/s1"
	)
	task := func(status string) string {
		return fmt.Sprintf(`{"Id":%q,"Name":"/web.1.t1","State":{"Status":%q,"Running":%t,"StartedAt":%q,"Health":{"Status":"unhealthy"}},`+
			`"Config":{"Labels":{"com.docker.swarm.service.id":"s1"}},"HostConfig":{}}`, testID, status, status == "running", bornAt.Format("2006-01-02T15:04:05.999999999Z07:00"))
	}
	service := func(state string) string { return `{"ID":"s1","UpdateStatus":{"State":"` + state + `"}}` }
	inspect := replies(200, task("running"))
	for name, c := range map[string]struct {
		answers answers
		result  worker.Result
		calls   []string
	}{
		"no manager":    {answers{inspect, replies(503, `{"message":"This node is not a swarm manager."}`), replies(204, "")}, worker.Done, []string{inspectCall, serviceCall, killCall}},
		"a manager":     {answers{inspect, replies(200, service("completed")), replies(204, "")}, worker.Done, []string{inspectCall, serviceCall, killCall}},
		"never updated": {answers{inspect, replies(200, `{"ID":"s1"}`), replies(204, "")}, worker.Done, []string{inspectCall, serviceCall, killCall}},
		"being updated": {answers{inspect, replies(200, service("updating"))}, worker.Refused, []string{inspectCall, serviceCall}},
		"rolled back":   {answers{inspect, replies(200, service("rollback_started"))}, worker.Refused, []string{inspectCall, serviceCall}},
		"ended":         {answers{replies(200, task("exited"))}, worker.Refused, []string{inspectCall}},
		"gone":          {answers{replies(404, `{"message":"No such container"}`)}, worker.Failed, []string{inspectCall}},
	} {
		t.Run(name, func(t *testing.T) {
			client, engine := newFake(t, inTurn(t, c.answers))
			kill := action(worker.Kill)
			kill.OnlyIfUnhealthy = true
			out := client.Do(t.Context(), kill)
			require.Equal(t, c.result, out.Result, out.Err)
			require.Equal(t, c.calls, engine.seen())
		})
	}
}
