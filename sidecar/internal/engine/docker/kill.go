package docker

import (
	"context"

	"stoker/sidecar/internal/core/worker"
)

const serviceLabel = "com.docker.swarm.service.id"

// kill ends a task of a Swarm service with SIGKILL. It inspects first, and leaves the task alone while its service is being updated. Only
// managers report updates.
func (c *Client) kill(ctx context.Context, out *worker.Outcome) {
	if !c.stopExpected(ctx, out) {
		return
	}
	if service := out.Snapshot.Labels[serviceLabel]; service != "" && c.updating(ctx, service) {
		out.Result, out.Err = worker.Refused, "its service is being updated"
		return
	}
	asked, s := withResponse(ctx)
	err := c.api.Load().ContainerKill(asked, out.Action.Incarnation.ID, "SIGKILL")
	c.finishCall(ctx, out, s, c.fail("kill the container", s, err))
}
