package docker

import (
	"context"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"

	"stoker/sidecar/internal/core/worker"
)

// Engine begins a session: it negotiates the API version again, unless that is pinned, and returns what the engine is.
func (c *Client) Engine(ctx context.Context) (worker.Engine, error) {
	api, podman, err := c.renew(ctx)
	if err != nil {
		return worker.Engine{}, err
	}
	asked, s := withResponse(ctx)
	info, err := api.Info(asked)
	if cerrdefs.IsInvalidArgument(err) { // a plain GET without arguments: only the version can be wrong
		return worker.Engine{}, c.wrongVersion(ctx, api, err)
	}
	if err != nil {
		return worker.Engine{}, c.fail("ask the engine what it is", s, err)
	}
	c.api.Store(api)
	c.podman.Store(podman)
	c.sameHost.Store(c.knowsHost(info))
	engine := worker.Engine{
		Now:        engineTime(info.SystemTime),
		Version:    info.ServerVersion,
		APIVersion: api.ClientVersion(),
		CPUs:       info.NCPU,
		Podman:     podman != nil,
	}
	if podman == nil {
		engine.BootedAt = c.bootedAt(ctx, api)
	} else {
		engine.Caveat = podman.caveat()
	}
	return engine, nil
}

func (c *Client) renew(ctx context.Context) (*client.Client, *podman, error) {
	api, err := c.newAPI()
	if err != nil {
		return nil, nil, err
	}
	asked, s := withResponse(ctx)
	ping, err := api.Ping(asked)
	if err != nil {
		return nil, nil, c.fail("ping the engine", s, err)
	}
	api.NegotiateAPIVersionPing(ping)
	return api, podmanOf(s), nil
}

func (c *Client) wrongVersion(ctx context.Context, api *client.Client, err error) error {
	wrong := &versionError{host: c.host, used: api.ClientVersion(), pinned: c.opts.APIVersion != "", newest: "unknown", err: err}
	if ping, err := api.Ping(ctx); err == nil && ping.APIVersion != "" {
		wrong.newest = ping.APIVersion
	}
	return wrong
}

// bootedAt is when this engine process began. No call reports it, but each process creates the default bridge network
// while it starts: after it has dealt with the containers of its predecessor, before it first answers the API (seen on
// 20.10.24). So an event before it, in the memory of this engine, belongs to the boot
// and is not an operator's.
//
// Zero when there is no such network (bridge "none"), or a proxy forbids the call. With live-restore and running
// containers the network is kept and the time is an older one.
func (c *Client) bootedAt(ctx context.Context, api *client.Client) time.Time {
	bridge, err := api.NetworkInspect(ctx, "bridge", network.InspectOptions{})
	if err != nil {
		return time.Time{}
	}
	return bridge.Created.UTC()
}
