package dockertest

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// Serve puts the server on a unix socket until the test ends, and returns its DOCKER_HOST. All that comes in there counts as
// Stoker's doing. While the engine takes no requests the socket does not exist, as with a real one.
func Serve(t testing.TB, s *Server) (host string) {
	t.Helper()
	// t.TempDir has the test's name in it, and a socket's path must stay under 108 bytes.
	folder, err := os.MkdirTemp("", "listener") //nolint:usetesting // see above
	if err != nil {
		t.Fatalf("make a folder for the socket: %v", err)
	}
	d := &listener{path: filepath.Join(folder, "docker.sock"), http: &http.Server{
		Handler: s.Handler(ByStoker), ReadHeaderTimeout: 10 * time.Second, ErrorLog: nil,
	}}
	if err := d.open(); err != nil {
		t.Fatalf("open the socket: %v", err)
	}
	unturn := func() {}
	s.With(func(w *World) { unturn = w.engine.turns.add(d.turn) })
	t.Cleanup(func() {
		s.With(func(*World) { unturn() })
		d.close()
		_ = os.RemoveAll(folder)
	})
	return "unix://" + d.path
}

// listener is a socket that comes and goes with the engine. Requests on their way stay when it goes.
type listener struct {
	path string
	http *http.Server

	mu       sync.Mutex
	listener net.Listener
	serving  sync.WaitGroup
}

func (d *listener) open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	listener, err := net.Listen("unix", d.path)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", d.path, err)
	}
	d.listener = listener
	d.serving.Go(func() { _ = d.http.Serve(listener) }) // ends with the listener
	return nil
}

func (d *listener) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener != nil {
		_ = d.listener.Close()
		d.listener = nil
	}
}

func (d *listener) turn(t turn) {
	switch t {
	case listenersClosed:
		d.shut()
	case listenersOpen:
		if err := d.open(); err != nil {
			panic(fmt.Sprintf("dockertest: the engine is back and its socket is not: %v", err))
		}
	case streamsBroke, streamsCut: // the streams see to that
	}
}

func (d *listener) close() {
	d.shut()
	_ = d.http.Close()
	d.serving.Wait()
}
