package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

var (
	errNotFound = errors.New("not found")
	errDenied   = errors.New("denied")
)

// engine is a fake that returns its fields.
type engine struct {
	reach  map[string]worker.Reach
	err    error
	local  bool
	asked  atomic.Int32
	at     time.Time
	fileAs string
}

func (e *engine) ReachOf(_ context.Context, id string) (worker.Reach, error) {
	e.asked.Add(1)
	r, ok := e.reach[id]
	switch {
	case e.err != nil:
		return r, e.err
	case !ok:
		return r, fmt.Errorf("inspect: %w", errNotFound)
	}
	return r, nil
}

func (e *engine) FileTime(ctx context.Context, _, file string) (time.Time, error) {
	if e.fileAs == "slow" {
		<-ctx.Done()
		return time.Time{}, ctx.Err()
	}
	if file != e.fileAs {
		return time.Time{}, e.err
	}
	return e.at, nil
}

func (e *engine) Local() bool { return e.local }

func on(address string) worker.Reach {
	return worker.Reach{Endpoints: []worker.Endpoint{{Network: "net", Addresses: []string{address}}}}
}

// outside is a Prober in no container, as with go run: addresses in this host's networks can be reached.
func outside() *Prober {
	return New(Options{Engine: &engine{local: true}, NotFound: errNotFound, Denied: errDenied})
}

func target(t *testing.T, text string) policy.ProbeTarget {
	t.Helper()
	target, err := policy.ParseProbe(text)
	require.NoError(t, err)
	return target
}

// ask probes with a timeout that a passing test does not wait for.
func ask(t *testing.T, p *Prober, text string, reach worker.Reach, timeout time.Duration) worker.ProbeAnswer {
	t.Helper()
	began := time.Now()
	answer := p.Do(t.Context(), worker.Action{
		Incarnation: worker.Incarnation{ID: "w"}, OutsideArgs: worker.OutsideArgs{Probe: &worker.ProbeCall{Target: target(t, text), Timeout: timeout, Reach: reach}},
	})
	require.Less(t, time.Since(began), timeout+5*time.Second)
	require.Equal(t, answer.Verdict == worker.VerdictSuccess, answer.Detail == "", answer.Detail)
	return answer
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	require.NoError(t, err)
	return port
}

const patience = 20 * time.Second

func TestHTTP(t *testing.T) {
	loop := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/health":
			_, _ = fmt.Fprint(w, "ok")
		case "/loop":
			loop++
			http.Redirect(w, r, "/loop", http.StatusFound)
		case "/broken":
			http.Error(w, strings.Repeat("trouble ", 10000), http.StatusInternalServerError)
		case "/host":
			if !strings.HasPrefix(r.Host, "localhost:") || r.Header.Get("User-Agent") != "stoker-probe" {
				w.WriteHeader(http.StatusBadRequest)
			}
		case "/secret":
			if user, password, _ := r.BasicAuth(); user != "u" || password != "p" || r.URL.RawQuery != "a=b" {
				w.WriteHeader(http.StatusUnauthorized)
			}
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	at := server.Listener.Addr().String()
	url := "http://:" + portOf(t, at)
	p := outside()
	well := ask(t, p, url+"/health", on("127.0.0.1"), patience)
	require.Equal(t, worker.ProbeAnswer{Verdict: worker.VerdictSuccess, Address: at}, well)
	require.Equal(t, worker.VerdictSuccess, ask(t, p, url+"/host", on("127.0.0.1"), patience).Verdict)
	require.Equal(t, worker.VerdictSuccess, ask(t, p, "http://u:p@:"+portOf(t, at)+"/secret?a=b", on("127.0.0.1"), patience).Verdict)
	require.Equal(t, worker.VerdictSuccess, ask(t, p, url+"/loop", on("127.0.0.1"), patience).Verdict, "3xx is a success, and not followed")
	require.Equal(t, 1, loop)
	require.Equal(t, worker.VerdictSuccess, ask(t, p, "http://localhost:"+portOf(t, at)+"/health", worker.Reach{}, patience).Verdict, "with a host no address is looked up")

	broken := ask(t, p, url+"/broken", on("127.0.0.1"), patience)
	require.Equal(t, worker.VerdictBad, broken.Verdict)
	require.True(t, strings.HasPrefix(broken.Detail, at+" answered 500 Internal Server Error: trouble trouble"), broken.Detail)
	require.Less(t, len(broken.Detail), 400)
	require.Equal(t, at+" answered 404 Not Found", ask(t, p, url+"/", on("127.0.0.1"), patience).Detail)
}

