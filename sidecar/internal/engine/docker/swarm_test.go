package docker

import (
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/service"
)

const (
	managerInfo = `{"Swarm":{"NodeID":"n1","LocalNodeState":"active","ControlAvailable":true}}`
	leaderNode  = `{"ManagerStatus":{"Leader":true}}`
	noManager   = `{"message":"This node is not a swarm manager."}`
	oneService  = `{"ID":"s1","Version":{"Index":7},"Spec":{"Name":"web","Labels":{"a":"b"},"Mode":{"Replicated":{"Replicas":2}},"New":{"deep":[1.50]},` +
		`"TaskTemplate":{"ForceUpdate":3,"RestartPolicy":{"Condition":"on-failure"}}},"ServiceStatus":{"RunningTasks":1},"UpdateStatus":{"State":"paused"}}`
)

func TestSwarmLook(t *testing.T) {
	for name, c := range map[string]struct {
		answers answers
		role    service.Role
	}{
		"no Swarm":   {answers{replies(200, `{"Swarm":{"LocalNodeState":"inactive"}}`)}, service.RoleNone},
		"a worker":   {answers{replies(200, `{"Swarm":{"NodeID":"n1","LocalNodeState":"active"}}`)}, service.RoleWorker},
		"a follower": {answers{replies(200, managerInfo), replies(200, `{"ManagerStatus":{"Reachability":"reachable"}}`)}, service.RoleFollower},
		"a leader":   {answers{replies(200, managerInfo), replies(200, leaderNode), replies(200, "["+oneService+"]")}, service.RoleLeader},
		"demoted":    {answers{replies(200, managerInfo), replies(503, noManager)}, service.RoleUnknown},
		"no answer":  {answers{replies(500, `{"message":"no"}`)}, service.RoleUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			client, engine := newFake(t, inTurn(t, c.answers))
			poll := NewSwarm(client).Poll(t.Context())
			require.Equal(t, c.role, poll.Role, poll.Err)
			require.Equal(t, c.role == service.RoleUnknown, poll.Err != "")
			require.Len(t, engine.seen(), len(c.answers))
			if c.role == service.RoleLeader {
				require.Len(t, poll.Services, 1)
				s := poll.Services[0]
				s.Spec = nil
				require.Equal(t, service.Service{ID: "s1", Name: "web", Version: 7, Labels: map[string]string{"a": "b"}, Replicated: true, Replicas: 2, Running: 1, Condition: "on-failure", Updating: true}, s)
			}
		})
	}
}

// Each poll of a leader costs two calls, and a demoted manager is detected.
func TestSwarmLooksAgain(t *testing.T) {
	client, engine := newFake(t, inTurn(t, answers{
		replies(200, managerInfo), replies(200, leaderNode), replies(200, "[]"), replies(200, leaderNode), replies(200, "[]"), replies(503, noManager), replies(200, `{"Swarm":{"NodeID":"n1"}}`),
	}))
	s := NewSwarm(client)
	for _, role := range []service.Role{service.RoleLeader, service.RoleLeader, service.RoleUnknown, service.RoleWorker} {
		require.Equal(t, role, s.Poll(t.Context()).Role)
	}
	require.Len(t, engine.seen(), 7)
}

// An update sends the engine's spec, unknown fields included, with only the one number changed.
func TestSwarmUpdate(t *testing.T) {
	var given struct{ Spec json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(oneService), &given))
	for name, c := range map[string]struct {
		answer func(*http.Request) (*http.Response, error)
		result service.Result
	}{
		"done":      {replies(200, `{}`), service.Done},
		"conflict":  {replies(500, `{"message":"rpc error: code = Unknown desc = update out of sequence"}`), service.Conflict},
		"refused":   {replies(400, `{"message":"no"}`), service.Refused},
		"broken":    {func(*http.Request) (*http.Response, error) { return nil, errBroken }, service.Lost},
		"no engine": {func(*http.Request) (*http.Response, error) { return nil, errRefused }, service.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			var sent []byte
			client, engine := newFake(t, func(r *http.Request) (*http.Response, error) {
				var err error
				sent, err = io.ReadAll(r.Body)
				require.NoError(t, err)
				return c.answer(r)
			})
			result, _ := NewSwarm(client).Update(t.Context(), service.Change{ID: "s1", Version: 7, Spec: given.Spec, From: 2, To: 3})
			require.Equal(t, c.result, result)
			require.Regexp(t, `^POST /v1\.\d+/services/s1/update\?version=7$`, engine.seen()[0])
			require.JSONEq(t, `{"Name":"web","Labels":{"a":"b"},"Mode":{"Replicated":{"Replicas":3}},"New":{"deep":[1.50]},"TaskTemplate":{"ForceUpdate":3,"RestartPolicy":{"Condition":"on-failure"}}}`, string(sent))
			require.Contains(t, string(sent), "1.50", "numbers are not rewritten")
		})
	}
	forced, err := changed(service.Change{Spec: given.Spec, From: 2, To: 2, Force: true})
	require.NoError(t, err)
	require.Contains(t, string(forced), `"ForceUpdate":4`)
	require.Contains(t, string(forced), `"Replicas":2`)
}
