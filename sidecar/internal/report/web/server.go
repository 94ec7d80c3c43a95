package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"golang.org/x/net/netutil"
)

const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 10 * time.Second
	idleTimeout   = 30 * time.Second
	closeTimeout  = 2 * time.Second
	headerBytes   = 16 << 10
	maxTCP        = maxStreams + 128 // connections at once; more wait in the kernel's queue
	maxLocal      = 8
)

// Server serves everything over TCP, and health on a unix socket.
type Server struct {
	tcp    net.Listener // nil when Options.Listen is empty
	socket net.Listener // nil when none could be bound
	health *http.Server
	all    *http.Server

	// SocketProblem is why there is no socket for health checks; nil when there is one. Stoker works without.
	SocketProblem error
}

// Listen binds both addresses, so that a port of 0 is known and a taken port is an error before anything runs. That no health
// socket can be bound is no error: another process must not keep Stoker from starting. The caller must Serve or Close
// the server.
func Listen(opts Options) (*Server, error) {
	site := newSite(opts)
	s := &Server{health: newServer(site.localRoutes()), all: newServer(site.routes())}
	s.all.RegisterOnShutdown(sync.OnceFunc(func() { close(site.closing) }))
	ctx := context.Background()
	if opts.Listen != "" {
		tcp, err := new(net.ListenConfig).Listen(ctx, "tcp", opts.Listen)
		if err != nil {
			return nil, fmt.Errorf("STOKER_LISTEN: %w; choose a free address, or set it to nothing to serve none", err)
		}
		s.tcp = netutil.LimitListener(tcp, maxTCP)
	}
	host, err := os.Hostname()
	if err != nil {
		s.SocketProblem = fmt.Errorf("get the host name: %w", err)
		return s, nil
	}
	socket, err := listenHealth(ctx, HealthSockets(host, opts.StateDir, opts.Scope))
	if err != nil {
		s.SocketProblem = fmt.Errorf("listen for health checks: %w", err)
		return s, nil
	}
	s.socket = netutil.LimitListener(socket, maxLocal)
	return s, nil
}

// newServer returns a server that no slow client can block. Mistakes of clients are not logged: any client that can connect could
// fill the log.
func newServer(routes http.Handler) *http.Server {
	return &http.Server{
		Handler:                      hardened(routes),
		ReadHeaderTimeout:            headerTimeout,
		ReadTimeout:                  readTimeout,
		WriteTimeout:                 writeTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               headerBytes,
		DisableGeneralOptionsHandler: true, // OPTIONS * is answered as any other method that is not GET
		ErrorLog:                     log.New(io.Discard, "", 0),
	}
}

// Addr returns the TCP address that was bound, empty when there is none.
func (s *Server) Addr() string {
	if s.tcp == nil {
		return ""
	}
	return s.tcp.Addr().String()
}

// Serve answers until ctx ends, then lets requests under way finish for two seconds. It returns early, with an error,
// only when a listener breaks.
func (s *Server) Serve(ctx context.Context) error {
	broken := make(chan error, 2)
	var serving sync.WaitGroup
	serve := func(server *http.Server, on net.Listener) {
		serving.Go(func() { broken <- server.Serve(on) })
	}
	if s.socket != nil {
		serve(s.health, s.socket)
	}
	if s.tcp != nil {
		serve(s.all, s.tcp)
	}
	var err error
	select {
	case err = <-broken:
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	s.shutdown(grace)
	serving.Wait()
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// shutdown closes idle connections, waits for the others until ctx ends, and then closes those too.
func (s *Server) shutdown(ctx context.Context) {
	for _, server := range []*http.Server{s.all, s.health} {
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
	}
}

// Close releases the addresses of a server that is not served.
func (s *Server) Close() error {
	var problems []error
	for _, listener := range []net.Listener{s.tcp, s.socket} {
		if listener != nil {
			problems = append(problems, listener.Close())
		}
	}
	return errors.Join(problems...)
}
