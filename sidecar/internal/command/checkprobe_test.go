package command

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

func exposes(ports ...int) func(*worker.Snapshot) {
	return func(s *worker.Snapshot) { s.HasHealthcheck, s.Health, s.Ports = false, worker.HealthNone, ports }
}

func TestCheckProbesEachWorkerOnce(t *testing.T) {
	stopped := container("stopped", with("stoker.probe", "tcp://:1"))
	stopped.Status = worker.StatusExited
	env := checkEnv(&fakeEngine{containers: []worker.Snapshot{
		container("well", with("stoker.probe", "http://u:geheim@:8000/health?token=geheim"), exposes(8000)),
		container("ill", with("stoker.probe", "tcp://:1")), container("far", with("stoker.probe", "tcp://:2")),
		container("bad", with("stoker.probe", "tpc://:3")), container("plain"), stopped,
	}})
	asked := map[worker.Key]int{}
	answers := map[worker.Key]worker.ProbeAnswer{
		"well": {Verdict: worker.VerdictSuccess, Address: "172.17.0.2:8000"},
		"ill":  {Verdict: worker.VerdictBad, Detail: "172.17.0.3:1 refuses the connection"},
		"far":  {Verdict: worker.VerdictImpossible, Detail: "it shares no network with Stoker"},
	}
	got := make(chan worker.Key, 10)
	env.Probe = func(_ context.Context, _ Engine, a worker.Action) worker.ProbeAnswer {
		got <- a.Key
		require.LessOrEqual(t, a.Probe.Timeout, probeTimeout)
		return answers[a.Key]
	}
	printed := play(t, env, "check", "--json")
	close(got)
	for key := range got {
		asked[key]++
	}
	require.Equal(t, map[worker.Key]int{"well": 1, "ill": 1, "far": 1}, asked, "neither one that is down nor one that is held")
	require.Equal(t, 1, printed.code)
	require.NotContains(t, printed.out, "geheim")
	var all report
	require.NoError(t, json.Unmarshal([]byte(printed.out), &all))
	require.Equal(t, 2, all.Problems, "the label that is wrong, and the network")
	by := map[worker.Key]containerReport{}
	for _, w := range all.Workers {
		by[w.Worker] = w
	}
	require.Equal(t, &probeReport{Target: "http://***@:8000/health?…", Well: true, Address: "172.17.0.2:8000"}, by["well"].Probe)
	require.Empty(t, by["well"].Advice, "a worker with a probe needs no health check")
	require.Equal(t, []string{"the probe tcp://:1 fails: 172.17.0.3:1 refuses the connection"}, by["ill"].Advice)
	require.Empty(t, by["ill"].Problems)
	require.Equal(t, []string{"tcp://:2: it shares no network with Stoker"}, by["far"].Problems)
	require.Nil(t, by["plain"].Probe)
}

func TestCheckAdvisesAProbe(t *testing.T) {
	all, code := checked(t, nil, container("w", exposes(8000, 9000)), container("v", exposes()))
	require.Equal(t, 0, code)
	require.Equal(t, []string{noHealthCheck}, all.Workers[0].Advice)
	require.Equal(t, []string{noHealthCheck + "; stoker.probe: tcp://:8000 sees from outside whether it answers"}, all.Workers[1].Advice)
}

func TestCheckOfAStackWithProbes(t *testing.T) {
	const worked = ", cpus: 1, healthcheck: {disable: true}"
	for name, c := range map[string]struct {
		services          string
		problems, advised []string
	}{
		"exposed":      {"a: {image: w, labels: {stoker.enable: true}, expose: ['8000']" + worked + "}", nil, []string{"stoker.probe: tcp://:8000"}},
		"published":    {"a: {image: w, labels: {stoker.enable: true}, ports: ['80:8080', '53:53/udp']" + worked + "}", nil, []string{"stoker.probe: tcp://:8080"}},
		"probed":       {"a: {image: w, labels: {stoker.enable: true, stoker.probe: 'tcp://:1'}" + worked + "}", nil, nil},
		"bad":          {"a: {image: w, labels: {stoker.enable: true, stoker.probe: 'tcp://'}" + worked + "}", []string{"no port; write tcp://:5672"}, []string{"no health check"}},
		"no network":   {"a: {image: w, networks: [rear], labels: {stoker.enable: true, stoker.probe: 'tcp://:1'}" + worked + "}, s: {image: stoker}", []string{"shares no network with the service s"}, nil},
		"one network":  {"a: {image: w, networks: [rear, default], labels: {stoker.enable: true, stoker.probe: 'tcp://:1'}" + worked + "}, s: {image: stoker}", nil, nil},
		"host's":       {"a: {image: w, networks: [rear], labels: {stoker.enable: true, stoker.probe: 'tcp://:1'}" + worked + "}, s: {image: stoker, network_mode: host}", nil, nil},
		"with a host":  {"a: {image: w, networks: [rear], labels: {stoker.enable: true, stoker.probe: 'tcp://b:1'}" + worked + "}, s: {image: stoker}", nil, nil},
		"a file":       {"a: {image: w, networks: [rear], labels: {stoker.enable: true, stoker.probe: 'file:///beat'}" + worked + "}, s: {image: stoker}", nil, nil},
		"by the stack": {"a: {image: w, networks: [rear], labels: {stoker.enable: true}" + worked + "}, s: {image: stoker, environment: {STOKER_PROBE: 'tcp://:1'}}", []string{"shares no network"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := drafted(t, nil, "-f", stackFile(t, strings.ReplaceAll(c.services, "}, s: {", "}\n  s: {")+"\nnetworks: {rear: {}}"))
			require.Len(t, d.Services, 1)
			require.Len(t, d.Services[0].Problems, len(c.problems), "%v", d.Services[0].Problems)
			require.Len(t, d.Services[0].Advice, len(c.advised), "%v", d.Services[0].Advice)
			for n := range c.problems {
				require.Contains(t, d.Services[0].Problems[n], c.problems[n])
			}
			for n := range c.advised {
				require.Contains(t, d.Services[0].Advice[n], c.advised[n])
			}
		})
	}
}

func TestStatusShowsProbes(t *testing.T) {
	row := func(health, probe string) string {
		w := containerRow{Health: health}
		if probe != "" {
			w.Probe = &probeRow{Status: probe}
		}
		return w.health()
	}
	require.Equal(t, "healthy", row("healthy", ""))
	require.Equal(t, "outside healthy", row("none", "healthy"))
	require.Equal(t, "unhealthy, outside healthy", row("unhealthy", "healthy"))
	require.Equal(t, "not probed", row("none", "none"))
}
