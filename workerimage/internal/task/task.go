// Package task is the work itself: what is computed over a range of numbers, and how the range is cut into chunks.
//
// Everything in it is a pure function of its arguments, so that a chunk computed again gives the same answer again.
package task

import "fmt"

// Kind names what is computed.
type Kind string

// The kinds of work.
const (
	// Pow looks for the nonces of a range whose MD5 digest begins with a prefix.
	Pow Kind = "pow"
	// Squares adds up the squares of a range.
	Squares Kind = "squares"
)

// Span is the numbers from From up to, and without, To.
type Span struct {
	From uint64
	To   uint64
}

// Len returns the count of numbers in the span.
func (s Span) Len() uint64 { return s.To - s.From }

// Task is one round's work. The zero value is not usable; fill it and call Check.
type Task struct {
	Kind   Kind
	Range  Span
	Chunk  uint64 // numbers per chunk, the last one may be shorter
	Prefix Prefix // Pow only
	Seed   string // Pow only: what is hashed is "seed:round:nonce"
}

// Check returns an error if the task is invalid.
func (t Task) Check() error {
	switch t.Kind {
	case Pow, Squares:
	default:
		return fmt.Errorf("unknown task %q: use %s or %s", t.Kind, Pow, Squares)
	}
	if t.Range.To <= t.Range.From {
		return fmt.Errorf("empty range %d-%d: the end must be above the start", t.Range.From, t.Range.To)
	}
	if t.Chunk == 0 {
		return fmt.Errorf("a chunk of 0 numbers is no work")
	}
	return nil
}

// ID identifies the task's work: two tasks with the same ID give the same partial for every chunk, so that a checkpoint of one is
// a checkpoint of the other.
func (t Task) ID() string {
	cut := fmt.Sprintf("range=%d-%d chunk=%d", t.Range.From, t.Range.To, t.Chunk)
	if t.Kind == Pow {
		return fmt.Sprintf("pow prefix=%s seed=%q %s", t.Prefix, t.Seed, cut)
	}
	return fmt.Sprintf("%s %s", t.Kind, cut)
}

// Chunks returns the number of chunks of a round.
func (t Task) Chunks() uint64 {
	return (t.Range.Len()-1)/t.Chunk + 1
}

// Span returns the numbers of the n-th chunk, counted from 0.
func (t Task) Span(n uint64) Span {
	from := t.Range.From + n*t.Chunk
	left := t.Range.To - from
	return Span{From: from, To: from + min(left, t.Chunk)}
}

// Slice returns the number of numbers to compute between two heartbeats: about a millisecond of work on a free CPU, so that even at
// a hundredth of a CPU a working worker beats many times within the shortest sensible age limit.
func (t Task) Slice() uint64 {
	if t.Kind == Squares {
		return 1 << 20
	}
	return 1 << 13
}

// Compute processes the numbers of span and returns their part of the round's result.
func (t Task) Compute(round uint64, span Span) Partial {
	if t.Kind == Squares {
		return sumSquares(span)
	}
	return searchNonces(newMessage(t.Seed, round), t.Prefix, span)
}

// DefaultChunk returns a chunk of about ten milliseconds on a free CPU: the work that a kill can cost, per thread.
func DefaultChunk(kind Kind) uint64 {
	if kind == Squares {
		return 20_000_000
	}
	return 100_000
}
