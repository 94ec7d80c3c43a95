package probe

import (
	"context"
	"errors"
	"sync"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// ownFresh is the time for which Stoker's own networks are cached: an operator may connect it to another one.
const ownFresh = 30 * time.Second

// own is Stoker's own place on the engine's networks.
type own struct {
	mu    sync.Mutex
	known place
}

type place struct {
	at     time.Time
	reach  worker.Reach
	inside string // the container whose network Stoker's own shares
}

// get asks the engine if the place is not cached. Concurrent callers each do so: none waits for another.
func (o *own) get(ctx context.Context, opts Options) (place, error) {
	o.mu.Lock()
	known := o.known
	o.mu.Unlock()
	if time.Since(known.at) < ownFresh {
		return known, nil
	}
	found, err := find(ctx, opts)
	if err != nil {
		return place{}, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.known = found
	return found, nil
}

func find(ctx context.Context, opts Options) (place, error) {
	found := place{at: time.Now()}
	if opts.Self == "" {
		found.reach.Host = opts.Engine.Local()
		return found, nil
	}
	var err error
	found.reach, err = opts.Engine.ReachOf(ctx, opts.Self)
	if errors.Is(err, opts.NotFound) { // a container of another engine
		found.reach = worker.Reach{Host: opts.Engine.Local()}
		return found, nil
	}
	if err == nil && found.reach.Inside != "" {
		found.inside = found.reach.Inside
		found.reach, err = opts.Engine.ReachOf(ctx, found.inside)
	}
	return found, err
}
