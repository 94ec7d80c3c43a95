package notify

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

const (
	// maxAnswer is how much of an answer is read.
	maxAnswer = 64 << 10
	// connectWait bounds each step of a connection; tryWait bounds the whole.
	connectWait = 10 * time.Second
)

// sender delivers one message to one target. It is used by one goroutine, and returns when ctx ends.
type sender interface {
	send(ctx context.Context, m Message) error
}

// webhook posts the whole record as JSON. Redirects are not followed: they would send the message and its secrets to an unknown
// server.
type webhook struct {
	client  *http.Client
	address string
	header  http.Header
}

// openWebhook reads json+https://... or json+http://... A parameter that begins with @ is a header; the others stay in the
// address, as do user and password.
func openWebhook(u *url.URL, client *http.Client) (sender, error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Host == "" {
		return nil, errors.New("the host is missing, or the part after ? is not well formed")
	}
	header := http.Header{"Content-Type": {"application/json"}}
	for name, values := range query {
		name, isHeader := strings.CutPrefix(name, "@")
		if !isHeader {
			continue
		}
		if !regexp.MustCompile(`^[A-Za-z0-9-]+$`).MatchString(name) {
			return nil, errors.New("the name of a header is not made of letters, digits and -")
		}
		header.Set(name, printableASCII(values[0]))
		query.Del("@" + name)
	}
	to := *u
	to.Scheme = strings.TrimPrefix(strings.ToLower(u.Scheme), "json+")
	to.RawQuery, to.Fragment = query.Encode(), ""
	return &webhook{client: client, address: to.String(), header: header}, nil
}

// printableASCII removes what a header cannot contain.
func printableASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
}

func (w *webhook) send(ctx context.Context, m Message) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address, bytes.NewReader(m.JSON))
	if err != nil {
		return fmt.Errorf("prepare the request: %w", err)
	}
	req.Header = w.header.Clone()
	res, err := w.client.Do(req)
	if err != nil {
		return fmt.Errorf("send: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return statusError{code: res.StatusCode, body: string(body)}
	}
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// statusError is an answer with another status than success.
type statusError struct {
	code int
	body string
}

func (e statusError) Error() string {
	return fmt.Sprintf("the server answered %d %s: %s", e.code, http.StatusText(e.code), e.body)
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

// agentTransport sets the User-Agent unless the request has one.
type agentTransport struct {
	agent string
	base  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t agentTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("User-Agent") == "" {
		r = r.Clone(r.Context())
		r.Header.Set("User-Agent", t.agent)
	}
	return t.base.RoundTrip(r)
}
