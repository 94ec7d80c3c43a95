package command

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
	"stoker/sidecar/internal/report/web"
)

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
		code <- Execute(ctx, Env{
			Process: Process{Args: args, Environ: []string{"NO_COLOR=1"}},
			Console: Console{Stdout: out, Stderr: io.Discard, Width: width},
		})
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

// keyboard is a terminal whose keys a test presses.
type keyboard struct {
	keys   chan byte
	height int
	raw    atomic.Int64 // how often it was taken and not given back
}

func (k *keyboard) Read(p []byte) (int, error) {
	key, open := <-k.keys
	if !open {
		return 0, io.EOF
	}
	p[0] = key
	return 1, nil
}

func (k *keyboard) Raw() (func(), error) {
	k.raw.Add(1)
	return func() { k.raw.Add(-1) }, nil
}

func (k *keyboard) Size() (width, height int) { return 100, k.height }

// TestLiveStatus: sorted by another column, reversed, cut at the height of the terminal, and ended by q.
func TestLiveStatus(t *testing.T) {
	t.Parallel()
	r := run(t)
	idle, busy, third := burner(), burner(), burner()
	idle.Key, idle.State, busy.Key, third.Key = "a-idle", fleet.StateRunning, "b-busy", "c-third"
	busy.State = fleet.StateExhausted
	r.show(view(idle, busy, third))
	k := &keyboard{keys: make(chan byte), height: 24}
	out, code := &paper{}, make(chan int, 1)
	go func() {
		code <- Execute(t.Context(), Env{
			Process: Process{Args: []string{"status", "--watch", "--url", r.url}, Environ: []string{"NO_COLOR=1"}},
			Console: Console{Stdout: out, Stderr: io.Discard, Width: 100, Terminal: k},
		})
	}()
	first := func(hint string) string { // worker on the last screen with that hint
		holds(t, out, hint)
		all := out.String()
		last := all[:strings.LastIndex(all, hint)]
		last = last[strings.LastIndex(last, "\x1b[H"):]
		at := len(last)
		for _, name := range []string{"a-idle", "b-busy", "c-third"} {
			if i := strings.Index(last, name); i >= 0 && i < at {
				at = i
			}
		}
		return last[at : at+6]
	}
	require.Equal(t, "a-idle", first("by name · s:"))
	k.keys <- 's'
	require.Equal(t, "b-busy", first("by state · s:"))
	k.keys <- 'r'
	require.Equal(t, "c-thir", first("by state, reversed · s:"))
	k.keys <- 'q'
	require.Equal(t, 0, <-code)
	require.Zero(t, k.raw.Load(), "the terminal is as it was")
	require.True(t, strings.HasSuffix(out.String(), showCursor+leaveScreen))

	low := &keyboard{keys: make(chan byte), height: 4}
	out = &paper{}
	go func() {
		code <- Execute(t.Context(), Env{
			Process: Process{Args: []string{"status", "-w", "--url", r.url}, Environ: []string{"NO_COLOR=1"}},
			Console: Console{Stdout: out, Stderr: io.Discard, Width: 100, Terminal: low},
		})
	}()
	holds(t, out, "more lines")
	low.keys <- interrupt
	require.Equal(t, 0, <-code)
}

func TestWatchHistory(t *testing.T) {
	t.Parallel()
	r := run(t)
	recordedHistory(r, time.Now())
	all, endAll := watch(t, 0, "history", "--watch", "--url", r.url)
	one, endOne := watch(t, 0, "history", "grinder", "--watch", "--json", "--url", r.url)
	holds(t, all, "stopped-by-operator")
	holds(t, one, "stopped-by-operator")
	r.log.Record([]worker.Event{
		{At: time.Now(), Kind: worker.EventHealed, Key: "burner", Detail: "of the burner"},
		{At: time.Now(), Kind: worker.EventHealed, Key: "grinder", Detail: "of the grinder"},
	})
	holds(t, all, "of the grinder")
	holds(t, one, "of the grinder")
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
	handler := web.Handler(web.Options{Fleet: web.Fleet{View: func() fleet.View { return view() }, LastTick: time.Now}, History: log})
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
	log.Record([]worker.Event{{At: time.Now(), Kind: worker.EventHealed, Detail: "meanwhile"}})
	holds(t, out, "meanwhile")
	require.Equal(t, 0, end())
	require.Equal(t, 1, strings.Count(out.String(), "meanwhile"))
}
