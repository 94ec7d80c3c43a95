package web

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/netutil"
)

// serve runs a server on a port of the system's choice and stops it at the end of the test.
func serve(t *testing.T, opts Options) (*Server, *http.Client) {
	t.Helper()
	opts.StateDir = t.TempDir()
	s, err := Listen(opts)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx) }()
	t.Cleanup(func() { cancel(); require.NoError(t, <-ended) })
	host, err := os.Hostname()
	require.NoError(t, err)
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", HealthSockets(host, opts.StateDir, opts.Scope)[0])
	}}
	return s, &http.Client{Transport: transport}
}

func get(t *testing.T, client *http.Client, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Empty(t, resp.Header.Get("Server"))
	return resp.StatusCode, string(body)
}

func TestServesBothAddresses(t *testing.T) {
	opts := options()
	opts.Listen = "127.0.0.1:0"
	s, local := serve(t, opts)
	web := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

	code, body := get(t, web, "http://"+s.Addr()+"/api/v1/workers/burner")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, `"burner"`)
	code, _ = get(t, local, "http://stoker/healthz")
	require.Equal(t, http.StatusOK, code)
	code, _ = get(t, local, "http://stoker/readyz")
	require.Equal(t, http.StatusOK, code)
	code, _ = get(t, local, "http://stoker/api/v1/workers")
	require.Equal(t, http.StatusNotFound, code, "the unix socket serves health only")
}

func TestHealthWithoutListen(t *testing.T) {
	s, local := serve(t, options())
	require.Empty(t, s.Addr())
	code, _ := get(t, local, "http://stoker/healthz")
	require.Equal(t, http.StatusOK, code)
}

func TestListenErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	opts := options()
	opts.Listen, opts.StateDir = taken.Addr().String(), t.TempDir()
	_, err = Listen(opts)
	require.ErrorContains(t, err, "STOKER_LISTEN")

	opts.Listen = "127.0.0.1:0"
	first, err := Listen(opts)
	require.NoError(t, err)
	require.NoError(t, first.SocketProblem, "the failed one has released the socket")
	opts.Scope = "other"
	second, err := Listen(opts)
	require.NoError(t, err)
	require.NoError(t, second.SocketProblem)
	require.NoError(t, errors.Join(first.Close(), second.Close()))
}

func TestTheHealthSocketIsOnlyItsOwners(t *testing.T) {
	opts := options()
	opts.StateDir = t.TempDir()
	s, err := Listen(opts)
	require.NoError(t, err)
	sockets := socketsOf(t, opts)
	info, err := os.Stat(sockets[0])
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, s.Close())
	require.NoFileExists(t, sockets[0])
}

// A socket file that a crash left behind is replaced.
func TestASocketThatACrashLeftBehind(t *testing.T) {
	opts := options()
	opts.StateDir = t.TempDir()
	name := socketsOf(t, opts)[0]
	crashed, err := net.ListenUnix("unix", &net.UnixAddr{Name: name, Net: "unix"})
	require.NoError(t, err)
	crashed.SetUnlinkOnClose(false)
	require.NoError(t, crashed.Close())
	require.FileExists(t, name)
	s, err := Listen(opts)
	require.NoError(t, err)
	require.NoError(t, s.SocketProblem)
	require.Equal(t, name, s.socket.Addr().String())
	require.NoError(t, s.Close())
}

