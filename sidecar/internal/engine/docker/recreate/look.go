package recreate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
)

// see inspects a container by ID or name; nil when there is none, or no ref.
func (t *transaction) see(ctx context.Context, ref string) (*Seen, []byte, error) {
	if ref == "" {
		return nil, nil, nil
	}
	in, raw, err := t.r.inspect(ctx, ref)
	if err != nil || raw == nil {
		return nil, nil, err
	}
	return seen(in), raw, nil
}

// inspect is nothing without an error where there is no such container.
func (r *Recreator) inspect(ctx context.Context, ref string) (container.InspectResponse, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.Call)
	defer cancel()
	in, raw, err := r.api().ContainerInspectWithRaw(ctx, ref, false)
	switch {
	case cerrdefs.IsNotFound(err):
		return in, nil, nil
	case err != nil:
		return in, nil, fmt.Errorf("inspect %s: %w", ref, err)
	case in.ContainerJSONBase == nil || in.State == nil || in.Config == nil || in.HostConfig == nil:
		return in, nil, fmt.Errorf("inspect %s: the answer has no state or no configuration", ref)
	}
	return in, raw, nil
}

func seen(in container.InspectResponse) *Seen {
	s := &Seen{
		ID: in.ID, Name: strings.TrimPrefix(in.Name, "/"), Status: status(in.State), AutoRemove: in.HostConfig.AutoRemove,
		Missing: in.Config.Labels[markMissing] == "true",
	}
	if in.NetworkSettings != nil {
		s.Connected = in.Config.Labels[markNetworks] == strconv.Itoa(len(in.NetworkSettings.Networks))
	}
	started, finished := clock(in.State.StartedAt), clock(in.State.FinishedAt)
	s.Ran = !started.IsZero()
	s.Failed = in.State.Error != "" && !s.up()
	if s.Ran && finished.After(started) {
		s.Life = finished.Sub(started)
	}
	return s
}

// status reads the flags before the word: a container in the delay of Docker's policy is running and restarting.
func status(s *container.State) container.ContainerState {
	switch {
	case s.Status == container.StateRemoving:
		return container.StateRemoving
	case s.Dead:
		return container.StateDead
	case s.Restarting:
		return container.StateRestarting
	}
	return s.Status
}

// clock reads a time of the engine's, for which never is the year 1.
func clock(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// errMeddled is a transaction that ends otherwise although none of its steps failed.
var errMeddled = errors.New("somebody else removed or renamed a container of the transaction")

// errChanged is an old container that somebody else started, stopped or renamed before the transaction touched it.
var errChanged = Declined{Why: "somebody else stopped, started, renamed or removed the container meanwhile", Changed: true}

var errStopped = Declined{Why: "somebody stopped the worker meanwhile", Changed: true}

// look takes the picture. It asks for the containers by ID, for the names are what the transaction changes.
func (t *transaction) look(ctx context.Context) (Picture, error) {
	p := Picture{
		Name: t.req.Name, Back: t.back, Whole: t.whole, Passed: t.passed, Proven: t.proven, GivenUp: t.givenUp,
		StayDown: t.stayDown(),
	}
	t.raws = map[string][]byte{}
	var err error
	if p.New, err = t.keep(ctx, t.newID); err != nil {
		return p, err
	}
	if p.Old, err = t.keep(ctx, t.oldID); err != nil {
		return p, err
	}
	switch {
	case p.place(p.New) == atName:
		p.Holder = p.New.ID
	case p.place(p.Old) == atName:
		p.Holder = p.Old.ID
	default:
		holder, err := t.keep(ctx, p.Name)
		if err != nil {
			return p, err
		}
		if holder != nil {
			p.Holder = holder.ID
		}
	}
	return p, nil
}

func (t *transaction) keep(ctx context.Context, ref string) (*Seen, error) {
	s, raw, err := t.see(ctx, ref)
	if s != nil {
		t.raws[s.ID] = raw
	}
	return s, err
}

// changed: what Docker's own policy does to a container between two looks is nobody's wish.
func (t *transaction) changed(p Picture) bool {
	if p.Old == nil || p.Old.Name != t.before.Name || !p.Old.usable() {
		return true
	}
	docker := p.Old.Status == container.StateRestarting || t.before.Status == container.StateRestarting
	return !docker && (p.Old.up() != t.before.up() || t.startedAt(t.raws[p.Old.ID]) != t.born)
}

// answered reports whether the engine itself said no. Without an answer the call may have been done, or may be yet.
func answered(err error) bool {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || cerrdefs.IsUnavailable(err) {
		return false
	}
	return cerrdefs.IsInvalidArgument(err) || cerrdefs.IsNotFound(err) || cerrdefs.IsConflict(err) || cerrdefs.IsInternal(err) ||
		cerrdefs.IsPermissionDenied(err) || cerrdefs.IsUnauthorized(err) || cerrdefs.IsNotImplemented(err) || isRefusal(err)
}

// Pauses between two looks at what has not happened yet.
const (
	firstPause  = 50 * time.Millisecond
	settlePause = 2 * time.Second
)

// sleep is false when ctx was over first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
