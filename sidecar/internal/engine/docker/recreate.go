package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker/spec"
)

// newestToRead is the last API version whose inspect has everything that is needed to recreate a container (package spec).
const newestToRead = "1.51"

// callLimit bounds each call of a recreate; a stop has its grace in addition.
const callLimit = 30 * time.Second

// recreateAPI returns the session's client, or one with an older API version if the session's is too new.
func (c *Client) recreateAPI() *client.Client {
	api := c.api.Load()
	if versions.LessThanOrEqualTo(api.ClientVersion(), newestToRead) {
		return api
	}
	older, err := c.apiWith(client.WithVersion(newestToRead))
	if err != nil { // cannot fail: the same options made the session's client
		return api
	}
	return older
}

// createAPI returns the client for a create request with fields that the Docker client does not have, and a context that makes the
// transport add them. It uses the newest API version of the engine, which ignores newer fields in requests of an older version (Umask below
// 1.56). If the version is pinned, or the engine is no newer than the client, the fields are left out, and the comparison reports them.
func (c *Client) createAPI(ctx context.Context, api *client.Client, unknown map[string]any) (*client.Client, context.Context) {
	newest := c.newestAPI.Load()
	if len(unknown) == 0 || c.opts.APIVersion != "" || newest == nil || versions.LessThanOrEqualTo(*newest, newestToRead) {
		return api, ctx
	}
	newer, err := c.apiWith(client.WithVersion(*newest))
	if err != nil { // cannot fail: the same options made the session's client
		return api, ctx
	}
	return newer, withMore(ctx, unknown)
}

// recreateStep carries out one step of a recreate, then inspects what the step requests. Package core/recreate decides what failed and what
// to do next.
func (c *Client) recreateStep(ctx context.Context, out *worker.Outcome) {
	step := &stepper{c: c, api: c.recreateAPI(), a: out.Action, call: *out.Action.Call, report: &worker.StepReport{}}
	asked, s := withResponse(ctx)
	err := step.do(asked)
	out.Report, out.Evidence = step.report, step.evidence
	step.sort(out, s, err)
	seen, err := step.observe(ctx)
	if err != nil {
		if out.Result == worker.Done && step.call.Do == worker.CallInspect {
			out.Result, out.Err, out.Unreachable = worker.Failed, err.Error(), true
		}
		return
	}
	step.report.Seen = seen
}

// stepper is one step of a recreate.
type stepper struct {
	c      *Client
	api    *client.Client
	a      worker.Action
	call   worker.RecreateCall
	report *worker.StepReport

	evidence *worker.HealEvidence // CallCollect
}

func (t *stepper) do(ctx context.Context) error {
	id := t.call.ID
	switch t.call.Do { //nolint:exhaustive // the others are single requests, below
	case worker.CallInspect:
		return nil
	case worker.CallCreate:
		return t.create(ctx)
	case worker.CallConnect:
		return t.connect(ctx)
	case worker.CallCopy:
		return t.copyFiles(ctx)
	case worker.CallCompare:
		return t.compare(ctx)
	case worker.CallCollect:
		return t.collect(ctx)
	}
	t.report.Sent = true
	switch t.call.Do { //nolint:exhaustive // the others are above
	case worker.CallStop:
		return t.stop(ctx)
	case worker.CallStart:
		return bounded(ctx, 0, func(ctx context.Context) error { return t.api.ContainerStart(ctx, id, container.StartOptions{}) })
	case worker.CallRename:
		return bounded(ctx, 0, func(ctx context.Context) error { return t.api.ContainerRename(ctx, id, string(t.call.Name)) })
	case worker.CallRemove: // without force and without volumes: a running container, and one that others made, stays
		return bounded(ctx, 0, func(ctx context.Context) error { return t.api.ContainerRemove(ctx, id, container.RemoveOptions{}) })
	}
	return fmt.Errorf("no such call: %q", t.call.Do)
}

