package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"stoker/sidecar/internal/lifecycle"
)

// ErrOverflow ends a stream whose consumer fell too far behind. The engine itself drops events silently when its own
// reader is slow (1024 of them, then 100 ms each), so that the reader here never waits for the consumer.
var ErrOverflow = errors.New("the event buffer is full")

// bufferSize is how many observations may wait for the consumer. It takes memory only while they do.
const bufferSize = 4096

// Events follows the containers' events from since on, that instant included; a zero since begins with all that the
// engine remembers (256 events of any type). Both channels concern one stream: when it ends, the observations that were
// read are still delivered, then the first channel is closed, and the second holds one value: nil when ctx ended it,
// io.EOF within when the engine did, ErrOverflow when the consumer was too slow.
//
// The call returns at once; that the engine refuses is seen as an end. The engine answers before it subscribes, so that
// only since closes the gap to an earlier stream or list.
//
// Labels are the event's attributes without the engine's own keys, so that a label that is named like one of those
// (image, name, exitCode, signal, oldName, execDuration) is missing.
func (c *Client) Events(ctx context.Context, since time.Time) (<-chan lifecycle.Observation, <-chan error) {
	out := make(chan lifecycle.Observation)
	end := make(chan error, 1)
	go func() {
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		heard, s := listen(inner)
		messages, errs := c.api.Load().Events(heard, listOptions(since, time.Time{}))
		p := pump{out: out}
		err := p.run(ctx, messages, errs)
		if err != nil && !errors.Is(err, ErrOverflow) {
			err = c.streamEnd(s, err)
		}
		if ctx.Err() != nil {
			err = nil
		}
		end <- err
		close(out)
	}()
	return out, end
}

// History is what the engine remembers of the time from since to until, both included. It is complete: unlike a stream
// it has an end that the engine marks. An until in the engine's future makes the engine wait for it.
func (c *Client) History(ctx context.Context, since, until time.Time) ([]lifecycle.Observation, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	heard, s := listen(ctx)
	messages, errs := c.api.Load().Events(heard, listOptions(since, until))
	var history []lifecycle.Observation
	for {
		select {
		case m := <-messages:
			if o, ok := translateEvent(m); ok {
				history = append(history, o)
			}
		case err := <-errs:
			if errors.Is(err, io.EOF) {
				return history, nil
			}
			return nil, c.streamEnd(s, err)
		}
	}
}

// streamEnd wraps the end of a stream that was not asked for.
func (c *Client) streamEnd(s *said, err error) error {
	if s.status == 200 {
		return fmt.Errorf("the event stream of %s ended: %w", c.host, err)
	}
	return c.fail("follow the events", s, err)
}

// pump takes from the engine as fast as it sends, and hands over as fast as the consumer takes.
type pump struct {
	out   chan<- lifecycle.Observation
	queue []lifecycle.Observation
}

func (p *pump) run(ctx context.Context, messages <-chan events.Message, errs <-chan error) error {
	for {
		head, out := p.head()
		select {
		case m := <-messages:
			o, ok := translateEvent(m)
			if !ok {
				continue
			}
			if len(p.queue) == bufferSize {
				p.drain(ctx)
				return ErrOverflow
			}
			p.queue = append(p.queue, o)
		case out <- head:
			p.pop()
		case err := <-errs:
			p.drain(ctx)
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// head is the oldest observation and where to send it; nowhere when there is none.
func (p *pump) head() (lifecycle.Observation, chan<- lifecycle.Observation) {
	if len(p.queue) == 0 {
		return lifecycle.Observation{}, nil
	}
	return p.queue[0], p.out
}

// pop lets go of what was handed over, and of the room of a burst once it is over.
func (p *pump) pop() {
	p.queue[0] = lifecycle.Observation{}
	p.queue = p.queue[1:]
	if len(p.queue) == 0 {
		p.queue = nil
	}
}

func (p *pump) drain(ctx context.Context) {
	for len(p.queue) > 0 {
		select {
		case p.out <- p.queue[0]:
			p.pop()
		case <-ctx.Done():
			return
		}
	}
}

// listOptions asks for containers and for the events that matter. Each health probe makes three exec events, so that
// unfiltered streams are mostly noise. The health_status filter makes the engine match all of these by prefix; no other
// container event begins with one of them.
func listOptions(since, until time.Time) events.ListOptions {
	args := filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)))
	for _, action := range []events.Action{
		events.ActionCreate, events.ActionStart, events.ActionDie, events.ActionKill, events.ActionStop, events.ActionOOM,
		events.ActionHealthStatus, events.ActionPause, events.ActionUnPause, events.ActionUpdate, events.ActionRename, events.ActionDestroy,
	} {
		args.Add("event", string(action))
	}
	options := events.ListOptions{Since: "0", Filters: args}
	if !since.IsZero() {
		options.Since = stamp(since)
	}
	if !until.IsZero() {
		options.Until = stamp(until)
	}
	return options
}

func stamp(t time.Time) string {
	return fmt.Sprintf("%d.%09d", t.Unix(), t.Nanosecond())
}

// translateEvent makes an observation of an event, or says that it is none of those that matter.
func translateEvent(m events.Message) (lifecycle.Observation, bool) {
	action, detail, _ := strings.Cut(string(m.Action), ": ")
	attributes := m.Actor.Attributes
	o := lifecycle.Observation{
		Kind: kindOf(events.Action(action), detail),
		At:   eventTime(m),
		ID:   m.Actor.ID,
		Key:  lifecycle.Key(attributes["name"]),
	}
	switch o.Kind {
	case lifecycle.Exited:
		o.ExitCode, _ = strconv.Atoi(attributes["exitCode"])
	case lifecycle.Signalled:
		o.Signal = signalOf(attributes["signal"])
	case lifecycle.Renamed:
		o.OldKey = lifecycle.Key(strings.TrimPrefix(attributes["oldName"], "/"))
	default: // says all with its kind
	}
	for _, own := range []string{"image", "name", "exitCode", "signal", "oldName", "execDuration"} {
		delete(attributes, own)
	}
	o.Labels = attributes
	return o, o.Kind != 0 && o.ID != "" && m.Type == events.ContainerEventType
}

func kindOf(action events.Action, detail string) lifecycle.Kind {
	switch action {
	case events.ActionCreate:
		return lifecycle.Created
	case events.ActionStart:
		return lifecycle.Started
	case events.ActionDie:
		return lifecycle.Exited
	case events.ActionKill:
		return lifecycle.Signalled
	case events.ActionStop:
		return lifecycle.Stopped
	case events.ActionOOM:
		return lifecycle.OutOfMemory
	case events.ActionPause:
		return lifecycle.Paused
	case events.ActionUnPause:
		return lifecycle.Resumed
	case events.ActionUpdate:
		return lifecycle.Updated
	case events.ActionRename:
		return lifecycle.Renamed
	case events.ActionDestroy:
		return lifecycle.Gone
	case events.ActionHealthStatus:
		return healthKind(detail)
	}
	return 0
}

func healthKind(detail string) lifecycle.Kind {
	switch health(detail) {
	case lifecycle.HealthHealthy:
		return lifecycle.Healthy
	case lifecycle.HealthUnhealthy:
		return lifecycle.Unhealthy
	case lifecycle.HealthNone, lifecycle.HealthStarting:
		// not news
	}
	return 0
}

func eventTime(m events.Message) time.Time {
	if m.TimeNano != 0 {
		return inUTC(time.Unix(0, m.TimeNano))
	}
	return inUTC(time.Unix(m.Time, 0))
}
