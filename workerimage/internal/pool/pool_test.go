package pool

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/workerimage/internal/checkpoint"
	"stoker/workerimage/internal/task"
)

func TestEveryChunkIsCountedOnce(t *testing.T) {
	for _, threads := range []int{1, 4} {
		pulse := &pulse{}
		pool := &Pool{Task: squares(5000, 7), Heartbeat: pulse, Gate: &gate{}}
		ledger := fresh(t, pool.Task)
		pool.Round(t.Context(), ledger, threads)
		require.True(t, ledger.Complete())
		round := ledger.CloseRound()
		require.Equal(t, pool.Task.Compute(1, pool.Task.Range), round.Sum)
		require.Equal(t, pool.Task.Chunks(), round.Chunks)
		require.Equal(t, uint64(2), ledger.State().Round)
		require.Equal(t, threads, pulse.rests)
		require.Equal(t, int(pool.Task.Chunks()), pulse.beats)
	}
}

// A round that is interrupted repeatedly continues each time from a copy of the ledger that is some chunks old, as after a kill.
func TestARoundCutOffAgainAndAgain(t *testing.T) {
	work := squares(5000, 7)
	saved := checkpoint.State{Task: work.ID(), Round: 1}
	runs := 0
	for ; ; runs++ {
		require.Less(t, runs, 1000)
		ledger, err := NewLedger(work.Chunks(), saved)
		require.NoError(t, err)
		ctx, kill := context.WithCancel(t.Context())
		gate := &gate{}
		gate.at = func(passed int) {
			if passed == 11 {
				saved = ledger.State()
			}
			if passed == 17 {
				kill()
			}
		}
		pool := &Pool{Task: work, Heartbeat: &pulse{}, Gate: gate}
		pool.Round(ctx, ledger, 3)
		kill()
		if ledger.Complete() {
			require.Equal(t, work.Compute(1, work.Range), ledger.CloseRound().Sum)
			break
		}
	}
	require.Greater(t, runs, 20)
}

func TestStopDropsTheChunkWithinASlice(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	gate := &gate{at: func(passed int) {
		if passed == 3 {
			stop()
		}
	}}
	work := squares(100<<20, 100<<20) // one chunk of a hundred slices
	ledger := fresh(t, work)
	pulse := &pulse{}
	(&Pool{Task: work, Heartbeat: pulse, Gate: gate}).Round(ctx, ledger, 1)
	require.Equal(t, 2, pulse.beats)
	require.Zero(t, ledger.State().Done())
	require.Zero(t, ledger.State().Sum.Items)
}

func TestLedgerGoesOnFromAState(t *testing.T) {
	ledger, err := NewLedger(6, checkpoint.State{Round: 1, Next: 1, Ahead: []uint64{2, 4}})
	require.NoError(t, err)
	var taken []uint64
	for {
		chunk, more := ledger.Take()
		if !more {
			break
		}
		taken = append(taken, chunk)
	}
	require.Equal(t, []uint64{1, 3, 5}, taken)
	require.False(t, ledger.Complete())
	for _, chunk := range []uint64{5, 1, 3} {
		ledger.Enter(chunk, task.Partial{Items: 1})
	}
	require.True(t, ledger.Complete())
	require.Equal(t, checkpoint.State{Round: 1, Next: 6, Sum: task.Partial{Items: 3}}, trimmed(ledger.State()))
	require.Panics(t, func() { ledger.Enter(3, task.Partial{}) })
}

// An earlier process did 1 to 3 and was killed during 0.
func TestLedgerDoesNotIssueWhatAnEarlierProcessDidAhead(t *testing.T) {
	ledger, err := NewLedger(5, checkpoint.State{Round: 1, Ahead: []uint64{1, 2, 3}})
	require.NoError(t, err)
	for _, want := range []uint64{0, 4} {
		chunk, more := ledger.Take()
		require.True(t, more)
		require.Equal(t, want, chunk)
		ledger.Enter(chunk, task.Partial{Items: 1})
	}
	_, more := ledger.Take()
	require.False(t, more)
	require.True(t, ledger.Complete())
}

func TestLedgerRefusesAStateOfAnotherShape(t *testing.T) {
	_, err := NewLedger(6, checkpoint.State{Round: 1, Next: 7})
	require.Error(t, err)
	_, err = NewLedger(6, checkpoint.State{Round: 1, Next: 1, Ahead: []uint64{6}})
	require.Error(t, err)
}

func TestAnIncompleteRoundCannotBeClosed(t *testing.T) {
	require.Panics(t, func() { fresh(t, squares(10, 1)).CloseRound() })
}

func TestProgressLine(t *testing.T) {
	start := time.Unix(0, 0)
	work := squares(40_000, 1000)
	state := func(round, next uint64) checkpoint.State {
		return checkpoint.State{Round: round, Next: next, Sum: task.Partial{Items: next * 1000}}
	}
	progress := NewProgress(work, start, state(1, 10))
	require.Equal(t, "round 1: 50.0 % (20 of 40 chunks), 1.0 k/s, about 20s left",
		progress.Line(start.Add(10*time.Second), state(1, 20)))
	require.Equal(t, "round 2: 25.0 % (10 of 40 chunks), 3.0 k/s, about 10s left",
		progress.Line(start.Add(20*time.Second), state(2, 10)))
	require.Equal(t, "round 2: 25.0 % (10 of 40 chunks), 0/s",
		progress.Line(start.Add(30*time.Second), state(2, 10)))
}

func squares(numbers, chunk uint64) task.Task {
	return task.Task{Kind: task.Squares, Range: task.Span{To: numbers}, Chunk: chunk}
}

func fresh(t *testing.T, work task.Task) *Ledger {
	t.Helper()
	ledger, err := NewLedger(work.Chunks(), checkpoint.State{Task: work.ID(), Round: 1})
	require.NoError(t, err)
	return ledger
}

func trimmed(state checkpoint.State) checkpoint.State {
	if len(state.Ahead) == 0 {
		state.Ahead = nil
	}
	return state
}

type pulse struct {
	mu           sync.Mutex
	beats, rests int
}

func (p *pulse) Beat(int) { p.mu.Lock(); defer p.mu.Unlock(); p.beats++ }
func (p *pulse) Rest(int) { p.mu.Lock(); defer p.mu.Unlock(); p.rests++ }

type gate struct {
	mu     sync.Mutex
	passed int
	at     func(passed int)
}

func (g *gate) Pass(context.Context) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.passed++
	if g.at != nil {
		g.at(g.passed)
	}
}
