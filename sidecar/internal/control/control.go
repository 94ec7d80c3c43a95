// Package control carries what an operator asks of a running Stoker: over a socket in the state directory that only its owner can open.
// HTTP on STOKER_LISTEN stays read-only.
package control

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"time"

	"stoker/sidecar/internal/unixsocket"
)

// Socket is the path of the control socket. The scope is in the name, so that several Stokers may have one state directory.
func Socket(stateDir, scope string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", scope))
	return filepath.Join(stateDir, fmt.Sprintf("control-%x.sock", sum[:4]))
}

// Handler does what is asked for.
type Handler interface {
	// WakeGroup wakes all workers of a group, and reports whether there is such a group.
	WakeGroup(ctx context.Context, group string) (bool, error)
}

// requestTimeout bounds one request.
const requestTimeout = 5 * time.Second

// Server answers on the socket.
type Server struct {
	listener net.Listener
	http     *http.Server
}

// Listen binds the socket. Its error says why nobody can control this Stoker; healing needs none of it.
func Listen(ctx context.Context, socket string, h Handler) (*Server, error) {
	listener, err := unixsocket.Listen(ctx, socket)
	if err != nil {
		return nil, fmt.Errorf("bind the control socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /wake", func(w http.ResponseWriter, r *http.Request) { wake(w, r, h) })
	return &Server{listener: listener, http: &http.Server{Handler: mux, ReadHeaderTimeout: requestTimeout}}, nil
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

type answer struct {
	Error string `json:"error,omitempty"`
}

func wake(w http.ResponseWriter, r *http.Request, h Handler) {
	ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
	defer cancel()
	group := r.URL.Query().Get("group")
	switch found, err := h.WakeGroup(ctx, group); {
	case err != nil:
		reply(w, http.StatusServiceUnavailable, answer{Error: err.Error()})
	case !found:
		reply(w, http.StatusNotFound, answer{Error: fmt.Sprintf("there is no group %q of workers with stoker.demand or stoker.hours; stoker status lists them", group)})
	default:
		reply(w, http.StatusOK, answer{})
	}
}

func reply(w http.ResponseWriter, status int, a answer) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(a) // a client that went away asks again
}

// Wake asks the Stoker behind a socket to wake a group.
func Wake(ctx context.Context, socket, group string) error {
	client := &http.Client{Timeout: 2 * requestTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://stoker/wake?"+url.Values{"group": {group}}.Encode(), nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("no Stoker answers at %s; run this in its container, by docker exec: %w", socket, err)
	}
	defer func() { _ = response.Body.Close() }()
	var a answer
	if err := json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&a); err != nil {
		return fmt.Errorf("read the answer of the running Stoker: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(a.Error)
	}
	return nil
}