// bad is a server with invalid answers.
func bad(t *testing.T, serve func(net.Conn)) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer func() { _ = c.Close() }()
				serve(c)
			}()
		}
	}()
	return portOf(t, l.Addr().String())
}

func request(c net.Conn) { _, _ = c.Read(make([]byte, 4096)) }

// hold keeps the connection open until the peer closes it.
func hold(c net.Conn) {
	for b := make([]byte, 4096); ; {
		if _, err := c.Read(b); err != nil {
			return
		}
	}
}

func TestBadServers(t *testing.T) {
	p := outside()
	for name, c := range map[string]struct {
		serve   func(net.Conn)
		timeout time.Duration
		verdict worker.Verdict
		detail  string
	}{
		"silent": {hold, 100 * time.Millisecond, worker.VerdictNoAnswer, "no answer from 127.0.0.1"},
		"closes": {request, patience, worker.VerdictBad, "closed the connection without an answer"},
		"garbage": {func(c net.Conn) {
			request(c)
			_, _ = c.Write([]byte("\x00\x1b[31mSSH-2.0 hello\r\n\r\n"))
		}, patience, worker.VerdictBad, "something that is not HTTP"},
		"endless line": {func(c net.Conn) {
			request(c)
			for {
				if _, err := c.Write([]byte(strings.Repeat("a", 4096))); err != nil {
					return
				}
			}
		}, patience, worker.VerdictBad, "something that is not HTTP"},
		"endless body": {func(c net.Conn) {
			request(c)
			_, err := c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n"))
			for err == nil {
				_, err = c.Write([]byte(strings.Repeat("a", 4096)))
			}
		}, patience, worker.VerdictSuccess, ""},
		"body that stalls": {func(c net.Conn) {
			request(c)
			_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"))
			hold(c)
		}, 200 * time.Millisecond, worker.VerdictNoAnswer, "no answer"},
		"body cut off": {func(c net.Conn) {
			request(c)
			_, _ = c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"))
		}, patience, worker.VerdictBad, "closed the connection"},
		"nonsense in 500": {func(c net.Conn) {
			request(c)
			_, _ = c.Write([]byte("HTTP/1.1 500 x\r\nContent-Length: 4\r\n\r\n\x1b[1m"))
		}, patience, worker.VerdictBad, "answered 500"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer := ask(t, p, "http://:"+bad(t, c.serve)+"/", on("127.0.0.1"), c.timeout)
			require.Equal(t, c.verdict, answer.Verdict, answer.Detail)
			require.Contains(t, answer.Detail, c.detail)
			require.NotContains(t, answer.Detail, "SSH", "what it sends is not repeated")
		})
	}
}

// closedPort returns a port that nothing listens on.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return portOf(t, l.Addr().String())
}

func TestRefused(t *testing.T) {
	port := closedPort(t)
	for _, scheme := range []string{"http", "https", "tcp"} {
		answer := ask(t, outside(), scheme+"://:"+port, on("127.0.0.1"), patience)
		require.Equal(t, worker.VerdictBad, answer.Verdict)
		require.Equal(t, "127.0.0.1:"+port+" refuses the connection: nothing listens there", answer.Detail)
	}
	named := ask(t, outside(), "tcp://no-such-host.invalid:1", worker.Reach{}, patience)
	require.Equal(t, worker.VerdictNoAnswer, named.Verdict, "Stoker's own resolver may be what fails")
	require.Contains(t, named.Detail, "no-such-host.invalid leads to no address")
}

