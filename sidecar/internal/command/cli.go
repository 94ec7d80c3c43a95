package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

const (
	// cliVariable names the Docker CLI that called this program as a plugin.
	cliVariable = "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND"
	// cliSocketVariable names the socket that a Docker CLI of version 25 or later closes when its plugin is to end.
	cliSocketVariable = "DOCKER_CLI_PLUGIN_SOCKET"
	// cliEnd is how long the docker command may take to end after it was asked to.
	cliEnd = 5 * time.Second
	// exitInterrupted is the exit code of a docker command that was interrupted, as shells have it.
	exitInterrupted = 130
)

// runCLI is the CLI of this process: the one that called it, else the docker command in PATH. It has the contexts, keys and connections of
// the user, so that the plugin does not handle them.
func runCLI(ctx context.Context, args []string, in io.Reader, out, errs io.Writer) (int, error) {
	path, err := exec.LookPath(cmp.Or(os.Getenv(cliVariable), "docker"))
	if err != nil {
		return 0, fmt.Errorf("find the docker command: %w", err)
	}
	ctx, stop := untilInterrupted(ctx, os.Getenv(cliSocketVariable))
	defer stop()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdout, cmd.Stderr = out, errs
	if _, terminal := in.(terminal); terminal { // of which docker needs the file itself
		cmd.Stdin = os.Stdin
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = cliEnd
	err = cmd.Run()
	var ended *exec.ExitError
	switch {
	case err == nil:
		return exitFine, nil
	case errors.As(err, &ended) && ended.Exited():
		return ended.ExitCode(), nil
	case ctx.Err() != nil:
		return exitInterrupted, nil
	}
	return 0, fmt.Errorf("run %s: %w", path, err)
}

// untilInterrupted is a context that also ends when the Docker CLI closes its socket, which it does when it is interrupted. Without a socket, or with
// one that cannot be opened, the signals of the terminal have to do.
func untilInterrupted(ctx context.Context, socket string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if socket == "" {
		return ctx, cancel
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return ctx, cancel
	}
	context.AfterFunc(ctx, func() { _ = conn.Close() })
	go func() { // ends with the connection, at the latest with ctx
		_, _ = io.Copy(io.Discard, conn)
		cancel()
	}()
	return ctx, cancel
}
