package recreate

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// newOne is the new container.
func (e *engine) newOne() *worker.Snapshot {
	for id, c := range e.has {
		if id != oldID {
			return c
		}
	}
	return nil
}

// The new container must stay up for two seconds in one incarnation; otherwise the old one runs again.
func TestNewOneDoesNotStayUp(t *testing.T) {
	ends := func(code int) func(c *worker.Snapshot, now time.Time) {
		return func(c *worker.Snapshot, now time.Time) {
			c.Status, c.ExitCode, c.FinishedAt = worker.StatusExited, code, now
		}
	}
	for name, c := range map[string]struct {
		change func(c *worker.Snapshot, now time.Time)
		text   string
		wait   time.Duration // for an operator's stop whose event may be under way
	}{
		"it crashes":                 {ends(1), "exit code 1", 0},
		"it exits with 0":            {ends(0), "exit code 0", stopNoticeWait},
		"it exits as by a SIGTERM":   {ends(143), "exit code 143", stopNoticeWait},
		"it exits as by a SIGKILL":   {ends(137), "exit code 137", stopNoticeWait},
		"Docker restarts it":         {func(c *worker.Snapshot, _ time.Time) { c.RestartCount = 1 }, "Docker has restarted it", 0},
		"another client restarts it": {func(c *worker.Snapshot, now time.Time) { c.StartedAt = now }, "was restarted while it had to stay up", 0},
		"it is paused":               {func(c *worker.Snapshot, _ time.Time) { c.Status = worker.StatusPaused }, "it is paused", stopNoticeWait},
	} {
		for _, inspect := range []int{9, 11} {
			t.Run(name, func(t *testing.T) {
				e := newEngine(t)
				var changed time.Time
				e.before = func(*Transaction, Step) {
					if len(e.steps) == inspect {
						c.change(e.newOne(), e.now)
						changed = e.now
					}
				}
				var turned time.Time
				e.faults = func(s Step, _ int) fault {
					if turned.IsZero() && (s == StopNew || s == UndoRename) {
						turned = e.now
					}
					return works
				}
				r := e.run(request())
				require.Equal(t, Undone, r.Ending, "%v", e.steps)
				require.ErrorContains(t, r.Err, c.text)
				require.Equal(t, c.wait, turned.Sub(changed)-e.lag)
				require.Equal(t, []string{"w"}, e.names())
				require.Equal(t, worker.StatusRunning, e.has[oldID].Status)
				require.False(t, r.OperatorStopped)
			})
		}
	}
}

// The event of an operator's stop comes up to a second after its effect: the worker stays down.
func TestStopSeenBeforeItsEvent(t *testing.T) {
	e := newEngine(t)
	tx := New(e.now, request())
	e.resume(tx, 10)
	e.stop(tx.New())
	e.resume(tx, 1)
	due, _ := tx.Due()
	require.Equal(t, stopNoticeWait, due.Sub(e.now)+e.lag-e.lag)
	e.now = e.now.Add(stopNoticeWait / 2)
	tx.OperatorStopped(e.now, tx.New())
	due, _ = tx.Due()
	require.Equal(t, e.now, due, "nothing is waited for any more")
	r := e.resume(tx, 100)
	require.Empty(t, e.running())
	require.True(t, r.OperatorStopped)
	require.Equal(t, []string{"w"}, e.names())
}

