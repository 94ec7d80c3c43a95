package main

import (
	"context"
	"os"
	"strings"
	"sync"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

// rawScope in the environment makes this program the raw client of that scope: a process of its own, as Stoker is.
const rawScope = "STOKER_BENCH_RAW_SCOPE"

// labelScope marks a side's workers, so that neither side acts on the other's.
const labelScope = "stoker.scope"

// react is a minimal healer: one call per event, each in its own goroutine, without an inspect, a limit, a back-off or state. It restarts what
// an operator stops, so it is a reference for times and no alternative.
func react(ctx context.Context, scope string) error {
	api, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		return err
	}
	stream, errs := api.Events(ctx, events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("type", "container"), filters.Arg("event", "die"), filters.Arg("event", "health_status"),
		filters.Arg("label", labelScope+"="+scope))})
	_, _ = os.Stdout.WriteString("ready\n")
	var busy sync.Map
	for {
		select {
		case e := <-stream:
			_, restarting := busy.Load(e.Actor.ID)
			switch {
			case restarting: // the die event is from this client's own restart
			case e.Action == events.ActionDie:
				go func() { _ = api.ContainerStart(ctx, e.Actor.ID, container.StartOptions{}) }()
			case strings.HasSuffix(string(e.Action), "unhealthy"):
				busy.Store(e.Actor.ID, true)
				go func() {
					_ = api.ContainerRestart(ctx, e.Actor.ID, container.StopOptions{})
					busy.Delete(e.Actor.ID)
				}()
			}
		case err := <-errs:
			return err
		}
	}
}
