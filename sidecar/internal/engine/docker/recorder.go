package docker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// errRequiresTLS is the error of a plain request to a TLS port.
var errRequiresTLS = errors.New("the engine requires TLS")

// response describes the transport's answer to the last request of a call. The Docker client's errors drop it: v28.5.2 turns a
// refused connection and a missing socket into the same text (client/request.go).
type response struct {
	err    error     // why there was no answer
	status int       // the answer's status; 0 when there was none
	date   time.Time // the Date header, in whole seconds; zero without one
	libpod string    // Podman's version; empty when the engine is not Podman
	api    string    // the newest API version that the engine supports; empty if the answer has none
	denied *denial   // something before the engine refused it; nil if no denial is known
}

type responseKey struct{}

// withResponse returns a context whose requests are recorded in the response.
func withResponse(ctx context.Context) (context.Context, *response) {
	s := &response{}
	return context.WithValue(ctx, responseKey{}, s), s
}

// recorder is a transport that records the answers to requests whose context asks for it.
type recorder struct {
	next    http.RoundTripper
	plain   bool
	denials *denials
}

type moreKey struct{}

// withMore returns a context whose requests get additional fields in their JSON bodies.
func withMore(ctx context.Context, more map[string]any) context.Context {
	return context.WithValue(ctx, moreKey{}, more)
}

// addMore puts the fields of the context into a request's body; objects that are in both are merged.
func addMore(req *http.Request) (*http.Request, error) {
	more, ok := req.Context().Value(moreKey{}).(map[string]any)
	if !ok || req.Body == nil {
		return req, nil
	}
	defer func() { _ = req.Body.Close() }()
	decoder := json.NewDecoder(req.Body)
	decoder.UseNumber()
	body := map[string]any{}
	if err := decoder.Decode(&body); err != nil {
		return nil, fmt.Errorf("read the request to add fields to: %w", err)
	}
	merge(body, more)
	text, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("write the request with the fields added: %w", err)
	}
	req = req.Clone(req.Context())
	req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return req, nil
}

func merge(into, more map[string]any) {
	for key, value := range more {
		inner, isObject := value.(map[string]any)
		if has, both := into[key].(map[string]any); both && isObject {
			merge(has, inner)
			continue
		}
		into[key] = value
	}
}

func (w recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	req, err := addMore(req)
	if err != nil {
		return nil, err
	}
	resp, err := w.next.RoundTrip(req)
	if err == nil && w.plain && fromTLSPort(resp) {
		_ = resp.Body.Close()
		resp, err = nil, errRequiresTLS
	}
	denied := w.denials.see(req, resp, err)
	if s, ok := req.Context().Value(responseKey{}).(*response); ok {
		s.err, s.status, s.date, s.api, s.denied = err, 0, time.Time{}, "", denied
		if resp != nil {
			s.status, s.libpod, s.api = resp.StatusCode, resp.Header.Get("Libpod-Api-Version"), resp.Header.Get("Api-Version")
			s.date, _ = http.ParseTime(resp.Header.Get("Date"))
		}
	}
	return resp, err
}

// fromTLSPort reports whether this is the answer of Go's TLS server, and so of an engine, to plain HTTP: HTTP/1.0, status 400, no headers.
// An engine's own answers are HTTP/1.1 and carry Api-Version.
func fromTLSPort(r *http.Response) bool {
	return r.StatusCode == http.StatusBadRequest && r.ProtoMajor == 1 && r.ProtoMinor == 0 && r.Header.Get("Api-Version") == ""
}
