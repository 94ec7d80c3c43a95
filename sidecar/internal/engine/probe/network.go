package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"stoker/sidecar/internal/core/worker"
)

const (
	// longestBody is the number of bytes read of an answer. The rest does not matter.
	longestBody = 16 << 10
	// longestShown is the number of bytes of a bad answer's body that are reported.
	longestShown   = 256
	longestHeaders = 64 << 10
)

// dial connects to the first of the addresses that accepts; a worker may be in several networks, and listen in one.
func dial(ctx context.Context, addresses []string) (net.Conn, error) {
	type result struct {
		conn net.Conn
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan result, len(addresses))
	for _, address := range addresses {
		go func() {
			conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
			results <- result{conn, err}
		}()
	}
	var failure error
	for n := range addresses {
		r := <-results
		if r.err != nil {
			failure = worst(failure, r.err)
			continue
		}
		cancel()
		go func() { // those that connect later
			for range len(addresses) - n - 1 {
				if late := <-results; late.err == nil {
					_ = late.conn.Close()
				}
			}
		}()
		return r.conn, nil
	}
	return nil, failure
}

// worst returns the error that shows most about the worker: a refusal rather than no answer.
func worst(a, b error) error {
	if a != nil && errors.Is(a, syscall.ECONNREFUSED) {
		return a
	}
	return b
}

func (p *Prober) tcp(ctx context.Context, c worker.ProbeCall, addresses []string) worker.ProbeAnswer {
	conn, err := dial(ctx, addresses)
	if err != nil {
		return judge(ctx, c, addresses, err)
	}
	at := conn.RemoteAddr().String()
	_ = conn.Close()
	return worker.ProbeAnswer{Verdict: worker.VerdictSuccess, Address: at}
}

// http sends one request. A redirect is an answer like any other and is not followed: it may lead to another host, or nowhere. The part of
// the body that is read has to arrive within the timeout.
func (p *Prober) http(ctx context.Context, c worker.ProbeCall, addresses []string) worker.ProbeAnswer {
	at := strings.Join(addresses, ", ")
	transport := &http.Transport{ // of its own: no connection outlives the probe
		DisableKeepAlives: true, MaxResponseHeaderBytes: longestHeaders, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := dial(ctx, addresses)
			if err == nil {
				at = conn.RemoteAddr().String()
			}
			return conn, err
		},
		TLSClientConfig: &tls.Config{
			MinVersion: tls.VersionTLS12,
			// No certificate is for a worker's own address. If a host is named, the certificate is for the host.
			InsecureSkipVerify: c.Target.Host == "", //nolint:gosec // nothing secret is sent, and only the answer's status matters
		},
	}
	defer transport.CloseIdleConnections()
	request, err := newRequest(ctx, c)
	if err != nil {
		return notMade("the URL cannot be part of a request over HTTP")
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return judge(ctx, c, []string{at}, err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, longestBody))
	if err != nil {
		return judge(ctx, c, []string{at}, err)
	}
	answer := worker.ProbeAnswer{Verdict: worker.VerdictSuccess, Address: at}
	if code := response.StatusCode; code < 200 || code >= 400 {
		answer.Verdict = worker.VerdictBad
		answer.Detail = strings.TrimSpace(fmt.Sprintf("%s answered %d %s: %s", at, code, http.StatusText(code), strings.TrimSpace(string(body[:min(len(body), longestShown)]))))
		answer.Detail = strings.TrimSuffix(answer.Detail, ":")
	}
	return answer
}

// newRequest sends the host localhost to the worker's own address, as a health check inside the container would: many servers only answer
// requests for hosts that they are configured for.
func newRequest(ctx context.Context, c worker.ProbeCall) (*http.Request, error) {
	t := c.Target
	host := t.Host
	if host == "" {
		host = "localhost"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.Scheme()+"://"+net.JoinHostPort(host, t.Port)+t.Path, http.NoBody)
	if err != nil {
		return nil, errors.New("bad URL") // its own error repeats it
	}
	request.URL.RawQuery = t.Query
	request.Header.Set("User-Agent", "stoker-probe")
	if t.User+t.Password != "" {
		request.SetBasicAuth(t.User, t.Password)
	}
	return request, nil
}

// judge turns an error into an answer, with its own text: those of the libraries repeat what a server has sent.
func judge(ctx context.Context, c worker.ProbeCall, addresses []string, err error) worker.ProbeAnswer {
	at := strings.Join(addresses, ", ")
	answer := worker.ProbeAnswer{Verdict: worker.VerdictBad, Address: at}
	var (
		name   *net.DNSError
		record tls.RecordHeaderError
		verify *tls.CertificateVerificationError
		alert  tls.AlertError
		cert   x509.UnknownAuthorityError
	)
	switch {
	case errors.Is(err, context.Canceled) && !errors.Is(ctx.Err(), context.DeadlineExceeded):
		return notMade("the probe was ended")
	case ownTrouble(err):
		return notMade(at + ": " + why(err))
	case errors.Is(err, syscall.ECONNREFUSED):
		answer.Detail = at + " refuses the connection: nothing listens there"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		answer.Detail = at + " closed the connection without an answer"
	case errors.As(err, &name):
		answer.Verdict, answer.Detail = worker.VerdictNoAnswer, fmt.Sprintf("the name %s leads to no address", c.Target.Host)
	case ctx.Err() != nil, timedOut(err):
		answer.Verdict, answer.Detail = worker.VerdictNoAnswer, fmt.Sprintf("no answer from %s within %s", at, c.Timeout)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ETIMEDOUT):
		answer.Verdict, answer.Detail = worker.VerdictNoAnswer, at+" does not answer: "+why(err)
	case errors.As(err, &record):
		answer.Detail = at + " does not use TLS; write http://, or another port"
	case errors.As(err, &verify), errors.As(err, &cert):
		answer.Detail = "the certificate of " + at + " is not one for this host that Stoker trusts"
	case errors.As(err, &alert):
		answer.Detail = at + " ended the TLS handshake"
	default:
		answer.Detail = at + " answered with something that is not HTTP"
	}
	return answer
}

func timedOut(err error) bool {
	var late net.Error
	return errors.As(err, &late) && late.Timeout()
}

// ownTrouble reports whether the cause of the error is on Stoker's side: no route, no more files or memory, not allowed.
func ownTrouble(err error) bool {
	for _, one := range []syscall.Errno{
		syscall.ENETUNREACH, syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.EACCES, syscall.EPERM, syscall.ENETDOWN,
	} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// why returns the system's text for an error.
func why(err error) string {
	var number syscall.Errno
	if errors.As(err, &number) {
		return number.Error()
	}
	return "unknown error"
}
