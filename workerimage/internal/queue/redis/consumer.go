package redis

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"

	"stoker/workerimage/internal/queue"
)

// staleEntry is the time for which a worker without a lease stays registered. Its tasks are returned long before.
const staleEntry = 10 * time.Minute

// Consumer takes tasks one by one. See broker.Consumer.
type Consumer struct {
	spec    queue.Spec
	worker  string // no other process has this name, not even a later one of the same container
	lease   time.Duration
	scripts scripts

	mu   sync.Mutex // Hold runs in another goroutine
	conn redis.Conn
}

// NewConsumer returns a consumer that is not connected.
func NewConsumer(spec queue.Spec, worker string, lease time.Duration) *Consumer {
	var life [4]byte
	_, _ = rand.Read(life[:]) // it never fails
	return &Consumer{spec: spec, worker: worker + "." + hex.EncodeToString(life[:]), lease: lease, scripts: newScripts()}
}

// Connect replaces the connection. There is nothing to declare: a list exists while it is not empty.
func (c *Consumer) Connect(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.close()
	var err error
	c.conn, err = dial(ctx, c.spec, c.worker)
	return err
}

// Take waits for a task. It also returns the tasks of workers whose lease has ended to the queue.
//
// It waits with a move from the left end to the left end of the same list, which changes nothing and returns when there is a task. The
// script then takes the task, and registers the worker in the same step.
func (c *Consumer) Take(context.Context) (queue.Task, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	task, err := c.take()
	if !errors.Is(err, queue.ErrNone) {
		return task, err
	}
	there, err := redis.DoWithTimeout(c.conn, wait+callLimit, "BLMOVE", c.spec.Name, c.spec.Name, "LEFT", "LEFT", wait.Seconds())
	switch {
	case err != nil:
		return queue.Task{}, err
	case there == nil:
		return queue.Task{}, queue.ErrNone
	}
	return c.take()
}

func (c *Consumer) take() (queue.Task, error) {
	body, err := redis.Bytes(c.run(c.scripts.take, c.worker, c.lease.Milliseconds(), staleEntry.Milliseconds()))
	if errors.Is(err, redis.ErrNil) {
		return queue.Task{}, queue.ErrNone
	}
	return queue.Task{Body: body}, err
}

// Hold renews the lease.
func (c *Consumer) Hold(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.run(c.scripts.hold, c.worker, c.lease.Milliseconds())
	return err
}

// Finish stores the result and removes the task in one step.
func (c *Consumer) Finish(_ context.Context, task queue.Task, result queue.Message) (queue.Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return "", errLost
	}
	outcome, err := redis.String(c.scripts.finish.Do(c.conn, c.spec.Name, c.workers(), c.spec.Results(), duplicates(c.spec),
		c.worker, task.Body, result.ID, result.Body))
	return queue.Outcome(outcome), err
}

// Leave returns the task and ends the lease.
func (c *Consumer) Leave(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, err := c.run(c.scripts.leave, c.worker)
	c.close()
	return err
}

// run calls a script that needs the keys of all scripts only.
func (c *Consumer) run(script *redis.Script, args ...any) (any, error) {
	if c.conn == nil {
		return nil, errLost
	}
	return script.Do(c.conn, append([]any{c.spec.Name, c.workers()}, args...)...)
}

func (c *Consumer) workers() string { return c.spec.Name + ".workers" }

func (c *Consumer) close() {
	if c.conn != nil {
		_ = c.conn.Close() // it may be broken already
	}
	c.conn = nil
}
