package docker

import (
	"context"
	"fmt"
	"slices"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker/spec"
)

// connect connects a container to the networks that it has lost.
func (c *Client) connect(ctx context.Context, out *worker.Outcome) {
	if !c.connectAll(ctx, out) {
		return
	}
	c.finishCall(ctx, out, &response{}, nil)
	if now := out.Snapshot; out.Result == worker.Done && now != nil {
		for _, name := range out.Action.Networks {
			if now.Networks != nil && !slices.Contains(now.Networks, name) {
				out.Result, out.Err = worker.Failed, "the engine has accepted the connection to network "+name+", but the container has none"
			}
		}
	}
}

// connectAll connects a container to the networks of an action, with the settings of its definition. It reports whether the container has
// all of them now; if not, the outcome has the reason. A network that it is already connected to is no failure: an engine accepts the
// request again for a stopped container, and refuses it for a running one.
func (c *Client) connectAll(ctx context.Context, out *worker.Outcome) bool {
	a := out.Action
	if len(a.Networks) == 0 {
		return true
	}
	api := c.recreateAPI() // the definition was read with that API version
	endpoints, err := spec.Endpoints(a.Definition, a.Networks, api.ClientVersion())
	if err != nil {
		out.Result, out.Err = worker.Failed, "connect the container to its networks: "+err.Error()
		return false
	}
	for _, e := range endpoints {
		asked, s := withResponse(ctx)
		err := api.NetworkConnect(asked, e.Network, a.Incarnation.ID, e.Settings)
		if err == nil {
			continue
		}
		c.finishCall(ctx, out, s, c.fail(fmt.Sprintf("connect the container to network %s", e.Network), s, err))
		if now := out.Snapshot; out.Result != worker.Failed || now == nil || !slices.Contains(now.Networks, e.Network) {
			return false
		}
		out.Result, out.Err, out.Snapshot = 0, "", nil
	}
	return true
}
