package recreate

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
)

// Resume finishes or undoes what a transaction for this worker left behind, from names, labels and states alone. With
// OldID, which the journal knows, it also brings back an old container whose replacement somebody has removed. Nothing is
// the outcome when there is nothing to do, and Busy when it is another Stoker's and may be under way.
func (r *Recreator) Resume(ctx context.Context, req Request) Result {
	leave := r.enter(req.Name)
	if leave == nil {
		return Result{Name: req.Name, Outcome: Busy, Err: errUnderWay}
	}
	defer leave()
	result := Result{Name: req.Name, Outcome: Nothing}
	for range 2 { // a lost race may have left one of each kind
		t, err := r.leftover(ctx, req)
		switch {
		case err != nil:
			return Result{Name: req.Name, OldID: req.OldID, Outcome: Unknown, Err: err, Untouched: result.Outcome == Nothing}
		case t == nil:
			return result
		}
		if result = t.finish(ctx); result.Outcome == Unknown || result.Outcome == Busy {
			return result
		}
	}
	return result
}

// leftover finds an unfinished transaction; nil is none. Whatever lacks the labels of one is not touched, whatever its
// name.
func (r *Recreator) leftover(ctx context.Context, req Request) (*transaction, error) {
	for _, name := range []string{req.Name + NewSuffix, req.Name} {
		in, raw, err := r.inspect(ctx, name)
		switch {
		case err != nil:
			return nil, err
		case raw == nil, in.Config.Labels[markName] != req.Name, in.Config.Labels[markOf] == "":
			continue
		case strings.TrimPrefix(in.Name, "/") != name: // found by an ID that begins like the name
			continue
		}
		t, err := r.adopt(ctx, req, in)
		if t != nil || err != nil {
			return t, err
		}
	}
	if req.OldID == "" {
		return nil, nil
	}
	in, raw, err := r.inspect(ctx, req.OldID)
	if err != nil || raw == nil || strings.TrimPrefix(in.Name, "/") != req.Name+AsideSuffix {
		return nil, err
	}
	t := r.begin(req)
	t.passed, t.resumed = true, true
	return t, nil
}

// adopt makes a transaction of the new container of one; nil when it is over.
func (r *Recreator) adopt(ctx context.Context, req Request, made container.InspectResponse) (*transaction, error) {
	t := r.begin(req)
	labels := made.Config.Labels
	t.newID, t.oldID, t.passed, t.resumed = made.ID, labels[markOf], true, true
	t.result.OldID = t.oldID
	old, raw, err := r.inspect(ctx, t.oldID)
	if err != nil {
		return nil, err
	}
	if s := seen(made); s.Name == req.Name {
		isAside := raw != nil && strings.TrimPrefix(old.Name, "/") == req.Name+AsideSuffix
		if !isAside && (s.Ran || s.Failed) {
			return nil, nil
		}
	}
	if t.oldRaw = raw; raw == nil && len(req.Definition) > 0 {
		t.oldRaw = req.Definition
	}
	if by := labels[markBy]; by != r.opts.Owner && time.Since(clock(made.Created)) < r.opts.Lease && !r.ended(ctx, by) {
		t.why = fmt.Errorf("by %s since %s: %w", by, made.Created, errUnderWay)
	}
	return t, nil
}

var containerID = regexp.MustCompile("^[0-9a-f]{64}$")

// ended reports whether the owner of a transaction was a container of this engine that does not run any more, so that nobody
// will go on with it: a Stoker that docker compose has replaced since.
func (r *Recreator) ended(ctx context.Context, owner string) bool {
	id, _, _ := strings.Cut(owner, "/")
	if !containerID.MatchString(id) {
		return false
	}
	in, raw, err := r.inspect(ctx, id)
	return err == nil && (raw == nil || !in.State.Running)
}

// finish goes on or back with a transaction that was found.
func (t *transaction) finish(ctx context.Context) Result {
	t.result.Untouched = true
	if t.why != nil {
		t.result.Outcome, t.result.Err = Busy, t.why
		return t.result
	}
	p, err := t.look(ctx)
	if err != nil {
		t.result.Outcome, t.result.Err = Unknown, err
		return t.result
	}
	if t.names, err = t.r.names(ctx, t.req.Names); err != nil {
		t.result.Outcome, t.result.Err = Unknown, err
		return t.result
	}
	t.result.Untouched = false
	t.back = TurnsBack(p, t.r.opts.Prove)
	t.drive(ctx)
	return t.result
}

func (r *Recreator) names(ctx context.Context, more map[string]string) (map[string]string, error) {
	list, err := r.list(ctx)
	if err != nil {
		return nil, err
	}
	return namesOf(list, more), nil
}
