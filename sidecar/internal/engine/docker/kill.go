package docker

import (
	"context"
	"slices"

	"github.com/docker/docker/api/types/swarm"

	"stoker/sidecar/internal/core/worker"
)

const serviceLabel = "com.docker.swarm.service.id"

// kill ends a task of a Swarm service by SIGKILL. It inspects first, and leaves the task alone while its service is being updated, where that
// can be known: only managers know it.
func (c *Client) kill(ctx context.Context, out *worker.Outcome) {
	if !c.stopExpected(ctx, out) {
		return
	}
	if service := out.Snapshot.Labels[serviceLabel]; service != "" && c.updating(ctx, service) {
		out.Result, out.Err = worker.Refused, "its service is being updated"
		return
	}
	asked, s := withResponse(ctx)
	err := c.api.load().ContainerKill(asked, out.Action.Incarnation.ID, "SIGKILL")
	c.finishCall(ctx, out, s, c.fail("kill the container", s, err))
}

// updating reports whether a service is being updated or rolled back. An engine that is no manager, or does not answer, is taken for no.
func (c *Client) updating(ctx context.Context, id string) bool {
	ctx, s := withResponse(ctx)
	service, _, err := c.api.load().ServiceInspectWithRaw(ctx, id, swarm.ServiceInspectOptions{})
	if err != nil {
		_ = c.fail("inspect the service", s, err) // notes a refusal by a proxy
		return false
	}
	under := []swarm.UpdateState{swarm.UpdateStateUpdating, swarm.UpdateStateRollbackStarted}
	return service.UpdateStatus != nil && slices.Contains(under, service.UpdateStatus.State)
}
