package recreate

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"stoker/sidecar/internal/engine/docker/spec"
)

// Differs is the refusal of a new container that is not like the old one.
type Differs struct{ Differences []spec.Difference }

func (d Differs) Error() string {
	texts := make([]string, 0, len(d.Differences))
	for _, one := range d.Differences {
		texts = append(texts, one.String())
	}
	return "the new container is not like the old one: " + strings.Join(texts, "; ")
}

// Declined is a refusal for what was found on the engine.
type Declined struct {
	Why string
	// Changed: it is not, or no longer, as it was decided on. Otherwise it will be refused again until somebody sees to it.
	Changed bool
}

func (d Declined) Error() string { return d.Why }

func decline(format string, args ...any) error { return Declined{Why: fmt.Sprintf(format, args...)} }

func declineChanged(format string, args ...any) error {
	return Declined{Why: fmt.Sprintf(format, args...), Changed: true}
}

// transaction is one way from the old container to the new one, or back.
type transaction struct {
	r      *Recreator
	req    Request
	result Result

	oldID, newID string
	oldRaw       []byte // what the new one is compared with; nil when nobody knows the old one
	before       *Seen  // the old one at the first look; nil when it was gone, or in Resume
	born         string // its StartedAt then
	names        map[string]string

	back, whole, passed, proven, resumed bool

	started    bool // the new one, with success
	stoppedNew bool // so that a stop of it may be the transaction's own
	stood      bool // someone has stopped the worker: for good
	again      bool // the leftover of an earlier try was undone before this one
	why        error
	unsure     bool // a call was not answered, and what it did was not seen
	givenUp    map[Step]bool
	tries      map[Step]int
	last       Picture
	raws       map[string][]byte // by ID, of the last look
}

func (r *Recreator) begin(req Request) *transaction {
	return &transaction{
		r: r, req: req, oldID: req.OldID, givenUp: map[Step]bool{}, tries: map[Step]int{},
		result: Result{Name: req.Name, OldID: req.OldID},
	}
}

// Do makes the worker anew. It comes back with Done, or with the worker put back as it was, or with Unknown. A refusal
// costs nothing: it is given before anything is made, or before the old container is touched. When ctx ends in the middle,
// the way back is taken with a bound of its own.
func (r *Recreator) Do(ctx context.Context, req Request) Result {
	leave := r.enter(req.Name)
	if leave == nil {
		return Result{Name: req.Name, OldID: req.OldID, Outcome: Busy, Err: errUnderWay, Untouched: true}
	}
	defer leave()
	left, err := r.leftover(ctx, req)
	if err != nil {
		return Result{Name: req.Name, OldID: req.OldID, Outcome: Unknown, Err: err, Untouched: true}
	}
	if left != nil {
		done := left.finish(ctx)
		if (done.Outcome != Undone && done.Outcome != Done) || done.ID != req.OldID {
			return done
		}
	}
	t := r.begin(req)
	t.result.Untouched, t.again = left == nil, left != nil
	err = t.make(ctx)
	if errors.Is(err, errSucceeded) {
		return t.result
	}
	if err != nil {
		t.turn(err)
	}
	t.whole = t.why == nil
	if t.newID == "" {
		return t.unmade()
	}
	t.drive(ctx)
	return t.result
}

// make does what comes before the old container is touched.
func (t *transaction) make(ctx context.Context) error {
	var s spec.Spec
	if err := t.timed(Gather, func() (err error) { s, err = t.plan(ctx); return err }); err != nil {
		return err
	}
	if err := t.timed(Create, func() error { return t.create(ctx, s) }); err != nil {
		return err
	}
	if len(s.Connect) > 0 {
		if err := t.timed(Connect, func() error { return t.connect(ctx, s.Connect) }); err != nil {
			return err
		}
	}
	if len(s.Carry) > 0 {
		if err := t.timed(Carry, func() error { return t.carry(ctx, s.Carry) }); err != nil {
			return err
		}
	}
	return t.timed(Compare, func() error { return t.compare(ctx) })
}

