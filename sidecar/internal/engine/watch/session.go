package watch

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// session is one connection to one engine process.
type session struct {
	watch  *Watch
	number uint64
	out    chan<- worker.Observation
	engine worker.Engine
	since  time.Time
	// The engine's clock was read between these two times of Stoker's clock.
	before, after time.Time
	listed        bool // the first list was passed on
	lists         sync.WaitGroup
}

// snapshot is one full list, with the events up to its answer.
type snapshot struct {
	at      time.Time            // the engine's clock at the request
	history []worker.Observation // all events, for the first list of a session
	newest  time.Time            // the time of the newest event, if any, for a later list
	list    []worker.Observation
	waited  bool // for the stream to catch up
	err     error
}

// session runs one session and returns how long it lasted, from the engine's first answer on.
func (w *Watch) session(ctx context.Context, out chan<- worker.Observation) (time.Duration, error) {
	w.sessions++
	s := &session{watch: w, number: w.sessions, out: out, before: time.Now()}
	asking, done := context.WithTimeout(ctx, w.opts.Patience)
	engine, err := w.src.Engine(asking)
	done()
	if err != nil {
		return 0, fmt.Errorf("reach the engine: %w", err)
	}
	s.engine, s.after, s.since = engine, time.Now(), w.since(engine)
	if engine.Now.Before(w.readTo) {
		w.readTo = time.Time{} // the clock was set back: new events are older than those already read
	}

	ctx, cancel := context.WithCancel(ctx)
	defer s.lists.Wait()
	defer cancel()
	events, end := w.src.Events(ctx, s.since)
	w.up = true
	if !send(ctx, out, worker.Observation{Kind: worker.Connecting, At: engine.Now, Engine: engine}) {
		return 0, ctx.Err()
	}
	err = s.follow(ctx, events, end)
	return time.Since(s.after), err
}

// since returns the start of a session: a little before the last event that was read, because two events may have the same time and arrive
// separately. Without one, or if the engine was restarted since, the session begins with all the events that the engine still has. So it
// does when the clock stepped back, because an engine replays nothing from the future.
func (w *Watch) since(engine worker.Engine) time.Time {
	if w.readTo.IsZero() || engine.BootedAt.After(w.readTo) || engine.Now.Before(w.readTo) {
		return time.Time{}
	}
	return w.readTo.Add(-w.opts.Overlap)
}

