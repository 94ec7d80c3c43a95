// Package broker selects the client for the URL of a queue.
package broker

import (
	"context"
	"time"

	"stoker/workerimage/internal/queue"
	"stoker/workerimage/internal/queue/rabbit"
	"stoker/workerimage/internal/queue/redis"
)

// Consumer is the worker's side of a queue. One goroutine uses it, but Hold may be called concurrently.
type Consumer interface {
	// Connect makes a new connection in place of any earlier one, and declares the queues. It takes no longer than some seconds.
	Connect(ctx context.Context) error
	// Take waits at most about a second, or until ctx ends, for a task, and returns queue.ErrNone if none came. Any other error means that the
	// connection is lost. A task that was taken before must have been finished or lost.
	Take(ctx context.Context) (queue.Task, error)
	// Hold renews the worker's lease at the broker. It must be called while a task is worked on, at least every third of a lease.
	Hold(ctx context.Context) error
	// Finish stores the result and then removes the task. After an error, which means that the connection is lost, it may be called again
	// with the same task after Connect.
	Finish(ctx context.Context, task queue.Task, result queue.Message) (queue.Outcome, error)
	// Leave returns the current task, if any, to the queue and closes the connection. If it fails the broker returns the task by itself later.
	Leave(ctx context.Context) error
}

// Client puts tasks and collects results.
type Client interface {
	Connect(ctx context.Context) error
	// Put returns nil when the broker has all of the messages. After an error some may be there.
	Put(ctx context.Context, tasks []queue.Message) error
	// Collect waits at most about a second for results. It may return results of other IDs than the missing ones, and some results again.
	Collect(ctx context.Context, missing []string) ([]queue.Found, error)
	// Clear removes the collected results of these jobs, and closes the connection. The other results stay.
	Clear(ctx context.Context, ids []string) error
}

// NewConsumer returns a consumer that is not connected. worker is its name in logs and at the broker.
func NewConsumer(spec queue.Spec, worker string, lease time.Duration) Consumer {
	if spec.Kind == queue.Redis {
		return redis.NewConsumer(spec, worker, lease)
	}
	return rabbit.NewConsumer(spec, worker)
}

// NewClient returns a client that is not connected.
func NewClient(spec queue.Spec) Client {
	if spec.Kind == queue.Redis {
		return redis.NewClient(spec)
	}
	return rabbit.NewClient(spec)
}
