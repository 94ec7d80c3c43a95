package recreate

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// verification sees the new container stay up for Request.Verify, then compares it with the old one once more.
type verification struct {
	active    bool
	inspects  int       // done
	startedAt time.Time // of the new container
	endedAt   time.Time // when it was found down, for it may have been an operator's stop; zero while it is up
	why       unstable  // then
	stopped   stopWatch
}

// stopWatch is an operator's stop of the new container while it has to stay up. It may be that of a restart.
type stopWatch struct {
	toldAt time.Time // zero when there is none
	downAt time.Time // when the container was found down; zero while it is up
}

// verifyInspects is how many intervals the new container is looked at for.
const verifyInspects = 4

// stopNoticeWait is how long an operator's stop may take to become known after its effect was seen: it comes as an event.
const stopNoticeWait = time.Second

// restartWait is how long after the end the start of an operator's restart may come: the engine begins with it at once.
const restartWait = 5 * time.Second

func (v verification) waitsForStop() bool { return !v.endedAt.IsZero() }

// nextOfVerify is the next step of the verification; nil when it waits, or has failed.
func (t *Transaction) nextOfVerify(now time.Time) *worker.Action {
	v := &t.verify
	switch {
	case t.state.OperatorStopped && t.restartMayFollow(now):
		t.run.bound.steps = 0
		return t.inspectState()
	case t.state.OperatorStopped && !t.stopping():
		t.verifyFailed(now, errStopped)
		return nil
	case v.waitsForStop() && !now.Before(v.endedAt.Add(stopNoticeWait)):
		t.verifyFailed(now, v.why)
		return nil
	case v.waitsForStop():
		t.at = v.endedAt.Add(stopNoticeWait)
		return nil
	case !v.active:
		v.active = true
		if t.judge(now); !v.active || t.at.After(now) {
			return nil
		}
	}
	t.run.bound.steps = 0 // the number of inspects bounds it
	if v.inspects < verifyInspects {
		return t.inspectState()
	}
	return t.send(now, Compare)
}

// verified takes in a step of the verification.
func (t *Transaction) verified(now time.Time, step Step, err error) {
	switch {
	case err != nil && step == Compare && !t.state.New.up():
		t.judge(now) // what ended cannot be compared, and why it ended matters more
	case err != nil:
		t.verifyFailed(now, err)
	case step == Compare && t.holds():
		t.state.Verified, t.verify = true, verification{}
	default:
		t.verify.inspects++
		t.judge(now)
	}
}

// holds reports whether the new container is in the life that is verified.
func (t *Transaction) holds() bool {
	s, ok := t.seen[t.run.newID]
	return ok && s.Status == worker.StatusRunning && s.StartedAt.Equal(t.verify.startedAt) && s.RestartCount == 0 && !s.Stopping
}

// stopping reports whether a Podman shows that somebody is stopping the new container.
func (t *Transaction) stopping() bool { return t.seen[t.run.newID].Stopping }

// judge looks at the new container as it was found last: it must not end, nor be restarted. One that ended as containers do that are told
// to may have been stopped by an operator, whose event is on its way.
func (t *Transaction) judge(now time.Time) {
	v := &t.verify
	s, ok := t.seen[t.run.newID]
	wait := func(why string) {
		v.endedAt, v.why = now, unstable{why}
		t.at = now.Add(stopNoticeWait)
	}
	switch {
	case !v.stopped.toldAt.IsZero():
		t.judgeStopped(now)
	case !ok:
		wait("the new container is gone again")
	case s.Stopping: // until it is over a Podman does not remove it
		t.state.OperatorStopped = true
		t.at = now.Add(retryPause)
	case s.Status != worker.StatusRunning:
		why := fmt.Sprintf("the new container does not stay up: it is %s, exit code %d %s", s.Status, s.ExitCode, s.StartError)
		if asked(s.ExitCode) {
			wait(why)
			return
		}
		t.verifyFailed(now, unstable{why})
	case s.RestartCount > 0:
		t.verifyFailed(now, unstable{"the new container does not stay up: Docker has restarted it"})
	case !v.startedAt.IsZero() && !v.startedAt.Equal(s.StartedAt):
		t.verifyFailed(now, unstable{"the new container was restarted while it had to stay up"})
	default:
		v.startedAt = s.StartedAt
		if v.inspects < verifyInspects {
			t.at = now.Add(t.req.Verify / verifyInspects)
		}
	}
}

// restartMayFollow reports whether an operator's stop of the new container may yet turn out as a restart. It is waited for before anything is
// renamed or removed, which would take the container away from that restart.
func (t *Transaction) restartMayFollow(now time.Time) bool {
	switch w := t.verify.stopped; {
	case w.toldAt.IsZero():
		return false
	case w.downAt.IsZero():
		return now.Before(w.toldAt.Add(max(t.grace(), engineGrace) + stopNoticeWait))
	default:
		return now.Before(w.downAt.Add(restartWait))
	}
}

// judgeStopped looks at the new container after an operator's stop of it. One that runs in another life was restarted, and has to stay up anew.
func (t *Transaction) judgeStopped(now time.Time) {
	v := &t.verify
	s, ok := t.seen[t.run.newID]
	switch {
	case ok && s.Status == worker.StatusRunning && !v.startedAt.IsZero() && !s.StartedAt.Equal(v.startedAt):
		t.StopWithdrawn()
		t.verify = verification{active: true}
		t.judge(now)
		return
	case !t.state.New.up() && v.stopped.downAt.IsZero():
		v.stopped.downAt = now
	}
	t.at = now.Add(retryPause)
}

// asked reports whether a container ended as one does that was told to: with 0, or by one of the signals of a stop.
func asked(exitCode int) bool {
	const bySignal = 128
	return exitCode == 0 || exitCode == bySignal+int(syscall.SIGTERM) || exitCode == bySignal+int(syscall.SIGKILL)
}

// verifyFailed: without an old container to go back to the new one keeps the name, for it is all there is.
func (t *Transaction) verifyFailed(now time.Time, err error) {
	var down unstable
	if errors.As(err, &down) || isRefusal(err) && !errors.Is(err, errStopped) {
		t.state.GivenUp[Verify] = true
	}
	t.verify = verification{}
	if !t.state.Rollback {
		t.rollBack(now, err)
		return
	}
	if t.repeat.tries[Verify]++; t.repeat.tries[Verify] >= manyTries {
		t.state.GivenUp[Verify] = true
	}
	t.at = now.Add(retryPause)
}