func TestTCP(t *testing.T) {
	var taken atomic.Int32
	port := bad(t, func(c net.Conn) { taken.Add(1); hold(c) })
	p := outside()
	require.Equal(t, worker.ProbeAnswer{Verdict: worker.VerdictSuccess, Address: "127.0.0.1:" + port}, ask(t, p, "tcp://:"+port, on("127.0.0.1"), patience))
	several := worker.Reach{Endpoints: []worker.Endpoint{{Network: "a", Addresses: []string{"127.0.0.2"}}, {Network: "b", Addresses: []string{"127.0.0.1"}}}}
	require.Equal(t, "127.0.0.1:"+port, ask(t, p, "tcp://:"+port, several, patience).Address, "the one of its addresses that answers")
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = nil
	defer server.Close()
	port := portOf(t, server.Listener.Addr().String())
	require.Equal(t, worker.VerdictSuccess, ask(t, outside(), "https://:"+port, on("127.0.0.1"), patience).Verdict, "no certificate is for a container's address")
	named := ask(t, outside(), "https://localhost:"+port, worker.Reach{}, patience)
	require.Equal(t, worker.VerdictBad, named.Verdict)
	require.Contains(t, named.Detail, "certificate")
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer plain.Close()
	mixed := ask(t, outside(), "https://:"+portOf(t, plain.Listener.Addr().String()), on("127.0.0.1"), patience)
	require.Contains(t, mixed.Detail, "does not use TLS")
}

func TestIPv6(t *testing.T) {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skipf("no IPv6 here: %v", err)
	}
	defer func() { _ = l.Close() }()
	server := &http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	defer func() { _ = server.Close() }()
	go func() { _ = server.Serve(l) }()
	port := portOf(t, l.Addr().String())
	require.Equal(t, worker.ProbeAnswer{Verdict: worker.VerdictSuccess, Address: "[::1]:" + port}, ask(t, outside(), "http://:"+port, on("::1"), patience))
	require.Equal(t, worker.VerdictSuccess, ask(t, outside(), "tcp://[::1]:"+port, worker.Reach{}, patience).Verdict)
}

// Probes ignore the proxy settings of Stoker's environment.
func TestNoProxy(t *testing.T) {
	var proxied atomic.Int32
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { proxied.Add(1) }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	require.Equal(t, worker.VerdictBad, ask(t, outside(), "http://:"+closedPort(t), on("127.0.0.1"), patience).Verdict)
	require.Zero(t, proxied.Load())
}

// Probes leave no goroutine and no connection behind, however they end.
func TestNothingIsLeftBehind(t *testing.T) {
	var open atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hang" {
			<-r.Context().Done()
		}
	}))
	server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		switch s {
		case http.StateNew:
			open.Add(1)
		case http.StateClosed:
			open.Add(-1)
		}
	}
	server.Start()
	defer server.Close()
	url := "http://:" + portOf(t, server.Listener.Addr().String())
	p := outside()
	before := runtime.NumGoroutine()
	for range 20 {
		ask(t, p, url, on("127.0.0.1"), patience)
		ask(t, p, url+"/hang", on("127.0.0.1"), 10*time.Millisecond)
	}
	require.Eventually(t, func() bool { return open.Load() == 0 && runtime.NumGoroutine() <= before+1 }, patience, 10*time.Millisecond)
}