// bounded gives a call its time limit.
func bounded(ctx context.Context, grace time.Duration, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit+grace)
	defer cancel()
	return call(ctx)
}

// sort turns the result of a step into an outcome.
func (t *stepper) sort(out *worker.Outcome, s *response, err error) {
	var (
		refused spec.Refusal
		differs differsError
	)
	out.Result = worker.Done
	if err == nil {
		return
	}
	switch {
	case errors.As(err, &refused), errors.As(err, &differs):
		out.Result, out.CannotRecreate, out.Err = worker.Failed, true, err.Error()
	case t.report.Sent && s.mayHaveHappened():
		out.Result, out.Err = worker.Unknown, t.c.fail("recreate the container", s, err).Error()
	default:
		out.Result, out.Unreachable = worker.Failed, !s.answered()
		t.report.Forbidden = s.status == http.StatusForbidden || s.denied != nil
		t.report.NameTaken = t.call.Do == worker.CallCreate && t.report.Sent && nameTaken(err)
		if out.Err = err.Error(); out.Unreachable || s.denied != nil {
			out.Err = t.c.fail("recreate the container", s, err).Error()
		}
	}
}

// nameTaken reports whether create was refused because another container has the name: Podman answers that with status 500.
func nameTaken(err error) bool {
	return cerrdefs.IsConflict(err) || cerrdefs.IsInternal(err) && strings.Contains(err.Error(), "that name is already in use")
}

// observe inspects the containers that the step asks for, by their IDs and names.
func (t *stepper) observe(ctx context.Context) (map[string]worker.Snapshot, error) {
	seen := map[string]worker.Snapshot{}
	refs := t.call.Observe
	if id := t.report.NewID; id != "" {
		refs = append([]string{id}, refs[1:]...) // in place of its name
	}
	for _, ref := range refs {
		in, raw, err := t.inspect(ctx, ref)
		if err != nil {
			return nil, err
		}
		if raw == nil {
			continue
		}
		snapshot, err := translateInspect(in, raw)
		if err != nil {
			return nil, fmt.Errorf("inspect %s: %w", ref, err)
		}
		seen[ref] = snapshot
	}
	return seen, nil
}

// inspect returns no bytes and no error if there is no such container.
func (t *stepper) inspect(ctx context.Context, ref string) (container.InspectResponse, []byte, error) {
	asked, s := withResponse(ctx)
	asked, cancel := context.WithTimeout(asked, callLimit)
	defer cancel()
	in, raw, err := t.api.ContainerInspectWithRaw(asked, ref, false)
	switch {
	case cerrdefs.IsNotFound(err):
		return in, nil, nil
	case err != nil:
		return in, nil, t.c.fail("inspect the container", s, err)
	case in.ContainerJSONBase == nil || in.State == nil || in.Config == nil || in.HostConfig == nil:
		return in, nil, fmt.Errorf("inspect %s: the answer has no state or no configuration", ref)
	}
	return in, raw, nil
}

func (t *stepper) stop(ctx context.Context) error {
	options, grace := container.StopOptions{}, t.a.Grace
	if grace >= 0 {
		seconds := seconds(grace)
		options.Timeout = &seconds
	} else {
		grace = time.Hour // the container's own
	}
	return bounded(ctx, grace, func(ctx context.Context) error { return t.api.ContainerStop(ctx, t.call.ID, options) })
}

// plan is the part of a create's result that the following calls need to complete the container.
type plan struct {
	connect []spec.Endpoint
	files   []string
	names   map[string]string
}