// An operator restarts the new container while it has to stay up. Between the stop and the start nothing is renamed or removed.
// The restarted container has to stay up again.
func TestRestartWhileItHasToStayUp(t *testing.T) {
	for name, again := range map[string]bool{"restarted": true, "stopped": false} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			tx := New(e.now, request())
			e.resume(tx, 10)
			one, start := e.newOne(), e.now
			tx.OperatorStopped(e.now, one.ID)
			e.resume(tx, 2)
			e.stop(one.ID)
			one.ExitCode = 1 // as a container that exits with an error on a stop
			down := e.now
			e.resume(tx, 3)
			require.Equal(t, []string{"w", "w.stoker-old"}, e.names(), "%v", e.steps)
			if again {
				one.Status, one.StartedAt = worker.StatusRunning, e.now
			}
			began := e.now
			e.before = func(_ *Transaction, step Step) {
				if step == UndoRename {
					require.GreaterOrEqual(t, e.now.Sub(down), restartWait)
				}
			}
			r := e.resume(tx, 100)
			require.Equal(t, !again, r.OperatorStopped, "%v", e.steps)
			require.Equal(t, []string{"w"}, e.names())
			if again {
				require.Equal(t, Done, r.Ending)
				require.GreaterOrEqual(t, e.now.Sub(began), standardVerify)
				return
			}
			require.Empty(t, e.running())
			require.Less(t, e.now.Sub(start), restartWait+2*time.Second)
		})
	}
}

// The wait for an operator's signal that the new container survives ends after the maximum time of a stop.
func TestSignalThatItSurvives(t *testing.T) {
	e := newEngine(t)
	tx := New(e.now, request())
	e.resume(tx, 10)
	start := e.now
	tx.OperatorStopped(e.now, tx.New())
	r := e.resume(tx, 200)
	require.True(t, r.OperatorStopped)
	require.Empty(t, e.running())
	require.Less(t, e.now.Sub(start), grace+2*stopNoticeWait)
}

// The stop was the engine's own shutdown, which is detected later: no operator stopped the new container, and it has exited.
func TestStopOfTheNewOneIsWithdrawn(t *testing.T) {
	e := newEngine(t)
	tx := New(e.now, request())
	e.resume(tx, 10)
	tx.OperatorStopped(e.now, tx.New())
	e.stop(tx.New())
	e.resume(tx, 2)
	tx.StopWithdrawn()
	r := e.resume(tx, 100)
	require.False(t, r.OperatorStopped)
	require.Equal(t, Undone, r.Ending)
	require.Equal(t, []string{"w"}, e.running())
}

// Podman shows that the new container is being stopped: the transaction waits for it, and starts nothing.
func TestStoppingOnPodman(t *testing.T) {
	e := newEngine(t)
	inspects := 0
	e.before = func(_ *Transaction, _ Step) {
		if one := e.newOne(); one != nil && one.Status == worker.StatusRunning {
			one.Stopping = true
			if inspects++; inspects == 4 {
				one.Stopping = false
				e.stop(one.ID)
			}
		}
	}
	r := e.run(request())
	require.Empty(t, e.running(), "%v", e.steps)
	require.True(t, r.OperatorStopped)
}

// Without an old container to return to, the new one keeps the name, even if it does not stay up.
func TestUnproven(t *testing.T) {
	e, req := newEngine(t), request()
	delete(e.has, oldID)
	req.Definition, e.endNew = []byte("old"), 1
	r := e.run(req)
	require.Equal(t, Unproven, r.Ending, "%v", e.steps)
	require.ErrorContains(t, r.Err, "does not stay up")
	require.Equal(t, []string{"w"}, e.names())
	require.Equal(t, r.ID, e.newOne().ID)
	require.True(t, r.Gone)
}

// The new container is gone before it is verified (--rm), and there is no old one: only the definition remains.
func TestLost(t *testing.T) {
	e, req := newEngine(t), request()
	delete(e.has, oldID)
	req.Definition = []byte("old")
	e.before = func(tx *Transaction, _ Step) {
		if one := e.has[tx.New()]; one != nil && one.Status == worker.StatusRunning {
			delete(e.has, one.ID)
		}
	}
	r := e.run(req)
	require.Equal(t, Lost, r.Ending, "%v", e.steps)
	require.Empty(t, e.names())
	require.Error(t, r.Err)
}

