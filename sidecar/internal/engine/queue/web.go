package queue

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"stoker/sidecar/internal/core/demand"
)

const (
	// longestAnswer bounds the bytes read of an answer.
	longestAnswer = 1 << 20
	// mostRedirects bounds the redirects of one request, all on the same host.
	mostRedirects  = 3
	longestHeaders = 1 << 16
	// Idle connections, to all servers and to each.
	idleConnections, idlePerServer = 32, 2
)

// web reads sources over HTTP.
type web struct{ client *http.Client }

func newWeb(o Options) *web {
	return &web{&http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: o.Dial, MaxResponseHeaderBytes: longestHeaders,
			MaxIdleConns: idleConnections, MaxIdleConnsPerHost: idlePerServer, IdleConnTimeout: min(o.Idle, 90*time.Second),
		},
		CheckRedirect: sameServer,
	}}
}

// sameServer follows redirects on one server. Another server would receive user and password, or answer in place of the first one.
func sameServer(next *http.Request, before []*http.Request) error {
	first := before[0].URL
	if next.URL.Host != first.Host || next.URL.Scheme != first.Scheme || len(before) > mostRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}

func (w *web) close() { w.client.CloseIdleConnections() }

func (w *web) ask(ctx context.Context, t demand.Target) (demand.Reading, error) {
	switch t.Kind {
	case demand.KindRabbitMQ:
		return w.askRabbitMQ(ctx, t)
	case demand.KindPrometheus:
		return w.askPrometheus(ctx, t)
	case demand.KindJSON:
		return w.askJSON(ctx, t)
	case demand.KindNone, demand.KindAMQP, demand.KindRedis:
	}
	return demand.Reading{}, problem(BadAnswer, "not a source over HTTP")
}

// answer is a server's answer, whatever its status.
type answer struct {
	status int
	kind   string // the content type
	to     string // the target of a redirect
	body   []byte
}

// get requests a path, which is escaped, with parameters.
func (w *web) get(ctx context.Context, t demand.Target, path, params string) (answer, error) {
	scheme := "http://"
	if t.TLS {
		scheme = "https://"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+t.Address()+path, http.NoBody)
	if err != nil { // it repeats the URL
		return answer{}, problem(BadAnswer, "host or path cannot be part of a request over HTTP")
	}
	request.URL.RawQuery = params
	request.Header.Set("Accept", "application/json")
	request.Header.Set("User-Agent", connectionName)
	if t.User+t.Password != "" {
		request.SetBasicAuth(t.User, t.Password)
	}
	response, err := w.client.Do(request)
	if err != nil {
		if outer, ok := errors.AsType[*url.Error](err); ok { // it repeats the URL
			err = outer.Err
		}
		return answer{}, webProblem(err, t)
	}
	defer func() { _ = response.Body.Close() }()
	a := answer{status: response.StatusCode, kind: response.Header.Get("Content-Type")}
	if to, err := response.Location(); err == nil {
		a.to = towards(to, request.URL)
	}
	a.body, err = io.ReadAll(io.LimitReader(response.Body, longestAnswer+1))
	switch {
	case err != nil && ctx.Err() == nil:
		return answer{}, problem(BadAnswer, "%s ended its answer in the middle", t.Address())
	case err != nil:
		return answer{}, ctx.Err()
	case len(a.body) > longestAnswer:
		return answer{}, problem(BadAnswer, "the answer of %s is longer than 1 MiB; ask for less, for one number", t.Address())
	}
	return a, nil
}

// webProblem detects the one error of HTTP that has no type.
func webProblem(err error, t demand.Target) error {
	if strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") {
		return problem(BadAnswer, "%s does not use TLS; write %s://, or another port", t.Address(), withoutTLS(t))
	}
	return err
}

// statusProblem returns the problem for the status, or nil.
func (a answer) statusProblem(t demand.Target) *Error {
	switch {
	case a.status == http.StatusUnauthorized:
		return problem(Refused, "%s refused user or password, or the lack of one (401)", t.Address())
	case a.status == http.StatusForbidden:
		return problem(Refused, "%s does not let the user read that (403)", t.Address())
	case a.status >= 300 && a.status < 400:
		return problem(BadAnswer, "%s redirects %s, and Stoker does not follow; write the URL that answers", t.Address(), cmp.Or(a.to, "nowhere"))
	case a.status != http.StatusOK:
		return problem(BadAnswer, "%s answered %d %s; see whether the URL is right", t.Address(), a.status, http.StatusText(a.status))
	}
	return nil
}

// towards describes a redirect without its target: that may repeat secrets of the request.
func towards(to, from *url.URL) string {
	switch {
	case to.Hostname() != from.Hostname():
		return "to another host"
	case to.Scheme != from.Scheme:
		return "between http and https"
	case to.Host != from.Host:
		return "to another port"
	}
	return "again and again"
}

// decode parses JSON. Numbers are json.Number if into is of type any.
func (a answer) decode(t demand.Target, into any) error {
	decoder := json.NewDecoder(strings.NewReader(string(a.body)))
	decoder.UseNumber()
	err := decoder.Decode(into)
	if err == nil && decoder.More() {
		err = errors.New("more than one value")
	}
	if err == nil {
		return nil
	}
	if strings.Contains(a.kind, "html") {
		return problem(BadAnswer, "%s answered HTML, not JSON: perhaps a page for people, or for logging in; correct the path", t.Address())
	}
	return problem(BadAnswer, "%s answered something that is not the JSON that was asked for; correct the path", t.Address())
}

// finite parses a finite number.
func finite(text, what string, t demand.Target) (float64, error) {
	value, err := json.Number(strings.TrimSpace(text)).Float64()
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return 0, problem(NotANumber, "%s is not a number%s", what, quote(text, t))
	}
	return value, nil
}