// plan looks at the old container and at everything that it needs, and has the request built. It changes nothing.
func (t *transaction) plan(ctx context.Context) (spec.Spec, error) {
	if err := t.lookAtOld(ctx); err != nil {
		return spec.Spec{}, err
	}
	in, err := t.gather(ctx)
	if err != nil {
		return spec.Spec{}, err
	}
	t.names = in.Names
	in.Name, in.Marks, in.Self = t.req.Name+NewSuffix, t.marks(), t.r.opts.Self
	s, err := spec.Build(in)
	t.result.Notes = append(t.result.Notes, s.Notes...)
	return s, err
}

// lookAtOld finds the old container as it should be: under its name, in a state that may be changed; or gone, and the
// name free.
func (t *transaction) lookAtOld(ctx context.Context) error {
	old, raw, err := t.see(ctx, t.oldID)
	if err != nil {
		return err
	}
	for _, name := range []string{t.req.Name + NewSuffix, t.req.Name + AsideSuffix} {
		third, raw, err := t.see(ctx, name)
		switch {
		case err != nil:
			return err
		case attemptOf(raw) != "" && name == t.req.Name+NewSuffix: // since the look for a leftover
			return errUnderWay
		case third != nil:
			return decline("the name %s is needed and container %s has it, which is no part of this: rename or remove it", name, third.ID)
		}
	}
	if old == nil {
		return t.lookForMissing(ctx)
	}
	t.before, t.oldRaw, t.born = old, raw, t.startedAt(raw)
	switch {
	case old.Name != t.req.Name:
		return declineChanged("container %s is called %s now, not %s", old.ID, old.Name, t.req.Name)
	case old.Status == container.StatePaused:
		return declineChanged("it is paused")
	case t.stayDown():
		return errStopped
	case t.req.Accept != nil:
		if err := t.req.Accept(raw); err != nil {
			return declineChanged("%s", err)
		}
	}
	return nil
}

// errSucceeded: an earlier transaction made this very container anew, and nobody got to know its end.
var errSucceeded = errors.New("it was recreated already")

// replaces reports whether a container is the one that a transaction put in the place of the old one.
func replaces(raw []byte, oldID, name string) bool {
	labels, _ := labelsOf(raw) // it was read before
	return labels[markOf] == oldID && labels[markName] == name
}

func (t *transaction) lookForMissing(ctx context.Context) error {
	t.result.Gone = true
	holder, raw, err := t.see(ctx, t.req.Name)
	switch {
	case err != nil:
		return err
	case holder != nil && replaces(raw, t.oldID, t.req.Name):
		t.result.Outcome, t.result.ID, t.result.Inspect = Done, holder.ID, raw
		return errSucceeded
	case holder != nil:
		return declineChanged("container %s has the name %s now: somebody else made the worker anew", holder.ID, t.req.Name)
	case len(t.req.Definition) == 0:
		return decline("container %s is gone, and nobody remembers how it was made", t.oldID)
	}
	t.oldRaw = t.req.Definition
	return nil
}

func (t *transaction) marks() map[string]string {
	var attempt [8]byte
	_, _ = rand.Read(attempt[:]) // never fails
	old, _ := factsOf(t.oldRaw)  // it was read before
	marks := map[string]string{
		markOf: t.oldID, markName: t.req.Name, markBy: t.r.opts.Owner, markAttempt: hex.EncodeToString(attempt[:]),
		markNetworks: strconv.Itoa(len(old.NetworkSettings.Networks)),
	}
	if t.before == nil {
		marks[markMissing] = "true"
	}
	return marks
}

// nameTaken reports whether create was refused because another container has the name: Podman says it with status 500.
func nameTaken(err error) bool {
	return cerrdefs.IsConflict(err) || cerrdefs.IsInternal(err) && strings.Contains(err.Error(), "that name is already in use")
}

