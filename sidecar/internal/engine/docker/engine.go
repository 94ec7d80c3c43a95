package docker

import (
	"cmp"
	"context"
	"regexp"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/system"
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
	if cerrdefs.IsInvalidArgument(err) { // a GET without arguments: only the version can be wrong
		return worker.Engine{}, c.wrongVersion(api, s, err)
	}
	if err != nil {
		return worker.Engine{}, c.fail("ask the engine what it is", s, err)
	}
	c.api.Store(api)
	c.podman.Store(podman)
	c.sameHost.Store(c.isSameHost(info))
	engine := worker.Engine{
		Now:        engineTime(info.SystemTime),
		Version:    info.ServerVersion,
		APIVersion: api.ClientVersion(),
		CPUs:       info.NCPU,
		Name:       cmp.Or(c.opts.HostName, info.Name),
		Store:      storeOf(info),
		// Podman writes its default into each container.
		GraceUnknown: podman == nil && !olderThan(info.ServerVersion, 29, 7),
		Podman:       podman != nil,
	}
	if podman == nil {
		engine.BootedAt = c.bootedAt(ctx, api)
	} else {
		engine.Caveat = podman.caveat()
	}
	return engine, nil
}

// renew creates the session's client. Where the ping is refused, or its answer has no API version, askVersion determines the version: the
// Docker client would take the oldest, which a new engine does not support.
func (c *Client) renew(ctx context.Context) (*client.Client, *podman, error) {
	api, err := c.newAPI()
	if err != nil {
		return nil, nil, err
	}
	asked, s := withResponse(ctx)
	ping, err := api.Ping(asked)
	if err != nil && !s.maybeDenied() {
		return nil, nil, c.fail("ping the engine", s, err)
	}
	if ping.APIVersion == "" {
		if ping.APIVersion, err = c.askVersion(ctx, api.ClientVersion(), s); err != nil {
			return nil, nil, err
		}
	}
	c.newestAPI.Store(&ping.APIVersion)
	api.NegotiateAPIVersionPing(ping)
	return api, podmanOf(s), nil
}

// tooNew matches the engine's error for an API version that is newer than its own (20.10 to 29).
var tooNew = regexp.MustCompile(`[Mm]aximum supported API version is ([0-9]+\.[0-9]+)`)

// askVersion requests the engine's info with the newest version that the client supports. The header of any answer has the newest version
// of the engine; where a proxy removed the header, the error for a version that is too new contains it. s receives the response.
func (c *Client) askVersion(ctx context.Context, newest string, s *response) (string, error) {
	body, err := c.get(context.WithValue(ctx, responseKey{}, s), "/v"+newest+"/info", nil)
	if err == nil {
		_ = body.Close()
	}
	switch {
	case s.denied != nil, s.status == 0:
		return "", c.fail("ask the engine what it is", s, err)
	case s.api != "":
		return s.api, nil
	case err != nil:
		if found := tooNew.FindStringSubmatch(err.Error()); found != nil {
			return found[1], nil
		}
	}
	return newest, nil
}

func (c *Client) wrongVersion(api *client.Client, s *response, err error) error {
	return &versionError{host: c.host, used: api.ClientVersion(), pinned: c.opts.APIVersion != "", newest: cmp.Or(s.api, "unknown"), err: err}
}

// olderThan reports whether a version is before another one. It is false for a version that cannot be parsed.
func olderThan(version string, major, minor int) bool {
	return atLeast(version, 0, 0) && !atLeast(version, major, minor)
}

// storeOf returns where an engine keeps images and containers. The image store of containerd is named after a snapshotter and is marked in
// DriverStatus (moby, daemon/containerd/service.go).
func storeOf(info system.Info) string {
	for _, pair := range info.DriverStatus {
		if pair[0] == "driver-type" && strings.Contains(pair[1], "containerd") {
			return info.Driver + " (containerd)"
		}
	}
	return info.Driver
}

// bootedAt returns when this engine process started. No call reports it, but each process creates the default bridge network while it
// starts: after it has handled the containers of its predecessor, before it first answers the API (seen on 20.10.24). So an earlier event
// that this engine still has belongs to the boot and is not an operator's.
//
// It is zero when there is no such network (bridge "none"), or a proxy forbids the call. With live-restore and running containers the
// network is kept, and the time is an older one.
func (c *Client) bootedAt(ctx context.Context, api *client.Client) time.Time {
	bridge, err := api.NetworkInspect(ctx, "bridge", network.InspectOptions{})
	if err != nil {
		return time.Time{}
	}
	return bridge.Created.UTC()
}
