package docker

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/container"

	"stoker/sidecar/internal/core/worker"
)

// guestBook is what Follow remembers from one time to the next. Whoever has the turn has all of it.
type guestBook struct {
	turn chan struct{}
	// refs are the containers whose namespaces a container lives in, by its ID. The list does not tell, so that each
	// container is inspected once; it cannot change while the container lives.
	refs map[string][]string
	// halted are containers that a heal has left down: they are not running, and still Stoker's to bring back.
	halted map[string]bool
}

// enter waits for the turn; leave is nil when ctx was over first. Two at once would heal the same container twice.
func (b *guestBook) enter(ctx context.Context) (leave func()) {
	select {
	case b.turn <- struct{}{}:
		return func() { <-b.turn }
	case <-ctx.Done():
		return nil
	}
}

// gathered is what a list tells about who may hang on whom.
type gathered struct {
	guests []guest
	roots  []host
}

// gather asks who there is. It costs one list, and one inspect for each container that was not there before.
func (c *Client) gather(ctx context.Context, a worker.Action) (gathered, *response, error) {
	asked, s := withResponse(ctx)
	list, err := c.api.Load().ContainerList(asked, container.ListOptions{All: true})
	if err != nil {
		return gathered{}, s, c.fail("list the containers", s, err)
	}
	found := gathered{roots: rootsOf(list, a.Parents)}
	if len(found.roots) == 0 {
		return found, s, nil
	}
	list = slices.DeleteFunc(list, func(one container.Summary) bool {
		state := statusWord(one.State)
		up := state == worker.StatusRunning || (state == worker.StatusPaused && a.Managed[one.ID])
		return one.ID == c.opts.Self || !up && !c.guests.halted[one.ID] || untouchable(keyOf(one.Names), one.Labels)
	})
	if s, err := c.read(ctx, list); err != nil {
		return found, s, err
	}
	for _, one := range list {
		found.guests = append(found.guests, guest{
			id: one.ID, key: keyOf(one.Names), labels: one.Labels, refs: c.guests.refs[one.ID], spared: a.Managed[one.ID],
		})
	}
	return found, s, nil
}

// rootsOf leaves out parents that have ended since: another life of theirs will be followed in its turn.
func rootsOf(list []container.Summary, parents []worker.Parent) []host {
	var roots []host
	for _, p := range parents {
		i := slices.IndexFunc(list, func(one container.Summary) bool { return one.ID == p.ID })
		if i >= 0 && statusWord(list[i].State) == worker.StatusRunning {
			roots = append(roots, host{id: p.ID, key: p.Key, labels: list[i].Labels, former: p.PreviousIDs})
		}
	}
	return roots
}

// read brings the book up to date with a list: in with who is new, out with who is gone.
func (c *Client) read(ctx context.Context, list []container.Summary) (*response, error) {
	refs, halted := map[string][]string{}, map[string]bool{}
	var unread []string
	for _, one := range list {
		halted[one.ID] = c.guests.halted[one.ID] && statusWord(one.State) != worker.StatusRunning
		known, ok := c.guests.refs[one.ID]
		if refs[one.ID] = known; !ok {
			unread = append(unread, one.ID)
		}
	}
	var (
		mu     sync.Mutex
		failed error
		heard  *response
	)
	inParallel(unread, func(id string) {
		asked, s := withResponse(ctx)
		in, err := c.api.Load().ContainerInspect(asked, id)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			refs[id] = sharedWith(in.ContainerJSONBase)
		case s.status == http.StatusNotFound:
			delete(refs, id)
		default:
			delete(refs, id)
			failed, heard = c.fail("inspect a container", s, err), s
		}
	})
	c.guests.refs, c.guests.halted = refs, halted
	return heard, failed
}

// sharedWith are the containers whose namespaces a container lives in, never nil.
func sharedWith(in *container.ContainerJSONBase) []string {
	refs := []string{}
	if in == nil || in.HostConfig == nil {
		return refs
	}
	host := in.HostConfig
	for _, mode := range []string{string(host.NetworkMode), string(host.PidMode), string(host.IpcMode)} {
		if ref, ok := strings.CutPrefix(mode, "container:"); ok && ref != "" {
			refs = append(refs, ref)
		}
	}
	return refs
}

// guestsAtOnce is how many dependents are asked after, or healed, at a time.
const guestsAtOnce = 4

// inParallel does it for each, a few at a time, and comes back when all is done.
func inParallel[T any](list []T, do func(T)) {
	var group sync.WaitGroup
	free := make(chan struct{}, guestsAtOnce)
	for _, one := range list {
		free <- struct{}{}
		group.Go(func() {
			defer func() { <-free }()
			do(one)
		})
	}
	group.Wait()
}
