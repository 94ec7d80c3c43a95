package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// mostStuck is how many calls of the library may hang for one target. It takes no context, and some of its services have no
// timeout, so that a call ends when the other side lets it.
const mostStuck = 3

// errStuck is a target whose earlier calls all hang.
var errStuck = errors.New("earlier messages are still on their way")

// library sends by shoutrrr. A call that is given up goes on; while it does, its message is not sent a second time.
type library struct {
	open    func() (service texter, err error) // may talk to the server
	titled  bool                               // takes a title apart from the text
	flight  *flight                            // the last call, if it has not come back
	stuck   atomic.Int32
	service texter // kept for its connections; used by one call at a time
}

type flight struct {
	seq  uint64
	done chan landing // holds one
}

type landing struct {
	service texter
	err     error
}

// openLibrary checks the URL, except where that would take a call to the server.
func openLibrary(raw string, s service) (sender, error) {
	l := &library{titled: slices.Contains([]string{"bark", "join", "pushbullet", "pushover"}, s.scheme), open: func() (texter, error) { return locate(raw) }}
	if s.scheme == "matrix" { // logs in right away
		return l, nil
	}
	made, err := guard(l.open)
	if err != nil {
		return nil, errors.New("something is missing or not known")
	}
	l.service = made
	return l, nil
}

// send waits for the call until ctx ends.
func (l *library) send(ctx context.Context, m Message) error {
	f := l.flight
	if f == nil || f.seq != m.seq {
		if l.stuck.Load() >= mostStuck {
			return errStuck
		}
		f = l.start(m)
	}
	select {
	case end := <-f.done:
		l.flight, l.service = nil, end.service
		return end.err
	case <-ctx.Done():
		l.flight = f
		return fmt.Errorf("wait for the service: %w", ctx.Err())
	}
}

// start makes the call in a goroutine that ends when the library does. What is left of an earlier call keeps its service.
func (l *library) start(m Message) *flight {
	f := &flight{seq: m.seq, done: make(chan landing, 1)}
	made := l.service
	l.service = nil
	l.stuck.Add(1)
	go func() {
		defer l.stuck.Add(-1)
		s, err := guard(func() (texter, error) { return l.call(made, m) })
		f.done <- landing{s, err}
	}()
	return f
}

func (l *library) call(s texter, m Message) (texter, error) {
	if s == nil {
		made, err := l.open()
		if err != nil {
			return nil, fmt.Errorf("prepare the service: %w", err)
		}
		s = made
	}
	text, params := m.whole(), types.Params{}
	if l.titled && m.Text != "" {
		text = m.Text
		params.SetTitle(m.Title)
	}
	if err := s.Send(text, &params); err != nil {
		return s, fmt.Errorf("send: %w", err)
	}
	return s, nil
}

// guard turns a panic into an error. The library has some (v0.13.2 of Zulip, when the network is down), in goroutines where they
// would end Stoker: no notification is worth that.
func guard(do func() (texter, error)) (s texter, err error) {
	defer func() {
		if p := recover(); p != nil {
			s, err = nil, errors.New("the library's code for this service broke down; is the server reachable?")
		}
	}()
	return do()
}
