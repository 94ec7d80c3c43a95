package notify

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// maxStuck is how many calls of the library may hang for one target. It takes no context, and some of its services have no
// timeout, so that a call ends when the other side lets it.
const maxStuck = 3

// errStuck is returned for a target whose earlier calls all hang.
var errStuck = errors.New("earlier messages are still on their way")

// shoutrrr sends by the library. A call that is given up goes on; while it does, its message is not sent a second time.
type shoutrrr struct {
	open    func() (types.Service, error) // may connect to the server
	title   func(string) string           // encodes a title; nil when it is a line of the text
	flight  *flight                       // the last call, if it has not returned
	stuck   atomic.Int32
	service types.Service // kept for its connections; used by one call at a time
}

type flight struct {
	seq  uint64
	done chan callResult // holds one
}

type callResult struct {
	service types.Service
	err     error
}

// openShoutrrr checks the URL, except where that would take a call to the server.
func openShoutrrr(u *url.URL, s service) (sender, error) {
	l := &shoutrrr{title: titleOf(u, s), open: func() (types.Service, error) { return new(router.ServiceRouter).Locate(u.String()) }}
	if s.scheme == "matrix" { // logs in at once
		return l, nil
	}
	made, err := guard(l.open)
	if err != nil {
		return nil, errIncomplete
	}
	l.service = made
	return l, nil
}

// titleOf returns how a service takes the title apart from the text, and nil if it does not. A generic webhook does where its
// template has a place for it. A mail's subject is a header, which the library writes as it is.
func titleOf(u *url.URL, s service) func(string) string {
	switch {
	case s.scheme == "smtp":
		return func(title string) string { return mime.QEncoding.Encode("utf-8", title) }
	case s.titled, strings.HasPrefix(s.scheme, "generic") && u.Query().Get("template") != "":
		return func(title string) string { return title }
	}
	return nil
}

// send waits for the call until ctx ends.
func (l *shoutrrr) send(ctx context.Context, m Message) error {
	f := l.flight
	if f == nil || f.seq != m.seq {
		if l.stuck.Load() >= maxStuck {
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

// start makes the call in a goroutine that ends when the library returns. A call that still runs keeps its service.
func (l *shoutrrr) start(m Message) *flight {
	f := &flight{seq: m.seq, done: make(chan callResult, 1)}
	made := l.service
	l.service = nil
	l.stuck.Add(1)
	go func() {
		defer l.stuck.Add(-1)
		s, err := guard(func() (types.Service, error) { return l.call(made, m) })
		f.done <- callResult{s, err}
	}()
	return f
}

func (l *shoutrrr) call(s types.Service, m Message) (types.Service, error) {
	if s == nil {
		made, err := l.open()
		if err != nil {
			return nil, fmt.Errorf("prepare the service: %w", err)
		}
		s = made
	}
	text, params := m.whole(), types.Params{}
	if l.title != nil && m.Text != "" {
		text = m.Text
		params.SetTitle(l.title(m.Title))
	}
	if err := s.Send(text, &params); err != nil {
		return s, fmt.Errorf("send: %w", err)
	}
	return s, nil
}

// guard turns a panic into an error. The library has some (v0.13.2 of Zulip, when the network is down), and in a goroutine one
// would end Stoker.
func guard(do func() (types.Service, error)) (s types.Service, err error) {
	defer func() {
		if p := recover(); p != nil {
			s, err = nil, errors.New("the library's code for this service failed; is the server reachable?")
		}
	}()
	return do()
}
