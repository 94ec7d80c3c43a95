package queue

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"

	"stoker/sidecar/internal/core/demand"
)

// ErrorKind is the kind of a source's error.
type ErrorKind string

// The kinds of errors.
const (
	Unreachable   ErrorKind = "unreachable"    // no connection, or it was lost twice
	Timeout       ErrorKind = "timeout"        // no answer in time
	Untrusted     ErrorKind = "untrusted"      // TLS: this machine does not trust the certificate
	Refused       ErrorKind = "refused"        // user, password, or permissions
	NoVhost       ErrorKind = "no-vhost"       // RabbitMQ
	NoQueue       ErrorKind = "no-queue"       // RabbitMQ
	NoStream      ErrorKind = "no-stream"      // Redis
	NoGroup       ErrorKind = "no-group"       // Redis
	WrongType     ErrorKind = "wrong-type"     // Redis: the key is something else
	NotANumber    ErrorKind = "not-a-number"   // there is no number in the answer
	BadAnswer     ErrorKind = "bad-answer"     // not an answer of this kind of server
	NoSuchAddress ErrorKind = "no-such-server" // the host's name cannot be resolved
)

// Error is the reason why a source gave no reading. The same problem of the same source has the same kind and text each time. It holds no
// secret, and wraps no error that might.
type Error struct {
	Kind   ErrorKind
	Source demand.Source
	Detail string // the problem, and what to do
}

// Error returns the source without its secrets, and the detail.
func (e *Error) Error() string {
	if e.Source.IsZero() {
		return e.Detail
	}
	return e.Source.String() + ": " + e.Detail
}

func problem(kind ErrorKind, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// outOfTime returns the error of a request that timed out, or the error of a cancelled one.
func outOfTime(err error, s demand.Source) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	t := s.Reveal()
	detail := t.Address() + " gave no answer in time; see whether the server hangs, or a firewall drops what is sent to it"
	if t.TLS {
		detail += ", or that port does not use TLS"
	}
	return &Error{Kind: Timeout, Source: s, Detail: detail}
}

// connectionProblem replaces the texts of library errors: those hold addresses that differ each time, and may hold the URL.
func connectionProblem(err error, t demand.Target) *Error {
	address := t.Address()
	if e := trustProblem(err, t); e != nil {
		return e
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsTimeout {
			return problem(NoSuchAddress, "no name server answers for the name %q", t.Host)
		}
		return problem(NoSuchAddress, "the name %q is not known; correct it, or put Stoker into a network of the server's", t.Host)
	}
	number, isNumber := errors.AsType[syscall.Errno](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return problem(Unreachable, "nothing listens on %s; start the server, or correct host and port", address)
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return problem(Timeout, "%s gave no answer in time; see whether the server hangs", address)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return problem(Unreachable, "%s ended the connection; check that it uses %s, and its log", address, protocol(t))
	case isNumber:
		return problem(Unreachable, "%s cannot be reached: %s", address, number)
	}
	return problem(BadAnswer, "%s does not answer as a server of %s does; see whether host and port are right", address, protocol(t))
}

// trustProblem returns the problem with TLS, or nil.
func trustProblem(err error, t demand.Target) *Error {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return problem(BadAnswer, "%s does not use TLS; write %s://, or another port", t.Address(), withoutTLS(t))
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return problem(Untrusted, "%s ended the TLS handshake; see its log", t.Address())
	}
	if wrong, ok := errors.AsType[x509.HostnameError](err); ok && wrong.Certificate != nil {
		return problem(Untrusted, "the certificate of %s is not for %q; write a host that is in it", t.Address(), t.Host)
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return problem(Untrusted, "the certificate of %s has expired or is not valid yet", t.Address())
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return problem(Untrusted, "the certificate of %s is from no authority that is trusted here; name its file in SSL_CERT_FILE", t.Address())
	}
	return nil
}

func withoutTLS(t demand.Target) string {
	t.TLS = false
	return t.Scheme()
}

func protocol(t demand.Target) string {
	name := map[demand.Kind]string{demand.KindAMQP: "AMQP 0-9-1", demand.KindRedis: "Redis"}[t.Kind]
	if name == "" {
		name = "HTTP"
	}
	if t.TLS {
		return name + " with TLS"
	}
	return name + " without TLS"
}

// quote returns a part of a server's text, without control characters and secrets. It is empty if nothing is left.
func quote(text string, t demand.Target) string {
	const most = 160
	secrets := []string{t.User, t.Password}
	others, _ := url.ParseQuery(t.Params)
	for _, values := range others {
		secrets = append(secrets, values...)
	}
	for _, secret := range secrets {
		if secret != "" && strings.Contains(text, secret) {
			return ""
		}
	}
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	if text == "" {
		return ""
	}
	return fmt.Sprintf(": %q", text)
}
