package recreate

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// An operator stops the worker's container, and the event stream is seconds late: nothing is started.
func TestOperatorStopsAndStreamIsBehind(t *testing.T) {
	for nth := range len(straight) - 1 {
		t.Run(fmt.Sprint(nth, straight[nth]), func(t *testing.T) {
			e, req := newEngine(t), request()
			req.Followed, req.Ran, e.behind = true, true, exitNoticeLimit-time.Second
			stopped := false
			e.before = func(tx *Transaction, step Step) {
				if stopped {
					require.NotContains(t, []Step{StartNew, StartOld}, step)
				}
				if len(e.steps) != nth || stopped || len(e.running()) == 0 {
					return
				}
				stopped = true
				id := tx.Old()
				if c := e.has[tx.New()]; c != nil && c.Status == worker.StatusRunning {
					id = c.ID
				}
				e.operatorStop(id)
			}
			e.run(req)
			if !stopped {
				return // nothing runs before this step
			}
			require.Empty(t, e.running(), "%v", e.steps)
			require.Contains(t, e.names(), "w")
		})
	}
}

// The wait for an exit ends with its event; a lost event costs a bounded wait.
func TestWaitForExit(t *testing.T) {
	took := func(behind time.Duration, followed bool) time.Duration {
		e, req := newEngine(t), request()
		req.Followed, e.behind = followed, behind
		r := e.run(req)
		require.Equal(t, Done, r.Ending, "%v: %v", r.Err, e.steps)
		return e.now.Sub(noon)
	}
	none := took(0, false)
	require.Equal(t, none+time.Nanosecond, took(time.Nanosecond, true))
	require.Equal(t, none+3*time.Second, took(3*time.Second, true))
	require.Equal(t, none+exitNoticeLimit, took(0, true), "the event was lost")
}

// A stop with the engine's default grace may take as long as that default.
func TestWaitForTheEnginesGrace(t *testing.T) {
	for wait, want := range map[time.Duration]time.Duration{0: engineGrace, 10 * time.Minute: 10 * time.Minute} {
		e, req := newEngine(t), request()
		req.Action.Grace, req.Wait = -1, wait
		require.Equal(t, Done, e.run(req).Ending)
		require.Equal(t, callDeadline+want, e.actions[StopOld].Deadline)
		require.Equal(t, -time.Nanosecond, e.actions[StopOld].Grace, "none is sent")
	}
}
