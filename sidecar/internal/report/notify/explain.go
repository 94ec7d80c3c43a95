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

// explanation is why a message was not delivered, for people: what happened, and what to do. It contains no secret.
type explanation struct{ problem, advice string }

// explain has texts for the common errors; of the others it shows the redacted text.
func explain(err error, m redactor) explanation {
	var status statusError
	if errors.As(err, &status) {
		return explainStatus(status, m)
	}
	if c, ok := explainNetwork(err); ok {
		return c
	}
	if text := m.redact(err.Error()); text != "" {
		return explanation{text, "see docs/notifications.md for how the URL is written"}
	}
	return explanation{"sending failed", "the password in the URL is too short to be kept out of the reason, so that it is not shown"}
}

func explainStatus(e statusError, m redactor) explanation {
	what := fmt.Sprintf("the server answered %d %s", e.code, http.StatusText(e.code))
	if text := m.redact(e.body); text != "" {
		what += ": " + text
	}
	switch {
	case e.code < 400:
		return explanation{what, "redirects are not followed: write the final address"}
	case e.code == http.StatusUnauthorized || e.code == http.StatusForbidden:
		return explanation{what, "check the token or password"}
	case e.code == http.StatusNotFound || e.code == http.StatusGone:
		return explanation{what, "check the address; a webhook may have been deleted"}
	case e.code == http.StatusTooManyRequests:
		return explanation{what, "too many messages for this service; wait a while"}
	case e.code >= 500:
		return explanation{what, "the server has a problem; try again later"}
	}
	return explanation{what, "the server rejected the request; check the options in the URL"}
}

func explainNetwork(err error) (explanation, bool) {
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
		return explanation{"earlier calls to the service still hang", "is the server alive?"}, true
	case errors.As(err, &dns):
		return explanation{"the host's name is not known", "check the name, and that Stoker's network has a DNS server"}, true
	case errors.Is(err, syscall.ECONNREFUSED):
		return explanation{"nothing listens at that address", "check host and port, and whether the server runs"}, true
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return explanation{"the host cannot be reached", "does Stoker have a network that leads there?"}, true
	case errors.As(err, &authority):
		return explanation{"the server's certificate is signed by an unknown authority", "mount the CA's certificate and name it in SSL_CERT_FILE"}, true
	case errors.As(err, &host), errors.As(err, &invalid):
		return explanation{"the server's certificate is not valid for this host, or not now", "check the host's name, and the clock"}, true
	case errors.As(err, &record):
		return explanation{"the server does not use TLS there", "check the port, or turn TLS off in the URL"}, true
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.As(err, &timeout) && timeout.Timeout():
		return explanation{"no answer in time", "is the server alive, and does a firewall let Stoker through?"}, true
	}
	return explanation{}, false
}
