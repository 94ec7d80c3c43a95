package docker

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// errWantsTLS is a plain request that reached a TLS port.
var errWantsTLS = errors.New("the engine wants TLS")

// said is what the transport said to the last request of a call. The Docker client's own errors drop it: v28.5.2 turns a
// refused connection and a missing socket into the same sentence (client/request.go).
type said struct {
	err    error     // no answer, and why
	status int       // the answer's status; 0 when there was none
	date   time.Time // the clock of whoever answered, cut to the second; zero when it does not say
	libpod string    // the version of Podman that answered; empty is no Podman
}

type saidKey struct{}

// listen makes the transport's words about the requests of one call known to the caller.
func listen(ctx context.Context) (context.Context, *said) {
	s := &said{}
	return context.WithValue(ctx, saidKey{}, s), s
}

// wire is the transport, with an ear.
type wire struct {
	next  http.RoundTripper
	plain bool
}

func (w wire) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(req)
	if err == nil && w.plain && fromTLSPort(resp) {
		_ = resp.Body.Close()
		resp, err = nil, errWantsTLS
	}
	if s, ok := req.Context().Value(saidKey{}).(*said); ok {
		s.err, s.status, s.date = err, 0, time.Time{}
		if resp != nil {
			s.status, s.libpod = resp.StatusCode, resp.Header.Get("Libpod-Api-Version")
			s.date, _ = http.ParseTime(resp.Header.Get("Date"))
		}
	}
	return resp, err
}

// fromTLSPort knows the answer that Go's TLS server, and so an engine, gives to plain HTTP: HTTP/1.0, status 400, no
// headers. An engine's own answers are HTTP/1.1 and carry Api-Version.
func fromTLSPort(r *http.Response) bool {
	return r.StatusCode == http.StatusBadRequest && r.ProtoMajor == 1 && r.ProtoMinor == 0 && r.Header.Get("Api-Version") == ""
}
