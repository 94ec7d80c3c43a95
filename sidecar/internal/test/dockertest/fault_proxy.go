package dockertest

import (
	"context"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// FaultProxy is a Host whose engine is reached through a proxy that makes calls fail on request. Only Stoker goes through it; the test itself
// goes straight to the engine.
//
// It is one of ours, and not one that works on connections (toxiproxy), for most of what it does concerns some calls and leaves
// the others whole: a list that fails while starts work, one stream that dies while the next one lives.
type FaultProxy struct {
	Host
	address string
	wire    *http.Transport
	gone    context.Context // ends with the test

	mu      sync.Mutex
	trouble *ProxyFault
	cleared chan struct{}
	streams map[*passage]struct{}
}

// ProxyFault is what happens to calls on their way. One of its kinds is set.
type ProxyFault struct {
	Calls string // regular expression for "METHOD /path" without the API version; empty is all

	Delay   time.Duration // before the engine gets it
	Trickle int           // bytes a second, of the answer
	Silence bool          // it is taken, and the engine gets it when the trouble is over
	Reset   bool          // the connection is reset, and the engine gets nothing
	Status  int           // it is answered with this, and the engine gets nothing
	Page    bool          // with Status: the answer is a page, as HAProxy's
	Lost    bool          // the engine does it, and the connection is reset instead of an answer
	Cut     bool          // the answer ends in the middle of its body, as if that were all
}

// passage is an event stream on its way.
type passage struct {
	muted bool
	reset chan struct{}
}

// NewFaultProxy puts a proxy before the engine of a host, until the test ends.
func NewFaultProxy(t testing.TB, h Host) *FaultProxy {
	t.Helper()
	network, address, _ := strings.Cut(h.DockerHost(), "://")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen for Stoker: %v", err)
	}
	gone, end := context.WithCancel(context.Background())
	b := &FaultProxy{Host: h, address: listener.Addr().String(), gone: gone, cleared: make(chan struct{}), streams: map[*passage]struct{}{}}
	b.wire = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
	server := &http.Server{Handler: b, ReadHeaderTimeout: 10 * time.Second}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) }) // ends with Close
	t.Cleanup(func() {
		end()
		_ = server.Close()
		serving.Wait()
	})
	return b
}

// DockerHost is the way through the proxy.
func (b *FaultProxy) DockerHost() string { return "tcp://" + b.address }

// Inject has trouble begin, in the place of what there was. It concerns the calls that begin from now on.
func (b *FaultProxy) Inject(s ProxyFault) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trouble = &s
}

// Clear ends the trouble.
func (b *FaultProxy) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.trouble = nil
	close(b.cleared)
	b.cleared = make(chan struct{})
}

// MuteStreams has the event streams that are open stay so for ever, with nothing on them: what a firewall does that forgets a
// connection.
func (b *FaultProxy) MuteStreams() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p := range b.streams {
		p.muted = true
	}
}

// ResetStreams resets the event streams that are open.
func (b *FaultProxy) ResetStreams() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p := range b.streams {
		close(p.reset)
		delete(b.streams, p)
	}
}

var apiVersion = regexp.MustCompile(`^/v[0-9.]+`)

// of is the trouble of one call, and what is closed when it is over.
func (b *FaultProxy) of(r *http.Request) (ProxyFault, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	call := r.Method + " " + apiVersion.ReplaceAllString(r.URL.Path, "")
	if b.trouble == nil || !regexp.MustCompile(b.trouble.Calls).MatchString(call) {
		return ProxyFault{}, nil
	}
	return *b.trouble, b.cleared
}

func (b *FaultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	trouble, cleared := b.of(r)
	switch {
	case trouble.Reset:
		reset(w)
		return
	case trouble.Status != 0 && trouble.Page:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(trouble.Status)
		_, _ = io.WriteString(w, "<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>\n")
		return
	case trouble.Status != 0:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(trouble.Status)
		_, _ = io.WriteString(w, `{"message":"something is wrong"}`)
		return
	case trouble.Silence:
		if !b.sleep(r, cleared, 0) {
			return
		}
	case trouble.Delay > 0:
		if !b.sleep(r, nil, trouble.Delay) {
			return
		}
	}
	b.pass(w, r, trouble)
}

// sleep waits for the time, or for until if there is none. False is a call whose client has gone.
func (b *FaultProxy) sleep(r *http.Request, until <-chan struct{}, d time.Duration) bool {
	var over <-chan time.Time
	if d > 0 {
		over = time.After(d)
	}
	select {
	case <-over:
	case <-until:
	case <-r.Context().Done():
		return false
	case <-b.gone.Done():
		return false
	}
	return true
}

// pass has the engine do it, and brings its answer back.
func (b *FaultProxy) pass(w http.ResponseWriter, r *http.Request, trouble ProxyFault) {
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.RequestURI = "http", "engine", ""
	answer, err := b.wire.RoundTrip(out)
	if err != nil {
		reset(w) // no engine
		return
	}
	defer func() { _ = answer.Body.Close() }()
	if trouble.Lost {
		reset(w)
		return
	}
	for name, values := range answer.Header {
		w.Header()[name] = values
	}
	if strings.HasSuffix(r.URL.Path, "/events") {
		b.stream(w, answer)
		return
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		reset(w)
		return
	}
	if trouble.Cut {
		body = body[:len(body)/2]
		w.Header().Del("Content-Length")
	}
	w.WriteHeader(answer.StatusCode)
	b.write(w, r, body, trouble.Trickle)
}

// write sends a body, at so many bytes a second if that is not zero.
func (b *FaultProxy) write(w http.ResponseWriter, r *http.Request, body []byte, rate int) {
	const ticks = 10 // a second
	for rate > 0 && len(body) > 0 {
		n := min(max(rate/ticks, 1), len(body))
		_, _ = w.Write(body[:n])
		_ = http.NewResponseController(w).Flush()
		if body = body[n:]; !b.sleep(r, nil, time.Second/ticks) {
			return
		}
	}
	_, _ = w.Write(body)
}

// stream brings events, until the engine or the client ends it, or a test resets it.
func (b *FaultProxy) stream(w http.ResponseWriter, answer *http.Response) {
	p := &passage{reset: make(chan struct{})}
	b.mu.Lock()
	b.streams[p] = struct{}{}
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.streams, p)
	}()
	w.WriteHeader(answer.StatusCode)
	_ = http.NewResponseController(w).Flush()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.bring(w, answer.Body, p)
	}()
	select {
	case <-ended:
	case <-p.reset:
		_ = answer.Body.Close()
		<-ended
		reset(w)
	case <-b.gone.Done():
		_ = answer.Body.Close()
		<-ended
	}
}

// bring copies what comes. Of a muted stream not even the end comes through.
func (b *FaultProxy) bring(w http.ResponseWriter, from io.Reader, p *passage) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		b.mu.Lock()
		muted := p.muted
		b.mu.Unlock()
		if !muted && n > 0 {
			_, _ = w.Write(buffer[:n])
			_ = http.NewResponseController(w).Flush()
		}
		if err != nil {
			return
		}
	}
}

// reset ends a connection as a kernel does that has no such connection.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
