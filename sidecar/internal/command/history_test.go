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
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
	"stoker/sidecar/internal/report/web"
)

// recordedHistory records what happens in one life of a worker.
func recordedHistory(r *running, at time.Time) {
	r.log.Record([]worker.Event{
		{At: at, Kind: worker.EventEngineConnected},
		{At: at, Kind: worker.EventFault, Key: "burner", HealDetails: worker.HealDetails{Fault: worker.FaultExited, ExitCode: 137, Intent: worker.IntentNone, Heal: worker.HealStart, Attempt: 1, Delay: time.Second}, Reason: worker.ReasonCrashed},
		{At: at, Kind: worker.EventHealFailed, Key: "burner", HealDetails: worker.HealDetails{Fault: worker.FaultUnhealthy, Heal: worker.HealRestart, Attempt: 2, Duration: 2300 * time.Millisecond, Output: " no beat\n"}, Reason: worker.ReasonProbeFailed, Detail: "no such image"},
		{At: at, Kind: worker.EventQuota, Key: "grinder", QuotaChange: worker.QuotaChange{From: 0, CPUs: 0.5}},
		{At: at, Kind: worker.EventHeld, Key: "grinder", Reason: worker.HeldOperator, HealDetails: worker.HealDetails{Intent: worker.IntentOperator}},
	})
}

func TestHistory(t *testing.T) {
	r := run(t)
	require.Equal(t, result{0, "nothing has happened\n", ""}, play(t, Env{}, "history", "--url", r.url))
	at := time.Now().Add(-5 * time.Minute).UTC().Truncate(time.Second)
	recordedHistory(r, at)
	got := play(t, Env{}, "history", "--url", r.url)
	stamp := at.Format(time.RFC3339)
	require.Equal(t, result{0, strings.Join([]string{
		"WHEN                  WORKER   EVENT             WHAT",
		stamp + "  -        engine-connected  -",
		stamp + "  burner   fault             exited (137), crashed, start 1, in 1s",
		stamp + "  burner   heal-failed       unhealthy, probe-failed, restart 2, took 2.3s, no such image, output: no beat",
		stamp + "  grinder  quota             - to 0.5 CPUs",
		stamp + "  grinder  held              stopped-by-operator, by operator",
		"",
	}, "\n"), ""}, got)
	got = play(t, Env{Console: Console{Width: 80}}, "history", "grinder", "--kind", "quota", "--url", r.url)
	require.Contains(t, got.out, "5m ago")
	require.Equal(t, 2, strings.Count(got.out, "\n"))

	got = play(t, Env{}, "history", "--json", "-n", "2", "--url", r.url)
	var page struct {
		Events []history.Entry
		Next   string
	}
	require.NoError(t, json.Unmarshal([]byte(got.out), &page))
	require.Len(t, page.Events, 2)
	require.Equal(t, worker.EventHeld, page.Events[0].Kind)
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
		"no listener":    {[]string{"STOKER_LISTEN=" + strings.TrimPrefix(dead.URL, "http://")}, []string{"history"}, 1, "no Stoker answers"},
		"no sidecar":     {nil, []string{"status", "--watch", "--url", dead.URL}, 1, "no Stoker answers"},
		"not Stoker":     {nil, []string{"status", "--url", junk.URL}, 1, "not from a Stoker of this version"},
		"not this one":   {nil, []string{"history", "--url", lost.URL}, 1, "not from a Stoker of this version"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := play(t, Env{Process: Process{Environ: tt.environ}}, tt.args...)
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
	server, err := web.Listen(web.Options{
		Address: web.Address{Listen: "127.0.0.1:0", StateDir: dir},
		Fleet:   web.Fleet{View: func() fleet.View { return view(burner()) }, LastTick: time.Now},
		History: history.New(history.Options{}),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx) }()
	defer func() { cancel(); require.NoError(t, <-ended) }()
	_, port, _ := strings.Cut(server.Addr(), ":")
	environ := []string{"STOKER_STATE_DIR=" + dir, "STOKER_LISTEN=0.0.0.0:" + port, "HTTP_PROXY=http://127.0.0.1:1", "http_proxy=http://127.0.0.1:1"}
	require.Equal(t, 0, play(t, Env{Process: Process{Environ: environ, Hostname: os.Hostname}}, "status").code)
	require.Equal(t, 0, play(t, Env{Process: Process{Environ: environ, Hostname: os.Hostname}}, "history").code)
}

func TestOutputOfQuestionsThatCannotBeWritten(t *testing.T) {
	r := run(t)
	r.show(view(burner()))
	recordedHistory(r, time.Now())
	for _, args := range [][]string{{"status"}, {"history"}, {"status", "--json"}, {"history", "--json"}, {"status", "--watch"}, {"history", "--watch"}} {
		var errs bytes.Buffer
		code := Execute(t.Context(), Env{Process: Process{Args: append(args, "--url", r.url)}, Console: Console{Stdout: full{}, Stderr: &errs}})
		require.Equal(t, 1, code)
		require.Contains(t, errs.String(), "no space left")
	}
}
