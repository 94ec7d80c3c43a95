package docker

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

const testID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// errRefused is a real transport's error when nothing listens.
var errRefused = &net.OpError{Op: "dial", Net: "unix", Err: syscall.ECONNREFUSED}

// errBroken is its error when the engine dies after the request was sent.
var errBroken = errors.New("unexpected EOF")

// fake replaces the transport: the client is the real one, and so are the bytes.
type fake struct {
	mu     sync.Mutex
	calls  []string // method, path and query, without pings
	newest string   // API version in the answer to a ping; empty is 1.41
	date   string   // the same for the Date header; empty is none
	// answer is called for every request but pings. It may block on the request's context.
	answer func(r *http.Request) (*http.Response, error)
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	newest := f.newest
	if newest == "" {
		newest = "1.41"
	}
	if !strings.HasSuffix(r.URL.Path, "/_ping") {
		f.calls = append(f.calls, r.Method+" "+r.URL.RequestURI())
	}
	f.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/_ping") {
		resp := reply(http.StatusOK, "")
		resp.Header.Set("Api-Version", newest)
		resp.Header.Set("Date", f.date)
		return resp, nil
	}
	return f.answer(r)
}

func (f *fake) seen() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

func reply(status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Api-Version": {"1.41"}, "Content-Type": {"application/json"}},
		Body:   io.NopCloser(strings.NewReader(body)),
	}
}

func stream(body io.ReadCloser) *http.Response {
	resp := reply(http.StatusOK, "")
	resp.Body = body
	return resp
}

// hang is an engine that accepts the request and does not answer.
func hang(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func newFake(t *testing.T, answer func(r *http.Request) (*http.Response, error)) (*Client, *fake) {
	t.Helper()
	f := &fake{answer: answer}
	c, err := New(Options{Transport: f})
	require.NoError(t, err)
	return c, f
}
