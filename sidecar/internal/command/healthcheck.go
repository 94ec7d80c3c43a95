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

	"stoker/sidecar/internal/report/web"
)

// healthTimeout is below the timeout of the image's HEALTHCHECK, so that the answer is a line and not a kill.
const healthTimeout = 4 * time.Second

func newHealthcheck(env Env) *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck",
		Short: "Ask the Stoker that runs in this container how it is (for Docker's HEALTHCHECK)",
		Long: "Asks the Stoker that runs in this container how it is, over a local socket that is there whatever STOKER_LISTEN says.\n" +
			"Exit code 0: it works. 1: it hangs, has lost the engine, or does not run.",
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
		return failed(fmt.Errorf("ask for the host's name: %w", err))
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	health, err := askHealth(ctx, web.SocketName(host, c.StateDir, c.Rules.Scope))
	if err != nil {
		return failed(err)
	}
	_, err = fmt.Fprintln(e.Stdout, clean(health))
	return written(err)
}

// askHealth is the status of the Stoker behind the socket, or an error that says what is wrong with it.
func askHealth(ctx context.Context, socket string) (string, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
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
