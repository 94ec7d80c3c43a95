package recreate

import (
	"context"
	"fmt"
	"syscall"
	"time"

	"github.com/docker/docker/api/types/container"
)

// prove sees the new container stay up, and compares it with the old one once more. It fails as soon as it ends, is
// restarted, or somebody stops it.
func (t *transaction) prove(ctx context.Context) error {
	const looks = 4
	started := ""
	for i := range looks + 1 {
		in, raw, err := t.r.inspect(ctx, t.newID)
		switch {
		case err != nil:
			return err
		case t.stayDown():
			return errStopped
		case raw == nil:
			return t.ended(ctx, Unstable{"the new container is gone again"})
		case in.State.Status == podmanStopping:
			t.stood = true
			return t.down(ctx)
		case status(in.State) != container.StateRunning:
			why := Unstable{fmt.Sprintf("the new container does not stay up: it is %s, exit code %d %s", in.State.Status, in.State.ExitCode, in.State.Error)}
			if !askedTo(in.State) {
				return why
			}
			return t.ended(ctx, why)
		case in.RestartCount > 0:
			return Unstable{"the new container does not stay up: Docker has restarted it"}
		case started != "" && started != in.State.StartedAt:
			return Unstable{"the new container was restarted while it had to stay up"}
		}
		started = in.State.StartedAt
		if i == looks {
			if err := t.like(raw); err != nil {
				return err
			}
			t.proven = true
			return nil
		}
		if !sleep(ctx, t.r.opts.Prove/looks) {
			return ctx.Err()
		}
	}
	return nil
}

// podmanStopping is what a Podman says of a container that somebody has it stop. It makes the event only when that is over, which
// may take longer than a word is waited for.
const podmanStopping = "stopping"

// down waits for the end of a stop that somebody has sent to the new container: until then a Podman does not remove it.
func (t *transaction) down(ctx context.Context) error {
	for {
		in, raw, err := t.r.inspect(ctx, t.newID)
		if err != nil || raw == nil || in.State.Status != podmanStopping || !sleep(ctx, firstPause) {
			return errStopped
		}
	}
}

// Unstable is a new container that did not stay up.
type Unstable struct{ Why string }

func (u Unstable) Error() string { return u.Why }

// askedTo reports whether a container ended as one does that was told to: by itself and with 0, or by one of the signals of
// a stop.
func askedTo(s *container.State) bool {
	const bySignal = 128
	return s.ExitCode == 0 || s.ExitCode == bySignal+int(syscall.SIGTERM) || s.ExitCode == bySignal+int(syscall.SIGKILL)
}

// word is how long somebody's stop may take to become known here after its effect was seen: it comes as an event.
const word = time.Second

// ended waits for the word that somebody has stopped the new container, for then the old one must not be started.
func (t *transaction) ended(ctx context.Context, why Unstable) error {
	for range int(word / firstPause) {
		if t.stayDown() {
			return errStopped
		}
		if !sleep(ctx, firstPause) {
			break
		}
	}
	return why
}

// stayDown reports whether somebody has stopped the worker since. A stop of the new container counts for nothing once the
// transaction has sent it one itself; what was known before that stays known.
func (t *transaction) stayDown() bool {
	if !t.stood && t.req.StayDown != nil {
		t.stood = t.req.StayDown(func(id string) bool { return t.stoppedNew && id == t.newID })
	}
	return t.stood
}

// overruled tells why the way on must not be taken any further, although no step has failed.
func (t *transaction) overruled(p Picture) error {
	switch {
	case t.back || t.proven:
		return nil
	case p.StayDown:
		return errStopped
	case t.before != nil && !t.passed && t.changed(p):
		return errChanged
	}
	return nil
}
