package poll

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/report/peers"
)

const good = `{"at":"2026-03-01T12:00:00Z","instance":"other","host":"alpha","engine":{"connected":true,"version":"28.5.2"},"workers":[{"key":"w","state":"running"}]}`

func serve(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return server.URL
}

func answerWith(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// endless repeats a text until the reader has enough.
func endless(head, text string, pace time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, err := io.WriteString(w, head)
		for err == nil && r.Context().Err() == nil {
			_, err = io.WriteString(w, text)
			if pace > 0 {
				_ = http.NewResponseController(w).Flush()
				select {
				case <-time.After(pace):
				case <-r.Context().Done():
				}
			}
		}
	}
}

// raw serves a connection with bytes that are no HTTP, and then waits for the client to close it; without bytes it closes it at once.
func raw(t *testing.T, text string) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				if text != "" {
					_, _ = io.WriteString(c, text)
					_, _ = io.Copy(io.Discard, c) // a close with the request unread would reset the connection
				}
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

// start runs a poller until the test ends.
func start(t *testing.T, o Options) *Poller {
	t.Helper()
	o.Instance = "me"
	p := New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); p.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	return p
}

// Each kind of trouble is shown as what it is, beside a peer that is well, and costs no more than its bounds.
func TestPeersInTrouble(t *testing.T) {
	var followed atomic.Int32
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { followed.Add(1) })
	cases := map[string]struct {
		state peers.State
		url   string
	}{
		"well":          {peers.Answered, serve(t, answerWith(good))},
		"itself":        {"", serve(t, answerWith(strings.Replace(good, "other", "me", 1)))},
		"dead":          {peers.Silent, "http://127.0.0.1:1"},
		"hangs":         {peers.Silent, serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })},
		"drips":         {peers.Silent, serve(t, endless(`{"x":"`, "a", 50*time.Millisecond))},
		"garbage":       {peers.Invalid, serve(t, answerWith("\x00\x1b[2J<html>"))},
		"no HTTP":       {peers.Invalid, raw(t, "220 smtp ESMTP\r\n")},
		"hangs up":      {peers.Silent, raw(t, "")},
		"a failure":     {peers.Invalid, serve(t, http.NotFound)},
		"a redirect":    {peers.Invalid, serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere, http.StatusFound) })},
		"endless text":  {peers.Invalid, serve(t, endless(`{"x":"`, strings.Repeat("a", 64<<10), 0))},
		"endless list":  {peers.Invalid, serve(t, endless(`{"engine":{},"workers":[{}`, strings.Repeat(",{}", 10_000), 0))},
		"endless space": {peers.Invalid, serve(t, endless(``, strings.Repeat(" ", 64<<10), 0))},
	}
	var o Options
	for _, c := range cases {
		o.Peers = append(o.Peers, c.url)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	hosts := start(t, o).Fresh(t.Context())
	runtime.ReadMemStats(&after)
	require.Less(t, time.Since(began), askTimeout+10*time.Second)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(len(cases)*8*peers.MaxAnswer))
	require.Zero(t, followed.Load(), "a redirect was followed")
	states := map[string]peers.State{}
	for _, h := range hosts {
		states[h.Address] = h.State
		require.NotContains(t, h.Error, "\x1b")
		require.Equal(t, h.State != peers.Answered, h.Error != "", h.Error)
	}
	for name, c := range cases {
		if got := states[c.url]; strings.HasPrefix(name, "endless") && got == peers.Silent {
			continue // a slow machine reaches the limit of time before that of size
		}
		require.Equal(t, c.state, states[c.url], name)
	}
}

// A peer that closes each connection at once is silent, whether it does so before or after the request has been written.
func TestClosedBeforeTheRequest(t *testing.T) {
	url := raw(t, "")
	p := New(Options{Instance: "me"})
	for range 500 {
		_, failure := p.fetch(t.Context(), url)
		require.NotNil(t, failure)
		require.Equal(t, peers.Silent, failure.state, failure.text)
	}
}

// However many look, a peer is asked once.
func TestLooksShareAnAnswer(t *testing.T) {
	var asked, other atomic.Int32
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.URL.Path != "/api/v1/workers" || r.Header.Get("Accept-Encoding") != "" || r.Method != http.MethodGet {
			other.Add(1)
		}
		answerWith(good)(w, r)
	})
	p := start(t, Options{Peers: []string{url}})
	for range 20 {
		require.Equal(t, peers.Answered, p.Fresh(t.Context())[0].State)
		p.Hosts()
	}
	require.Equal(t, int32(1), asked.Load())
	require.Zero(t, other.Load(), "nothing is sent but the request for the workers, without compression")
}

func TestNames(t *testing.T) {
	server := serve(t, answerWith(good))
	at := netip.MustParseAddrPort(strings.TrimPrefix(server, "http://"))
	name := fmt.Sprintf("tasks.stoker:%d", at.Port())
	p := start(t, Options{Peers: []string{name, "nowhere:1", "broken:1"}, Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
		switch host {
		case "tasks.stoker":
			return []netip.Addr{netip.AddrFrom16(at.Addr().As16())}, nil
		case "nowhere":
			return nil, &net.DNSError{IsNotFound: true}
		}
		return nil, errors.New("server misbehaving")
	}})
	hosts := p.Fresh(t.Context())
	require.Len(t, hosts, 3)
	require.Equal(t, server, hosts[0].Address)
	require.Equal(t, "alpha", hosts[0].Name)
	require.Equal(t, peers.Unresolved, hosts[1].State)
	require.Equal(t, peers.Unresolved, hosts[2].State)
	require.Contains(t, hosts[1].Error, "misbehaving")
}
