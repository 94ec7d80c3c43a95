package notify

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const (
	// mostWaiting is how many digests may wait for one slow target.
	maxWaiting = 16
	// tries in all, the first one at once; the waits between them come to some five minutes.
	tries     = 5
	firstWait = 8 * time.Second
	growth    = 3
	// tryWait bounds one try.
	tryWait = 20 * time.Second
	// lastWait bounds all that is done after the end was asked for.
	lastWait = 2 * time.Second
)

// The outcomes of a message.
const (
	OutcomeSent    = "sent"
	OutcomeFailed  = "failed"  // all tries
	OutcomeDropped = "dropped" // never tried: too many were waiting
)

// backoff is the wait after the n-th try, from 1, with luck from 0 to 1 spreading it by a quarter either way.
func backoff(n int, luck float64) time.Duration {
	wait := firstWait
	for range n - 1 {
		wait *= growth
	}
	return wait*3/4 + time.Duration(luck*float64(wait/2))
}

// target is one URL: a queue, and the goroutine that reads it.
type target struct {
	redactor redactor
	to       sender
	renderer renderer
	queue    chan Digest
	dropped  atomic.Int64 // messages dropped since one got through
	result   func(target, outcome string)
	missed   int
	seq      uint64
}

func newTarget(m redactor, to sender, w renderer, result func(target, outcome string)) *target {
	return &target{
		redactor: m, to: to, renderer: w, result: result,
		queue: make(chan Digest, maxWaiting),
	}
}

// offer never blocks.
func (t *target) offer(d Digest) {
	select {
	case t.queue <- d:
	default:
		t.dropped.Add(1)
		t.result(t.redactor.name, OutcomeDropped)
	}
}

// run sends until the queue is closed. Once ctx has ended there is one try for each message, and lastWait for all together.
func (t *target) run(ctx context.Context) {
	life, stop := outlive(ctx, lastWait)
	defer stop()
	for d := range t.queue {
		t.deliver(ctx, life, d)
	}
}

// outlive is a context that ends some time after ctx does.
func outlive(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-life.Done():
		}
	})
	return life, cancel
}

func (t *target) deliver(ctx, life context.Context, d Digest) {
	t.missed += int(t.dropped.Swap(0))
	t.seq++
	m := t.renderer.message(d, t.missed)
	m.seq = t.seq
	for n := 1; ; n++ {
		last := n == tries || ctx.Err() != nil
		if t.try(life, m) == nil {
			t.missed = 0
			t.result(t.redactor.name, OutcomeSent)
			return
		}
		if last {
			t.missed++
			t.result(t.redactor.name, OutcomeFailed)
			return
		}
		pause(ctx, backoff(n, rand.Float64()))
	}
}

func (t *target) try(life context.Context, m Message) error {
	ctx, cancel := context.WithTimeout(life, tryWait)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return err
	}
	return t.to.send(ctx, m)
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