func TestWhereStokerIs(t *testing.T) {
	port := bad(t, hold)
	loopback := worker.Endpoint{Network: "front", Addresses: []string{"127.0.0.1"}}
	elsewhere := worker.Endpoint{Network: "rear", Addresses: []string{"127.0.0.1"}}
	self := func(r worker.Reach) *engine { return &engine{reach: map[string]worker.Reach{"self": r}, local: true} }
	for name, c := range map[string]struct {
		engine *engine
		reach  worker.Reach
		want   worker.Verdict
	}{
		"a network in common":            {self(worker.Reach{Endpoints: []worker.Endpoint{loopback}}), worker.Reach{Endpoints: []worker.Endpoint{loopback}}, worker.VerdictSuccess},
		"none in common":                 {self(worker.Reach{Endpoints: []worker.Endpoint{loopback}}), worker.Reach{Endpoints: []worker.Endpoint{elsewhere}}, worker.VerdictImpossible},
		"no network at all":              {self(worker.Reach{Endpoints: []worker.Endpoint{loopback}}), worker.Reach{}, worker.VerdictImpossible},
		"both in the host's":             {self(worker.Reach{Host: true}), worker.Reach{Host: true}, worker.VerdictSuccess},
		"the worker in the host's":       {self(worker.Reach{Endpoints: []worker.Endpoint{loopback}}), worker.Reach{Host: true}, worker.VerdictImpossible},
		"Stoker in the host's":           {self(worker.Reach{Host: true}), worker.Reach{Endpoints: []worker.Endpoint{elsewhere}}, worker.VerdictSuccess},
		"a bridge that is not here":      {self(worker.Reach{Host: true}), on("203.0.113.9"), worker.VerdictImpossible},
		"in a container elsewhere":       {&engine{local: true}, on("127.0.0.1"), worker.VerdictSuccess},
		"another host's engine":          {&engine{}, on("127.0.0.1"), worker.VerdictImpossible},
		"inside Stoker's own namespace":  {self(worker.Reach{Endpoints: []worker.Endpoint{elsewhere}}), worker.Reach{Inside: "self"}, worker.VerdictSuccess},
		"an engine that does not answer": {&engine{err: errDenied}, on("127.0.0.1"), worker.VerdictNotMade},
	} {
		t.Run(name, func(t *testing.T) {
			p := New(Options{Engine: c.engine, Self: "self", NotFound: errNotFound, Denied: errDenied})
			answer := ask(t, p, "tcp://:"+port, c.reach, patience)
			require.Equal(t, c.want, answer.Verdict, answer.Detail)
			if c.want == worker.VerdictImpossible {
				require.Equal(t, noAddress, answer.Detail)
			}
		})
	}
	vpn := self(worker.Reach{Endpoints: []worker.Endpoint{loopback}})
	vpn.reach["vpn"] = worker.Reach{Endpoints: []worker.Endpoint{loopback}}
	p := New(Options{Engine: vpn, Self: "self", NotFound: errNotFound, Denied: errDenied})
	require.Equal(t, worker.VerdictSuccess, ask(t, p, "tcp://:"+port, worker.Reach{Inside: "vpn"}, patience).Verdict, "a worker in another container's network has that one's address")
	require.Equal(t, worker.VerdictNotMade, ask(t, p, "tcp://:"+port, worker.Reach{Inside: "gone"}, patience).Verdict)
	asked := vpn.asked.Load()
	ask(t, p, "tcp://:"+port, worker.Reach{Endpoints: []worker.Endpoint{loopback}}, patience)
	require.Equal(t, asked, vpn.asked.Load(), "where Stoker is need not be asked each time")
}

func TestFiles(t *testing.T) {
	ask := func(e *engine, text string, unseen ...string) worker.ProbeAnswer {
		p := New(Options{Engine: e, NotFound: errNotFound, Denied: errDenied})
		call := &worker.ProbeCall{Target: target(t, text), Timeout: 50 * time.Millisecond, Unseen: unseen, Skew: time.Hour}
		return p.Do(t.Context(), worker.Action{OutsideArgs: worker.OutsideArgs{Probe: call}})
	}
	now := time.Now().Add(time.Hour) // the engine's clock
	require.Equal(t, worker.VerdictSuccess, ask(&engine{fileAs: "/beat", at: now.Add(-50 * time.Second)}, "file:///beat").Verdict)
	require.Equal(t, worker.VerdictSuccess, ask(&engine{fileAs: "/beat", at: now.Add(time.Minute)}, "file:///beat").Verdict)
	old := ask(&engine{fileAs: "/beat", at: now.Add(-2 * time.Minute)}, "file:///beat?max-age=90s")
	require.Equal(t, worker.VerdictBad, old.Verdict)
	require.Equal(t, "/beat was last written 2m0s ago; max-age is 1m30s", old.Detail)
	require.Equal(t, worker.VerdictBad, ask(&engine{err: errNotFound}, "file:///beat").Verdict)
	require.Equal(t, worker.VerdictNotMade, ask(&engine{err: errors.New("busy")}, "file:///beat").Verdict)
	require.Equal(t, worker.VerdictNotMade, ask(&engine{fileAs: "slow"}, "file:///beat").Verdict, "a slow engine is not the worker's fault")
	require.Equal(t, worker.VerdictImpossible, ask(&engine{err: errDenied}, "file:///beat").Verdict)
	for _, file := range []string{"/dev/shm/beat", "/tmp/a/beat", "/tmp"} {
		hidden := ask(&engine{fileAs: file, at: now}, "file://"+file, "/tmp")
		require.Equal(t, worker.VerdictImpossible, hidden.Verdict, file)
		require.Contains(t, hidden.Detail, "mounted in memory")
	}
	require.Equal(t, worker.VerdictSuccess, ask(&engine{fileAs: "/tmpfs", at: now}, "file:///tmpfs", "/tmp").Verdict)
}
