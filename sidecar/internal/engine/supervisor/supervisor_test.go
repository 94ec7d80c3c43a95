package supervisor_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/supervisor"
)

func TestStartLeavesAtOnce(t *testing.T) {
	run(t, []string{"a"}, func(t *testing.T, s *fixture) {
		s.journal.takes = time.Hour // a start does not wait for it
		died := time.Now()
		s.crash("a")
		synctest.Wait()
		starts := s.engine.done(worker.Start)
		require.Len(t, starts, 1)
		require.Equal(t, died, starts[0].at)
		require.Equal(t, fleet.StateRunning, s.sup.View().Workers[0].State)
	})
}

func TestStopWaitsForTheJournal(t *testing.T) {
	run(t, []string{"a"}, func(t *testing.T, s *fixture) {
		s.journal.takes = 300 * time.Millisecond
		ill := time.Now()
		s.makeUnhealthy("a")
		time.Sleep(time.Second)
		stops := s.engine.done(worker.Stop)
		require.Len(t, stops, 1)
		require.Equal(t, 300*time.Millisecond, stops[0].at.Sub(ill))
		require.Empty(t, s.engine.done(worker.Start), "the exit has not been observed yet")
		time.Sleep(2 * time.Second)
		require.Len(t, s.engine.done(worker.Start), 1)
	})
}

func TestStopIsInTheJournalBeforeItIsSent(t *testing.T) {
	run(t, []string{"a"}, func(t *testing.T, s *fixture) {
		s.engine.take(worker.Stop, 5*time.Second)
		s.makeUnhealthy("a")
		synctest.Wait()
		require.Len(t, s.engine.done(worker.Stop), 1)
		s.journal.mu.Lock()
		defer s.journal.mu.Unlock()
		require.Equal(t, worker.PhaseStopping, s.journal.kept["a"].State.Phase)
	})
}

func TestStuckJournalDelaysNoHeal(t *testing.T) {
	run(t, []string{"a", "b"}, func(t *testing.T, s *fixture) {
		s.journal.stuck = true
		ill := time.Now()
		s.makeUnhealthy("a")
		s.crash("b")
		synctest.Wait()
		require.Len(t, s.engine.done(worker.Start), 1, "a dead worker waits for no disk")
		time.Sleep(5 * time.Second)
		stops := s.engine.done(worker.Stop)
		require.Len(t, stops, 1)
		require.Equal(t, 2*time.Second, stops[0].at.Sub(ill), "an ill one waits for it no longer than this")
	})
}

func TestSlowStopDelaysNoStart(t *testing.T) {
	ill := []string{"a", "b", "c", "d", "e", "f", "g", "h"}
	run(t, append(ill, "z"), func(t *testing.T, s *fixture) {
		s.engine.take(worker.Stop, 10*time.Second)
		for _, key := range ill {
			s.makeUnhealthy(key)
		}
		synctest.Wait()
		require.Len(t, s.engine.done(worker.Stop), len(ill), "all at once")
		died := time.Now()
		s.crash("z")
		synctest.Wait()
		starts := s.engine.done(worker.Start)
		require.Len(t, starts, 1)
		require.Equal(t, died, starts[0].at)
		time.Sleep(13 * time.Second)
		require.Len(t, s.engine.done(worker.Start), len(ill)+1)
	})
}

func TestActionIsBoundedByItsDeadline(t *testing.T) {
	run(t, []string{"a"}, func(t *testing.T, s *fixture) {
		s.engine.take(worker.Start, time.Hour)
		s.crash("a")
		time.Sleep(59 * time.Second)
		require.Len(t, s.engine.done(worker.Start), 1)
		s.engine.take(worker.Start, 0)
		time.Sleep(10 * time.Second)
		require.Len(t, s.engine.done(worker.Start), 2, "looked, and tried again")
		require.Equal(t, fleet.StateRunning, s.sup.View().Workers[0].State)
	})
}

func TestLostAnswerIsGivenUp(t *testing.T) {
	run(t, []string{"a"}, func(t *testing.T, s *fixture) {
		s.engine.take(worker.Start, time.Hour)
		s.crash("a")
		synctest.Wait()
		s.engine.set("a", func(c *worker.Snapshot) { c.Status, c.StartedAt = worker.StatusRunning, time.Now() })
		s.observe(worker.Started, "a")
		s.engine.take(worker.Start, 0)
		time.Sleep(7 * time.Second)
		require.Equal(t, fleet.StateRunning, s.sup.View().Workers[0].State)
		s.crash("a")
		time.Sleep(5 * time.Second)
		require.Len(t, s.engine.done(worker.Start), 2, "the lost answer does not prevent the next heal")
	})
}

