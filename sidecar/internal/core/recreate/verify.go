package recreate

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// verification checks that the new container stays up for Request.Verify, then compares it with the old one once more.
type verification struct {
	active    bool
	inspects  int       // number done
	startedAt time.Time // of the new container
	endedAt   time.Time // when it was found down, possibly by an operator's stop; zero while it is up
	why       unstable  // at that time
	stopped   stopWatch
}

// stopWatch is an operator's stop of the new container while it has to stay up. It may be part of a restart.
type stopWatch struct {
	toldAt time.Time // zero when there is none
	downAt time.Time // when the container was found down; zero while it is up
}

// verifyInspects is the number of intervals in which the new container is inspected.
const verifyInspects = 4

// stopNoticeWait bounds the wait for the event of an operator's stop after its effect was observed.
const stopNoticeWait = time.Second

// restartWait is how long after the exit the start of an operator's restart may come. The engine starts at once.
const restartWait = 5 * time.Second

func (v verification) waitsForStop() bool { return !v.endedAt.IsZero() }

// nextOfVerify returns the next step of the verification; nil if it waits or has failed.
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
	t.run.bound.steps = 0 // bounded by the number of inspects
	if v.inspects < verifyInspects {
		return t.inspectState()
	}
	return t.send(now, Compare)
}

// verified applies a step of the verification.
func (t *Transaction) verified(now time.Time, step Step, err error) {
	switch {
	case err != nil && step == Compare && !t.state.New.up():
		t.judge(now) // an exited container cannot be compared, and the reason of its exit matters more
	case err != nil:
		t.verifyFailed(now, err)
	case step == Compare && t.holds():
		t.state.Verified, t.verify = true, verification{}
	default:
		t.verify.inspects++
		t.judge(now)
	}
}

// holds reports whether the new container is in the incarnation under verification.
func (t *Transaction) holds() bool {
	s, ok := t.inspected.byID[t.run.newID]
	return ok && s.Status == worker.StatusRunning && s.StartedAt.Equal(t.verify.startedAt) && s.RestartCount == 0 && !s.Stopping
}

// stopping reports whether Podman shows that the new container is being stopped.
func (t *Transaction) stopping() bool { return t.inspected.byID[t.run.newID].Stopping }

// judge evaluates the last inspect of the new container: it must not exit or be restarted. An exit code that a stop leaves may be
// an operator's stop whose event has not arrived yet.
func (t *Transaction) judge(now time.Time) {
	v := &t.verify
	s, ok := t.inspected.byID[t.run.newID]
	wait := func(why string) {
		v.endedAt, v.why = now, unstable{why}
		t.at = now.Add(stopNoticeWait)
	}
	switch {
	case !v.stopped.toldAt.IsZero():
		t.judgeStopped(now)
	case !ok:
		wait("the new container is gone again")
	case s.Stopping: // Podman does not remove it before the stop is complete
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

// restartMayFollow reports whether an operator's stop of the new container may still become a restart. The transaction waits for
// it before it renames or removes anything: otherwise that restart would find no container.
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

// judgeStopped evaluates the new container after an operator's stop. In another incarnation it was restarted, and has to stay up
// again.
func (t *Transaction) judgeStopped(now time.Time) {
	v := &t.verify
	s, ok := t.inspected.byID[t.run.newID]
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

// asked reports whether the exit code is one that a stop leaves: 0, or a signal of a stop.
func asked(exitCode int) bool {
	const bySignal = 128
	return exitCode == 0 || exitCode == bySignal+int(syscall.SIGTERM) || exitCode == bySignal+int(syscall.SIGKILL)
}

// verifyFailed handles a failed verification. Without an old container to return to, the new one keeps the name.
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
