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

	"stoker/sidecar/internal/core/worker"
)

// ErrOverflow ends a stream whose consumer is too slow. The engine drops events silently when its own reader is slow (1024 of them, then
// 100 ms each), so the reader here never waits for the consumer.
var ErrOverflow = errors.New("the event buffer is full")

// bufferSize is the number of observations that may wait for the consumer. Memory is used only while they wait.
const bufferSize = 4096

// Events streams the containers' events from since on, that instant included; a zero since begins with all the events that the engine still
// has (256 of any type). Both channels belong to one stream. When it ends, the observations read so far are still delivered, then the first
// channel is closed. The second then holds one value: nil when ctx ended the stream, an error that wraps io.EOF when the engine did,
// ErrOverflow when the consumer was too slow.
//
// The call returns at once; a refusal by the engine ends the stream. The engine answers before it subscribes, so only since closes the gap
// to an earlier stream or list.
//
// An observation without a kind is an event that changes nothing. Only Podman's streams have them.
//
// Labels are the event's attributes without the engine's own keys, so a label with the name of one of those
// (image, name, exitCode, signal, oldName, execDuration, restarting) is missing.
func (c *Client) Events(ctx context.Context, since time.Time) (<-chan worker.Observation, <-chan error) {
	out := make(chan worker.Observation)
	end := make(chan error, 1)
	go func() {
		inner, cancel := context.WithCancel(ctx)
		defer cancel()
		recorded, s := withResponse(inner)
		messages, errs := c.messages(recorded, since, time.Time{})
		defer c.known.follow()()
		p := pump{out: out, reader: c.reader(), observe: c.known.observe}
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

// History returns the events that the engine still has of the time from since to until, both included. It is complete: unlike a stream it
// has an end that the engine marks. With an until in the engine's future, the engine waits for it.
func (c *Client) History(ctx context.Context, since, until time.Time) ([]worker.Observation, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	recorded, s := withResponse(ctx)
	messages, errs := c.messages(recorded, since, until)
	var history []worker.Observation
	r := c.reader()
	for {
		select {
		case m := <-messages:
			if o, ok := r.read(m); ok {
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

// Newest returns when the newest event from since on happened that the engine still has; zero when there is none, and when the time is
// unknown: the engine's clock is behind since, or its answers carry no date. It takes up to a second, because the date has no fraction, and
// the engine waits for an until in its future.
func (c *Client) Newest(ctx context.Context, since time.Time) (time.Time, error) {
	s, err := c.ping(ctx)
	if err != nil {
		return time.Time{}, err
	}
	until := s.date.Add(time.Second)
	if s.date.IsZero() || since.After(until) {
		return time.Time{}, nil
	}
	history, err := c.History(ctx, since, until)
	newest := time.Time{}
	for _, o := range history {
		if o.At.After(newest) {
			newest = o.At
		}
	}
	return newest, err
}

// streamEnd wraps the error of a stream that Stoker did not end.
func (c *Client) streamEnd(s *response, err error) error {
	if s.status == 200 {
		return fmt.Errorf("the event stream of %s ended: %w", c.host, err)
	}
	return c.fail("follow the events", s, err)
}

// pump buffers between the engine's stream and the consumer, so that a slow consumer does not delay reading.
type pump struct {
	out     chan<- worker.Observation
	queue   []worker.Observation
	reader  reader
	observe func(worker.Observation) // before delivery
}

// reader turns the events of one stream into observations.
type reader struct {
	podman *podman // nil for Docker
	health map[string]worker.Kind
}

func (c *Client) reader() reader {
	return reader{podman: c.podman.Load(), health: map[string]worker.Kind{}}
}

func (r reader) read(m events.Message) (worker.Observation, bool) {
	o, ok := translateEvent(m)
	if ok && r.podman != nil {
		r.adapt(&o)
	}
	return o, ok
}

// messages returns the engine's events as they arrive.
func (c *Client) messages(ctx context.Context, since, until time.Time) (<-chan events.Message, <-chan error) {
	if p := c.podman.Load(); p != nil {
		return c.podmanMessages(ctx, p.since(since, time.Now()), until)
	}
	return c.api.Load().Events(ctx, listOptions(since, until))
}

func (p *pump) run(ctx context.Context, messages <-chan events.Message, errs <-chan error) error {
	for {
		head, out := p.head()
		select {
		case m := <-messages:
			o, ok := p.reader.read(m)
			if !ok {
				continue
			}
			p.observe(o)
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

// head returns the oldest observation and the channel to send it to; a nil channel when there is none.
func (p *pump) head() (worker.Observation, chan<- worker.Observation) {
	if len(p.queue) == 0 {
		return worker.Observation{}, nil
	}
	return p.queue[0], p.out
}

// pop drops the delivered observation, and the queue's memory once the queue is empty.
func (p *pump) pop() {
	p.queue[0] = worker.Observation{}
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

// listOptions selects containers and the events that matter. Each health probe emits three exec events, so an unfiltered stream is mostly
// noise. The filter health_status makes the engine match all of these by prefix; no other container event begins with one of them.
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

// translateEvent turns an event into an observation; it returns false if the event does not matter.
func translateEvent(m events.Message) (worker.Observation, bool) {
	action, detail, _ := strings.Cut(string(m.Action), ": ")
	attributes := m.Actor.Attributes
	o := worker.Observation{
		Kind: kindOf(events.Action(action), detail),
		At:   eventTime(m),
		ID:   m.Actor.ID,
		Key:  worker.Key(attributes["name"]),
	}
	switch o.Kind {
	case worker.Exited:
		o.ExitCode, _ = strconv.Atoi(attributes["exitCode"])
		o.Restarting = attributes["restarting"] == "true"
	case worker.Signalled:
		o.Signal = signalOf(attributes["signal"])
	case worker.Renamed:
		o.OldKey = worker.Key(strings.TrimPrefix(attributes["oldName"], "/"))
	default: // has nothing but its kind
	}
	for _, own := range []string{"image", "name", "exitCode", "signal", "oldName", "execDuration", "containerExitCode", "podId", "restarting"} {
		delete(attributes, own)
	}
	o.Labels = attributes
	return o, o.Kind != 0 && o.ID != "" && m.Type == events.ContainerEventType
}

func kindOf(action events.Action, detail string) worker.Kind {
	switch action {
	case events.ActionCreate:
		return worker.Created
	case events.ActionStart:
		return worker.Started
	case events.ActionDie, podmanDied:
		return worker.Exited
	case events.ActionKill:
		return worker.Signalled
	case events.ActionStop:
		return worker.Stopped
	case events.ActionOOM:
		return worker.OutOfMemory
	case events.ActionPause:
		return worker.Paused
	case events.ActionUnPause:
		return worker.Resumed
	case events.ActionUpdate:
		return worker.Updated
	case events.ActionRename:
		return worker.Renamed
	case events.ActionDestroy, events.ActionRemove: // for containers, only Podman emits the latter
		return worker.Gone
	case events.ActionHealthStatus:
		return healthKind(detail)
	}
	return 0
}

func healthKind(detail string) worker.Kind {
	switch health(detail) {
	case worker.HealthHealthy:
		return worker.Healthy
	case worker.HealthUnhealthy:
		return worker.Unhealthy
	case worker.HealthNone, worker.HealthStarting, worker.HealthUnknown:
		// nothing changed
	}
	return 0
}

func eventTime(m events.Message) time.Time {
	if m.TimeNano != 0 {
		return inUTC(time.Unix(0, m.TimeNano))
	}
	return inUTC(time.Unix(m.Time, 0))
}
