package docker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"time"

	"github.com/docker/docker/api/types/container"

	"stoker/sidecar/internal/core/worker"
)

// Do runs one action and returns its outcome, at the latest at the action's deadline or the end of ctx.
//
// The results mean:
//   - Done: the engine confirmed the change, and the inspect after it succeeded. No inspect follows a stop.
//   - Refused: nothing was sent, because the container was not the one that was decided on.
//   - Unknown: a changing request may have reached the engine, and its effect is not known; also if the change was confirmed
//     and only the inspect after it failed.
//   - Failed: nothing was changed. The engine refused, or (Unreachable) could not be reached.
//
// The result of a RecreateStep depends only on its call; its report has the inspects afterwards.
func (c *Client) Do(ctx context.Context, a worker.Action) worker.Outcome {
	if a.Deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.Deadline)
		defer cancel()
	}
	out := worker.Outcome{Action: a}
	switch a.Verb {
	case worker.Inspect:
		c.inspect(ctx, &out)
	case worker.Start:
		c.start(ctx, &out)
	case worker.Stop:
		c.stop(ctx, &out)
	case worker.Kill:
		c.kill(ctx, &out)
	case worker.RecreateStep:
		c.recreateStep(ctx, &out)
	case worker.ListDependents:
		c.listDependents(ctx, &out)
	case worker.RestartDependent:
		c.restartDependent(ctx, &out)
	case worker.ReadStats:
		c.sample(ctx, &out)
	case worker.Update:
		c.update(ctx, &out)
	case worker.Connect:
		c.connect(ctx, &out)
	case worker.Collect:
		c.collect(ctx, &out)
	case worker.ReadLogs:
		c.readLogs(ctx, &out)
	case worker.Clone:
		c.clone(ctx, &out)
	case worker.RemoveClone:
		c.removeClone(ctx, &out)
	default:
		out.Result, out.Err = worker.Failed, fmt.Sprintf("no such verb: %d", a.Verb)
	}
	return out
}

// inspect sets Snapshot and Done, or Failed and the cause. It changes nothing, so its result is never Unknown.
func (c *Client) inspect(ctx context.Context, out *worker.Outcome) {
	c.inspectRef(ctx, out, out.Action.Incarnation.ID)
}

func (c *Client) inspectRef(ctx context.Context, out *worker.Outcome, ref string) {
	ctx, s := withResponse(ctx)
	inspected, raw, err := c.api.Load().ContainerInspectWithRaw(ctx, ref, false)
	if err != nil {
		c.failed(out, s, c.fail("inspect the container", s, err))
		out.Missing = s.status == http.StatusNotFound
		return
	}
	snapshot, err := translateInspect(inspected, raw)
	if err != nil {
		out.Result, out.Err = worker.Failed, "inspect the container: "+err.Error()
		return
	}
	if c.podman.Load() != nil {
		timeoutsOnly(snapshot.Probes)
		snapshot.Networks = nil // Podman loses none, and its inspect names some differently from its list
	}
	c.askExitCause(ctx, &snapshot)
	out.Result, out.Snapshot = worker.Done, &snapshot
}

// start does not inspect first: starting a running container is a no-op for the engine (304), and an inspect would delay
// every heal. A failed start is followed by an inspect, because the container may be running or being removed.
func (c *Client) start(ctx context.Context, out *worker.Outcome) {
	asked, s := withResponse(ctx)
	err := c.api.Load().ContainerStart(asked, out.Action.Incarnation.ID, container.StartOptions{})
	c.finishCall(ctx, out, s, c.fail("start the container", s, err))
}

// stop inspects first, unless the action was decided on a recent inspect. No inspect follows a stop that succeeded: the exit
// event has the rest, and an inspect would delay the start.
func (c *Client) stop(ctx context.Context, out *worker.Outcome) {
	if !out.Action.Inspected && !c.stopExpected(ctx, out) {
		return
	}
	options := container.StopOptions{}
	if out.Action.Grace >= 0 {
		grace := seconds(out.Action.Grace)
		options.Timeout = &grace
	}
	asked, s := withResponse(ctx)
	err := c.api.Load().ContainerStop(asked, out.Action.Incarnation.ID, options)
	c.finishCall(ctx, out, s, c.fail("stop the container", s, err))
}

