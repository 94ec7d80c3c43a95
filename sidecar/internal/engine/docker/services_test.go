package docker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/policy"
)

func TestServices(t *testing.T) {
	const listed = `[{"ID":"s1","Spec":{"Name":"web","Labels":{"a":"b"},"TaskTemplate":{"ContainerSpec":{"Labels":{"stoker.enable":"true"},"Healthcheck":{"Test":["NONE"]}},
		"Resources":{"Limits":{"NanoCPUs":250000000}},"RestartPolicy":{"Condition":"on-failure","MaxAttempts":3}}}},
		{"ID":"s2","Spec":{"Name":"bare","TaskTemplate":{"ContainerSpec":{}}}}]`
	const tasks = `[{"Slot":1,"DesiredState":"running","Status":{"State":"running","Timestamp":"2026-01-01T00:00:09Z"}},
		{"Slot":1,"DesiredState":"shutdown","Status":{"State":"failed","Timestamp":"2026-01-01T00:00:01Z"}},
		{"Slot":2,"DesiredState":"shutdown","Status":{"State":"failed","Timestamp":"2026-01-01T00:00:05Z"}},
		{"Slot":3,"DesiredState":"shutdown","Status":{"State":"failed","Timestamp":"2026-01-01T00:00:05Z"}},
		{"Slot":3,"DesiredState":"shutdown","Status":{"State":"complete","Timestamp":"2026-01-01T00:00:06Z"}},
		{"NodeID":"n1","DesiredState":"shutdown","Status":{"State":"rejected","Timestamp":"2026-01-01T00:00:05Z"}}]`
	client, engine := newFake(t, inTurn(t, answers{replies(200, listed), replies(200, tasks)}))
	require.Equal(t, []policy.Service{
		{Name: "web", Labels: map[string]string{"a": "b"}, ContainerLabels: map[string]string{"stoker.enable": "true"}, Condition: "on-failure", Unchecked: true, CPUs: 0.25, MaxAttempts: 3, UsedUp: []string{"2", "n1"}},
		{Name: "bare", Condition: "any"},
	}, client.Services(t.Context()))
	require.Len(t, engine.seen(), 2)
	require.Regexp(t, `^GET /v1\.\d+/services$`, engine.seen()[0])
	require.Regexp(t, `^GET /v1\.\d+/tasks\?filters=`, engine.seen()[1])

	client, _ = newFake(t, inTurn(t, answers{replies(503, `{"message":"This node is not a swarm manager."}`)}))
	require.Empty(t, client.Services(t.Context()))
}
