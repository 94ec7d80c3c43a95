package recreate

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

func collecting(command ...string) Request {
	req := request()
	req.Action.Evidence = &worker.EvidenceRequest{Keep: true, Command: command, Limit: 7 * time.Second}
	return req
}

// What the stop destroys is collected once, right before it.
func TestCollectsBeforeTheStop(t *testing.T) {
	e := newEngine(t)
	r := e.run(collecting())
	require.Equal(t, Done, r.Ending)
	at := slices.Index(e.steps, string(CollectOld))
	require.Equal(t, slices.Index(e.steps, string(StopOld)), at+1)
	require.Equal(t, slices.Index(e.steps, string(Compare)), at-1)
	require.Equal(t, callDeadline+worker.CollectLimit+7*time.Second, e.actions[CollectOld].Deadline)
	require.NotNil(t, e.actions[CollectOld].Evidence)
	require.Nil(t, e.actions[StopOld].Evidence, "of one step only")
}

// A container with --rm gives up its name before its stop, and keeps it during collecting: a command may run for minutes.
func TestCollectsBeforeTheNameIsGivenAway(t *testing.T) {
	e := newEngine(t)
	e.has[oldID].AutoRemove = true
	e.run(collecting("drain"))
	at := slices.Index(e.steps, string(CollectOld))
	require.Equal(t, []string{string(Compare), string(CollectOld), string(RenameOld), string(StopOld)}, e.steps[at-1:at+3])
}

// A failure to collect loses the evidence and has no other effect.
func TestCollectingThatFails(t *testing.T) {
	for _, f := range []fault{unanswered, lostAnswer, late, denied, unreachable} {
		e := newEngine(t)
		e.faults = func(step Step, _ int) fault {
			if step == CollectOld {
				return f
			}
			return works
		}
		r := e.run(collecting("drain"))
		require.Equal(t, Done, r.Ending, "%v: %v", f, e.steps)
		require.Equal(t, 1, countOf(e.steps, string(CollectOld)))
		e.endsWell(r)
	}
}

func countOf(all []string, one string) (n int) {
	for _, s := range all {
		if s == one {
			n++
		}
	}
	return n
}

// A command that ends the worker is its stop. Without a command such an exit was caused by another client, and the recreate is
// not carried out.
func TestWorkerThatEndsWhileItIsCollected(t *testing.T) {
	for _, command := range []string{"", "kill"} {
		e := newEngine(t)
		e.before = func(_ *Transaction, step Step) {
			if step == CollectOld {
				e.has[oldID].Status = worker.StatusExited
			}
		}
		req := collecting()
		if command != "" {
			req = collecting(command)
		}
		r := e.run(req)
		require.NotContains(t, e.steps, string(StopOld))
		if command == "" {
			require.Equal(t, Refused, r.Ending)
			continue
		}
		require.Equal(t, Done, r.Ending)
		e.endsWell(r)
	}
}

func TestOperatorStopsWhileItIsCollected(t *testing.T) {
	e := newEngine(t)
	e.before = func(tx *Transaction, step Step) {
		if step == CollectOld {
			e.has[oldID].Status = worker.StatusExited
			tx.OperatorStopped(e.now, oldID)
		}
	}
	r := e.run(collecting("drain"))
	require.True(t, r.OperatorStopped)
	require.Equal(t, oldID, r.ID)
	require.Empty(t, e.running())
	require.Equal(t, []string{"w"}, e.names())
}
