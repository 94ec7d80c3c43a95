package dockertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"
)

// eventLog keeps the events of one test's containers. The engine itself remembers 256 of all containers, and a dozen
// health checks elsewhere push those out within seconds.
type eventLog struct {
	api *client.Client
	chapter

	mu   sync.Mutex
	kept map[string][]Happening // by container
	err  error                  // why it was followed no further
}

// chapter is what is followed.
type chapter struct {
	scope string
	since time.Time // the engine's clock
}

// follow begins an eventLog that ends with the test.
func follow(t testing.TB, api *client.Client, what chapter) *eventLog {
	c := &eventLog{api: api, chapter: what, kept: map[string][]Happening{}}
	ctx, cancel := context.WithCancel(context.Background())
	messages, errs := api.Events(ctx, events.ListOptions{Since: unixText(what.since), Filters: what.filters()})
	var following sync.WaitGroup
	following.Go(func() {
		for {
			select {
			case m := <-messages:
				c.keep(m)
			case err := <-errs:
				c.mu.Lock()
				c.err = err
				c.mu.Unlock()
				return
			}
		}
	})
	t.Cleanup(func() { cancel(); following.Wait() })
	return c
}

func (c chapter) filters() filters.Args {
	return filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)), filters.Arg("label", markLabel+"="+c.scope))
}

func (c *eventLog) keep(m events.Message) {
	e := eventOf(m)
	one := Happening{At: e.At, Action: e.short()}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Action == "" || slices.Contains(c.kept[m.Actor.ID], one) {
		return
	}
	c.kept[m.Actor.ID] = append(c.kept[m.Actor.ID], one)
}

// of is what happened to a container up to now, the engine's clock. What is on its way on the stream is asked for once more.
func (c *eventLog) of(ctx context.Context, id string, now time.Time) ([]Happening, error) {
	args := c.filters()
	args.Add("container", id)
	messages, errs := c.api.Events(ctx, events.ListOptions{Since: unixText(c.since), Until: unixText(now), Filters: args})
	for over := false; !over; {
		select {
		case m := <-messages:
			c.keep(m)
		case err := <-errs:
			if over = errors.Is(err, io.EOF); !over { // the end, as until is past
				return nil, err
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, fmt.Errorf("follow the engine: %w", c.err)
	}
	slices.SortStableFunc(c.kept[id], func(a, b Happening) int { return a.At.Compare(b.At) })
	return append([]Happening{}, c.kept[id]...), nil
}

func unixText(t time.Time) string { return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond()) }

// eventOf is the way back from message, without the events of execs and of lists of processes.
func eventOf(m events.Message) Event {
	e := Event{Action: string(m.Action), At: time.Unix(0, m.TimeNano).UTC()}
	if strings.HasPrefix(e.Action, "exec_") || e.Action == "top" {
		return Event{}
	}
	e.Signal, _ = strconv.Atoi(m.Actor.Attributes["signal"])
	e.ExitCode, _ = strconv.Atoi(m.Actor.Attributes["exitCode"])
	return e
}
