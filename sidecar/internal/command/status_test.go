package command

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/candidates"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
	"stoker/sidecar/internal/report/web"
	"stoker/sidecar/internal/sanitize"
)

const hostile = "\x1b[2J\x1b]0;owned\a\r\n\u202e\u009b31m</td>\xff界"

// running is a status server with a history and a View that a test sets.
type running struct {
	mu   sync.Mutex
	view fleet.View
	log  *history.Log
	url  string
}

func (r *running) show(v fleet.View) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.view = v
}

func (r *running) look() fleet.View {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.view
}

func run(t *testing.T) *running {
	t.Helper()
	r := &running{log: history.New(history.Options{})}
	server := httptest.NewServer(web.Handler(web.Options{Fleet: web.Fleet{View: r.look, LastTick: time.Now}, History: r.log}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func view(workers ...fleet.WorkerView) fleet.View {
	return fleet.View{
		At: noon, Workers: workers,
		Engine: fleet.EngineLink{Connected: true, Since: noon.Add(-3 * time.Hour), Engine: worker.Engine{Version: "28.5.2"}},
	}
}

func burner() fleet.WorkerView {
	return fleet.WorkerView{
		Key:      "burner",
		HealView: fleet.HealView{State: fleet.StateRunning},
		ContainerView: fleet.ContainerView{
			Status:    worker.StatusRunning,
			Health:    worker.HealthHealthy,
			StartedAt: noon.Add(-90 * time.Minute),
			CPUs:      0.5,
			Share:     worker.Share{At: noon, CPUs: 0.49, Throttled: 0.97},
		},
	}
}

func TestStatusTable(t *testing.T) {
	r := run(t)
	r.show(view(burner(), fleet.WorkerView{
		Key: "grinder",
		HealView: fleet.HealView{
			State:    fleet.StateWaiting,
			Attempts: 3,
			Heal:     worker.HealStart,
			Fault:    worker.FaultExited,
			Reason:   worker.ReasonCrashed,
			NextAt:   noon.Add(1500 * time.Millisecond),
		},
		ContainerView: fleet.ContainerView{Status: worker.StatusExited, Boosted: true, CPUs: 1},
	}))
	got := play(t, Env{}, "status", "--url", r.url)
	require.Equal(t, result{0, strings.Join([]string{
		"2 workers, connected to engine 28.5.2 for 3h",
		"WORKER   STATE    HEALTH   UP   CPUS         THROTTLED  TRIES  NEXT     WHY",
		"burner   running  healthy  90m  0.49 of 0.5  97%        0      -        -",
		"grinder  waiting  -        -    1 boosted    -          3      in 1.5s  exited, crashed, start",
		"",
	}, "\n"), ""}, got)

	waits := burner()
	waits.Recycle = worker.RecycleView{Fault: worker.FaultMemory, Stage: worker.RecycleWaitsForIdle, Since: noon}
	r.show(view(waits))
	require.Contains(t, play(t, Env{}, "status", "--url", r.url).out, "memory, waits-for-idle")

	uncounted := burner()
	uncounted.Share.Throttled, uncounted.Share.ThrottlingUnknown = 0, true
	r.show(view(uncounted))
	require.Contains(t, play(t, Env{}, "status", "--url", r.url).out, "0.49 of 0.5  not measured  0")
	r.show(view(burner()))

	narrow := play(t, Env{Console: Console{Width: 60}, Process: Process{Environ: []string{"NO_COLOR=1"}}}, "status", "--url", r.url)
	for line := range strings.Lines(narrow.out) {
		require.LessOrEqual(t, text.StringWidth(strings.TrimSuffix(line, "\n")), 60, line)
	}
	require.Contains(t, narrow.out, "…")
	require.NotContains(t, narrow.out, "\x1b")
	require.Contains(t, play(t, Env{Console: Console{Width: 100}}, "status", "--url", r.url).out, "\x1b[32mrunning\x1b[0m")
	require.NotContains(t, play(t, Env{Console: Console{Width: 100}, Process: Process{Environ: []string{"TERM=dumb"}}}, "status", "--url", r.url).out, "\x1b")
}

// Without workers status shows what to do, with each command on a line of its own; without an engine, why there is none.
func TestStatusWithoutWorkers(t *testing.T) {
	r := run(t)
	advice := candidates.Advise(policy.Selector{}, "shop-stoker-1", []candidates.Container{{Name: "cruncher" + hostile, CPUs: 0.5}})
	v := view()
	v.Candidates = &advice
	r.show(v)
	got := play(t, Env{}, "status", "--url", r.url)
	require.Equal(t, 0, got.code)
	for _, line := range []string{"  docker exec shop-stoker-1 /stoker check\n", "  labels: [stoker.enable=true]\n", "  STOKER_SELECT=quota\n"} {
		require.Contains(t, got.out, line)
	}
	require.Contains(t, got.out, "cruncher")
	require.NotContains(t, got.out, "\x1b")
	require.Contains(t, play(t, Env{}, "status", "--json", "--url", r.url).out, `"with_quota": [`)

	v.Candidates, v.Engine = nil, fleet.EngineLink{Problem: "may not open /var/run/docker.sock"}
	r.show(v)
	got = play(t, Env{}, "status", "--url", r.url)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.out, "engine disconnected\nmay not open /var/run/docker.sock\n")
}

func TestStatusExitCodes(t *testing.T) {
	down, overloaded := view(burner()), view(burner())
	down.Engine.Connected, overloaded.HostOverloaded = false, true
	exhausted, bad := burner(), burner()
	exhausted.State = fleet.StateExhausted
	bad.Problems = []policy.Problem{{Label: "stoker.on-exti", Value: "x", Message: "unknown", Nearest: "stoker.on-exit"}}
	tests := map[string]struct {
		view  fleet.View
		code  int
		holds string
	}{
		"well":            {view(burner()), 0, "1 worker, connected"},
		"none":            {view(), 0, "0 workers"},
		"engine down":     {down, 1, "engine disconnected"},
		"host overloaded": {overloaded, 1, "host is overloaded"},
		"exhausted":       {view(exhausted), 1, "exhausted"},
		"bad labels":      {view(bad), 1, "burner: stoker.on-exti=x: unknown; did you mean stoker.on-exit?"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := run(t)
			r.show(tt.view)
			got := play(t, Env{}, "status", "--url", r.url)
			require.Equal(t, tt.code, got.code)
			require.Contains(t, got.out, tt.holds)
			require.Empty(t, got.err)
			require.Equal(t, tt.code, play(t, Env{}, "status", "--json", "--url", r.url).code)
		})
	}
}

// Whatever a container is called, is labelled or prints: tables keep their form, JSON stays JSON, and nothing reaches the terminal as a command.
func TestHostileWords(t *testing.T) {
	r := run(t)
	w := burner()
	w.Key, w.Held, w.State = worker.Key(hostile), worker.Reason(hostile), fleet.State(hostile)
	w.Problems = []policy.Problem{{Label: hostile, Value: strings.Repeat("界", 60_000), Message: hostile}}
	r.show(view(w, burner()))
	for _, text := range []string{hostile, strings.Repeat("\x00", 100_000), strings.Repeat("界", 50_000), strings.Repeat("é\u0301", 1000)} {
		r.log.Record([]worker.Event{{Kind: worker.EventHealFailed, Key: worker.Key(text), HealDetails: worker.HealDetails{Output: text}, Detail: text, Reason: worker.Reason(hostile)}})
	}
	for _, width := range []int{1, 20, 33, 80, 200} {
		for _, args := range [][]string{{"status"}, {"history"}} {
			got := play(t, Env{Console: Console{Width: width}, Process: Process{Environ: []string{"NO_COLOR=1"}}}, append(args, "--url", r.url)...)
			require.True(t, utf8.ValidString(got.out))
			for line := range strings.Lines(got.out) {
				line = strings.TrimSuffix(line, "\n")
				require.LessOrEqual(t, text.StringWidth(line), max(width, 20), line)
				require.Equal(t, sanitize.Escape(line), line, "nothing that does not print")
			}
		}
	}
	for _, args := range [][]string{{"status", "--json"}, {"history", "--json"}} {
		got := play(t, Env{}, append(args, "--url", r.url)...)
		require.True(t, json.Valid([]byte(got.out)))
		require.NotContains(t, got.out, "\u009b")
		require.NotContains(t, got.out, "\u202e")
		var back any
		require.NoError(t, json.Unmarshal([]byte(got.out), &back))
	}
}

func TestHarmlessIsTheSameJSON(t *testing.T) {
	for _, text := range []string{hostile, "a\"b\\c", "\u0085\u2028\U000e0001\U0001f600", strings.Repeat("\u200b", 10)} {
		encoded, err := json.Marshal(text)
		require.NoError(t, err)
		var want, got string
		require.NoError(t, json.Unmarshal(encoded, &want))
		require.NoError(t, json.Unmarshal([]byte(harmless(string(encoded))), &got))
		require.Equal(t, want, got)
	}
}

func TestFold(t *testing.T) {
	tests := []struct {
		text  string
		width int
		want  []string
	}{
		{"", 5, []string{""}},
		{"a bc def", 4, []string{"a bc", "def"}},
		{"abcdefghij", 4, []string{"abcd", "efgh", "ij"}},
		{"x 界界界 y", 4, []string{"x", "界界", "界 y"}},
		{"界", 1, []string{"界"}},
	}
	for _, tt := range tests {
		require.Equal(t, tt.want, fold(tt.text, tt.width), tt.text)
	}
}
