package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
)

// reaction measures the time from the engine's die event of one killed worker to the request that starts it, as a proxy receives it. Both sides
// use the proxy, and take turns.
func reaction(ctx context.Context, b *bench) ([]row, error) {
	raw, err := b.raw(b.proxy.host)
	if err != nil {
		return nil, err
	}
	st, err := b.stoker(ctx, b.proxy.host)
	if err != nil {
		return nil, err
	}
	defer func() { stop(raw.proc); stop(st.proc); b.remove() }()
	sides := []*side{raw, st}
	ids := make([][]string, len(sides))
	for i, s := range sides {
		if ids[i], err = b.workers(ctx, s, singles, quiet()); err != nil {
			return nil, err
		}
	}
	pause(ctx, 5*time.Second) // the inspects of the new workers
	took := make([][]time.Duration, len(sides))
	for n := range singles {
		for i := range sides {
			b.proxy.reset()
			id := ids[i][n]
			if _, err := b.killAndWait(ctx, []string{id}); err != nil {
				return nil, err
			}
			asked, ok := b.proxy.firstStart(id)
			if !ok {
				return nil, fmt.Errorf("no start of %s passed the proxy", id[:12])
			}
			took[i] = append(took[i], asked.Sub(b.log.first("die")[id]))
		}
	}
	return []row{{
		name: fmt.Sprintf("die event to request, median of %d", singles), raw: median(took[0]), stoker: median(took[1]), bound: "2 ms", fine: true,
	}}, nil
}

// foreignEvents is the number of events. Each rename causes one.
const foreignEvents = 2000

// foreign measures the CPU time that Stoker needs for events of unmanaged containers.
func foreign(ctx context.Context, b *bench) ([]row, error) {
	defer b.remove()
	s, err := b.stoker(ctx, b.host)
	if err != nil {
		return nil, err
	}
	defer stop(s.proc)
	c, err := b.api.ContainerCreate(ctx, &container.Config{Image: b.image, Labels: map[string]string{labelBench: b.tag}}, nil, nil, nil, s.scope+"-foreign")
	if err != nil {
		return nil, err
	}
	b.made = append(b.made, c.ID)
	pause(ctx, 2*time.Second)
	before, err := usageOf(s.proc.Process.Pid)
	if err != nil {
		return nil, err
	}
	for n := range foreignEvents {
		if err := b.api.ContainerRename(ctx, c.ID, fmt.Sprintf("%s-foreign-%d", s.scope, n)); err != nil {
			return nil, err
		}
	}
	pause(ctx, time.Second)
	after, err := usageOf(s.proc.Process.Pid)
	if err != nil {
		return nil, err
	}
	each := (after.cpu - before.cpu) / foreignEvents
	return []row{{
		name: "CPU per event of unmanaged containers", fact: fmt.Sprintf("%d µs", each.Microseconds()), bound: "100 µs",
	}}, nil
}

// firstStart returns when the first start of a container passed since the last reset.
func (p *proxy) firstStart(id string) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.starts {
		if strings.Contains(s.path, id) {
			return s.at, true
		}
	}
	return time.Time{}, false
}
