package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"stoker/sidecar/internal/report/history"
)

const (
	// maxStreams bounds the streams of events at once. Each is a goroutine, a connection and a short queue.
	maxStreams = 256
	// heartbeatEvery is shorter than the minute after which proxies give up on a silent connection.
	heartbeatEvery = 15 * time.Second
	// streamTimeout is how long one write to a client may take. A client that never reads is disconnected then.
	streamTimeout = 10 * time.Second
	// retryAfter is how long a client should wait before it reconnects.
	retryAfter = 3 * time.Second
)

// errCutOff is returned when the history dropped a client that did not read its events in time.
var errCutOff = errors.New("cut off")

// events streams events until the client disconnects, the server shuts down, or a write takes too long.
func (s *site) events(w http.ResponseWriter, r *http.Request) {
	after, err := s.resumeAfter(r)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
		fail(w, http.StatusServiceUnavailable, fmt.Sprintf("%d streams are open, and no more at once", maxStreams))
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would hold events back
	if r.Method == http.MethodHead {
		return
	}
	st := &stream{site: s, w: w, control: http.NewResponseController(w), last: after}
	_ = st.control.SetReadDeadline(time.Time{}) // the server's is for a request, and would end the stream
	st.run(r.Context())
}

// resumeAfter returns the ID of the last event that the client has; that of the newest event when the client gives none.
func (s *site) resumeAfter(r *http.Request) (uint64, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		text = r.URL.Query().Get("after")
	}
	if text == "" {
		return s.opts.History.Last(), nil
	}
	after, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, errors.New("after, or Last-Event-ID: not the id of an event")
	}
	return after, nil
}

// stream is one client.
type stream struct {
	site    *site
	w       http.ResponseWriter
	control *http.ResponseController
	last    uint64 // the last event sent
	shown   uint64 // the version of the last view sent
	wroteAt time.Time
}

// run returns when the client is gone. A client that fell behind, but reads, is served from where it was.
func (st *stream) run(ctx context.Context) {
	err := st.write("retry: %d\n\n", retryAfter.Milliseconds())
	if err == nil {
		err = errCutOff
	}
	for errors.Is(err, errCutOff) {
		err = st.follow(ctx)
	}
}

// follow sends the missed events, and then the new ones.
func (st *stream) follow(ctx context.Context) error {
	missed, gap, live, stop := st.site.opts.History.Follow(st.last)
	defer stop()
	if gap {
		if err := st.gap(missed); err != nil {
			return err
		}
	}
	for _, e := range missed {
		if err := st.event(e); err != nil {
			return err
		}
	}
	if err := st.view(); err != nil {
		return err
	}
	if err := st.flush(); err != nil {
		return err
	}
	return st.listen(ctx, live)
}

// listen sends new events, those that come together in one piece.
func (st *stream) listen(ctx context.Context, live <-chan history.Entry) error {
	tick := time.NewTicker(viewEvery)
	defer tick.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-st.site.closing:
			return http.ErrServerClosed
		case e, ok := <-live:
			if !ok {
				return errCutOff
			}
			err = st.event(e)
		case now := <-tick.C:
			err = st.tick(now)
		}
		if err == nil && len(live) == 0 {
			err = st.flush()
		}
		if err != nil {
			return err
		}
	}
}

// tick sends the view if it has changed, and a heartbeat when nothing was sent for long.
func (st *stream) tick(now time.Time) error {
	if err := st.view(); err != nil || now.Sub(st.wroteAt) < heartbeatEvery {
		return err
	}
	return st.write(": still here\n\n")
}

// gap reports that events after the client's last one are no longer known, and which is the first that is.
func (st *stream) gap(missed []history.Entry) error {
	after, next := st.last, st.site.opts.History.Last()
	if len(missed) > 0 {
		next = missed[0].ID
	} else {
		st.last = next
	}
	return st.write("event: gap\ndata: {\"after\":%d,\"next\":%d}\n\n", after, next)
}

func (st *stream) event(e history.Entry) error {
	data, err := st.site.encoded.event(e)
	if err != nil {
		return err
	}
	st.last = e.ID
	return st.write("id: %d\nevent: %s\ndata: %s\n\n", e.ID, e.Kind, data)
}

// view sends the view unless the client has it, with the ID of the last event, so that a client that is disconnected before it
// got an event can resume.
func (st *stream) view() error {
	text, version := st.site.views.latest(st.site.opts.Display)
	if version == st.shown {
		return nil
	}
	st.shown = version
	return st.write("id: %d\nevent: view\ndata: %s\n\n", st.last, text)
}

// write fails when the client does not read in time what the buffers cannot hold.
func (st *stream) write(format string, args ...any) error {
	st.wroteAt = time.Now()
	if err := st.bound(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(st.w, format, args...); err != nil {
		return fmt.Errorf("write to the client: %w", err)
	}
	return nil
}

func (st *stream) flush() error {
	if err := st.bound(); err != nil {
		return err
	}
	if err := st.control.Flush(); err != nil {
		return fmt.Errorf("write to the client: %w", err)
	}
	return nil
}

func (st *stream) bound() error {
	err := st.control.SetWriteDeadline(time.Now().Add(streamTimeout))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("bound a write: %w", err)
	}
	return nil
}