// follow passes on the events. No request delays an event: a list, which may take long, is fetched concurrently. The list also detects an
// engine that hangs with its connections open; the keep-alive of the connection detects one whose host is gone.
func (s *session) follow(ctx context.Context, events <-chan worker.Observation, end <-chan error) error {
	snapshots := s.list(ctx)
	resync := time.NewTimer(s.watch.opts.Resync)
	defer resync.Stop()
	resync.Stop() // until there is a list
	for {
		var err error
		select {
		case o, ok := <-events:
			if !ok {
				return endOf(end)
			}
			err = s.event(ctx, o)
		case p := <-snapshots:
			if s.lagging(p) {
				snapshots, err = s.wait(p)
				break
			}
			if !s.hides(p) {
				err = s.show(ctx, p)
			}
			resync.Reset(s.watch.opts.Resync)
		case <-resync.C:
			snapshots = s.list(ctx)
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// list requests a list, concurrently. The channel receives one snapshot.
func (s *session) list(ctx context.Context) <-chan snapshot {
	found := make(chan snapshot, 1)
	first, readTo := !s.listed, s.watch.readTo
	s.lists.Go(func() {
		ctx, cancel := context.WithTimeout(ctx, s.watch.opts.Patience)
		defer cancel()
		p := s.take(ctx, first)
		if p.err == nil && !first {
			p.newest, p.err = s.watch.src.Newest(ctx, readTo)
		}
		found <- p
	})
	return found
}

// lagging reports whether the engine has an event that happened before the list's answer and has not arrived on the stream. The missing
// events may include an operator's stop, so the list must not be used without them.
func (s *session) lagging(p snapshot) bool {
	return p.err == nil && p.newest.After(s.watch.readTo)
}

// wait gives the stream time to catch up, once. A stream that does not was cut without being closed, or the engine dropped events because
// they were read too slowly: the next session reads all of them again.
func (s *session) wait(p snapshot) (<-chan snapshot, error) {
	if p.waited {
		return nil, errStreamStalled
	}
	p.waited = true
	again := make(chan snapshot, 1)
	time.AfterFunc(s.watch.opts.Lag, func() { again <- p })
	return again, nil
}

// take fetches a snapshot. A list uses another connection than the events and may overtake them, so a worker that an operator stopped could
// be listed as dead before the stop is known. For the first list of a session, where the engine replays much, the events up to its answer
// are therefore requested separately: that answer has an end.
func (s *session) take(ctx context.Context, first bool) snapshot {
	p := snapshot{at: s.engine.Now.Add(time.Since(s.after))}
	if p.list, p.err = s.watch.src.List(ctx); p.err != nil || !first {
		return p
	}
	latest := s.engine.Now.Add(time.Since(s.before))
	p.history, p.err = s.watch.src.History(ctx, s.since, latest)
	return p
}

// hides reports whether the engine shows none of the workers because it uses another store than when it last showed them: they exist, and
// run again once it has the old store back. A list without them would delete their state. A list with a worker is used: the workers were
// moved.
func (s *session) hides(p snapshot) bool {
	w := s.watch
	if p.err != nil {
		return false
	}
	moved := w.store != "" && s.engine.Store != "" && s.engine.Store != w.store
	if moved && w.opts.Workers() > 0 && !slices.ContainsFunc(p.list, w.opts.Keep) {
		if !w.hidden {
			w.hidden = true
			w.opts.OnHidden(w.store, s.engine.Store)
		}
		return true
	}
	w.hidden, w.store = false, s.engine.Store
	return false
}

// show passes a whole snapshot on.
func (s *session) show(ctx context.Context, p snapshot) error {
	if p.err != nil {
		return fmt.Errorf("list the containers: %w", p.err)
	}
	for _, o := range p.history {
		if err := s.event(ctx, o); err != nil {
			return err
		}
	}
	s.listed = true
	if !send(ctx, s.out, worker.Observation{Kind: worker.ListBegin, At: p.at}) {
		return ctx.Err()
	}
	for _, o := range p.list {
		o.At = p.at
		if s.watch.opts.Keep(o) && !send(ctx, s.out, o) {
			return ctx.Err()
		}
	}
	if !send(ctx, s.out, worker.Observation{Kind: worker.ListEnd, At: p.at}) {
		return ctx.Err()
	}
	return nil
}

// event passes an event on, unless it is of an unmanaged container, has no kind or was passed on before. An event of an earlier session is
// passed on once more in the replay, for its place in the order. An event that is not passed on still advances the position in the stream.
func (s *session) event(ctx context.Context, o worker.Observation) error {
	w := s.watch
	if o.At.After(w.readTo) || s.clockStepped(o) {
		w.readTo = o.At
	}
	if o.Kind == 0 || !w.opts.Keep(o) {
		return nil
	}
	switch w.seen.add(o, s.number) {
	case seenNow:
		return nil
	case seenEarlier:
		if s.listed {
			return nil
		}
		o.Origin = worker.OriginRepeated
	case unseen:
		if !s.listed && !o.At.After(s.engine.Now) {
			o.Origin = worker.OriginReplayed
		}
	}
	if !send(ctx, s.out, o) {
		return ctx.Err()
	}
	return nil
}

// clockStepped reports whether an event that is older than one read before shows that the engine's clock was set back. Two events of a
// storm may arrive in the wrong order, but no further apart than a stream may lag. A new session replays older ones, too, for as long as
// the engine may take to answer.
func (s *session) clockStepped(o worker.Observation) bool {
	w := s.watch
	return s.listed && time.Since(s.after) > w.opts.Patience && w.readTo.Sub(o.At) > w.opts.Lag
}
