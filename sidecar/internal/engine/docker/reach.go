package docker

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"

	"stoker/sidecar/internal/core/worker"
)

// ErrNotFound means that there is no such container, or no such file in it.
var ErrNotFound = errors.New("not found")

// ErrDenied means that something before the engine refuses the call.
var ErrDenied = errors.New("not allowed")

// Local reports whether the engine's address is a socket of this host, so that its bridges may be this host's.
func (c *Client) Local() bool { return strings.HasPrefix(c.host, "unix://") }

// ReachOf inspects a container and returns its addresses on the engine's networks. The error is ErrNotFound if there is no such container.
func (c *Client) ReachOf(ctx context.Context, ref string) (worker.Reach, error) {
	asked, s := withResponse(ctx)
	in, err := c.api.Load().ContainerInspect(asked, ref)
	if err != nil {
		return worker.Reach{}, c.failOf("inspect the container", s, err)
	}
	return reachOf(in), nil
}

// FileTime returns when a file in a container was last modified, by the engine's clock. The engine reads the container's file system and
// its volumes, but no in-memory mounts. The error is ErrNotFound if there is no such file, ErrDenied if the call is refused.
func (c *Client) FileTime(ctx context.Context, id, file string) (time.Time, error) {
	stat, err := c.statFile(ctx, id, file)
	if err == nil && stat.Mode&os.ModeSymlink != 0 && stat.LinkTarget != "" {
		stat, err = c.statFile(ctx, id, stat.LinkTarget) // the engine has followed all links of the path
	}
	return stat.Mtime, err
}

func (c *Client) statFile(ctx context.Context, id, file string) (container.PathStat, error) {
	asked, s := withResponse(ctx)
	stat, err := c.api.Load().ContainerStatPath(asked, id, file)
	if err != nil {
		return stat, c.failOf("ask for a file of the container", s, err)
	}
	return stat, nil
}

func (c *Client) failOf(doing string, s *response, err error) error {
	switch {
	case s.denied != nil:
		return errors.Join(ErrDenied, c.fail(doing, s, err))
	case s.status == http.StatusNotFound:
		return errors.Join(ErrNotFound, c.fail(doing, s, err))
	}
	return c.fail(doing, s, err)
}

func reachOf(in container.InspectResponse) worker.Reach {
	var r worker.Reach
	if in.ContainerJSONBase != nil && in.HostConfig != nil {
		mode := in.HostConfig.NetworkMode
		r.Host = mode.IsHost()
		if mode.IsContainer() {
			r.Inside = mode.ConnectedContainer()
		}
	}
	if in.NetworkSettings == nil {
		return r
	}
	for name, n := range in.NetworkSettings.Networks {
		if n == nil {
			continue
		}
		e := worker.Endpoint{Network: cmp.Or(n.NetworkID, name)}
		for _, address := range []string{n.IPAddress, n.GlobalIPv6Address} {
			if address != "" {
				e.Addresses = append(e.Addresses, address)
			}
		}
		if len(e.Addresses) > 0 {
			r.Endpoints = append(r.Endpoints, e)
		}
	}
	slices.SortFunc(r.Endpoints, func(a, b worker.Endpoint) int { return cmp.Compare(a.Addresses[0], b.Addresses[0]) })
	return r
}

// unseen returns the folders of a container that the engine's archive calls do not show, because they are mounted in memory (seen on
// 20.10.24): those of the container's own definition, beside those that each container has.
func unseen(in container.InspectResponse) []string {
	var folders []string
	if in.ContainerJSONBase != nil && in.HostConfig != nil {
		for folder := range in.HostConfig.Tmpfs {
			folders = append(folders, path.Clean(folder))
		}
	}
	for _, m := range in.Mounts {
		if m.Type == mount.TypeTmpfs {
			folders = append(folders, path.Clean(m.Destination))
		}
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}
