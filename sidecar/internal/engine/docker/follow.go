package docker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker/recreate"
)

// deed is what became of one relative.
type deed struct {
	worker.Dependent
	orphaned bool          // otherwise nothing was to be done
	result   worker.Result // Done, also when there is an error that no repetition mends
	begun    worker.Incarnation
	halted   string // ID of the container that is down now, though it should run
}

// follow heals what hangs on the parents, parents first. Result is Failed when something may succeed later.
func (c *Client) follow(ctx context.Context, out *worker.Outcome) {
	leave := c.guests.enter(ctx)
	if leave == nil {
		out.Result, out.Err = worker.Failed, "wait for the turn to heal dependents: "+ctx.Err().Error()
		return
	}
	defer leave()
	found, s, err := c.gather(ctx, out.Action)
	if err != nil {
		c.failed(out, s, err)
		return
	}
	lives, names := namesAndLives(out.Action, found.roots)
	out.Result = worker.Done
	for now, later := round(family(found.guests, found.roots)); len(now) > 0; now, later = round(later) {
		deeds := make([]deed, len(now))
		turns := make([]int, len(now))
		for i := range turns {
			turns[i] = i
		}
		inParallel(turns, func(i int) { deeds[i] = c.heal(ctx, now[i], lives, names) })
		for i, d := range deeds {
			c.note(out, d)
			if d.begun.ID != "" {
				lives[now[i].id] = life{key: now[i].key, Incarnation: d.begun}
				names[now[i].id], names[d.begun.ID] = string(now[i].key), string(now[i].key)
			}
		}
	}
}

func namesAndLives(a worker.Action, roots []host) (map[string]life, map[string]string) {
	lives, names := map[string]life{}, namesOf(a.Names)
	for _, p := range a.Parents {
		for _, id := range slices.Concat(p.PreviousIDs, []string{p.ID}) {
			names[id] = string(p.Key)
		}
		for _, root := range roots {
			if root.id == p.ID {
				lives[p.ID] = life{key: p.Key, Incarnation: p.Incarnation}
			}
		}
	}
	return lives, names
}

// note adds a deed to the outcome. What is not known weighs most.
func (c *Client) note(out *worker.Outcome, d deed) {
	if d.halted != "" {
		c.guests.halted[d.halted] = true
	}
	if !d.orphaned {
		return
	}
	if d.Heal != worker.HealNone { // otherwise it could not be asked
		out.Dependents = append(out.Dependents, d.Dependent)
	}
	if d.result == worker.Done {
		return
	}
	if out.Result != worker.Unknown {
		out.Result = d.result
	}
	out.Err = strings.TrimPrefix(out.Err+"; "+string(d.Key)+": "+d.Err, "; ")
}

// heal looks at a relative and gives it what it needs, if it is still orphaned. Lives and names are only read.
func (c *Client) heal(ctx context.Context, r relative, lives map[string]life, names map[string]string) deed {
	d := deed{Dependent: worker.Dependent{Key: r.key, ID: r.id, Managed: r.spared}, result: worker.Done}
	look := worker.Outcome{Action: worker.Action{Incarnation: worker.Incarnation{ID: r.id}}}
	c.inspect(ctx, &look)
	switch {
	case look.Missing:
		return d
	case look.Snapshot == nil:
		d.orphaned, d.result, d.Err = true, worker.Failed, look.Err
		return d
	}
	s := *look.Snapshot
	down := s.Status.Down() && c.guests.halted[r.id]
	paused := s.Status == worker.StatusPaused && r.spared // its own machine sees to it when somebody thaws it
	follows := s.Status == worker.StatusRunning || down || paused
	if d.Heal, d.Parent = stranding(r, s.Incarnation, lives); d.Heal == worker.HealNone || !follows {
		return d
	}
	d.orphaned = true
	switch {
	case d.Managed:
	case d.Heal == worker.HealRecreate:
		c.moveOver(ctx, &d, s, names)
	default:
		c.restart(ctx, &d, down)
	}
	return d
}

// restart is one request, which the engine carries out to its end even when nobody waits for it any more: a stop and a
// start could be torn apart, and leave the container down.
func (c *Client) restart(ctx context.Context, d *deed, down bool) {
	asked, s := withResponse(ctx)
	doing, err := "restart the container", error(nil)
	if down {
		doing, err = "start the container", c.api.Load().ContainerStart(asked, d.ID, container.StartOptions{})
	} else {
		err = c.api.Load().ContainerRestart(asked, d.ID, container.StopOptions{})
	}
	if err != nil && s.mayHaveHappened() {
		d.result, d.Err = worker.Unknown, c.fail(doing, s, err).Error()
		return
	}
	look := worker.Outcome{Action: worker.Action{Incarnation: worker.Incarnation{ID: d.ID}}}
	if err == nil || s.answered() {
		c.inspect(ctx, &look)
	}
	up := look.Snapshot != nil && look.Snapshot.Status == worker.StatusRunning
	switch {
	case err == nil && up:
		d.begun = look.Snapshot.Incarnation
	case err == nil && look.Missing: // its end came with --rm
		d.Err = "it ended at once, and is gone"
	case err == nil && look.Snapshot != nil:
		d.Err = fmt.Sprintf("it is %s after the restart, exit code %d", look.Snapshot.Status, look.Snapshot.ExitCode)
	case err == nil:
		d.result, d.Err = worker.Unknown, look.Err
	default:
		d.Err = c.fail(doing, s, err).Error()
		if !cerrdefs.IsPermissionDenied(err) && !look.Missing {
			d.result = worker.Failed
		}
		if look.Snapshot != nil && look.Snapshot.Status.Down() {
			d.halted = d.ID
		}
	}
}

// moveOver makes a dependent anew, so that it names its parent as it is now.
func (c *Client) moveOver(ctx context.Context, d *deed, was worker.Snapshot, names map[string]string) {
	result := c.anew.Do(ctx, recreate.Request{
		Name: string(d.Key), OldID: d.ID, Grace: -1, Names: maps.Clone(names),
		Accept: func(inspect []byte) error {
			if now, err := readSnapshot(inspect); err != nil || !now.StartedAt.Equal(was.StartedAt) || now.Status != was.Status {
				return errors.Join(errors.New("it has changed since"), err)
			}
			return nil
		},
	})
	d.Err = words(result)
	s := holder(result)
	var declined recreate.Declined
	switch result.Outcome {
	case recreate.Done, recreate.Unproven:
		if s != nil {
			d.begun = s.Incarnation
		}
	case recreate.Refused:
		if errors.As(result.Err, &declined) && declined.Changed {
			d.orphaned = false // whoever changed it has it in hand
		}
	case recreate.Unknown:
		if d.result = worker.Unknown; result.Untouched {
			d.result = worker.Failed
		}
	case recreate.Busy, recreate.Undone, recreate.Lost, recreate.Nothing:
		d.result = worker.Failed
	}
	if s != nil && s.ID == d.ID && s.Status.Down() {
		d.halted = d.ID
	}
}
