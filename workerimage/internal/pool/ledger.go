// Package pool does the work: threads that take chunks from a ledger, compute them, and record them as done.
package pool

import (
	"fmt"
	"slices"
	"sync"

	"stoker/workerimage/internal/checkpoint"
	"stoker/workerimage/internal/task"
)

// Ledger records which chunks of a round are to be done, being done and done, and the sum of the done ones. It is safe
// for concurrent use.
type Ledger struct {
	chunks uint64
	mu     sync.Mutex
	state  checkpoint.State
	issued uint64 // chunks below this one were taken by a thread of this process, or were done before
}

// NewLedger continues from state, which must be of a task with this number of chunks per round.
func NewLedger(chunks uint64, state checkpoint.State) (*Ledger, error) {
	if state.Next > chunks || (len(state.Ahead) > 0 && state.Ahead[len(state.Ahead)-1] >= chunks) {
		return nil, fmt.Errorf("the state has chunks beyond the round's %d", chunks)
	}
	state.Ahead = slices.Clone(state.Ahead)
	return &Ledger{chunks: chunks, state: state, issued: state.Next}, nil
}

// Take returns the next chunk that is neither done nor being done, or false when there is none left in the round.
func (l *Ledger) Take() (uint64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Next may be past issued because an earlier process did chunks ahead of the others.
	l.issued = max(l.issued, l.state.Next)
	for l.issued < l.chunks {
		chunk := l.issued
		l.issued++
		if _, done := slices.BinarySearch(l.state.Ahead, chunk); !done {
			return chunk, true
		}
	}
	return 0, false
}

// Enter records a chunk that Take returned. Recording one twice is an error of the caller and panics: a wrong result
// must not be saved as a right one.
func (l *Ledger) Enter(chunk uint64, part task.Partial) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, done := slices.BinarySearch(l.state.Ahead, chunk)
	if done || chunk < l.state.Next {
		panic(fmt.Sprintf("chunk %d entered twice", chunk))
	}
	l.state.Ahead = slices.Insert(l.state.Ahead, at, chunk)
	for len(l.state.Ahead) > 0 && l.state.Ahead[0] == l.state.Next {
		l.state.Ahead = l.state.Ahead[1:]
		l.state.Next++
	}
	l.state.Sum = l.state.Sum.Plus(part)
}

// Complete reports whether every chunk of the round is done.
func (l *Ledger) Complete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state.Next == l.chunks
}

// CloseRound begins the next round and returns the finished one. The round must be complete.
func (l *Ledger) CloseRound() checkpoint.Round {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state.Next != l.chunks {
		panic(fmt.Sprintf("round closed with %d of %d chunks done", l.state.Next, l.chunks))
	}
	last := checkpoint.Round{Number: l.state.Round, Chunks: l.state.Next, Sum: l.state.Sum}
	l.state = checkpoint.State{Task: l.state.Task, Round: l.state.Round + 1, Last: &last}
	l.issued = 0
	return last
}

// State is a copy of the ledger: its sum counts exactly the chunks that it lists as done.
func (l *Ledger) State() checkpoint.State {
	l.mu.Lock()
	defer l.mu.Unlock()
	state := l.state
	state.Ahead = slices.Clone(state.Ahead)
	return state
}
