package queue

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
)

// silent is a server that accepts connections and sends nothing but a greeting. It counts the connections.
func silent(tb testing.TB, greeting string) (address string, taken *atomic.Int32) {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	taken = &atomic.Int32{}
	var mu sync.Mutex
	var all []net.Conn
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			taken.Add(1)
			_, _ = c.Write([]byte(greeting))
			mu.Lock()
			all = append(all, c)
			mu.Unlock()
		}
	}()
	tb.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		defer mu.Unlock()
		for _, c := range all {
			_ = c.Close()
		}
	})
	return l.Addr().String(), taken
}

// every returns the URL of each kind of source on a server.
func every(address string) []string {
	return []string{
		"amqp://u:p@" + address + "?queue=q", "amqps://u:p@" + address + "?queue=q",
		"rabbitmq+http://u:p@" + address + "?queue=q", "rabbitmq+https://u:p@" + address + "?queue=q",
		"redis://" + address + "?list=q", "redis://u:p@" + address + "/1?stream=s&group=g", "rediss://" + address + "?list=q",
		"prometheus+http://" + address + "?query=q", "prometheus+https://" + address + "?query=q",
		"http+json://" + address + "?value=q", "https+json://" + address + "?value=q",
	}
}

func TestAServerThatDoesNotAnswer(t *testing.T) {
	address, _ := silent(t, "")
	before := runtime.NumGoroutine()
	p := newPool(t, Options{})
	for _, text := range every(address) {
		t.Run(text, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			began := time.Now()
			_, err := p.Ask(ctx, source(t, text))
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, Timeout, e.Kind)
			require.ErrorContains(t, err, address+" gave no answer in time")
			require.Less(t, time.Since(began), 5*time.Second)
		})
	}
	require.NoError(t, p.Close(t.Context()))
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+2 }, 5*time.Second, 10*time.Millisecond, "nothing is left running")
	_, err := p.Ask(t.Context(), source(t, every(address)[0]))
	require.ErrorIs(t, err, ErrClosed)
}

// A source that hangs does not delay others, also not those on the same server.
func TestAHangingSourceDelaysNoOther(t *testing.T) {
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hangs" {
			<-over
		}
		_, _ = fmt.Fprint(w, `{"n": 1}`)
	}))
	defer server.Close()
	defer close(over)
	p := newPool(t, Options{})
	base := strings.Replace(server.URL, "http://", "http+json://", 1)
	ctx, cancel := context.WithCancel(t.Context())
	hanging := make(chan error)
	for n := range 20 {
		s := source(t, fmt.Sprintf("%s/hangs?value=n&n=%d", base, n))
		go func() {
			_, err := p.Ask(ctx, s)
			hanging <- err
		}()
	}
	for range 5 {
		require.InDelta(t, 1, reads(t, p, base+"/?value=n").Waiting, 0)
	}
	cancel()
	for range 20 {
		require.ErrorIs(t, <-hanging, context.Canceled, "one who was cancelled has no fault")
	}
}

func TestAnotherProtocol(t *testing.T) {
	greeter, _ := silent(t, "220 mail.example ESMTP ready\r\n")
	p := newPool(t, Options{})
	for _, text := range every(greeter) {
		t.Run(text, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := p.Ask(ctx, source(t, text))
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, BadAnswer, e.Kind, e.Error())
			require.NotContains(t, e.Error(), "mail.example")
		})
	}
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	address := web.Listener.Addr().String()
	fails(t, p, "redis://"+address+"?list=q", BadAnswer, "does not answer as a server of Redis without TLS does")
	fails(t, p, "https+json://"+address+"?value=q", BadAnswer, "does not use TLS; write http+json://")
	fails(t, p, "amqps://"+address+"?queue=q", BadAnswer, "does not use TLS; write amqp://")
	fails(t, p, "rediss://"+address+"?list=q", BadAnswer, "does not use TLS; write redis://")
}

func TestNoServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	p := newPool(t, Options{})
	for _, text := range every(address) {
		fails(t, p, text, Unreachable, "nothing listens on "+address+"; start the server, or correct host and port")
	}
	for _, text := range every("no-such-host.invalid:1") {
		fails(t, p, text, NoSuchAddress, `"no-such-host.invalid"`)
	}
}

// Concurrent callers for the same source share one request. The first one may leave.
func TestQuestionsAreShared(t *testing.T) {
	var requests atomic.Int32
	asked, over := make(chan struct{}, 100), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		asked <- struct{}{}
		select {
		case <-over:
		case <-r.Context().Done():
		}
		_, _ = fmt.Fprint(w, `{"n": 7}`)
	}))
	defer server.Close()
	p := newPool(t, Options{})
	s := source(t, strings.Replace(server.URL, "http://", "http+json://", 1)+"?value=n")

	impatient, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { _, err := p.Ask(impatient, s); left <- err }()
	<-asked
	answers := make(chan demand.Reading)
	for range 9 {
		go func() {
			reading, err := p.Ask(t.Context(), s)
			if err == nil {
				answers <- reading
			}
		}()
	}
	require.Eventually(t, func() bool { return waiting(p, s) == 10 }, 5*time.Second, time.Millisecond)
	leave()
	require.ErrorIs(t, <-left, context.Canceled)
	close(over)
	for range 9 {
		require.InDelta(t, 7, (<-answers).Waiting, 0)
	}
	require.Equal(t, int32(1), requests.Load())

	_, err := p.Ask(t.Context(), s)
	require.NoError(t, err)
	require.Equal(t, int32(2), requests.Load(), "an answer is not kept")
}

func waiting(p *Pool, s demand.Source) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if q, ok := p.questions[s]; ok {
		return q.waiting
	}
	return 0
}

// A request without a caller ends.
func TestAQuestionWithoutACallerEnds(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(began)
		<-r.Context().Done()
		close(ended)
	}))
	defer server.Close()
	p := newPool(t, Options{})
	s := source(t, strings.Replace(server.URL, "http://", "http+json://", 1)+"?value=n")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-began
		cancel()
	}()
	_, err := p.Ask(ctx, s)
	require.ErrorIs(t, err, context.Canceled)
	<-ended
}

func TestCloseEndsPendingRequests(t *testing.T) {
	address, taken := silent(t, "")
	p := New(Options{})
	failed := make(chan error)
	for _, text := range every(address) {
		s := source(t, text)
		go func() { _, err := p.Ask(t.Context(), s); failed <- err }()
	}
	require.Eventually(t, func() bool { return int(taken.Load()) == len(every(address)) }, 10*time.Second, time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(t, p.Close(ctx))
	for range every(address) {
		require.Error(t, <-failed)
	}
}