// stopExpected reports whether the container is still the one that a stop was decided on.
func (c *Client) stopExpected(ctx context.Context, out *worker.Outcome) bool {
	c.inspect(ctx, out)
	if out.Result != worker.Done {
		return false
	}
	if why := refusal(out.Action, *out.Snapshot); why != "" {
		out.Result, out.Err = worker.Refused, why
		return false
	}
	return true
}

// refusal returns why a container is not the one that a stop was decided on, or "".
func refusal(a worker.Action, s worker.Snapshot) string {
	switch {
	case s.ID != a.Incarnation.ID || !s.StartedAt.Equal(a.Incarnation.StartedAt):
		return "it has been restarted since"
	case s.Status != worker.StatusRunning:
		return "it is " + string(s.Status)
	case a.OnlyIfUnhealthy && s.Health != worker.HealthUnhealthy:
		return "its health is " + string(s.Health)
	}
	return ""
}

// finishCall turns the answer to a changing request into a result, and inspects the container.
func (c *Client) finishCall(ctx context.Context, out *worker.Outcome, s *response, err error) {
	out.Snapshot = nil
	switch {
	case err == nil && (out.Action.Verb == worker.Stop || out.Action.Verb == worker.Kill):
		out.Result = worker.Done
	case err == nil:
		c.inspect(ctx, out)
		if out.Result == worker.Failed && !out.Missing {
			out.Result, out.Unreachable, out.Accepted = worker.Unknown, false, true
			out.Err = out.Action.Verb.String() + " was accepted, but: " + out.Err
		}
	case s.mayHaveHappened():
		out.Result, out.Err = worker.Unknown, err.Error()
	default:
		after := worker.Outcome{Action: out.Action}
		if s.answered() {
			c.inspect(ctx, &after)
		}
		c.failed(out, s, err)
		out.Snapshot, out.Missing = after.Snapshot, after.Missing
	}
}

// failed sets Failed, and Unreachable when the engine itself did not answer.
func (c *Client) failed(out *worker.Outcome, s *response, err error) {
	out.Result, out.Err = worker.Failed, err.Error()
	out.Unreachable = !s.answered()
	out.NetworkFailed = s.answered() && aboutNetworks(out.Err)
	if link := (*linkError)(nil); errors.As(err, &link) {
		out.Err = Explain(err)
	}
}

// answered reports whether the engine itself answered. A proxy's 502, 503 or 504 is not the engine's answer; an engine's own
// 503 means the same.
func (s *response) answered() bool {
	switch s.status {
	case 0, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return false
	}
	return true
}

// mayHaveHappened reports whether the engine may carry out the request although it did not answer. Nothing was sent after a
// failed dial or TLS handshake, nor by a proxy without an engine (503). A proxy that lost the connection (502) or timed out
// (504) sent it. Any other request without an answer may have arrived.
func (s *response) mayHaveHappened() bool {
	if s.answered() || s.status == http.StatusServiceUnavailable {
		return false
	}
	return s.status != 0 || !neverSent(s.err)
}

func neverSent(err error) bool {
	var (
		op     *net.OpError
		record tls.RecordHeaderError
		verify *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &op) && op.Op == "dial":
		return true
	case errors.As(err, &record), errors.As(err, &verify):
		return true
	}
	return errors.Is(err, http.ErrSchemeMismatch) || errors.Is(err, errRequiresTLS)
}

// seconds rounds up, because the API accepts whole seconds, and a shorter grace than requested would kill too soon. An int has 32 bits on some
// processors, which is 68 years.
func seconds(d time.Duration) int {
	return int(min((d+time.Second-1)/time.Second, math.MaxInt))
}