// create gathers the input for the new container, builds the request, and sends it. Nothing is sent if the container cannot be recreated
// faithfully.
func (t *stepper) create(ctx context.Context) error {
	in, err := t.gather(ctx)
	if err != nil {
		return err
	}
	in.Name, in.Marks, in.Self = string(t.call.Name), t.call.Marks, t.c.opts.Self
	in.Marks[worker.MarkNetworks] = networksOf(t.call.Like)
	built, err := spec.Build(in)
	t.report.Notes = append(t.report.Notes, worthReporting(built.Notes)...)
	if err != nil {
		return err
	}
	t.report.Plan = &worker.Plan{
		Connect: len(built.Connect) > 0, Copy: len(built.Carry) > 0, Data: plan{connect: built.Connect, files: built.Carry, names: in.Names},
	}
	t.report.Sent = true
	api, ctx := t.c.createAPI(ctx, t.api, built.Unknown)
	return bounded(ctx, 0, func(ctx context.Context) error {
		made, err := api.ContainerCreate(ctx, built.Config, built.HostConfig, built.NetworkingConfig, built.Platform, built.Name)
		if err != nil {
			return fmt.Errorf("create %s: %w", built.Name, err)
		}
		t.report.NewID = made.ID
		return nil
	})
}

// worthReporting leaves out the notes that hold after nearly every recreate and change nothing for the worker: that anonymous volumes have
// names now, and that the engine chooses host ports, which it does at every start.
func worthReporting(notes []spec.Note) []string {
	var texts []string
	for _, n := range notes {
		if n.Hazard != "R12" && n.Hazard != "R31" {
			texts = append(texts, n.Field+": "+n.Text)
		}
	}
	return texts
}

// connect connects the new container to the remaining networks. A call that failed may have taken effect.
func (t *stepper) connect(ctx context.Context) error {
	t.report.Sent = true
	planned, _ := t.call.Plan.Data.(plan) // Data is always a plan
	for _, e := range planned.connect {
		err := bounded(ctx, 0, func(ctx context.Context) error {
			return t.api.NetworkConnect(ctx, e.Network, t.call.ID, e.Settings)
		})
		if err != nil && !t.isConnected(ctx, e.Network) {
			return fmt.Errorf("connect to network %s: %w", e.Network, err)
		}
	}
	return nil
}

// isConnected uses a context of its own, so that the recorded response stays that of the call that failed.
func (t *stepper) isConnected(ctx context.Context, name string) bool {
	in, raw, err := t.inspect(ctx, t.call.ID)
	if err != nil || raw == nil || in.NetworkSettings == nil {
		return false
	}
	_, connected := in.NetworkSettings.Networks[name]
	return connected
}

// differsError is the refusal of a new container that is not like the old one.
type differsError struct{ differences []spec.Difference }

func (d differsError) Error() string {
	texts := make([]string, 0, len(d.differences))
	for _, one := range d.differences {
		texts = append(texts, one.String())
	}
	return "the new container is not like the old one: " + strings.Join(texts, "; ")
}

// compare refuses a new container that is not like the old one. If the old container's definition is unknown, there is nothing to compare.
func (t *stepper) compare(ctx context.Context) error {
	if t.call.Like == nil {
		return nil
	}
	names, err := t.names(ctx)
	if err != nil {
		return err
	}
	_, raw, err := t.inspect(ctx, t.call.ID)
	switch {
	case err != nil:
		return err
	case raw == nil:
		return errors.New("the new container is gone")
	}
	found, err := spec.Diff(t.call.Like, raw, names)
	if err == nil && len(found) > 0 {
		err = differsError{found}
	}
	return err
}

// names returns the containers' names by ID, as of the time when the new container was planned.
func (t *stepper) names(ctx context.Context) (map[string]string, error) {
	if t.call.Plan != nil {
		if planned, ok := t.call.Plan.Data.(plan); ok {
			return planned.names, nil
		}
	}
	list, err := t.list(ctx)
	if err != nil {
		return nil, err
	}
	return namesOf(list, t.a.Names), nil
}

func networksOf(inspect []byte) string {
	var f struct {
		NetworkSettings struct{ Networks map[string]json.RawMessage }
	}
	_ = json.Unmarshal(inspect, &f) // it was parsed before
	return fmt.Sprint(len(f.NetworkSettings.Networks))
}
