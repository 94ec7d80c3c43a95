package command

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/report/peers"
	"stoker/sidecar/internal/report/web"
)

func TestStatusOfAllHosts(t *testing.T) {
	var others []peers.Host
	v := view(burner())
	v.Engine.Engine.Name = "alpha"
	server := httptest.NewServer(web.Handler(web.Options{
		Fleet: web.Fleet{View: func() fleet.View { return v }, LastTick: time.Now},
		Hosts: func(context.Context) []peers.Host { return others },
	}))
	defer server.Close()
	got := play(t, Env{}, "status", "--all", "--url", server.URL)
	require.Equal(t, 0, got.code, got)
	require.Contains(t, got.out, "1 worker on 1 host\nalpha: 1 worker, engine 28.5.2\n")

	at, answered, started := noon.Add(time.Hour), noon.Add(-3*time.Minute), noon.Add(50*time.Minute)
	others = []peers.Host{
		{Name: "beta", Address: "http://10.0.0.2:8080", State: peers.Answered, Answered: &at, Report: peers.Report{At: &at, Connected: true, Engine: "20.10", Workers: []peers.Worker{
			{
				Key: "sieve", State: "waiting", Container: peers.Container{Status: "running", Health: "healthy", StartedAt: &started},
				Healing: peers.Healing{Fault: "exited", Heal: "start", NextIn: 90},
			},
		}, More: 7}},
		{Name: "gamma", Address: "http://10.0.0.3:8080", State: peers.Silent, Error: hostile, Answered: &answered, Report: peers.Report{At: &answered, Connected: true, Workers: []peers.Worker{
			{Key: hostile, State: "unknown", Container: peers.Container{Status: "running"}},
		}}},
	}
	got = play(t, Env{}, "status", "--all", "--url", server.URL)
	require.Equal(t, 1, got.code, "a host that does not answer is wrong")
	require.NotContains(t, got.out, "\x1b")
	require.Contains(t, got.out, "10 workers on 3 hosts\n")
	require.Contains(t, got.out, "beta (http://10.0.0.2:8080): 8 workers, engine 20.10\n")
	require.Contains(t, got.out, "; it answered last 3m ago, with 1 worker\n")
	require.Regexp(t, `beta +sieve +waiting +healthy +10m +- +- +0 +in 90s +exited, start`, got.out, "ages by the clock of that host")
	require.Contains(t, got.out, "7 more workers are not listed")

	got = play(t, Env{}, "status", "--all", "--json", "--url", server.URL)
	require.True(t, json.Valid([]byte(got.out)))
	require.NotContains(t, got.out, "\x1b")
	require.Equal(t, 2, play(t, Env{}, "status", "--all", "--watch", "--url", server.URL).code)
	require.Less(t, longest(play(t, Env{Console: Console{Width: 80}}, "status", "--all", "--url", server.URL).out), 81)
}

func longest(lines string) int {
	most := 0
	for line := range strings.Lines(lines) {
		most = max(most, text.StringWidthWithoutEscSequences(strings.TrimSuffix(line, "\n")))
	}
	return most
}