// A slow engine: after three minutes and the grace the transaction is rolled back.
func TestTooSlow(t *testing.T) {
	e := newEngine(t)
	e.lag = 40 * time.Second
	r := e.run(request())
	require.ErrorIs(t, r.Err, errDeadline)
	require.Equal(t, []string{"w"}, e.running())
	require.Contains(t, []Ending{Undone, Unknown}, r.Ending)

	e = newEngine(t)
	e.lag = 12800 * time.Millisecond // fifteen calls in the three minutes and the grace
	require.Equal(t, Done, e.run(request()).Ending)

	e = newEngine(t)
	e.lag = 12800 * time.Millisecond // and five of the rollback in a minute and the grace
	e.faults = secondCompareFails
	require.Equal(t, Undone, e.run(request()).Ending, "%v", e.steps)
	require.Equal(t, []string{"w"}, e.names())
}

// An engine that reports success and does nothing is given up.
func TestEndless(t *testing.T) {
	e := newEngine(t)
	e.faults = func(s Step, _ int) fault {
		if s == StopOld || s == StopNew || s == RemoveNew {
			return ignored
		}
		return works
	}
	r := e.run(request())
	require.ErrorIs(t, r.Err, errEndless)
	require.Equal(t, []string{"w"}, e.running())
	require.LessOrEqual(t, len(e.steps), 2*mostSteps+1)
}

// The container's own grace bounds the stop, according to the inspect.
func TestOwnGrace(t *testing.T) {
	for own, want := range map[time.Duration]time.Duration{0: engineGrace, time.Minute: time.Minute, time.Second: engineGrace} {
		e, req := newEngine(t), request()
		e.has[oldID].StopTimeout = own
		req.Action.Grace = -1
		require.Equal(t, Done, e.run(req).Ending)
		require.Equal(t, callDeadline+want, e.actions[StopOld].Deadline)
	}
	e, req := newEngine(t), request()
	req.Action.Grace = 0
	e.run(req)
	require.Equal(t, callDeadline, e.actions[StopOld].Deadline)
}

// The old container removes itself slowly: the transaction waits ten seconds for the name.
func TestRemovalUnderWay(t *testing.T) {
	for inspects, want := range map[int]Ending{20: Done, 200: Unknown} {
		e := newEngine(t)
		left := -1
		e.before = func(_ *Transaction, step Step) {
			switch one := e.has[oldID]; {
			case step == RenameOld && left < 0:
				one.Status, one.AutoRemove, left = worker.StatusRemoving, true, inspects
			case left > 0:
				if left--; left == 0 {
					delete(e.has, oldID)
				}
			}
		}
		e.faults = func(s Step, _ int) fault {
			if s == RenameOld {
				return denied
			}
			return works
		}
		e.has[oldID].AutoRemove = true
		r := e.run(request())
		require.Equal(t, want, r.Ending, "%v: %v", r.Err, e.steps)
		if want == Unknown {
			require.ErrorContains(t, r.Err, "does not finish the removal")
		}
	}
}

func secondCompareFails(s Step, nth int) fault {
	if s == Compare && nth > 6 {
		return denied
	}
	return works
}

// The comparison fails because the new container has exited: the result reports the exit.
func TestExitsBeforeItIsCompared(t *testing.T) {
	e := newEngine(t)
	e.faults = secondCompareFails
	e.before = func(_ *Transaction, step Step) {
		if step == Compare && len(e.steps) > 6 {
			one := e.newOne()
			one.Status, one.ExitCode, one.FinishedAt = worker.StatusExited, 1, e.now
		}
	}
	r := e.run(request())
	require.ErrorContains(t, r.Err, "does not stay up")

	e = newEngine(t)
	e.faults = secondCompareFails
	r = e.run(request())
	require.ErrorContains(t, r.Err, "compare: no")
}

// Without an old container the comparison is retried five times.
func TestUnprovenForItsComparison(t *testing.T) {
	e, req := newEngine(t), request()
	delete(e.has, oldID)
	req.Definition, e.faults = []byte("old"), secondCompareFails
	r := e.run(req)
	require.Equal(t, Unproven, r.Ending, "%v", e.steps)
	require.Equal(t, []string{"w"}, e.running())
	require.Equal(t, 1+1+manyTries, strings.Count(strings.Join(e.steps, ","), "compare"), "%v", e.steps)
}
