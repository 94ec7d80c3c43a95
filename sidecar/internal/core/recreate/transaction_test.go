package recreate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

var straight = []Step{
	InspectState, CreateNew, Connect, CopyFiles, Compare, StopOld, RenameOld, RenameNew, StartNew, InspectState, InspectState, InspectState, InspectState, Compare, RemoveOld,
}

func TestStraightOn(t *testing.T) {
	e := newEngine(t)
	r := e.run(request())
	var steps []string
	for _, step := range straight {
		steps = append(steps, string(step))
	}
	require.Equal(t, steps, e.steps)
	require.Equal(t, Done, r.Ending)
	require.NoError(t, r.Err)
	require.Equal(t, oldID, r.OldID)
	require.NotEqual(t, oldID, r.ID)
	require.Equal(t, r.ID, r.Holder.ID)
	require.False(t, r.Untouched)
	require.Equal(t, []string{"w"}, e.running())
	require.Equal(t, []string{"w"}, e.names())
	require.Equal(t, 2*time.Second+15*e.lag, e.now.Sub(noon).Round(e.lag), "the new one must stay up for two seconds, and nothing else waits")
	require.Equal(t, noon.Add(6*e.lag), r.EndedAt, "when the old one was stopped")
	require.Equal(t, callDeadline+grace, e.actions[StopOld].Deadline)
	require.Equal(t, createDeadline, e.actions[CreateNew].Deadline)
	require.Equal(t, callDeadline, e.actions[StartNew].Deadline)
	require.Equal(t, []byte("old"), e.actions[Compare].Call.Like)
	require.Equal(t, map[string]string{
		worker.MarkOf: oldID, worker.MarkName: "w", worker.MarkBy: mine, worker.MarkAttempt: fmt.Sprintf("%x-1", noon.Add(e.lag).UnixNano()),
	}, e.actions[CreateNew].Call.Marks)
}

// One call fails, in each way and at each step: the worker ends as one running container under its name, and the result
// identifies it. A later transaction completes what is unfinished.
func TestOneFaultAtEachStep(t *testing.T) {
	for nth := range straight {
		for _, f := range []fault{unanswered, lostAnswer, late, denied, unreachable} {
			t.Run(fmt.Sprintf("%d %s, %d", nth, straight[nth], f), func(t *testing.T) {
				e := newEngine(t)
				e.faults = func(_ Step, n int) fault {
					if n == nth {
						return f
					}
					return works
				}
				r := e.run(request())
				e.endsWell(r)
			})
		}
	}
}

// endsWell checks the engine after a transaction, and after a later one has cleaned up.
func (e *engine) endsWell(r Result) {
	e.t.Helper()
	require.NotContains(e.t, []Ending{Busy, Nothing, Lost, ""}, r.Ending)
	switch r.Ending {
	case Done:
		require.NotEqual(e.t, oldID, r.ID)
		require.Equal(e.t, worker.Key("w"), e.has[r.ID].Key)
	case Undone:
		require.Error(e.t, r.Err)
		require.Equal(e.t, oldID, r.ID)
	}
	if r.Ending != Unknown {
		require.Equal(e.t, []string{"w"}, e.running(), "%v", e.steps)
		require.NotContains(e.t, e.names(), "w.stoker-new", "%v", e.steps)
	}
	e.sweep()
	require.Equal(e.t, []string{"w"}, e.running(), "%v", e.steps)
	require.Equal(e.t, []string{"w"}, e.names(), "%v", e.steps)
}

// sweep completes leftovers, as a restarted Stoker does.
func (e *engine) sweep() Result {
	e.faults, e.before = func(Step, int) fault { return works }, func(*Transaction, Step) {}
	req := request()
	req.ResumeOnly = true
	return e.run(req)
}

// A step that always fails is left out, or the transaction is rolled back.
func TestStepThatNeverWorks(t *testing.T) {
	for _, step := range []Step{CreateNew, Connect, CopyFiles, Compare, StopOld, RenameOld, RenameNew, StartNew, RemoveOld} {
		for _, f := range []fault{unanswered, denied, unreachable, ignored} {
			if f == ignored && first(step) && step != CreateNew {
				continue // only a real comparison would detect it
			}
			t.Run(fmt.Sprintf("%s, %d", step, f), func(t *testing.T) {
				e := newEngine(t)
				e.faults = func(s Step, _ int) fault {
					if s == step {
						return f
					}
					return works
				}
				r := e.run(request())
				require.Equal(t, []string{"w"}, e.running(), "%v", e.steps)
				require.NotEqual(t, Lost, r.Ending)
				require.Error(t, r.Err)
				require.Equal(t, slices.Contains(e.steps, string(StartOld)), r.Restarted)
				if step == RemoveOld {
					require.Equal(t, Done, r.Ending)
					require.Equal(t, oldID, r.Leftover)
				} else {
					require.NotEqual(t, Done, r.Ending, "%v", e.steps)
					require.Equal(t, worker.Key("w"), e.has[oldID].Key)
				}
				e.sweep()
				require.Equal(t, []string{"w"}, e.names())
			})
		}
	}
}

// A rollback that always fails ends, too, and a later transaction completes it.
func TestRollbackThatFails(t *testing.T) {
	for _, fails := range []Step{StopNew, UndoRename, RestoreOld, StartOld, RemoveNew} {
		t.Run(string(fails), func(t *testing.T) {
			e := newEngine(t)
			e.faults = func(s Step, n int) fault {
				if s == fails || s == Compare && n > 10 { // the comparison after the start
					return denied
				}
				return works
			}
			r := e.run(request())
			require.ErrorContains(t, r.Err, "compare: no")
			require.ErrorContains(t, r.Err, string(fails)+": no")
			tries := strings.Count(strings.Join(e.steps, ","), string(fails))
			require.Equal(t, manyTries, tries, "%v", e.steps)
			e.sweep()
			require.Contains(t, e.names(), "w")
			require.Len(t, e.names(), 1)
		})
	}
}

