package dockertest

import (
	"errors"
	"fmt"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// turn gives up what was begun, unless only the old container is left to remove.
func (t *transaction) turn(err error) {
	t.why = err
	t.back = !t.proven
}

// drive takes step after step until it is finished: on, and if that fails or the time is over, back, with a time of its
// own.
func (t *transaction) drive() anewResult {
	err := t.why
	if err == nil {
		if err = t.walk(); err != nil {
			t.turn(err)
		}
	}
	if err != nil {
		defer func(limit time.Time) { t.limit = limit }(t.limit)
		t.limit = t.s.w.now.Add(anewUndo + max(t.grace, engineGrace))
		if err := t.walk(); err != nil {
			return t.unfinished(err)
		}
	}
	return t.conclude()
}

// mostSteps is far above what any way takes.
const mostSteps = 60

func (t *transaction) walk() error {
	for range mostSteps {
		p, err := t.look()
		if err != nil {
			if (!t.back && !t.proven) || !t.sleep(500*time.Millisecond) {
				return err
			}
			continue // the engine may come back
		}
		t.last = p
		next, err := t.choose(p)
		switch {
		case err != nil || next == stepFinished:
			return err
		case t.late():
			return errors.New("context deadline exceeded")
		}
		if err := t.perform(next, p); err != nil {
			if err := t.failed(next, err); err != nil {
				return err
			}
		}
	}
	return errors.New("nothing changes")
}

func (t *transaction) look() (twins, error) {
	p := twins{
		name: t.name, back: t.back, whole: t.whole, passed: t.passed, proven: t.proven, stayDown: t.stayDown(), givenUp: t.givenUp,
	}
	var err error
	if p.made, err = t.see(t.made); err != nil {
		return p, err
	}
	if p.old, err = t.see(t.oldID); err != nil {
		return p, err
	}
	for _, d := range []*Details{p.made, p.old} {
		if d != nil && d.Name == t.name {
			p.holder = d.ID
			return p, nil
		}
	}
	holder, err := t.see(t.name)
	if holder != nil {
		p.holder = holder.ID
	}
	return p, err
}

// choose is the step that the picture asks for, or why the way must not be taken any further.
func (t *transaction) choose(p twins) (twinStep, error) {
	if !t.back && !t.proven {
		switch {
		case p.stayDown:
			return stepFinished, errStopped
		case t.before != nil && !t.passed && t.changed(p.old):
			return stepFinished, declined{"somebody else stopped, started, renamed or removed the container meanwhile", true}
		}
	}
	next := p.next()
	if next == stepStart && t.started { // it ended since: whether that may be is for the proof to say
		next = stepProve
	}
	return next, nil
}

// changed: what Docker's own policy does to a container is nobody's wish.
func (t *transaction) changed(old *Details) bool {
	if old == nil || old.Name != t.before.Name || !old.usable() {
		return true
	}
	return !old.Restarting && !t.before.Restarting && (old.up() != t.before.up() || !old.StartedAt.Equal(t.before.StartedAt))
}

// stayDown reports whether someone has stopped the worker. Once the transaction has stopped the new one itself, a stop of that
// counts for nothing.
func (t *transaction) stayDown() bool {
	if !t.stood && t.stopped != nil {
		t.stood = t.stopped(func(id string) bool { return t.stoppedNew && id == t.made })
	}
	return t.stood
}

// perform sends the one call of a step.
func (t *transaction) perform(next twinStep, p twins) error {
	switch next {
	case stepStopOld, stepAside, stepPromote:
		t.passed = true
	case stepStopNew:
		t.stoppedNew = true
	case stepAwait:
		return t.awaitRemoval()
	case stepProve:
		return t.prove()
	case stepStart, stepRemove, stepDemote, stepRestore, stepRevive, stepDiscard, stepFinished:
	}
	patience, req := anewCall, t.request(next, p)
	if req.Op == OpStop {
		req.Grace = t.grace
		if t.grace < 0 {
			req.Grace = OwnGrace
		}
		patience += max(t.grace, 20*time.Second)
	}
	r := t.ask(req, patience)
	if r.Err != nil && r.Err.Status != 304 {
		return r.Err
	}
	t.started = t.started || next == stepStart
	return nil
}

func (t *transaction) request(next twinStep, p twins) Request {
	switch next {
	case stepStopOld:
		return Request{Op: OpStop, Ref: p.old.ID}
	case stepAside:
		return Request{Op: OpRename, Ref: p.old.ID, NewName: t.name + worker.BackupSuffix}
	case stepPromote:
		return Request{Op: OpRename, Ref: p.made.ID, NewName: t.name}
	case stepStart:
		return Request{Op: OpStart, Ref: p.made.ID}
	case stepRemove:
		return Request{Op: OpRemove, Ref: p.old.ID}
	case stepStopNew:
		return Request{Op: OpStop, Ref: p.made.ID}
	case stepDemote:
		return Request{Op: OpRename, Ref: p.made.ID, NewName: t.name + worker.NewSuffix}
	case stepRestore:
		return Request{Op: OpRename, Ref: p.old.ID, NewName: t.name}
	case stepRevive:
		return Request{Op: OpStart, Ref: p.old.ID}
	case stepDiscard:
		return Request{Op: OpRemove, Ref: p.made.ID}
	case stepProve, stepAwait, stepFinished:
	}
	panic(fmt.Sprintf("enginetest: no request for the twinStep %q", next))
}

// awaitRemoval lets the engine finish the removal of the old one.
func (t *transaction) awaitRemoval() error {
	if t.tries[stepAwait]++; t.tries[stepAwait] > 50 || !t.sleep(200*time.Millisecond) {
		return errors.New("the engine does not finish the removal of the old container")
	}
	return nil
}

// unstable is a new one that did not stay up.
type unstable struct{ why string }

func (u unstable) Error() string { return "the new container does not stay up: " + u.why }

// prove sees the new one stay up.
func (t *transaction) prove() error {
	const looks = 4
	var began time.Time
	for i := range looks + 1 {
		d, err := t.see(t.made)
		switch {
		case err != nil:
			return err
		case t.stayDown():
			return errStopped
		case d == nil:
			return t.ended(unstable{"it is gone again"})
		case d.Status() != worker.StatusRunning:
			why := unstable{fmt.Sprintf("it is %s, exit code %d %s", d.Status(), d.ExitCode, d.Error)}
			if d.ExitCode != 0 && d.ExitCode != 143 && d.ExitCode != 137 {
				return why
			}
			return t.ended(why)
		case d.RestartCount > 0, !began.IsZero() && !d.StartedAt.Equal(began):
			return unstable{"it was restarted"}
		}
		if began = d.StartedAt; i < looks && !t.sleep(proveFor/looks) {
			return errors.New("context deadline exceeded")
		}
	}
	t.proven = true
	return nil
}

// ended waits a while for the word that somebody has stopped the new one, for then the old one must not be started.
func (t *transaction) ended(why error) error {
	for range 20 {
		if t.stayDown() {
			return errStopped
		}
		if !t.sleep(50 * time.Millisecond) {
			break
		}
	}
	return why
}

// failed decides what an error of a step means, by what is there afterwards: nil to go on.
func (t *transaction) failed(next twinStep, err error) error {
	const manyTries = 5
	if next == stepProve {
		var u unstable
		if _, refused := isDeclined(err); refused || errors.As(err, &u) {
			t.givenUp[stepProve] = true
		}
		if !t.back || t.late() {
			return err
		}
		return nil
	}
	if t.settled(next, err) {
		return nil
	}
	if !t.back && next != stepRemove {
		return err
	}
	if t.tries[next]++; t.tries[next] < manyTries {
		if !t.sleep(200 * time.Millisecond) {
			return err
		}
		return nil
	}
	switch next {
	case stepStart, stepRevive, stepDiscard, stepRemove:
		t.givenUp[next] = true
		t.why = errors.Join(t.why, err)
		return nil
	case stepStopOld, stepAside, stepPromote, stepProve, stepStopNew, stepDemote, stepRestore, stepAwait, stepFinished:
	}
	return err
}

// settled looks whether the step was done although the call failed.
func (t *transaction) settled(next twinStep, err error) bool {
	looks := 1
	if !answered(err) || next == stepStopOld {
		looks = 4
	}
	for i := range looks {
		if i > 0 && !t.sleep(time.Second) {
			return false
		}
		if p, lookErr := t.look(); lookErr == nil && p.next() != next {
			return true
		}
	}
	t.unsure = t.unsure || !answered(err)
	return false
}