// create makes the new container. Without an answer it looks for a while whether the engine did it: the name is
// taken long before the container can be seen.
func (t *transaction) create(ctx context.Context, s spec.Spec) error {
	t.result.Untouched = false
	asked, cancel := context.WithTimeout(ctx, t.r.opts.Call)
	defer cancel()
	made, err := t.r.api().ContainerCreate(asked, s.Config, s.HostConfig, s.NetworkingConfig, s.Platform, s.Name)
	if err == nil {
		t.newID = made.ID
		return nil
	}
	if nameTaken(err) {
		return fmt.Errorf("create %s: %w: %w", s.Name, errUnderWay, err)
	}
	err = fmt.Errorf("create %s: %w", s.Name, err)
	if answered(err) {
		return err
	}
	detached, done := context.WithTimeout(context.WithoutCancel(ctx), t.r.opts.Call)
	defer done()
	t.unsure = true
	for pause := firstPause; ; pause *= 2 {
		found, raw, seeErr := t.see(detached, s.Name)
		if found != nil && attemptOf(raw) == s.Config.Labels[markAttempt] {
			t.newID, t.unsure = found.ID, false
			return ctx.Err()
		}
		if found != nil {
			return fmt.Errorf("%w: %w", errUnderWay, err)
		}
		if answeredNothing := seeErr == nil && pause > settlePause; answeredNothing || !sleep(detached, pause) {
			return err
		}
	}
}

func (t *transaction) connect(ctx context.Context, endpoints []spec.Endpoint) error {
	for _, e := range endpoints {
		err := t.bounded(ctx, 0, func(ctx context.Context) error {
			return t.r.api().NetworkConnect(ctx, e.Network, t.newID, e.Settings)
		})
		if err == nil {
			continue
		}
		connected, seeErr := t.isConnected(ctx, e.Network)
		if seeErr != nil || !connected {
			return fmt.Errorf("connect to network %s: %w", e.Network, err)
		}
	}
	return nil
}

// compare has the refusal of an unlike container come while it costs nothing.
func (t *transaction) compare(ctx context.Context) error {
	_, raw, err := t.see(ctx, t.newID)
	if err != nil {
		return err
	}
	return t.like(raw)
}

func (t *transaction) like(raw []byte) error {
	if t.oldRaw == nil {
		return nil
	}
	if raw == nil {
		return errors.New("the new container is gone")
	}
	found, err := spec.Diff(t.oldRaw, raw, t.names)
	if err != nil {
		return err
	}
	if len(found) > 0 {
		return Differs{found}
	}
	return nil
}

// unmade is the result when there is no new container to take away again.
func (t *transaction) unmade() Result {
	t.result.Err, t.result.StoodDown = t.why, t.stood
	switch {
	case errors.Is(t.why, errUnderWay):
		t.result.Outcome = Busy
	case t.again && isChanged(t.why): // by the undoing
		t.result.Outcome = Undone
	case isRefusal(t.why):
		t.result.Outcome = Refused
	case t.unsure, t.oldRaw == nil: // nobody knows whether there is an old one
		t.result.Outcome = Unknown
	case t.before == nil:
		t.result.Outcome = Lost
	default:
		t.result.Outcome = Undone
	}
	if t.before != nil {
		t.result.ID, t.result.Inspect = t.before.ID, t.oldRaw
	}
	return t.result
}

func isRefusal(err error) bool {
	var (
		refusal  spec.Refusal
		differs  Differs
		declined Declined
	)
	return errors.As(err, &refusal) || errors.As(err, &differs) || errors.As(err, &declined)
}

func isChanged(err error) bool {
	var declined Declined
	return errors.As(err, &declined) && declined.Changed
}

// timed takes a step and notes how long it took.
func (t *transaction) timed(step Step, do func() error) error {
	began := time.Now()
	err := do()
	t.result.Steps = append(t.result.Steps, Timed{Step: step, Took: time.Since(began), Err: err})
	return err
}
