package command

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	// askTimeout bounds one request to the sidecar.
	askTimeout = 10 * time.Second
	// streamTimeout is how long a stream of events may be silent: the sidecar sends a heartbeat every 15 s.
	streamTimeout = 45 * time.Second
	// retryWait is the wait before a broken stream is opened again.
	retryWait = 2 * time.Second
	// maxAnswer and maxLine bound what is read of an answer.
	maxAnswer = 64 << 20
	maxLine   = 32 << 20
)

// sidecar is a running Stoker, by its API.
type sidecar struct {
	base   string // of its URLs
	client *http.Client
}

// addURL adds the flag for another Stoker than the one with this environment.
func addURL(cmd *cobra.Command, at *string) {
	cmd.Flags().StringVar(at, "url", "", "where Stoker serves its status, such as http://host:8080 (default: here, at STOKER_LISTEN)")
}

// sidecar returns the Stoker at a URL, or without one the Stoker of this environment: the command runs in the same container.
func (e Env) sidecar(at string) (*sidecar, error) {
	transport := &http.Transport{DisableKeepAlives: true} // and no proxy
	s := &sidecar{base: at, client: &http.Client{Transport: transport}}
	if at != "" {
		u, err := url.Parse(at)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return nil, BadConfiguration(errors.New("--url: something like http://host:8080"))
		}
		s.base = strings.TrimRight(at, "/")
		return s, nil
	}
	c, err := e.load()
	if err != nil {
		return nil, err
	}
	if c.Listen == "" {
		return nil, BadConfiguration(errors.New("STOKER_LISTEN is empty, so that the Stoker of this environment serves nothing to read: set it, or give --url"))
	}
	s.base = "http://stoker"
	transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", c.Listen) // the unspecified address means this host
	}
	return s, nil
}

// get returns the answer to a request, or an error that explains what is wrong.
func (s *sidecar) get(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answer, err := s.open(ctx, path, "")
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	if !json.Valid(text) {
		return nil, errors.New("the answer is not from a Stoker of this version: its answer is no JSON")
	}
	return text, nil
}

// open makes a request and returns the body of a successful answer.
func (s *sidecar) open(ctx context.Context, path, after string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+path, nil)
	if err != nil {
		return nil, err
	}
	if after != "" {
		request.Header.Set("Last-Event-ID", after)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("no Stoker answers: %w; is it running, and is STOKER_LISTEN the same here and there?", err)
	}
	if response.StatusCode == http.StatusOK {
		return response.Body, nil
	}
	defer func() { _ = response.Body.Close() }()
	var failure struct{ Error string }
	if json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&failure) != nil || failure.Error == "" {
		return nil, fmt.Errorf("the answer is not from a Stoker of this version: %s", response.Status)
	}
	return nil, errors.New(failure.Error)
}

// streamEvent is one server-sent event.
type streamEvent struct {
	id, name string
	data     []byte
}

// follow calls each with the events after an ID until it fails, ctx ends or the stream does. Its error is never nil.
func (s *sidecar) follow(ctx context.Context, after string, each func(streamEvent) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	idleTimer := time.AfterFunc(askTimeout, cancel)
	defer idleTimer.Stop()
	stream, err := s.open(ctx, "/api/v1/events", after)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, maxLine)
	var t streamEvent
	for lines.Scan() {
		idleTimer.Reset(streamTimeout)
		if len(lines.Bytes()) > 0 {
			t.read(lines.Bytes())
			continue
		}
		if t.name != "" {
			if err := each(t); err != nil {
				return err
			}
		}
		t = streamEvent{}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read the events: %w", err)
	}
	return errors.New("the stream of events ended")
}

// read takes one line of an event. Stoker writes each of its fields in one.
func (t *streamEvent) read(line []byte) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.TrimPrefix(value, []byte(" "))
	switch string(name) {
	case "id":
		t.id = string(value)
	case "event":
		t.name = string(value)
	case "data":
		t.data = bytes.Clone(value)
	}
}

// keepFollowing follows until ctx ends or each fails; a broken stream is opened again where it broke. The first try must succeed,
// so that mistakes are reported.
func (e Env) keepFollowing(ctx context.Context, s *sidecar, after string, each func(streamEvent) error) error {
	var own error // of each
	worked, lost := false, false
	for {
		err := s.follow(ctx, after, func(t streamEvent) error {
			worked, lost = true, false
			if t.id != "" {
				after = t.id
			}
			own = each(t)
			return own
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case own != nil || !worked:
			return err
		case !lost:
			lost = true
			e.warn(err.Error() + "; trying again")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryWait):
		}
	}
}
