// Package unixsocket binds unix sockets that one Stoker owns.
package unixsocket

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
)

// Listen binds a unix socket: a file that only its owner can open, or, where the name begins with @, a name in Linux's abstract
// namespace. A file that a crashed process left behind is replaced; one with a listener is an error.
func Listen(ctx context.Context, name string) (net.Listener, error) {
	var binding net.ListenConfig
	listener, err := binding.Listen(ctx, "unix", name)
	if strings.HasPrefix(name, "@") {
		return listener, err
	}
	if errors.Is(err, syscall.EADDRINUSE) && abandoned(ctx, name) {
		if err = os.Remove(name); err == nil {
			listener, err = binding.Listen(ctx, "unix", name)
		}
	}
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(name, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

// abandoned reports whether a socket file has no listener: it is from a Stoker that crashed. A file of another kind is somebody else's.
func abandoned(ctx context.Context, name string) bool {
	if info, err := os.Lstat(name); err != nil || info.Mode()&os.ModeSocket == 0 {
		return false
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", name)
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}