// Stoker crashes after each call, with and without its effect.
func TestCrashAtEachStep(t *testing.T) {
	for calls := range len(straight) + 1 {
		for _, resumeOnly := range []bool{false, true} {
			for _, last := range []fault{works, unanswered} {
				t.Run(fmt.Sprint(calls, resumeOnly, last), func(t *testing.T) {
					e := newEngine(t)
					e.faults = func(_ Step, n int) fault {
						if n == calls-1 {
							return last
						}
						return works
					}
					e.resume(New(e.now, request()), calls)
					died := len(e.steps)
					e.now = e.now.Add(time.Minute)
					req := request()
					req.ResumeOnly, req.Action.ID = resumeOnly, 2
					e.faults = func(Step, int) fault { return works }
					r := e.run(req)
					require.Equal(t, []string{"w"}, e.names(), "%v", e.steps)
					require.Equal(t, []string{"w"}, e.running(), "%v", e.steps)
					if !resumeOnly {
						require.Equal(t, Done, r.Ending, "%v, then %v", e.steps[:died], e.steps[died:])
					}
				})
			}
		}
	}
}

// An operator stops the worker before each step: no container of it runs in the end, and the result reports it.
func TestOperatorStops(t *testing.T) {
	for nth := range len(straight) - 1 {
		t.Run(fmt.Sprint(nth, straight[nth]), func(t *testing.T) {
			e := newEngine(t)
			stopped := false
			e.before = func(tx *Transaction, _ Step) {
				if len(e.steps) != nth || stopped {
					return
				}
				stopped = true
				id := tx.Old()
				if c := e.has[tx.New()]; c != nil && c.Status == worker.StatusRunning {
					id = c.ID
				}
				e.stop(id)
				tx.OperatorStopped(e.now, id)
			}
			r := e.run(request())
			if nth >= 13 && r.Ending == Done {
				return // verified before
			}
			require.Empty(t, e.running(), "%v", e.steps)
			require.True(t, r.OperatorStopped)
			require.Contains(t, e.names(), "w")
		})
	}
}

// An operator removes the worker before each step: nothing of it is left.
func TestOperatorRemoves(t *testing.T) {
	for nth := 1; nth < len(straight); nth++ {
		for _, kept := range []bool{false, true} {
			t.Run(fmt.Sprint(nth, straight[nth], kept), func(t *testing.T) {
				e := newEngine(t)
				e.before = func(tx *Transaction, _ Step) {
					if len(e.steps) != nth {
						return
					}
					gone := tx.Old()
					if c := e.has[tx.New()]; c != nil && c.Key == "w" {
						gone = c.ID
					}
					delete(e.has, gone)
				}
				req := request()
				req.KeepRemoved, req.Definition = kept, []byte("old")
				r := e.run(req)
				require.NotContains(t, e.names(), "w.stoker-new")
				if !kept && nth > 1 && nth < len(straight)-1 {
					require.ErrorIs(t, r.Err, errRemoved, "%v", e.steps)
				}
				if !kept && r.Ending != Done {
					require.Error(t, r.Err)
					require.Empty(t, e.running(), "%v", e.steps)
				}
			})
		}
	}
}

// StopWithdrawn: the stop was the engine's own shutdown, so the transaction continues.
func TestStopWithdrawn(t *testing.T) {
	e := newEngine(t)
	e.before = func(tx *Transaction, step Step) {
		if step == RenameOld {
			tx.OperatorStopped(e.now, oldID)
			tx.StopWithdrawn()
		}
	}
	r := e.run(request())
	require.Equal(t, Done, r.Ending)
	require.False(t, r.OperatorStopped)
	require.Equal(t, []string{"w"}, e.running())
}

// A stop of the new container that the transaction may have sent itself is ignored.
func TestOwnStopOfTheNewOne(t *testing.T) {
	e := newEngine(t)
	e.faults = func(s Step, n int) fault {
		if s == Compare && n > 10 {
			return denied
		}
		return works
	}
	e.before = func(tx *Transaction, step Step) {
		if step == UndoRename {
			tx.OperatorStopped(e.now, tx.New())
		}
	}
	r := e.run(request())
	require.Equal(t, Undone, r.Ending)
	require.False(t, r.OperatorStopped)
	require.Equal(t, []string{"w"}, e.running())
}

// Another Stoker ends its own transaction between the two inspects of the one that found it: an operator had stopped the worker.
// There is nothing left to roll back, and nothing is started.
func TestEndedByItsOwnerBetweenTwoInspects(t *testing.T) {
	for _, resume := range []bool{true, false} {
		e, req := unfinished(t, "host/1", 6), request()
		req.ResumeOnly = resume
		e.steps = nil
		e.before = func(*Transaction, Step) {
			if len(e.steps) == 1 {
				e.stop(oldID)
				e.has[oldID].Key = "w"
				delete(e.has, e.newOne().ID)
			}
		}
		if resume {
			require.Equal(t, Nothing, e.run(req).Ending, "%v", e.steps)
			require.Empty(t, e.running(), "%v", e.steps)
			continue
		}
		require.Equal(t, Done, e.run(req).Ending, "a recreate that was decided on begins again: %v", e.steps)
	}
}
