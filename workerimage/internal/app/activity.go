package app

import (
	"context"
	"fmt"
	"sync"
	"time"

	"stoker/workerimage/internal/pool"
	"stoker/workerimage/internal/queue"
	"stoker/workerimage/internal/task"
)

// activity counts the work on a queue, for the log. It is safe for concurrent use.
type activity struct {
	mu     sync.Mutex
	tasks  uint64 // whose result this process has stored
	items  uint64 // numbers computed for tasks that ended
	id     string // of the current task, "" if none
	work   task.Task
	ledger *pool.Ledger
}

func (a *activity) begin(id string, work task.Task, ledger *pool.Ledger) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.id, a.work, a.ledger = id, work, ledger
}

// pause is the end of the work on a task, complete or not.
func (a *activity) pause() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.items += a.ledger.State().Sum.Items
	a.id, a.ledger = "", nil
}

func (a *activity) end(outcome queue.Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if outcome == queue.Stored {
		a.tasks++
	}
}

func (a *activity) done() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.tasks
}

// reading is a copy of an activity at one time.
type reading struct {
	tasks, items uint64
	line         string // the current task
}

func (a *activity) read() reading {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := reading{tasks: a.tasks, items: a.items, line: "waiting for a task"}
	if a.ledger != nil {
		state := a.ledger.State()
		now.items += state.Sum.Items
		now.line = fmt.Sprintf("task %s: %.1f %% (%d of %d chunks)",
			a.id, 100*float64(state.Done())/float64(a.work.Chunks()), state.Done(), a.work.Chunks())
	}
	return now
}

// progress returns one line, or "" if nothing has changed between two readings.
func progress(before, now reading, passed time.Duration) string {
	if before == now || passed <= 0 {
		return ""
	}
	rate := float64(now.items-before.items) / passed.Seconds()
	return fmt.Sprintf("%d tasks done, %s/s, %s", now.tasks, pool.Count(rate), now.line)
}

// logProgress logs the progress at intervals until ctx ends. A worker that only waits logs that once.
func (c *consumer) logProgress(ctx context.Context) {
	before, at := c.activity.read(), time.Now()
	tick := time.NewTicker(c.set.Progress)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case when := <-tick.C:
			now := c.activity.read()
			if line := progress(before, now, when.Sub(at)); line != "" {
				c.log.Print(line)
			}
			before, at = now, when
		}
	}
}
