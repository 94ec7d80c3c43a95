package docker

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker/spec"
)

// definition is an inspect of a container with two networks; an engine below API 1.45 lists its short ID among the aliases.
const definition = `{"Id":"` + testID + `","Config":{"Hostname":"h"},"HostConfig":{"NetworkMode":"front"},"NetworkSettings":{"Networks":{
	"front":{"Aliases":["web","0123456789ab"],"IPAMConfig":{"IPv4Address":"10.1.0.9"},"Links":["db:db"],"DriverOpts":{"o":"1"},"IPAddress":"10.1.0.9","NetworkID":"n1","EndpointID":"e1"},
	"bridge":{"IPAMConfig":{},"Aliases":[],"IPAddress":"172.17.0.2","MacAddress":"02:42:ac:11:00:02","NetworkID":"n2"}}}}`

func connectedTo(status, networks string) string {
	return strings.Replace(inspected(status, ""), `"HostConfig":{}`, `"HostConfig":{},"NetworkSettings":{"Networks":{`+networks+`}}`, 1)
}

// A worker that lost a network before the first inspect is connected to the network of its mode, with its compose service as alias.
func TestConnectTheUnknown(t *testing.T) {
	unknown := strings.Replace(definition, `"Hostname":"h"`, `"Labels":{"com.docker.compose.service":"web"}`, 1)
	for _, name := range []string{"rear", "bridge"} {
		made, err := spec.Endpoints([]byte(strings.Replace(unknown, `"bridge":`, `"other":`, 1)), []string{name}, "1.41")
		require.NoError(t, err)
		require.Len(t, made, 1)
		require.Equal(t, name == "rear", len(made[0].Settings.Aliases) == 1)
	}
	for mode, want := range map[string]string{
		"": "bridge", "default": "bridge", "bridge": "bridge", "front": "front", "host": "", "none": "", "container:x": "",
	} {
		in := container.InspectResponse{ContainerJSONBase: &container.ContainerJSONBase{HostConfig: &container.HostConfig{NetworkMode: container.NetworkMode(mode)}}}
		require.Equal(t, want, spec.ModeNetwork(in), mode)
	}
}

func TestConnect(t *testing.T) {
	const front, bridge = "POST /v1.41/networks/front/connect", "POST /v1.41/networks/bridge/connect"
	yes := replies(200, "")
	taken := replies(500, `{"message":"driver failed programming external connectivity: address already in use"}`)
	whole := replies(200, connectedTo("running", `"front":{},"bridge":{}`))
	half := replies(200, connectedTo("running", `"bridge":{}`))
	down := replies(200, connectedTo("exited", `"bridge":{}`))
	cases := map[string]struct {
		verb    worker.Verb
		answers answers
		result  worker.Result
		calls   []string
	}{
		"running":                 {worker.Connect, answers{yes, yes, whole}, worker.Done, []string{front, bridge, inspectCall}},
		"port still taken":        {worker.Connect, answers{taken, half}, worker.Failed, []string{front, inspectCall}},
		"was connected meanwhile": {worker.Connect, answers{taken, whole, yes, whole}, worker.Done, []string{front, inspectCall, bridge, inspectCall}},
		"accepted, and not done":  {worker.Connect, answers{yes, yes, half}, worker.Failed, []string{front, bridge, inspectCall}},
		"no answer":               {worker.Connect, answers{fails(errBroken)}, worker.Unknown, []string{front}},
		"no engine":               {worker.Connect, answers{fails(errRefused)}, worker.Failed, []string{front}},
		"network gone":            {worker.Connect, answers{replies(404, `{"message":"network front not found"}`), down}, worker.Failed, []string{front, inspectCall}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var sent []map[string]any
			c, f := newFake(t, func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, "/connect") {
					raw, err := io.ReadAll(r.Body)
					require.NoError(t, err)
					body := map[string]any{}
					require.NoError(t, json.Unmarshal(raw, &body))
					sent = append(sent, body)
				}
				next := tc.answers[0]
				tc.answers = tc.answers[1:]
				return next(r)
			})
			a := action(tc.verb)
			a.Networks, a.Definition = []string{"front", "bridge"}, []byte(definition)
			out := c.Do(t.Context(), a)
			require.Equal(t, tc.result, out.Result, out.Err)
			require.Equal(t, tc.result == worker.Done, out.Err == "")
			require.Equal(t, tc.calls, f.seen())
			require.Empty(t, tc.answers)
			require.Equal(t, testID, sent[0]["Container"])
			settings := sent[0]["EndpointConfig"].(map[string]any)
			require.Equal(t, []any{"web"}, settings["Aliases"])
			require.Equal(t, "10.1.0.9", settings["IPAMConfig"].(map[string]any)["IPv4Address"])
			require.Equal(t, []any{"db:db"}, settings["Links"])
			require.Equal(t, map[string]any{"o": "1"}, settings["DriverOpts"])
			require.Empty(t, settings["IPAddress"], "it was the engine's choice")
			if len(sent) > 1 {
				require.Empty(t, sent[1]["EndpointConfig"].(map[string]any)["MacAddress"])
			}
		})
	}
}
