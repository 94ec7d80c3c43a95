package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

const labelBench = "bench.run"

// eventLog has the engine's events of this run's containers.
type eventLog struct {
	mu    sync.Mutex
	seen  []seen
	added chan struct{}
}

type seen struct {
	id   string
	kind string
	at   time.Time // the engine's clock
}

func follow(ctx context.Context, api *client.Client, tag string) *eventLog {
	l := &eventLog{added: make(chan struct{}, 1)}
	stream, errs := api.Events(ctx, events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("type", "container"), filters.Arg("event", "die"), filters.Arg("event", "start"),
		filters.Arg("event", "health_status"), filters.Arg("label", labelBench+"="+tag))})
	go func() {
		for {
			select {
			case e := <-stream:
				l.add(seen{id: e.Actor.ID, kind: string(e.Action), at: time.Unix(0, e.TimeNano)})
			case err := <-errs:
				if ctx.Err() == nil {
					fmt.Fprintln(os.Stderr, "the event stream broke:", err)
				}
				return
			}
		}
	}()
	return l
}

func (l *eventLog) add(s seen) {
	l.mu.Lock()
	l.seen = append(l.seen, s)
	l.mu.Unlock()
	select {
	case l.added <- struct{}{}:
	default:
	}
}

func (l *eventLog) clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen = nil
}

// first returns the time of the first event of a kind for each container.
func (l *eventLog) first(kind string) map[string]time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	times := map[string]time.Time{}
	for _, s := range l.seen {
		if _, ok := times[s.id]; !ok && strings.HasSuffix(s.kind, kind) {
			times[s.id] = s.at
		}
	}
	return times
}

// wait returns when each of the containers has had an event of the kind.
func (l *eventLog) wait(ctx context.Context, kind string, ids []string) (map[string]time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		times := l.first(kind)
		missing := 0
		for _, id := range ids {
			if _, ok := times[id]; !ok {
				missing++
			}
		}
		if missing == 0 {
			return times, nil
		}
		select {
		case <-l.added:
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d containers had no %s: %w", missing, len(ids), kind, ctx.Err())
		}
	}
}
