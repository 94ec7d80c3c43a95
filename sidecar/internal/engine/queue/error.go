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

// ErrorKind is what is wrong with a source.
type ErrorKind string

// What may be wrong with a source.
const (
	Unreachable   ErrorKind = "unreachable"    // no connection, or it was lost twice
	Timeout       ErrorKind = "timeout"        // no answer in time
	Untrusted     ErrorKind = "untrusted"      // TLS: the certificate is none that this machine trusts
	Refused       ErrorKind = "refused"        // user, password, or what the user may do
	NoVhost       ErrorKind = "no-vhost"       // RabbitMQ
	NoQueue       ErrorKind = "no-queue"       // RabbitMQ
	NoStream      ErrorKind = "no-stream"      // Redis
	NoGroup       ErrorKind = "no-group"       // Redis
	WrongType     ErrorKind = "wrong-type"     // Redis: the key is something else
	NotANumber    ErrorKind = "not-a-number"   // there is an answer, and no number in it
	BadAnswer     ErrorKind = "bad-answer"     // not what such a server answers
	NoSuchAddress ErrorKind = "no-such-server" // the name of the host is not known
)

// Error is why a source gave no reading. The same problem of the same source has the same kind and text each time. It holds no secret, and
// wraps no error that might.
type Error struct {
	Kind   ErrorKind
	Source demand.Source
	Detail string // what was found, and what to do
}

// Error is the source without its secrets, and the detail.
func (e *Error) Error() string {
	if e.Source.IsZero() {
		return e.Detail
	}
	return e.Source.String() + ": " + e.Detail
}

func problem(kind ErrorKind, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// outOfTime is the error of a question that did not end by itself. A cancelled one has no fault.
func outOfTime(err error, s demand.Source) error {
	if !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	t := s.Reveal()
	detail := t.Address() + " gave no answer in time; see whether the server hangs, or a firewall drops what is sent to it"
	if t.TLS {
		detail += ", or that port does not speak TLS"
	}
	return &Error{Kind: Timeout, Source: s, Detail: detail}
}

// connectionProblem turns what libraries return into words of its own: theirs hold addresses that differ each time, and may hold the URL.
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
		return problem(Unreachable, "%s ended the connection; see whether it speaks %s, and what its log says", address, protocol(t))
	case isNumber:
		return problem(Unreachable, "%s cannot be reached: %s", address, number)
	}
	return problem(BadAnswer, "%s does not answer as a server of %s does; see whether host and port are right", address, protocol(t))
}

// trustProblem is what is wrong with TLS, or nil.
func trustProblem(err error, t demand.Target) *Error {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return problem(BadAnswer, "%s does not speak TLS; write %s://, or another port", t.Address(), withoutTLS(t))
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

// quote is a part of what a server said, without control characters, and without anything that is secret. It is empty if there is nothing
// to say.
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
