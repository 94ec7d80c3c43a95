package app

import (
	"context"
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/workerimage/internal/checkpoint"
	"stoker/workerimage/internal/fault"
	"stoker/workerimage/internal/heartbeat"
	"stoker/workerimage/internal/job"
	"stoker/workerimage/internal/pool"
	"stoker/workerimage/internal/queue"
	"stoker/workerimage/internal/settings"
	"stoker/workerimage/internal/task"
)

// fakeSource is an in-memory broker with one task.
type fakeSource struct {
	body     []byte // nil if none
	down     bool   // all calls fail
	refuses  int    // the number of calls of Finish that fail
	holds    atomic.Int64
	connects int
	finished []queue.Message
	left     bool
}

func (d *fakeSource) Connect(context.Context) error {
	d.connects++
	if d.down {
		return errors.New("down")
	}
	return nil
}

func (d *fakeSource) Take(ctx context.Context) (queue.Task, error) {
	if d.down {
		return queue.Task{}, errors.New("down")
	}
	if body := d.body; body != nil {
		d.body = nil
		return queue.Task{Body: body, Again: true}, nil
	}
	_ = sleep(ctx, time.Second)
	return queue.Task{}, queue.ErrNone
}

func (d *fakeSource) Hold(context.Context) error { d.holds.Add(1); return nil }

func (d *fakeSource) Finish(_ context.Context, _ queue.Task, result queue.Message) (queue.Outcome, error) {
	if d.refuses > 0 {
		d.refuses--
		return "", errors.New("lost")
	}
	d.finished = append(d.finished, result)
	return queue.Stored, nil
}

func (d *fakeSource) Leave(context.Context) error { d.left = true; return nil }

func newTestConsumer(t *testing.T, d *fakeSource) *consumer {
	t.Helper()
	path := filepath.Join(t.TempDir(), "heartbeat")
	set, err := settings.Read(func(name string) (string, bool) {
		value, ok := map[string]string{"WORKER_QUEUE": "redis://h?list=q", "WORKER_NAME": "me", "WORKER_THREADS": "1", "WORKER_HEARTBEAT": path}[name]
		return value, ok
	})
	require.NoError(t, err)
	c := newConsumer(New(set, quiet()))
	c.source = d
	return c
}

// runFor runs c.run for a duration, in a bubble.
func runFor(t *testing.T, c *consumer, d time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	c.run(ctx)
}

func TestATaskIsAnsweredByItsResult(t *testing.T) {
	for name, tc := range map[string]struct {
		body    string
		refuses int
		problem bool
	}{
		"a task":                {body: `{"id":"a","kind":"squares","to":4}`},
		"no task":               {body: `{"id":"a"}`, problem: true},
		"the answer is refused": {body: `{"id":"a","kind":"squares","to":4}`, refuses: 3},
	} {
		t.Run(name, func(t *testing.T) {
			d := &fakeSource{body: []byte(tc.body), refuses: tc.refuses}
			c := newTestConsumer(t, d)
			synctest.Test(t, func(t *testing.T) { runFor(t, c, time.Minute) })
			require.True(t, d.left)
			require.Len(t, d.finished, 1)
			require.Equal(t, 1+tc.refuses, d.connects)
			result, err := job.DecodeResult(d.finished[0].Body)
			require.NoError(t, err)
			require.Equal(t, "a", result.ID)
			require.Equal(t, "me", result.Worker)
			require.True(t, result.Again)
			require.Equal(t, tc.problem, result.Problem != "")
			if !tc.problem {
				require.Equal(t, "14", result.Sum.Sum.String())
			}
			require.Equal(t, uint64(1), c.activity.done())
		})
	}
}

// While it waits, connected or not, the worker beats. When it hangs then, it does not beat, but still handles signals.
func TestBeatsWhileWaiting(t *testing.T) {
	for name, d := range map[string]*fakeSource{"for a task": {}, "for the broker": {down: true}} {
		t.Run(name, func(t *testing.T) {
			c := newTestConsumer(t, d)
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan struct{})
				go func() { defer close(ended); c.run(ctx) }()
				for range 60 {
					before := c.heartbeat.Count()
					time.Sleep(1100 * time.Millisecond)
					require.Greater(t, c.heartbeat.Count(), before)
				}
				require.NoError(t, heartbeat.Check(c.set.Heartbeat.Path, 2*time.Second))
				c.injector.Inject(ctx, fault.Fault{Kind: fault.Hang})
				time.Sleep(beatEvery)
				before := c.heartbeat.Count()
				time.Sleep(time.Hour)
				require.Equal(t, before, c.heartbeat.Count())
				cancel()
				<-ended
			})
			require.True(t, d.left)
		})
	}
}

// A worker that is stopped in the middle of a task reports no result.
func TestAStopInTheMiddle(t *testing.T) {
	d := &fakeSource{body: []byte(`{"id":"a","kind":"pow","prefix":"00","to":100000000}`)}
	c := newTestConsumer(t, d)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); c.run(ctx) }()
	require.Eventually(t, func() bool { return c.activity.read().items > 0 }, 10*time.Second, time.Millisecond)
	cancel()
	<-ended
	require.True(t, d.left)
	require.Empty(t, d.finished)
}

// The lease is held while the threads work, and not while they hang.
func TestTheLeaseIsHeldByWork(t *testing.T) {
	d := &fakeSource{}
	c := newTestConsumer(t, d)
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); c.hold(ctx) }()
		for range 30 {
			time.Sleep(time.Second)
			c.heartbeat.Beat(0)
		}
		synctest.Wait()
		require.EqualValues(t, 6, d.holds.Load(), "every third of 15 s")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		held := d.holds.Load()
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, held, d.holds.Load())
		cancel()
		<-ended
	})
}

func TestProgressOfAConsumer(t *testing.T) {
	var a activity
	work := task.Task{Kind: task.Squares, Range: task.Span{To: 100}, Chunk: 10}
	begin := a.read()
	require.Empty(t, progress(begin, a.read(), time.Second), "it waits, and has logged that")
	ledger, err := pool.NewLedger(work.Chunks(), checkpoint.State{Round: 1})
	require.NoError(t, err)
	a.begin("a", work, ledger)
	ledger.Enter(0, task.Partial{Items: 10})
	middle := a.read()
	require.Equal(t, "0 tasks done, 5/s, task a: 10.0 % (1 of 10 chunks)", progress(begin, middle, 2*time.Second))
	a.pause()
	a.end(queue.Stored)
	require.Equal(t, "1 tasks done, 0/s, waiting for a task", progress(middle, a.read(), time.Second))
	a.end(queue.TakenAway)
	require.Equal(t, uint64(1), a.done())
}
