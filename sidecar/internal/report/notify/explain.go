package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
)

// cause is why a message did not get through, for people: what happened, and what to do about it. It holds no secret.
type cause struct{ what, todo string }

// explain knows the common errors; of the others it shows the cleaned text.
func explain(err error, m mask) cause {
	var status statusError
	if errors.As(err, &status) {
		return explainStatus(status, m)
	}
	if c, ok := explainNetwork(err); ok {
		return c
	}
	if text := m.clean(err.Error()); text != "" {
		return cause{text, "see docs/notifications.md for how the URL is written"}
	}
	return cause{"sending failed", "the password in the URL is too short to be kept out of the reason, so that it is not shown"}
}

func explainStatus(e statusError, m mask) cause {
	what := fmt.Sprintf("the server answered %d %s", e.code, http.StatusText(e.code))
	if text := m.clean(e.body); text != "" {
		what += ": " + text
	}
	switch {
	case e.code < 400:
		return cause{what, "it wants to send Stoker elsewhere; write the final address"}
	case e.code == http.StatusUnauthorized || e.code == http.StatusForbidden:
		return cause{what, "check the token or password"}
	case e.code == http.StatusNotFound || e.code == http.StatusGone:
		return cause{what, "check the address; a webhook may have been deleted"}
	case e.code == http.StatusTooManyRequests:
		return cause{what, "too many messages for this service; wait a while"}
	case e.code >= 500:
		return cause{what, "the server has a problem; try again later"}
	}
	return cause{what, "the server did not understand; check the options in the URL"}
}

func explainNetwork(err error) (cause, bool) {
	var (
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		timeout   net.Error
	)
	switch {
	case errors.Is(err, errStuck):
		return cause{"earlier messages are still on their way and do not come back", "is the server alive?"}, true
	case errors.As(err, &dns):
		return cause{"the host's name is not known", "check the name, and that Stoker's network has a DNS server"}, true
	case errors.Is(err, syscall.ECONNREFUSED):
		return cause{"nobody listens at that address", "check host and port, and whether the server runs"}, true
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return cause{"the host cannot be reached", "does Stoker have a network that leads there?"}, true
	case errors.As(err, &authority):
		return cause{"the server's certificate is signed by nobody that Stoker trusts", "mount the CA's certificate and name it in SSL_CERT_FILE"}, true
	case errors.As(err, &host), errors.As(err, &invalid):
		return cause{"the server's certificate is not valid for this host, or not now", "check the host's name, and the clock"}, true
	case errors.As(err, &record):
		return cause{"the server does not speak TLS there", "check the port, or turn TLS off in the URL"}, true
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &timeout) && timeout.Timeout():
		return cause{"no answer in time", "is the server alive, and does a firewall let Stoker through?"}, true
	}
	return cause{}, false
}
