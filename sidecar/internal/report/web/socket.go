package web

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"stoker/sidecar/internal/unixsocket"
)

// HealthSockets returns the unix sockets on which Stoker answers health checks, whatever STOKER_LISTEN is: the first that can be
// bound. That is a file in the state directory, which only its owner can open. Where the directory cannot be written there is a
// socket in Linux's abstract namespace instead; any process in the network namespace can take its name. The names contain the
// host name, the state directory and the scope, so that several Stokers on one host (network_mode: host, or one state
// directory) do not meet.
func HealthSockets(host, stateDir, scope string) []string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q", host, stateDir, scope))
	return []string{filepath.Join(stateDir, fmt.Sprintf("health-%x.sock", sum[:4])), fmt.Sprintf("@stoker/%x", sum[:8])}
}

// listenHealth binds the first socket that is free.
func listenHealth(ctx context.Context, sockets []string) (net.Listener, error) {
	var problems []error
	for _, name := range sockets {
		listener, err := unixsocket.Listen(ctx, name)
		if err == nil {
			return listener, nil
		}
		problems = append(problems, err)
	}
	return nil, errors.Join(problems...)
}
