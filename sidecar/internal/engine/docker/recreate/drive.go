package recreate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/docker/api/types/container"
)

// turn gives up what was begun, unless it has succeeded already and only the old container is left to remove.
func (t *transaction) turn(err error) {
	t.why = err
	t.back = !t.proven
}

// drive takes step after step until the picture is finished: on, and if that fails or ctx ends, back, with a context that
// ctx does not end.
func (t *transaction) drive(ctx context.Context) {
	err := t.why
	if err == nil {
		if err = t.walk(ctx); err != nil {
			t.turn(err)
		}
	}
	if err != nil {
		undo, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.r.opts.Undo+t.grace(t.newID))
		defer cancel()
		if err := t.walk(undo); err != nil {
			t.unfinished(err)
			return
		}
	}
	t.conclude()
}

// mostSteps is far above what any way takes. A picture that never changes is an engine that does not do what it says.
const mostSteps = 60

var errEndless = errors.New("the engine says that it did what it was told, and nothing changes")

func (t *transaction) walk(ctx context.Context) error {
	for range mostSteps {
		p, err := t.look(ctx)
		if err != nil {
			if (!t.back && !t.proven) || !sleep(ctx, 10*firstPause) {
				return err
			}
			continue // the engine may come back
		}
		t.last = p
		step, err := t.next(p)
		if err != nil || step == Finished {
			return err
		}
		if step != Prove && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := t.timed(step, func() error { return t.perform(ctx, step, p) }); err != nil {
			if err := t.failed(ctx, step, err); err != nil {
				return err
			}
		}
	}
	return errEndless
}

// next is the step that the picture asks for, or why the way must not be taken any further.
func (t *transaction) next(p Picture) (Step, error) {
	if err := t.overruled(p); err != nil {
		return Finished, err
	}
	step := Next(p)
	if step == Start && t.started { // it ended since: whether that may be is for the proof to say
		step = Prove
	}
	return step, nil
}

// perform sends the one call of a step.
func (t *transaction) perform(ctx context.Context, step Step, p Picture) error {
	api := t.r.api()
	rename := func(id, name string) error {
		return t.bounded(ctx, 0, func(ctx context.Context) error { return api.ContainerRename(ctx, id, name) })
	}
	remove := func(id string) error { // neither by force nor with volumes: what runs, or was made by others, stays
		return t.bounded(ctx, 0, func(ctx context.Context) error { return api.ContainerRemove(ctx, id, container.RemoveOptions{}) })
	}
	start := func(id string) error {
		return t.bounded(ctx, 0, func(ctx context.Context) error { return api.ContainerStart(ctx, id, container.StartOptions{}) })
	}
	switch step {
	case StopOld:
		t.passed = true
		return t.stop(ctx, p.Old.ID)
	case Aside:
		t.passed = true
		return rename(p.Old.ID, p.Name+AsideSuffix)
	case Promote:
		t.passed = true
		return rename(p.New.ID, p.Name)
	case Start:
		err := start(p.New.ID)
		t.started = t.started || err == nil
		return err
	case Prove:
		return t.prove(ctx)
	case Remove:
		return remove(p.Old.ID)
	case StopNew:
		t.stoppedNew = true
		return t.stop(ctx, p.New.ID)
	case Demote:
		return rename(p.New.ID, p.Name+NewSuffix)
	case Restore:
		return rename(p.Old.ID, p.Name)
	case Revive:
		return start(p.Old.ID)
	case Discard:
		return remove(p.New.ID)
	case Await:
		return t.await(ctx)
	case Gather, Create, Connect, Carry, Compare, Finished:
	}
	return fmt.Errorf("no call for the step %q", step)
}

func (t *transaction) stop(ctx context.Context, id string) error {
	options := container.StopOptions{}
	if t.req.Grace >= 0 {
		seconds := int((t.req.Grace + time.Second - 1) / time.Second)
		options.Timeout = &seconds
	}
	return t.bounded(ctx, t.grace(id), func(ctx context.Context) error { return t.r.api().ContainerStop(ctx, id, options) })
}

// grace is how long a stop may take before the engine kills.
func (t *transaction) grace(id string) time.Duration {
	const engines, forever = 10 * time.Second, time.Hour
	if t.req.Grace >= 0 {
		return t.req.Grace
	}
	f, err := factsOf(t.raws[id])
	switch {
	case err != nil || f.Config.StopTimeout == nil:
		return engines
	case *f.Config.StopTimeout < 0:
		return forever
	}
	const century = 100 * 365 * 24 * 60 * 60 // in seconds: an engine takes more, and more would overflow
	return time.Duration(min(*f.Config.StopTimeout, century)) * time.Second
}

// bounded gives a call its time limit.
func (t *transaction) bounded(ctx context.Context, grace time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, t.r.opts.Call+grace)
	defer cancel()
	return call(ctx)
}

// await lets the engine finish the removal of the old one.
func (t *transaction) await(ctx context.Context) error {
	if !sleep(ctx, 4*firstPause) {
		return ctx.Err()
	}
	if t.tries[Await]++; t.tries[Await] > 50 {
		return errors.New("the engine does not finish the removal of the old container, which holds the name")
	}
	return nil
}

// manyTries is how often a step is tried that nothing can replace.
const manyTries = 5

// failed decides what an error of a step means, by what is there afterwards: nil to go on. A call without an answer may
// have been done, or may be yet.
func (t *transaction) failed(ctx context.Context, step Step, err error) error {
	if step == Prove {
		return t.unproven(ctx, err)
	}
	if t.settled(ctx, step, err) {
		return nil
	}
	err = fmt.Errorf("%s: %w", step, err)
	if !t.back && step != Remove {
		return err
	}
	if t.tries[step]++; t.tries[step] < manyTries {
		if !sleep(ctx, 4*firstPause) {
			return ctx.Err()
		}
		return nil
	}
	switch step {
	case Start, Revive, Discard, Remove:
		t.givenUp[step] = true
		t.why = errors.Join(t.why, err)
		return nil
	default: // has a way back
		return err
	}
}

// unproven: without an old one to go back to the new one keeps the name, for it is all there is.
func (t *transaction) unproven(ctx context.Context, err error) error {
	var unstable Unstable
	if errors.As(err, &unstable) || isRefusal(err) {
		t.givenUp[Prove] = true
	}
	if !t.back || ctx.Err() != nil {
		return err
	}
	return nil
}

// settled looks whether the step was done although the call failed. Without an answer, and for a stop whose patience a
// proxy lost, it looks for a while.
func (t *transaction) settled(ctx context.Context, step Step, err error) bool {
	looks := 1
	if !answered(err) || step == StopOld {
		looks = 4
	}
	for i := range looks {
		if i > 0 && !sleep(ctx, settlePause/2) {
			return false
		}
		p, lookErr := t.look(ctx)
		if lookErr == nil && Next(p) != step {
			return true
		}
	}
	t.unsure = t.unsure || !answered(err)
	return false
}