// Stoker starts although other processes hold the names of its sockets.
func TestSocketsThatSomebodyHolds(t *testing.T) {
	hold := func(name string) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			held, err := net.Listen("unix", name)
			require.NoError(t, err)
			t.Cleanup(func() { _ = held.Close() })
		}
	}
	opts := options()
	opts.Listen = "127.0.0.1:0"
	for name, c := range map[string]struct {
		before func(sockets []string) []func(*testing.T)
		bound  int // index of the socket that is bound; -1 is none
	}{
		"the abstract one": {func(s []string) []func(*testing.T) { return []func(*testing.T){hold(s[1])} }, 0},
		"the file":         {func(s []string) []func(*testing.T) { return []func(*testing.T){hold(s[0])} }, 1},
		"both":             {func(s []string) []func(*testing.T) { return []func(*testing.T){hold(s[0]), hold(s[1])} }, -1},
		"a folder instead": {func(s []string) []func(*testing.T) {
			return []func(*testing.T){func(t *testing.T) { require.NoError(t, os.MkdirAll(s[0]+"/x", 0o700)) }}
		}, 1},
		"no state directory": {func(s []string) []func(*testing.T) {
			return []func(*testing.T){func(t *testing.T) { require.NoError(t, os.Remove(filepath.Dir(s[0]))) }}
		}, 1},
		"a state directory that is a file": {func(s []string) []func(*testing.T) {
			return []func(*testing.T){func(t *testing.T) {
				require.NoError(t, os.Remove(filepath.Dir(s[0])))
				require.NoError(t, os.WriteFile(filepath.Dir(s[0]), nil, 0o600))
			}}
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			opts := opts
			opts.StateDir = filepath.Join(t.TempDir(), "state")
			require.NoError(t, os.Mkdir(opts.StateDir, 0o700))
			sockets := socketsOf(t, opts)
			for _, do := range c.before(sockets) {
				do(t)
			}
			s, err := Listen(opts)
			require.NoError(t, err)
			require.NotEmpty(t, s.Addr())
			if c.bound < 0 {
				require.ErrorContains(t, s.SocketProblem, "listen for health checks")
				require.Nil(t, s.socket)
			} else {
				require.NoError(t, s.SocketProblem)
				require.Equal(t, sockets[c.bound], s.socket.Addr().String())
			}
			require.NoError(t, s.Close())
		})
	}
}

func socketsOf(t *testing.T, opts Options) []string {
	t.Helper()
	host, err := os.Hostname()
	require.NoError(t, err)
	return HealthSockets(host, opts.StateDir, opts.Scope)
}

// While clients hold every place on TCP, the health check is still answered; and they are thrown out in time.
func TestSlowClientsHoldNothingUp(t *testing.T) {
	opts := options()
	opts.Listen = "127.0.0.1:0"
	s, local := serve(t, opts)
	for range maxTCP {
		conn, err := net.Dial("tcp", s.Addr())
		require.NoError(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost:")
		require.NoError(t, err)
	}
	code, _ := get(t, local, "http://stoker/healthz")
	require.Equal(t, http.StatusOK, code)
}

// memoryListener accepts pipes, which work in a bubble.
type memoryListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l memoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}
func (l memoryListener) Close() error { close(l.closed); return nil }
func (memoryListener) Addr() net.Addr { return &net.UnixAddr{} }

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := memoryListener{make(chan net.Conn), make(chan struct{})}
		server := newServer(Handler(options()))
		ended := make(chan error, 1)
		go func() { ended <- server.Serve(netutil.LimitListener(inner, 2)) }()
		dial := func() net.Conn { client, theirs := net.Pipe(); inner.conns <- theirs; return client }

		began := time.Now()
		slow := []net.Conn{dial(), dial()}
		third := make(chan time.Duration, 1)
		go func() {
			conn := dial() // is taken only when a place is free
			third <- time.Since(began)
			_ = conn.Close()
		}()
		require.Equal(t, headerTimeout, <-third, "a client that sends nothing loses its place")
		for _, conn := range slow {
			_, err := io.ReadAll(conn)
			require.NoError(t, err)
		}

		big := dial()
		go func() { _, _ = io.WriteString(big, "GET / HTTP/1.1\r\nX: "+strings.Repeat("x", 1<<20)) }()
		answer, _ := io.ReadAll(io.LimitReader(big, 12))
		require.Equal(t, "HTTP/1.1 431", string(answer))
		_ = big.Close()

		require.NoError(t, server.Shutdown(t.Context()))
		require.ErrorIs(t, <-ended, http.ErrServerClosed)
	})
}
