package docker

import (
	"context"
	"errors"
	"fmt"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker/spec"
)

// clone creates a further worker like an existing one, with the create request of a recreate, and does not start it. The new container is
// removed again if it cannot be connected to all its networks.
func (c *Client) clone(ctx context.Context, out *worker.Outcome) {
	a := out.Action
	like, err := spec.CloneOf(a.Definition, spec.Clone{Name: string(a.Key), Number: a.Number, Of: policy.LabelCloneOf})
	if err != nil {
		out.Result, out.CannotRecreate, out.Err = worker.Failed, true, err.Error()
		return
	}
	step := &stepper{
		c: c, api: c.recreateAPI(), a: a, report: &worker.StepReport{},
		call: worker.RecreateCall{Do: worker.CallCreate, Name: a.Key, OldID: a.Incarnation.ID, OldGone: true, Like: like, Marks: map[string]string{}},
	}
	asked, s := withResponse(ctx)
	if err = step.create(asked); err == nil && step.report.Plan.Connect {
		step.call.ID, step.call.Plan = step.report.NewID, step.report.Plan
		if err = step.connect(asked); err != nil {
			err = errors.Join(err, c.dropClone(ctx, step.report.NewID))
		}
	}
	out.Report = step.report
	step.sort(out, s, err)
}

// dropClone removes a clone that never ran.
func (c *Client) dropClone(ctx context.Context, id string) error {
	return bounded(context.WithoutCancel(ctx), 0, func(ctx context.Context) error {
		return c.api.Load().ContainerRemove(ctx, id, container.RemoveOptions{RemoveVolumes: true})
	})
}

// removeClone removes a stopped clone. It does not force, so the engine refuses if another client has started the clone meanwhile.
func (c *Client) removeClone(ctx context.Context, out *worker.Outcome) {
	asked, s := withResponse(ctx)
	in, err := c.api.Load().ContainerInspect(asked, out.Action.Incarnation.ID)
	switch {
	case cerrdefs.IsNotFound(err):
		out.Result = worker.Done
		return
	case err != nil:
		c.failed(out, s, c.fail("inspect the container", s, err))
		return
	case in.Config == nil || !policy.IsClone(in.Config.Labels):
		out.Result, out.Err = worker.Refused, fmt.Sprintf("%s is no clone", out.Action.Key)
		return
	}
	asked, s = withResponse(ctx)
	err = c.api.Load().ContainerRemove(asked, out.Action.Incarnation.ID, container.RemoveOptions{RemoveVolumes: true})
	if err != nil && !cerrdefs.IsNotFound(err) {
		c.failed(out, s, c.fail("remove the clone", s, err))
		return
	}
	out.Result = worker.Done
}
