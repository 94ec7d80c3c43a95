package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/report/peers"
)

type hostsAnswer struct {
	Hosts []struct {
		Name, Address, State, Error string
		Workers                     []map[string]any
		More                        int `json:"workers_more"`
	}
}

func askHosts(t *testing.T, o Options) hostsAnswer {
	t.Helper()
	w := ask(t, Handler(o), http.MethodGet, "/api/v1/hosts")
	require.Equal(t, http.StatusOK, w.Code)
	require.NotContains(t, w.Body.String(), "<script>")
	var got hostsAnswer
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	return got
}

func TestHosts(t *testing.T) {
	o := options()
	got := askHosts(t, o)
	require.Len(t, got.Hosts, 1, "without peers there is the own one")
	require.Equal(t, "own", got.Hosts[0].State)
	require.Len(t, got.Hosts[0].Workers, 2)

	o.Hosts = func(context.Context) []peers.Host {
		return []peers.Host{{Name: "beta", Address: "http://beta:8080", State: peers.Silent, Error: "no answer", Report: peers.Report{Workers: []peers.Worker{}}}}
	}
	got = askHosts(t, o)
	require.Len(t, got.Hosts, 2)
	require.Equal(t, "silent", got.Hosts[1].State)
	require.Equal(t, "no answer", got.Hosts[1].Error)
}

// What one Stoker answers is what another one reads, with nothing lost.
func TestAPeerReadsTheWorkers(t *testing.T) {
	o := options()
	o.Instance = "i"
	text := ask(t, Handler(o), http.MethodGet, "/api/v1/workers").Body.String()
	read, err := peers.Read(strings.NewReader(text))
	require.NoError(t, err)
	own := ownHost(picture(), "1.2.3")
	require.Equal(t, own.Version, read.Version)
	require.Equal(t, own.At, read.At)
	require.Equal(t, own.Workers[0], read.Workers[0])
	require.Len(t, read.Workers, len(own.Workers))
	require.Equal(t, own.Workers[1].Problems[0].Label, read.Workers[1].Problems[0].Label)
}

func TestOwnHostIsBounded(t *testing.T) {
	v := fleet.View{Workers: make([]fleet.WorkerView, peers.MaxWorkers+3)}
	h := ownHost(v, "")
	require.Len(t, h.Workers, peers.MaxWorkers)
	require.Equal(t, 3, h.More)
}