func TestCloseFinishesARestart(t *testing.T) {
	run(t, []string{"a", "b"}, func(t *testing.T, s *fixture) {
		s.engine.take(worker.Stop, 4*time.Second)
		s.makeUnhealthy("a")
		synctest.Wait()
		s.stop()
		asked := time.Now()
		<-s.ended
		require.Less(t, time.Since(asked), 6500*time.Millisecond)
		starts := s.engine.done(worker.Start)
		require.Len(t, starts, 1)
		require.Equal(t, "a", starts[0].action.Incarnation.ID)
		require.False(t, s.journal.mark.LostAt.IsZero())
		require.True(t, s.journal.mark.Closed)
	})
}

func TestCloseTriesAgain(t *testing.T) {
	run(t, []string{"a"}, func(t *testing.T, s *fixture) {
		s.engine.take(worker.Stop, time.Second)
		s.makeUnhealthy("a")
		synctest.Wait()
		s.engine.fail(worker.Start, worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Unreachable: true}})
		s.stop()
		<-s.ended
		require.Len(t, s.engine.done(worker.Start), 2)
	})
}

func TestCloseBeginsNothing(t *testing.T) {
	run(t, []string{"a", "b"}, func(t *testing.T, s *fixture) {
		s.engine.take(worker.Stop, 3*time.Second)
		s.engine.take(worker.Inspect, 3*time.Second)
		s.makeUnhealthy("b") // its inspect is running
		s.stop()
		asked := time.Now()
		<-s.ended
		require.Zero(t, time.Since(asked), "no restart has begun")
		require.Empty(t, s.engine.done(worker.Stop))
	})
}

func TestCloseGivesUpInTime(t *testing.T) {
	run(t, []string{"a"}, func(t *testing.T, s *fixture) {
		s.engine.take(worker.Stop, time.Minute)
		s.makeUnhealthy("a")
		synctest.Wait()
		s.stop()
		asked := time.Now()
		<-s.ended
		require.Equal(t, 6500*time.Millisecond, time.Since(asked))
		require.Equal(t, worker.PhaseStopping, s.journal.kept["a"].State.Phase, "the next Stoker goes on from here")
	})
}

// An engine that never answers and actions that ignore the end of their context delay Run no longer than its bounds.
func TestCloseLeavesStuckActionsBehind(t *testing.T) {
	run(t, []string{"a"}, func(t *testing.T, s *fixture) {
		release := make(chan struct{})
		defer close(release)
		s.engine.mu.Lock()
		s.engine.stuck = release
		s.engine.mu.Unlock()
		s.makeUnhealthy("a")
		synctest.Wait()
		s.stop()
		asked := time.Now()
		<-s.ended
		require.Equal(t, 7*time.Second, time.Since(asked))
	})
}

func TestBeatMovesWhileNothingHappens(t *testing.T) {
	run(t, []string{"a"}, func(t *testing.T, s *fixture) {
		for range 20 {
			time.Sleep(5 * time.Second)
			synctest.Wait()
			require.LessOrEqual(t, time.Since(s.sup.LastTick()), 5*time.Second)
		}
		require.Len(t, s.engine.done(worker.Inspect), 1, "nothing is asked of the engine meanwhile")
	})
}

func TestEndOfTheStreamIsNoEndOfTheLoop(t *testing.T) {
	run(t, []string{"a"}, func(t *testing.T, s *fixture) {
		s.engine.fail(worker.Start, worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Err: "no"}})
		s.crash("a")
		close(s.seen)
		time.Sleep(2 * time.Second)
		require.Len(t, s.engine.done(worker.Start), 2)
		require.Len(t, s.sup.View().Workers, 1)
	})
}

func TestDisplayIsNoticedAtOnce(t *testing.T) {
	run(t, []string{"a", "b"}, func(t *testing.T, s *fixture) {
		time.Sleep(time.Hour)
		require.Empty(t, s.engine.done(worker.ReadStats), "a View alone is no display")
		displayed := time.Now()
		s.sup.ViewForDisplay()
		synctest.Wait()
		read := s.engine.done(worker.ReadStats)
		require.Len(t, read, 2)
		require.Equal(t, displayed, read[0].at)
		for range 60 {
			s.sup.ViewForDisplay()
			time.Sleep(10 * time.Second)
		}
		read = s.engine.done(worker.ReadStats)
		require.InDelta(t, 2*20, len(read), 4, "one in thirty seconds each")
		time.Sleep(time.Hour)
		last := s.engine.done(worker.ReadStats)
		require.LessOrEqual(t, len(last)-len(read), 2*5)
		require.LessOrEqual(t, last[len(last)-1].at.Sub(displayed), 10*time.Minute+fleet.ViewedFor, "displaying has ended")
	})
}

func TestDisplayNeverWaits(*testing.T) {
	sup := supervisor.New(fleet.New(time.Now(), fleet.Settings{}), nil, nil, nil)
	for range 3 {
		sup.ViewForDisplay() // and no loop turns
	}
}
