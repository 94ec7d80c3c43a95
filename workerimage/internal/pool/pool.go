package pool

import (
	"context"
	"sync"

	"stoker/workerimage/internal/task"
)

// Heartbeat receives the beats of the threads.
type Heartbeat interface {
	Beat(thread int) // the thread has just done a slice of work
	Rest(thread int) // the thread has no work for now: ignore its missing beats
}

// Gate may block a thread, as a fault does. It must return when ctx ends.
type Gate interface {
	Pass(ctx context.Context)
}

// Pool computes the chunks of one task.
type Pool struct {
	Task      task.Task
	Heartbeat Heartbeat
	Gate      Gate
}

// Round works with this many threads until the round's chunks are done, or until ctx ends: then each thread drops its chunk
// within one slice, without recording it.
func (c *Pool) Round(ctx context.Context, ledger *Ledger, threads int) {
	var group sync.WaitGroup
	round := ledger.State().Round
	for thread := range threads {
		group.Go(func() {
			defer c.Heartbeat.Rest(thread)
			c.work(ctx, ledger, thread, round)
		})
	}
	group.Wait()
}

func (c *Pool) work(ctx context.Context, ledger *Ledger, thread int, round uint64) {
	for {
		chunk, more := ledger.Take()
		if !more {
			return
		}
		part, finished := c.chunk(ctx, thread, round, c.Task.Span(chunk))
		if !finished {
			return
		}
		ledger.Enter(chunk, part)
	}
}

func (c *Pool) chunk(ctx context.Context, thread int, round uint64, span task.Span) (task.Partial, bool) {
	var sum task.Partial
	for span.From < span.To {
		c.Gate.Pass(ctx)
		if ctx.Err() != nil {
			return task.Partial{}, false
		}
		slice := task.Span{From: span.From, To: span.From + min(span.Len(), c.Task.Slice())}
		sum = sum.Plus(c.Task.Compute(round, slice))
		span.From = slice.To
		c.Heartbeat.Beat(thread)
	}
	return sum, true
}
