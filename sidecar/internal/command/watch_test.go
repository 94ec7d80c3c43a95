package command

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/fleet"
	"stoker/sidecar/internal/history"
	"stoker/sidecar/internal/lifecycle"
	"stoker/sidecar/internal/policy"
	"stoker/sidecar/internal/status"
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
	server := httptest.NewServer(status.Handler(status.Options{View: r.look, LoopBeat: time.Now, History: r.log}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func view(workers ...fleet.Worker) fleet.View {
	return fleet.View{
		At: noon, Workers: workers,
		Link: fleet.Link{Up: true, Since: noon.Add(-3 * time.Hour), Engine: lifecycle.Engine{Version: "28.5.2"}},
	}
}

func burner() fleet.Worker {
	return fleet.Worker{
		Key: "burner", State: fleet.StateRunning, Status: lifecycle.StatusRunning, Health: lifecycle.HealthHealthy,
		StartedAt: noon.Add(-90 * time.Minute), CPUs: 0.5, Share: lifecycle.Share{At: noon, CPUs: 0.49, Throttled: 0.97},
	}
}

func TestStatusTable(t *testing.T) {
	r := run(t)
	r.show(view(burner(), fleet.Worker{
		Key: "grinder", State: fleet.StateWaiting, Status: lifecycle.StatusExited, Attempts: 3, Heal: lifecycle.HealStart,
		Fault: lifecycle.FaultExited, Reason: lifecycle.ReasonCrashed, NextAt: noon.Add(1500 * time.Millisecond), Boosted: true, CPUs: 1,
	}))
	got := play(t, Env{}, "status", "--url", r.url)
	require.Equal(t, said{0, strings.Join([]string{
		"2 workers, following engine 28.5.2 for 3h",
		"WORKER   STATE    HEALTH   UP   CPUS         THROTTLED  TRIES  NEXT     WHY",
		"burner   running  healthy  90m  0.49 of 0.5  97%        0      -        -",
		"grinder  waiting  -        -    1 boosted    -          3      in 1.5s  exited, crashed, start",
		"",
	}, "\n"), ""}, got)

	narrow := play(t, Env{Width: 60, Environ: []string{"NO_COLOR=1"}}, "status", "--url", r.url)
	for line := range strings.Lines(narrow.out) {
		require.LessOrEqual(t, span(strings.TrimSuffix(line, "\n")), 60, line)
	}
	require.Contains(t, narrow.out, "…")
	require.NotContains(t, narrow.out, "\x1b")
	require.Contains(t, play(t, Env{Width: 100}, "status", "--url", r.url).out, "\x1b[32mrunning\x1b[0m")
	require.NotContains(t, play(t, Env{Width: 100, Environ: []string{"TERM=dumb"}}, "status", "--url", r.url).out, "\x1b")
}

func TestStatusExitCodes(t *testing.T) {
	down, ill := view(burner()), view(burner())
	down.Link.Up, ill.HostIll = false, true
	exhausted, bad := burner(), burner()
	exhausted.State = fleet.StateExhausted
	bad.Problems = []policy.Problem{{Label: "stoker.on-exti", Value: "x", Message: "unknown", Nearest: "stoker.on-exit"}}
	tests := map[string]struct {
		view  fleet.View
		code  int
		holds string
	}{
		"well":       {view(burner()), 0, "1 worker, following"},
		"none":       {view(), 0, "0 workers"},
		"link down":  {down, 1, "not connected"},
		"host ill":   {ill, 1, "host is ill"},
		"exhausted":  {view(exhausted), 1, "exhausted"},
		"bad labels": {view(bad), 1, "burner: stoker.on-exti=x: unknown; did you mean stoker.on-exit?"},
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

// Whatever a container is called, is labelled or prints: tables keep their form, JSON stays JSON, and a terminal is told nothing.
func TestHostileWords(t *testing.T) {
	r := run(t)
	w := burner()
	w.Key, w.Held, w.State = lifecycle.Key(hostile), lifecycle.Reason(hostile), fleet.State(hostile)
	w.Problems = []policy.Problem{{Label: hostile, Value: strings.Repeat("界", 60_000), Message: hostile}}
	r.show(view(w, burner()))
	for _, text := range []string{hostile, strings.Repeat("\x00", 100_000), strings.Repeat("界", 50_000), strings.Repeat("é\u0301", 1000)} {
		r.log.Tell([]lifecycle.Note{{Kind: lifecycle.NoteHealFailed, Key: lifecycle.Key(text), Output: text, Detail: text, Reason: lifecycle.Reason(hostile)}})
	}
	for _, width := range []int{1, 20, 33, 80, 200} {
		for _, args := range [][]string{{"status"}, {"history"}} {
			got := play(t, Env{Width: width, Environ: []string{"NO_COLOR=1"}}, append(args, "--url", r.url)...)
			require.True(t, utf8.ValidString(got.out))
			for line := range strings.Lines(got.out) {
				line = strings.TrimSuffix(line, "\n")
				require.LessOrEqual(t, span(line), max(width, 20), line)
				require.Equal(t, clean(line), line, "nothing that does not print")
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

// toldHistory tells what happens in a life.
func toldHistory(r *running, at time.Time) {
	r.log.Tell([]lifecycle.Note{
		{At: at, Kind: lifecycle.NoteLinkUp},
		{At: at, Kind: lifecycle.NoteFault, Key: "burner", Fault: lifecycle.FaultExited, ExitCode: 137, Reason: lifecycle.ReasonCrashed, Intent: lifecycle.IntentNone, Heal: lifecycle.HealStart, Attempt: 1, Delay: time.Second},
		{At: at, Kind: lifecycle.NoteHealFailed, Key: "burner", Fault: lifecycle.FaultUnhealthy, Reason: lifecycle.ReasonProbeFailed, Heal: lifecycle.HealRestart, Attempt: 2, Duration: 2300 * time.Millisecond, Detail: "no such image", Output: " no beat\n"},
		{At: at, Kind: lifecycle.NoteQuota, Key: "grinder", From: 0, CPUs: 0.5},
		{At: at, Kind: lifecycle.NoteHeld, Key: "grinder", Reason: lifecycle.HeldOperator, Intent: lifecycle.IntentOperator},
	})
}

func TestHistory(t *testing.T) {
	r := run(t)
	require.Equal(t, said{0, "nothing has happened\n", ""}, play(t, Env{}, "history", "--url", r.url))
	at := time.Now().Add(-5 * time.Minute).UTC().Truncate(time.Second)
	toldHistory(r, at)
	got := play(t, Env{}, "history", "--url", r.url)
	stamp := at.Format(time.RFC3339)
	require.Equal(t, said{0, strings.Join([]string{
		"WHEN                  WORKER   EVENT        WHAT",
		stamp + "  -        link-up      -",
		stamp + "  burner   fault        exited (137), crashed, start 1, in 1s",
		stamp + "  burner   heal-failed  unhealthy, probe-failed, restart 2, took 2.3s, no such image, said: no beat",
		stamp + "  grinder  quota        - to 0.5 CPUs",
		stamp + "  grinder  held         stopped-by-operator, by operator",
		"",
	}, "\n"), ""}, got)
	got = play(t, Env{Width: 80}, "history", "grinder", "--kind", "quota", "--url", r.url)
	require.Contains(t, got.out, "5m ago")
	require.Equal(t, 2, strings.Count(got.out, "\n"))

	got = play(t, Env{}, "history", "--json", "-n", "2", "--url", r.url)
	var page struct {
		Events []history.Event
		Next   string
	}
	require.NoError(t, json.Unmarshal([]byte(got.out), &page))
	require.Len(t, page.Events, 2)
	require.Equal(t, lifecycle.NoteHeld, page.Events[0].Kind)
	require.NotEmpty(t, page.Next)
}

func TestBadQuestions(t *testing.T) {
	junk := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }))
	defer junk.Close()
	lost := httptest.NewServer(http.NotFoundHandler())
	defer lost.Close()
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	tests := map[string]struct {
		environ []string
		args    []string
		code    int
		err     string
	}{
		"nothing served": {[]string{"STOKER_LISTEN="}, []string{"status"}, 2, "--url"},
		"bad url":        {nil, []string{"status", "--url", "localhost:8080"}, 2, "http://host:8080"},
		"bad limit":      {nil, []string{"history", "--limit", "501"}, 2, "--limit"},
		"bad since":      {nil, []string{"history", "--since", "noon"}, 2, "--since"},
		"bad kind":       {nil, []string{"history", "--kind", "\x1b[2J"}, 2, `--kind: \x1b[2J`},
		"two workers":    {nil, []string{"history", "a", "b"}, 2, "accepts at most 1"},
		"bad variable":   {[]string{"STOKER_RESYNC=soon"}, []string{"status"}, 2, "STOKER_RESYNC"},
		"nobody there":   {[]string{"STOKER_LISTEN=" + strings.TrimPrefix(dead.URL, "http://")}, []string{"history"}, 1, "no Stoker answers"},
		"nobody to see":  {nil, []string{"status", "--watch", "--url", dead.URL}, 1, "no Stoker answers"},
		"not Stoker":     {nil, []string{"status", "--url", junk.URL}, 1, "no Stoker of this version"},
		"not this one":   {nil, []string{"history", "--url", lost.URL}, 1, "no Stoker of this version"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := play(t, Env{Environ: tt.environ}, tt.args...)
			require.Equal(t, tt.code, got.code)
			require.Empty(t, got.out)
			require.Contains(t, got.err, tt.err)
			require.Equal(t, 1, strings.Count(got.err, "\n"))
		})
	}
}

// The address of the environment leads to the server of the same environment.
func TestStatusFindsTheSidecar(t *testing.T) {
	dir := t.TempDir()
	server, err := status.Listen(status.Options{
		Listen: "127.0.0.1:0", StateDir: dir, View: func() fleet.View { return view(burner()) }, LoopBeat: time.Now, History: history.New(history.Options{}),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	defer func() { cancel(); require.NoError(t, <-ended) }()
	_, port, _ := strings.Cut(server.Addr(), ":")
	environ := []string{"STOKER_STATE_DIR=" + dir, "STOKER_LISTEN=0.0.0.0:" + port, "HTTP_PROXY=http://127.0.0.1:1", "http_proxy=http://127.0.0.1:1"}
	require.Equal(t, 0, play(t, Env{Environ: environ, Hostname: os.Hostname}, "status").code)
	require.Equal(t, 0, play(t, Env{Environ: environ, Hostname: os.Hostname}, "history").code)
}

// paper is an output that a test waits for.
type paper struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *paper) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(b)
}

func (p *paper) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// watch runs a command that goes on until the test ends it.
func watch(t *testing.T, width int, args ...string) (out *paper, end func() int) {
	t.Helper()
	out = &paper{}
	ctx, cancel := context.WithCancel(context.Background())
	code := make(chan int, 1)
	go func() {
		code <- Execute(ctx, Env{Args: args, Stdout: out, Stderr: io.Discard, Width: width, Environ: []string{"NO_COLOR=1"}})
	}()
	end = sync.OnceValue(func() int { cancel(); return <-code })
	t.Cleanup(func() { end() })
	return out, end
}

func holds(t *testing.T, out *paper, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(out.String(), text) }, 20*time.Second, 10*time.Millisecond, text)
}

func TestWatch(t *testing.T) {
	t.Parallel()
	r := run(t)
	r.show(view(burner()))
	table, endTable := watch(t, 0, "status", "--watch", "--url", r.url)
	lines, endLines := watch(t, 0, "status", "--watch", "--json", "--url", r.url)
	screen, endScreen := watch(t, 90, "status", "-w", "--url", r.url)
	holds(t, table, "burner")
	holds(t, lines, `"burner"`)
	holds(t, screen, "\x1b[H1 worker")
	second := burner()
	second.Key = "grinder"
	r.show(view(burner(), second))
	holds(t, table, "grinder")
	holds(t, screen, "\x1b[H2 workers")
	holds(t, lines, `"grinder"`)
	for _, end := range []func() int{endTable, endLines, endScreen} {
		require.Equal(t, 0, end())
	}
	for line := range strings.Lines(lines.String()) {
		require.True(t, json.Valid([]byte(line)))
	}
}

func TestWatchHistory(t *testing.T) {
	t.Parallel()
	r := run(t)
	toldHistory(r, time.Now())
	all, endAll := watch(t, 0, "history", "--watch", "--url", r.url)
	one, endOne := watch(t, 0, "history", "grinder", "--watch", "--json", "--url", r.url)
	holds(t, all, "stopped-by-operator")
	holds(t, one, "stopped-by-operator")
	r.log.Tell([]lifecycle.Note{
		{At: time.Now(), Kind: lifecycle.NoteHealed, Key: "burner", Detail: "first"},
		{At: time.Now(), Kind: lifecycle.NoteHealed, Key: "grinder", Detail: "second"},
	})
	holds(t, all, "second")
	holds(t, one, "second")
	require.Equal(t, 0, endAll())
	require.Equal(t, 0, endOne())
	require.Equal(t, 1, strings.Count(all.String(), "WHEN"))
	require.Equal(t, 8, strings.Count(all.String(), "\n"))
	require.Equal(t, 3, strings.Count(one.String(), "\n"))
	require.NotContains(t, one.String(), "burner")
}

// fragile breaks once a view was written.
type fragile struct {
	http.ResponseWriter
	cut func()
}

func (f fragile) Unwrap() http.ResponseWriter { return f.ResponseWriter }

func (f fragile) Write(text []byte) (int, error) {
	if bytes.Contains(text, []byte("event: view")) {
		f.cut()
	}
	return f.ResponseWriter.Write(text)
}

// A sidecar that is restarted is followed again from where it was left.
func TestWatchComesBack(t *testing.T) {
	t.Parallel()
	log := history.New(history.Options{})
	handler := status.Handler(status.Options{View: func() fleet.View { return view() }, LoopBeat: time.Now, History: log})
	broken := make(chan struct{})
	var streams atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !strings.HasSuffix(req.URL.Path, "/events") || streams.Add(1) > 1 {
			handler.ServeHTTP(w, req)
			return
		}
		ctx, cancel := context.WithCancel(req.Context())
		defer close(broken)
		handler.ServeHTTP(fragile{w, cancel}, req.WithContext(ctx))
	}))
	defer server.Close()
	out, end := watch(t, 0, "history", "--watch", "--url", server.URL)
	<-broken
	log.Tell([]lifecycle.Note{{At: time.Now(), Kind: lifecycle.NoteHealed, Detail: "meanwhile"}})
	holds(t, out, "meanwhile")
	require.Equal(t, 0, end())
	require.Equal(t, 1, strings.Count(out.String(), "meanwhile"))
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
	require.Equal(t, "界…", fit("界界界", 4))
	require.Equal(t, "ab…", fit("abcd", 3))
	require.Equal(t, "e\u0301e\u0301", fit("e\u0301e\u0301", 2))
}

func TestOutputOfQuestionsThatCannotBeWritten(t *testing.T) {
	r := run(t)
	r.show(view(burner()))
	toldHistory(r, time.Now())
	for _, args := range [][]string{{"status"}, {"history"}, {"status", "--json"}, {"history", "--json"}, {"status", "--watch"}, {"history", "--watch"}} {
		var errs bytes.Buffer
		code := Execute(t.Context(), Env{Args: append(args, "--url", r.url), Stdout: full{}, Stderr: &errs})
		require.Equal(t, 1, code)
		require.Contains(t, errs.String(), "no space left")
	}
}
