package docker

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/container"

	"stoker/sidecar/internal/core/worker"
)

// shared is the containers whose namespaces a container shares. It cannot change while the container exists.
type shared struct {
	parents   []string
	pidParent string
}

// listDependents finds the containers that may depend on others, and the namespaces that they share. A list does not show those, so each
// container is inspected once in its lifetime. The list itself is requested only if the events do not show which containers exist.
func (c *Client) listDependents(ctx context.Context, out *worker.Outcome) {
	all, complete := c.known.snapshot()
	if !complete {
		asked, s := withResponse(ctx)
		if _, err := c.listAll(asked); err != nil {
			c.failed(out, s, c.fail("list the containers", s, err))
			return
		}
		all, _ = c.known.snapshot()
	}
	if s, err := c.inspectNew(ctx, all); err != nil {
		c.failed(out, s, err)
		return
	}
	out.Result = worker.Done
	for _, id := range slices.Sorted(maps.Keys(all)) {
		one := all[id]
		if id == c.opts.Self || one.shared == nil { // Stoker's own, or removed meanwhile
			continue
		}
		out.Dependents = append(out.Dependents, worker.Dependent{
			Key: one.key, ID: id, Labels: one.labels, Parents: one.shared.parents, PIDParent: one.shared.pidParent,
		})
	}
}

// listAll returns every container, running or not.
func (c *Client) listAll(ctx context.Context) ([]container.Summary, error) {
	answered := c.known.list()
	list, err := c.api.Load().ContainerList(ctx, container.ListOptions{All: true})
	answered(list, err)
	return list, err
}

// inspectsAtOnce is the number of containers inspected at a time.
const inspectsAtOnce = 4

// inspectNew inspects the containers that were not inspected before. An error comes with the response to the call that failed.
func (c *Client) inspectNew(ctx context.Context, all map[string]knownContainer) (*response, error) {
	var (
		mu     sync.Mutex
		group  sync.WaitGroup
		failed error
		answer *response
	)
	free := make(chan struct{}, inspectsAtOnce)
	missing := slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(id string) bool { return all[id].shared != nil || id == c.opts.Self })
	for _, id := range missing { // all is changed meanwhile
		free <- struct{}{}
		group.Go(func() {
			defer func() { <-free }()
			asked, s := withResponse(ctx)
			in, err := c.api.Load().ContainerInspect(asked, id)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && in.ContainerJSONBase != nil:
				found := shared{}
				found.parents, found.pidParent = sharedWith(in.HostConfig)
				one := all[id]
				one.shared = &found
				all[id] = one
				c.known.inspected(id, found)
			case s.status == http.StatusNotFound:
			default:
				failed, answer = c.fail("inspect a container", s, err), s
			}
		})
	}
	group.Wait()
	return answer, failed
}

// sharedWith returns the containers whose namespaces a container shares, and the one whose PID namespace it shares.
func sharedWith(host *container.HostConfig) (parents []string, pid string) {
	if host == nil {
		return nil, ""
	}
	for _, mode := range []string{string(host.NetworkMode), string(host.PidMode), string(host.IpcMode)} {
		if ref, ok := strings.CutPrefix(mode, "container:"); ok && ref != "" && !slices.Contains(parents, ref) {
			parents = append(parents, ref)
		}
	}
	pid, _ = strings.CutPrefix(string(host.PidMode), "container:")
	if pid == string(host.PidMode) {
		pid = ""
	}
	return parents, pid
}

// restartDependent is one request, which the engine completes even if the client disconnects. With a separate stop and start, the second
// could be lost, and leave the container stopped.
func (c *Client) restartDependent(ctx context.Context, out *worker.Outcome) {
	id, doing := out.Action.Incarnation.ID, "restart the container"
	asked, s := withResponse(ctx)
	var err error
	if out.Action.Down {
		doing, err = "start the container", c.api.Load().ContainerStart(asked, id, container.StartOptions{})
	} else {
		err = c.api.Load().ContainerRestart(asked, id, container.StopOptions{})
	}
	c.finishCall(ctx, out, s, c.fail(doing, s, err))
	out.Forbidden = err != nil && s.status == http.StatusForbidden
}
