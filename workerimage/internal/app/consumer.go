package app

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"stoker/workerimage/internal/broker"
	"stoker/workerimage/internal/checkpoint"
	"stoker/workerimage/internal/job"
	"stoker/workerimage/internal/pool"
	"stoker/workerimage/internal/queue"
	"stoker/workerimage/internal/task"
)

const (
	// waitingThread beats for the loop while it waits. The threads of the pool count from 0.
	waitingThread = -1
	// beatEvery is well below the second between two writes of the heartbeat, so that none of them is late.
	beatEvery = 500 * time.Millisecond
	// lastResult and lastCall bound the last calls of a stopped worker to the broker: together they leave time in Docker's 10 s.
	lastResult = 4 * time.Second
	lastCall   = 3 * time.Second

	leastPause = 500 * time.Millisecond
	mostPause  = 5 * time.Second
)

// consumer works on the tasks of a queue, one at a time. The goroutine of run owns it; activity has a lock of its own.
type consumer struct {
	*Worker
	source   broker.Consumer
	trouble  string // the last logged reason why there is no connection
	activity activity
}

func newConsumer(w *Worker) *consumer {
	return &consumer{Worker: w, source: broker.NewConsumer(*w.set.Queue, w.set.Name, w.set.Lease)}
}

// run works until ctx ends, and then returns the current task.
func (c *consumer) run(ctx context.Context) {
	c.reconnect(ctx, nil)
	for ctx.Err() == nil {
		next, err := await(ctx, c, func() (queue.Task, error) { return c.source.Take(ctx) })
		switch {
		case errors.Is(err, queue.ErrNone):
		case err != nil:
			c.reconnect(ctx, err)
		case ctx.Err() == nil:
			c.do(ctx, next)
		}
	}
	c.leave(context.WithoutCancel(ctx))
}

// do works on one task. If ctx ends first the task remains the worker's, for leave.
func (c *consumer) do(ctx context.Context, next queue.Task) {
	result, finished := c.result(ctx, next)
	if !finished {
		return
	}
	body, err := result.Encode()
	if err != nil {
		panic(err) // numbers and text
	}
	c.finish(ctx, next, queue.Message{ID: result.ID, Attempt: result.Attempt, Body: body})
}

// result returns false if ctx ended before the work.
func (c *consumer) result(ctx context.Context, next queue.Task) (job.Result, bool) {
	work, err := job.Decode(next.Body)
	if err != nil {
		result := job.Refuse(next.Body, err)
		c.log.Printf("message refused, its result is %q: %v", result.ID, err)
		return c.sign(result, next), true
	}
	begin := time.Now()
	sum, finished := c.compute(ctx, work)
	if !finished {
		c.log.Printf("task %s: given back, because the worker stops", work.ID)
		return job.Result{}, false
	}
	return c.sign(job.Result{ID: work.ID, Sum: &sum, Seconds: time.Since(begin).Seconds()}, next), true
}

// sign makes the result differ from any other of the same job.
func (c *consumer) sign(result job.Result, next queue.Task) job.Result {
	result.Attempt = strconv.FormatUint(rand.Uint64(), 36)
	result.Worker, result.Again = c.set.Name, next.Again
	return result
}

// compute works like a round of a worker without a queue, and holds the task meanwhile.
func (c *consumer) compute(ctx context.Context, work job.Job) (task.Partial, bool) {
	t, err := work.Task()
	if err != nil {
		panic(err) // it was decoded
	}
	ledger, err := pool.NewLedger(t.Chunks(), checkpoint.State{Task: t.ID(), Round: 1})
	if err != nil {
		panic(err) // a state without chunks is valid for every task
	}
	c.activity.begin(work.ID, t, ledger)
	defer c.activity.pause()
	holding, release := context.WithCancel(ctx)
	released := make(chan struct{})
	go func() {
		defer close(released)
		c.hold(holding)
	}()
	(&pool.Pool{Task: t, Heartbeat: c.heartbeat, Gate: c.gate}).Round(ctx, ledger, c.threads())
	release()
	<-released
	return ledger.State().Sum, ledger.Complete()
}

// hold renews the lease of the task while the threads work. When they do not, the lease ends, and another worker gets the task.
func (c *consumer) hold(ctx context.Context) {
	tick := time.NewTicker(c.set.Lease / 3)
	defer tick.Stop()
	seen := c.heartbeat.Count()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := c.heartbeat.Count()
		if now == seen {
			continue
		}
		seen = now
		if c.source.Hold(ctx) != nil && c.source.Connect(ctx) == nil {
			_ = c.source.Hold(ctx) // if the connection is still lost, finish detects that
		}
	}
}

// finish tries until the result is stored or another worker has the task. A stopped worker tries for lastResult.
func (c *consumer) finish(ctx context.Context, done queue.Task, result queue.Message) {
	trying, cancel := outlive(ctx, lastResult)
	defer cancel()
	for {
		outcome, err := await(trying, c, func() (queue.Outcome, error) { return c.source.Finish(trying, done, result) })
		if err == nil {
			c.activity.end(outcome)
			if outcome != queue.Stored {
				c.log.Printf("task %s: %s", result.ID, outcome)
			}
			return
		}
		if !c.reconnect(trying, err) {
			return
		}
	}
}

// leave returns the current task. Without a connection the broker returns it to the queue by itself.
func (c *consumer) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lastCall)
	defer cancel()
	left := make(chan error, 1)
	go func() { left <- c.source.Leave(ctx) }()
	select {
	case err := <-left:
		if err != nil {
			c.log.Printf("could not return the task; the broker does that by itself: %v", err)
		}
	case <-ctx.Done():
		c.log.Printf("the broker did not answer within %s; it returns the task to the queue by itself", lastCall)
	}
	c.log.Printf("stopped after %d tasks", c.activity.done())
}

// reconnect tries again and again, with increasing pauses, and returns false if ctx ended first. The worker stays healthy meanwhile,
// because a restart would not make the broker available. Each reason is logged once.
func (c *consumer) reconnect(ctx context.Context, why error) bool {
	c.logTrouble(why)
	pause := leastPause
	for ctx.Err() == nil {
		_, err := await(ctx, c, func() (struct{}, error) { return struct{}{}, c.source.Connect(ctx) })
		if err == nil {
			c.log.Printf("connected to %s", c.set.Queue)
			c.trouble = ""
			return true
		}
		c.logTrouble(err)
		_, _ = await(ctx, c, func() (struct{}, error) { return struct{}{}, sleep(ctx, pause/2+rand.N(pause/2)) })
		pause = min(2*pause, mostPause)
	}
	return false
}

func (c *consumer) logTrouble(trouble error) {
	if trouble == nil || trouble.Error() == c.trouble {
		return
	}
	c.trouble = trouble.Error()
	c.log.Printf("no connection, still trying: %v", trouble)
}

// await waits for a call in its own goroutine. The loop beats meanwhile, and passes the gate before each beat, so that a worker that hangs
// while it waits differs from an idle one. The call must end by itself, or with ctx.
func await[T any](ctx context.Context, c *consumer, call func() (T, error)) (T, error) {
	var value T
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		value, err = call()
	}()
	defer c.heartbeat.Rest(waitingThread)
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		c.gate.Pass(ctx)
		c.heartbeat.Beat(waitingThread)
		select {
		case <-done:
			return value, err
		case <-tick.C:
		}
	}
}

// outlive returns a context that ends by after ctx has ended.
func outlive(ctx context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		_ = sleep(longer, by)
		cancel()
	})
	return longer, func() { stop(); cancel() }
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
