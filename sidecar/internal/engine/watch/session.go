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
	// The engine's clock was read between these two instants of Stoker's own.
	before, after time.Time
	listed        bool // the first list was passed on
	lists         sync.WaitGroup
}

// snapshot is one full list, and what had happened when it was answered.
type snapshot struct {
	at      time.Time            // the engine's clock when asked
	history []worker.Observation // for the first of a session: all of it
	newest  time.Time            // for a later one: when the last of it happened, if anything did
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
		w.readTo = time.Time{} // the clock was set back: what comes is older than what was read
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

// since is where a session begins: a little before the last event that was read, because two events may have the same time
// and arrive apart. Without one, or when the engine has been restarted since, it begins with all that the engine
// remembers. So it does when the clock stepped back, because an engine replays nothing from the future.
func (w *Watch) since(engine worker.Engine) time.Time {
	if w.readTo.IsZero() || engine.BootedAt.After(w.readTo) || engine.Now.Before(w.readTo) {
		return time.Time{}
	}
	return w.readTo.Add(-w.opts.Overlap)
}

// follow passes on what comes. Nothing is asked of the engine between reading an event and passing it on: a list, which may
// take long, is fetched concurrently. The list also detects an engine that hangs with its connections open; the keep-alive of the
// connection detects one whose host vanished.
func (s *session) follow(ctx context.Context, events <-chan worker.Observation, end <-chan error) error {
	snapshots := s.list(ctx)
	resync := time.NewTimer(s.watch.opts.Resync)
	defer resync.Stop()
	resync.Stop() // until there is a list to be older than
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

// list asks for a list, concurrently. The channel gets one snapshot.
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

// lagging reports whether the engine remembers an event that was there when the list was answered, and has not come on the
// stream. An operator's stop may be among what is missing, so that the list must not be believed without it.
func (s *session) lagging(p snapshot) bool {
	return p.err == nil && p.newest.After(s.watch.readTo)
}

// wait gives the stream time to catch up, once. A stream that does not was cut on the way without being closed, or the engine dropped
// events that were read too slowly: the next session reads all of them again.
func (s *session) wait(p snapshot) (<-chan snapshot, error) {
	if p.waited {
		return nil, errStreamStalled
	}
	p.waited = true
	again := make(chan snapshot, 1)
	time.AfterFunc(s.watch.opts.Lag, func() { again <- p })
	return again, nil
}

// take gets a snapshot. A list travels on another connection than the events and may overtake them, so that a worker
// which an operator stopped would be listed as dead before the stop is known. For the first list of a session, where the
// engine replays much, the events up to its answer are therefore asked for separately: that answer has an end.
func (s *session) take(ctx context.Context, first bool) snapshot {
	p := snapshot{at: s.engine.Now.Add(time.Since(s.after))}
	if p.list, p.err = s.watch.src.List(ctx); p.err != nil || !first {
		return p
	}
	latest := s.engine.Now.Add(time.Since(s.before))
	p.history, p.err = s.watch.src.History(ctx, s.since, latest)
	return p
}

// hides reports whether the engine shows none of the workers because it keeps another store than when it last showed them: they are there,
// and run again once it has the old one back. A list that says that they are gone would have them forgotten. One that has a worker is
// believed: somebody moved.
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

// show passes a snapshot on in one piece.
func (s *session) show(ctx context.Context, p snapshot) error {
	if p.err != nil {
		return fmt.Errorf("list what there is: %w", p.err)
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

// event passes an event on, unless it is of an unmanaged container, has no kind or was passed on before. One of an earlier session is
// passed on once more in the replay, for its place in the stream. An event that is not passed on still shows how far the stream was
// read.
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

// clockStepped reports whether an event that is older than one read before shows that the engine's clock was set back. Two
// events of a storm may come in the wrong order, but no further apart than a stream may lag. A new session replays
// older ones, too, for as long as the engine may take to answer.
func (s *session) clockStepped(o worker.Observation) bool {
	w := s.watch
	return s.listed && time.Since(s.after) > w.opts.Patience && w.readTo.Sub(o.At) > w.opts.Lag
}
