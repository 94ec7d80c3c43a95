package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"stoker/sidecar/internal/core/worker"
)

// A command may leave a child process that holds its output open, so its end is polled as well. The engine records the exit code a moment
// after the output ends.
const (
	commandPoll = 500 * time.Millisecond
	commandRest = 200 * time.Millisecond // for output in transit
	codePolls   = 10
	codePoll    = 50 * time.Millisecond
)

// runCommand runs stoker.before-stop in the container, as the container's user and without a terminal, and waits for it up to the limit. A
// command that still runs then ends with the container: the API cannot end it.
func (c *Client) runCommand(ctx context.Context, id string, command []string, limit time.Duration) *worker.CommandEvidence {
	began := time.Now()
	e := &worker.CommandEvidence{}
	defer func() { e.Took = time.Since(began).Seconds() }()
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	asked, s := withResponse(limited)
	exec, err := c.api.Load().ContainerExecCreate(asked, id, container.ExecOptions{AttachStdout: true, AttachStderr: true, Cmd: command})
	if err != nil {
		commandFailed(e, c.fail("prepare the command", s, err), limited.Err() != nil && ctx.Err() == nil)
		return e
	}
	output, err := c.startCommand(limited, exec.ID)
	if err != nil {
		commandFailed(e, err, limited.Err() != nil && ctx.Err() == nil)
		return e
	}
	text := &boundedText{head: worker.MaxCommandOutput / 2, tail: worker.MaxCommandOutput / 2}
	e.TimedOut = c.followCommand(limited, exec.ID, output, text) && ctx.Err() == nil
	e.Output = text.String()
	if code, ended := c.commandCode(ctx, exec.ID, e.TimedOut); ended {
		e.ExitCode, e.TimedOut = &code, false
	}
	return e
}

// startCommand starts it and returns its output. It is an ordinary request without a connection upgrade, so it uses the same transport as
// all others: both engines send the output in the response body.
func (c *Client) startCommand(ctx context.Context, exec string) (io.ReadCloser, error) {
	url := c.url("/v"+c.api.Load().ClientVersion()+"/exec/"+exec+"/start", "")
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(`{"Detach":false,"Tty":false}`))
	if err != nil {
		return nil, fmt.Errorf("start the command: %w", err)
	}
	req.Header.Set("User-Agent", c.agent())
	req.Header.Set("Content-Type", "application/json")
	asked, s := withResponse(ctx)
	resp, err := c.recorder.RoundTrip(req.WithContext(asked))
	if err != nil {
		return nil, c.fail("start the command", s, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer func() { _ = resp.Body.Close() }()
		message, _ := io.ReadAll(io.LimitReader(resp.Body, maxMissing))
		return nil, c.fail("start the command", s, errors.New(resp.Status+": "+string(message)))
	}
	return resp.Body, nil
}

// followCommand reads the output until its end or the command's end, and reports whether the time limit came first.
func (c *Client) followCommand(ctx context.Context, exec string, output io.ReadCloser, to io.Writer) (timedOut bool) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = demultiplex(to, output) // truncated output is kept
	}()
	defer func() { // the goroutine above writes to the text
		_ = output.Close()
		<-ended
	}()
	poll := time.NewTicker(commandPoll)
	defer poll.Stop()
	for {
		select {
		case <-ended:
			return false
		case <-ctx.Done():
			return true
		case <-poll.C:
			in, err := c.api.Load().ContainerExecInspect(ctx, exec)
			if err != nil || in.Running {
				continue
			}
			select {
			case <-ended:
			case <-ctx.Done():
			case <-time.After(commandRest):
			}
			return false
		}
	}
}

// commandCode returns the exit code; false if the command still runs or the code is unknown.
func (c *Client) commandCode(ctx context.Context, exec string, timedOut bool) (int, bool) {
	for range codePolls {
		in, err := c.api.Load().ContainerExecInspect(ctx, exec)
		if err != nil || in.Running && timedOut {
			return 0, false
		}
		if !in.Running {
			return in.ExitCode, true
		}
		select {
		case <-time.After(codePoll):
		case <-ctx.Done():
			return 0, false
		}
	}
	return 0, false
}

func commandFailed(e *worker.CommandEvidence, err error, timedOut bool) {
	e.Err, e.TimedOut = clip(Explain(err), maxMissing), timedOut
}
