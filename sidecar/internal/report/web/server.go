package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	headerTimeout = 5 * time.Second
	readTimeout   = 10 * time.Second
	writeTimeout  = 10 * time.Second
	idleTimeout   = 30 * time.Second
	closeTimeout  = 2 * time.Second
	headerBytes   = 16 << 10
	mostTCP       = mostStreams + 128 // connections at once; more wait in the kernel's queue
	mostLocal     = 8
)

// Server serves the status: all of it over TCP, and health on the local socket, which is always there.
type Server struct {
	tcp    net.Listener // nil when Options.Listen is empty
	local  net.Listener
	health *http.Server
	all    *http.Server
}

// Listen binds both addresses, so that a port of 0 is known and a taken one is an error before anything runs. The
// caller must Serve or Close the server.
func Listen(opts Options) (*Server, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("ask for the host's name: %w", err)
	}
	var binding net.ListenConfig
	local, err := binding.Listen(context.Background(), "unix", SocketName(host, opts.StateDir, opts.Scope))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, errors.New("another Stoker with this host name, state directory and scope runs here: stop it, or give one another STOKER_STATE_DIR")
	}
	if err != nil {
		return nil, fmt.Errorf("listen for health checks: %w", err)
	}
	site := newSite(opts)
	s := &Server{local: limit(local, mostLocal), health: newServer(site.localRoutes()), all: newServer(site.routes())}
	s.all.RegisterOnShutdown(sync.OnceFunc(func() { close(site.closing) }))
	if opts.Listen == "" {
		return s, nil
	}
	tcp, err := binding.Listen(context.Background(), "tcp", opts.Listen)
	if err != nil {
		_ = local.Close()
		return nil, fmt.Errorf("STOKER_LISTEN: %w; choose a free address, or set it to nothing to serve none", err)
	}
	s.tcp = limit(tcp, mostTCP)
	return s, nil
}

// SocketName is the abstract unix socket on which Stoker answers health checks, whatever STOKER_LISTEN says. It lives in the
// network namespace, not in a file system, so that it works with a read-only root. The name holds the host name
// and the state directory, so that several Stokers in one network namespace (network_mode: host) do not meet. Anyone in
// the namespace may ask it; it tells health only. Abstract sockets are Linux's own.
func SocketName(host, stateDir, scope string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", host, stateDir, scope))
	return fmt.Sprintf("@stoker/%x", sum[:8])
}

// newServer is a server that no slow client can hold up. What clients do wrong is not logged: whoever can connect could
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

// Addr is the TCP address that was bound, empty when there is none.
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
	serve(s.health, s.local)
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

// shutdown closes what is idle, waits for the rest until ctx ends, and then closes that too.
func (s *Server) shutdown(ctx context.Context) {
	for _, server := range []*http.Server{s.all, s.health} {
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
	}
}

// Close lets go of the addresses of a server that is not served.
func (s *Server) Close() error {
	err := s.local.Close()
	if s.tcp != nil {
		err = errors.Join(err, s.tcp.Close())
	}
	return err
}
