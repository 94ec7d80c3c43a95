package supervisor

import (
	"context"
	"sync"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// actions are the running actions. The loop alone uses them; each of them ends with an outcome.
type actions struct {
	outcomes chan worker.Outcome
	running  sync.WaitGroup
	cancels  map[uint64]context.CancelFunc
}

// start runs an action in a goroutine of its own, with a context that giveUp ends.
func (r *actions) start(ctx context.Context, id uint64, act func(bounded context.Context)) {
	bounded, cancel := context.WithCancel(ctx)
	r.cancels[id] = cancel
	r.running.Go(func() { act(bounded) })
}

// giveUp cancels an action, whose outcome is still to come.
func (r *actions) giveUp(id uint64) { r.cancels[id]() }

// ended releases what an action held.
func (r *actions) ended(id uint64) {
	r.cancels[id]()
	delete(r.cancels, id)
}

// wait returns when no action is running, or after the limit.
func (r *actions) wait(limit time.Duration) {
	ended := make(chan struct{})
	go func() { defer close(ended); r.running.Wait() }()
	select {
	case <-ended:
	case <-time.After(limit):
	}
}
