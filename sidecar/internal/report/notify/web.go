package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// mostAnswer is how much of an answer is read.
	mostAnswer = 64 << 10
	// connectWait bounds each step of getting through to a server; tryWait bounds the whole.
	connectWait = 10 * time.Second
)

// sender brings one message to one target. It is used by one goroutine, and returns when ctx ends.
type sender interface {
	send(ctx context.Context, m Message) error
}

// request is one call of a service's API. It is made by a pure function of the URL and the message.
type request struct {
	method string // empty is POST
	url    string
	header map[string]string
	body   []byte
	verify func(body []byte) error // what an answer with status 2xx says; nil believes the status
}

// web sends by HTTP. Redirects are not followed: they would carry the message, and its secrets, to who knows where.
type web struct {
	client *http.Client
	build  func(m Message) []request
	seq    uint64
	done   int // requests of the message seq that got through: they are not made again
}

func newClient(agent string) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: agentTransport{agent: agent, base: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:   connectWait,
			ResponseHeaderTimeout: tryWait,
			IdleConnTimeout:       time.Minute,
			MaxIdleConnsPerHost:   1,
			ForceAttemptHTTP2:     true,
		}},
	}
}

// agentTransport says who is calling.
type agentTransport struct {
	agent string
	base  http.RoundTripper
}

// RoundTrip keeps a User-Agent that the request has already.
func (t agentTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("User-Agent") == "" {
		r = r.Clone(r.Context())
		r.Header.Set("User-Agent", t.agent)
	}
	return t.base.RoundTrip(r)
}

func (w *web) send(ctx context.Context, m Message) error {
	if m.seq != w.seq {
		w.seq, w.done = m.seq, 0
	}
	for n, r := range w.build(m) {
		if n < w.done {
			continue
		}
		if err := w.call(ctx, r); err != nil {
			return err
		}
		w.done++
	}
	w.done = 0
	return nil
}

func (w *web) call(ctx context.Context, r request) error {
	method := r.method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return fmt.Errorf("prepare the request: %w", err)
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	res, err := w.client.Do(req)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, mostAnswer))
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return statusError{code: res.StatusCode, body: string(body)}
	}
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if r.verify != nil {
		return r.verify(body)
	}
	return nil
}

// statusError is an answer that says no.
type statusError struct {
	code int
	body string
}

func (e statusError) Error() string {
	return fmt.Sprintf("the server answered %d %s: %s", e.code, http.StatusText(e.code), e.body)
}
