package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/report/web"
	"stoker/sidecar/internal/sanitize"
)

// healthTimeout is below the timeout of the image's HEALTHCHECK, so that the answer is a line and not a kill.
const healthTimeout = 4 * time.Second

func newHealthcheck(env Env) *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Report the health of the Stoker that runs in this container (for Docker's HEALTHCHECK)",
		Long: "Asks the Stoker that runs in this container for its health: over a socket in STOKER_STATE_DIR, or where that directory\n" +
			"cannot be written at STOKER_LISTEN.\n" +
			"Exit code 0: it works. 1: it is stuck, disconnected from the engine, or does not run.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return env.healthcheck(cmd.Context()) },
	}
}

func (e Env) healthcheck(ctx context.Context) error {
	c, err := e.load()
	if err != nil {
		return err
	}
	host, err := e.Hostname()
	if err != nil {
		return failed(fmt.Errorf("get the host name: %w", err))
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	health, err := askHealth(ctx, healthAddresses(host, c))
	if err != nil {
		return failed(err)
	}
	_, err = fmt.Fprintln(e.Stdout, sanitize.Escape(health))
	return written(err)
}

// address is where a Stoker may answer.
type address struct{ network, name string }

// healthAddresses are in the order in which they are tried: the socket that only Stoker can open, its port, and the socket that
// any process in the network namespace could have taken.
func healthAddresses(host string, c config.Config) []address {
	sockets := web.HealthSockets(host, c.StateDir, c.Rules.Scope)
	all := []address{{"unix", sockets[0]}}
	if c.Listen != "" {
		all = append(all, address{"tcp", c.Listen})
	}
	for _, name := range sockets[1:] {
		all = append(all, address{"unix", name})
	}
	return all
}

// dialFirst connects to the first address that accepts a connection.
func dialFirst(ctx context.Context, addresses []address) (net.Conn, error) {
	var first error
	for _, a := range addresses {
		conn, err := (&net.Dialer{}).DialContext(ctx, a.network, a.name)
		if err == nil {
			return conn, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

// askHealth returns the status of the Stoker at the first address that answers, or an error that explains what is wrong with it.
func askHealth(ctx context.Context, addresses []address) (string, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialFirst(ctx, addresses)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://stoker/healthz", nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", fmt.Errorf("no Stoker answers here with this host name, STOKER_STATE_DIR and STOKER_SCOPE: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	var health struct{ Status, Detail string }
	if err := json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&health); err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return "", errors.New(health.Status + ": " + health.Detail)
	}
	return health.Status, nil
}
