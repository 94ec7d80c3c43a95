// Package watch follows the engine. It passes on complete observations in order.
//
// It works in sessions. A session reads the engine's description, follows its events from the end of the last session, lists everything
// once, and then follows, with a new list at intervals. Whatever ends a session, the next one begins where it stopped.
package watch

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// Source is the part of the engine that a watch needs.
type Source interface {
	// Engine begins a session.
	Engine(ctx context.Context) (worker.Engine, error)
	// Events streams events from since on (zero: from the oldest event that the engine still has). One without a kind shows only that the
	// stream works. At the end of the stream the first channel is closed, and the second holds the cause.
	Events(ctx context.Context, since time.Time) (<-chan worker.Observation, <-chan error)
	// History returns all that Events would return for a time in the past.
	History(ctx context.Context, since, until time.Time) ([]worker.Observation, error)
	// List returns every container.
	List(ctx context.Context) ([]worker.Observation, error)
	// Newest returns when the newest event from since on happened that the engine still has; zero if there is none, or if the time is
	// unknown.
	Newest(ctx context.Context, since time.Time) (time.Time, error)
}

// Options of a Watch. A zero field has the default in its comment.
type Options struct {
	Resync   time.Duration   // the time between full lists: 1m
	Bookmark worker.Bookmark // how far an earlier run of Stoker had read
	// Keep chooses the observations of containers that are passed on; nil keeps all. It is not called concurrently.
	Keep func(worker.Observation) bool
	// OnError receives why a session could not begin or had to end. It is called once, until a session has lasted again.
	OnError func(error)
	// Workers returns the number of workers whose state could be lost; nil means none.
	Workers func() int
	// OnHidden receives that the engine shows none of the workers because it uses another store than before. It is called once, until the
	// engine shows a worker, or has its store back.
	OnHidden func(before, now string)

	Overlap    time.Duration // the time before the last event at which a session begins: 2s
	Lag        time.Duration // the time that the stream may be behind other answers of the engine: 5s
	Patience   time.Duration // for one answer of the engine: 30s
	BackoffMin time.Duration // before the second session: 200ms, doubling
	BackoffMax time.Duration // 15s
	GoodAfter  time.Duration // the duration after which a session counts as good: 30s
}

// Watch turns a Source into one stream that continues across restarts of the engine.
type Watch struct {
	src      Source
	opts     Options
	seen     *dedupe
	sessions uint64    // the number begun
	readTo   time.Time // the engine's time of the newest event that was read
	up       bool      // Connecting was passed on, and Disconnected not since
	store    string    // the engine's, when its containers were last listed; empty is not known
	hidden   bool      // OnHidden was called for it
}

// New returns a watch, which does nothing before Run.
func New(src Source, opts Options) *Watch {
	def := func(d *time.Duration, value time.Duration) {
		if *d <= 0 {
			*d = value
		}
	}
	def(&opts.Resync, time.Minute)
	def(&opts.Overlap, 2*time.Second)
	def(&opts.Lag, 5*time.Second)
	def(&opts.Patience, 30*time.Second)
	def(&opts.BackoffMin, 200*time.Millisecond)
	def(&opts.BackoffMax, 15*time.Second)
	def(&opts.GoodAfter, 30*time.Second)
	if opts.Keep == nil {
		opts.Keep = func(worker.Observation) bool { return true }
	}
	if opts.OnError == nil {
		opts.OnError = func(error) {}
	}
	if opts.Workers == nil {
		opts.Workers = func() int { return 0 }
	}
	if opts.OnHidden == nil {
		opts.OnHidden = func(string, string) {}
	}
	return &Watch{src: src, opts: opts, seen: newDedupe(), readTo: opts.Bookmark.EventAt, store: opts.Bookmark.Store}
}

// Run passes observations on until ctx ends, and returns why it did. It may be called once.
//
// The stream is Connecting, events, then one list (ListBegin, Listed..., ListEnd), events, a list again, and so on; Disconnected ends a
// session that was opened. All that happened up to a list's answer comes before that list. Events up to Connecting's At are marked as
// History. No event comes twice. A list never delays an event: it is fetched while events are passed on, so events newer than a list's At
// may come before it.
func (w *Watch) Run(ctx context.Context, out chan<- worker.Observation) error {
	for inARow := 1; ; inARow++ {
		lasted, err := w.session(ctx, out)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if lasted >= w.opts.GoodAfter {
			inARow = 1
		}
		if inARow == 1 {
			w.opts.OnError(err)
		}
		if !w.lost(ctx, out) || !pause(ctx, w.opts.backoff(inARow)) {
			return context.Cause(ctx)
		}
	}
}

// lost reports the disconnect to the consumer, once. False means that ctx ended.
func (w *Watch) lost(ctx context.Context, out chan<- worker.Observation) bool {
	if !w.up {
		return true
	}
	w.up = false
	return send(ctx, out, worker.Observation{Kind: worker.Disconnected, At: time.Now()})
}

// backoff returns the wait after the n-th failure in a row: doubling up to the bound, with a jitter of half, so that several watchers of
// one engine do not reconnect at the same time.
func (o Options) backoff(n int) time.Duration {
	wait := o.BackoffMin
	for range n - 1 {
		if wait >= o.BackoffMax/2 {
			wait = o.BackoffMax
			break
		}
		wait *= 2
	}
	return wait/2 + rand.N(wait/2+1)
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func send(ctx context.Context, out chan<- worker.Observation, o worker.Observation) bool {
	select {
	case out <- o:
		return true
	case <-ctx.Done():
		return false
	}
}

// errSilent is the error of a stream that ended without one.
var errSilent = errors.New("the event stream ended")

// errStreamStalled is the error of a stream that is open, but delivers no more events.
var errStreamStalled = errors.New("the event stream is open but stalled: the engine has events that did not arrive on it, " +
	"something between Stoker and the engine has lost the connection without closing it")

func endOf(end <-chan error) error {
	if err := <-end; err != nil {
		return fmt.Errorf("watch the engine: %w", err)
	}
	return errSilent
}
