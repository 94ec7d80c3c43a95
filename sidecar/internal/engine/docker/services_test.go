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
	client, engine := newFake(t, inTurn(t, answers{says(200, listed)}))
	require.Equal(t, []policy.Service{
		{Name: "web", Labels: map[string]string{"a": "b"}, ContainerLabels: map[string]string{"stoker.enable": "true"}, Condition: "on-failure", Unchecked: true, CPUs: 0.25, MaxAttempts: 3},
		{Name: "bare", Condition: "any"},
	}, client.Services(t.Context()))
	require.Len(t, engine.seen(), 1)
	require.Regexp(t, `^GET /v1\.\d+/services$`, engine.seen()[0])

	client, _ = newFake(t, inTurn(t, answers{says(503, `{"message":"This node is not a swarm manager."}`)}))
	require.Empty(t, client.Services(t.Context()))
}
