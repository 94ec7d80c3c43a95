// Package control passes an operator's requests to a running Stoker, over a socket in the state directory that only its owner can open.
// HTTP on STOKER_LISTEN stays read-only.
package control

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"stoker/sidecar/internal/unixsocket"
)

// Socket is the path of the control socket. The scope is in the name, so that several Stokers may have one state directory.
func Socket(stateDir, scope string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", scope))
	return filepath.Join(stateDir, fmt.Sprintf("control-%x.sock", sum[:4]))
}

// Handler carries out the requests. Its errors are shown to the operator.
type Handler interface {
	// Wake wakes all workers of a group.
	Wake(ctx context.Context, group string) error
	// Pause stops healing workers for a while.
	Pause(ctx context.Context, p Pause) error
	// Resume ends a pause, and gives exhausted workers new attempts.
	Resume(ctx context.Context, of Selection) error
}

// Selection is the workers of a pause: by name, a project of Compose, or all.
type Selection struct {
	Workers []string `json:"workers,omitempty"`
	Project string   `json:"project,omitempty"`
	All     bool     `json:"all,omitempty"`
}

// Pause is the request for a pause.
type Pause struct {
	Selection
	For    time.Duration `json:"for"`
	Reason string        `json:"reason,omitempty"`
}

const (
	// requestTimeout bounds one request.
	requestTimeout = 5 * time.Second
	// maxRequest bounds its size.
	maxRequest = 1 << 20
)

// Server answers on the socket.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// Listen binds the socket. On an error this Stoker cannot be controlled; healing works without it.
func Listen(ctx context.Context, socket string, h Handler) (*Server, error) {
	listener, err := unixsocket.Listen(ctx, socket)
	if err != nil {
		return nil, fmt.Errorf("bind the control socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /wake", answer(h.Wake))
	mux.HandleFunc("POST /pause", answer(h.Pause))
	mux.HandleFunc("POST /resume", answer(h.Resume))
	return &Server{listener: listener, http: &http.Server{Handler: mux, ReadHeaderTimeout: requestTimeout, ReadTimeout: requestTimeout}}, nil
}

// Serve answers until ctx ends.
func (s *Server) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = s.http.Close() })
	defer stop()
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the control socket: %w", err)
	}
	return nil
}

// result is the answer to each request; empty on success.
type result struct {
	Error string `json:"error,omitempty"`
}

// answer reads a request, passes it to do and sends the result.
func answer[T any](do func(context.Context, T) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		var request T
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&request)
		if err == nil {
			err = do(ctx, request)
		}
		w.Header().Set("Content-Type", "application/json")
		var reply result
		if err != nil {
			w.WriteHeader(http.StatusUnprocessableEntity)
			reply.Error = err.Error()
		}
		_ = json.NewEncoder(w).Encode(reply) // a client that disconnected asks again
	}
}

// Client asks the Stoker behind a socket.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient returns a client for a socket.
func NewClient(socket string) Client {
	return Client{socket: socket, http: &http.Client{Timeout: 2 * requestTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}}
}

// Wake requests to wake a group.
func (c Client) Wake(ctx context.Context, group string) error { return c.ask(ctx, "wake", group) }

// Pause requests to stop healing workers for a while.
func (c Client) Pause(ctx context.Context, p Pause) error { return c.ask(ctx, "pause", p) }

// Resume requests to end a pause.
func (c Client) Resume(ctx context.Context, of Selection) error { return c.ask(ctx, "resume", of) }

func (c Client) ask(ctx context.Context, what string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://stoker/"+what, bytes.NewReader(text))
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("no Stoker answers at %s; run this in its container, by docker exec: %w", c.socket, err)
	}
	defer func() { _ = response.Body.Close() }()
	var reply result
	if err := json.NewDecoder(io.LimitReader(response.Body, maxRequest)).Decode(&reply); err != nil {
		return fmt.Errorf("read the answer of the running Stoker: %w", err)
	}
	if reply.Error != "" {
		return errors.New(reply.Error)
	}
	return nil
}
