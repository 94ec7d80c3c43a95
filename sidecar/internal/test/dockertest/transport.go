package dockertest

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
)

// Transport carries requests to the server without a socket, so that the real client works in a synctest bubble. All that it
// carries counts as the actor's doing.
func (s *Server) Transport(by Actor) http.RoundTripper {
	return &transport{server: s, handler: s.Handler(by)}
}

type transport struct {
	server  *Server
	handler http.Handler
}

// errBroken is what a client sees of a connection that breaks.
var errBroken = errors.New("unexpected EOF")

// RoundTrip runs the handler in a goroutine that ends with the body of the answer, with the request's context, or with the
// engine.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	up := false
	t.server.With(func(w *World) { up = w.EngineUp() })
	if !up {
		return nil, &net.OpError{Op: "dial", Net: "unix", Err: syscall.ECONNREFUSED}
	}
	reader, writer := io.Pipe()
	a := &answer{request: r, header: http.Header{}, body: writer, reader: reader, ready: make(chan struct{})}
	go a.run(t.handler)
	select {
	case <-a.ready:
	case <-r.Context().Done():
		_ = reader.Close()
		return nil, r.Context().Err()
	}
	if a.failed {
		return nil, errBroken
	}
	return a.response, nil
}

// answer is an http.ResponseWriter whose body goes into a pipe.
type answer struct {
	request  *http.Request
	header   http.Header
	body     *io.PipeWriter
	reader   *io.PipeReader
	ready    chan struct{}
	once     sync.Once
	response *http.Response
	failed   bool
}

func (a *answer) run(h http.Handler) {
	defer func() {
		err := io.EOF
		if r := recover(); r != nil {
			if cause, ok := r.(error); !ok || !errors.Is(cause, http.ErrAbortHandler) {
				panic(r)
			}
			err = errBroken
		}
		a.once.Do(func() { a.failed = true; close(a.ready) })
		_ = a.body.CloseWithError(err)
	}()
	h.ServeHTTP(a, a.request)
	a.WriteHeader(http.StatusOK)
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	a.once.Do(func() {
		a.response = &http.Response{
			StatusCode: status, Status: http.StatusText(status), ProtoMajor: 1, ProtoMinor: 1, Header: a.header.Clone(),
			Body: a.reader, ContentLength: -1, Request: a.request,
		}
		if status == http.StatusNotModified || status == http.StatusNoContent {
			a.response.Body, a.response.ContentLength = http.NoBody, 0
		}
		close(a.ready)
	})
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(p)
}

// Flush is there for streams; a pipe keeps nothing back.
func (a *answer) Flush() { a.WriteHeader(http.StatusOK) }
