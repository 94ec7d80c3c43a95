// Package notify reports to people, by the services that they use, what they may have to look at.
//
// It never blocks its caller: events go into a bounded queue; one goroutine collects them into digests, so that a storm is one
// message, and dispatches those to one goroutine for each target, so that a dead target delays no other. Which events make a
// message with which text is decided by pure parts (collector, renderer).
package notify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"stoker/sidecar/internal/core/worker"
)

const (
	// maxQueued is how many events may wait to be collected, which takes microseconds for each.
	maxQueued = 1024
	// maxKept bounds the texts of a queued event, in bytes.
	maxKept = 4 << 10
)

// Options are the configuration of a Notifier.
type Options struct {
	URLs []string      // of the services; they contain secrets
	On   []string      // names of events; none is Defaults
	Host func() string // what people call this host; may return nothing
	// Agent is the User-Agent, such as stoker/1.0.
	Agent string
	// OnDropped is called with the number of events that were dropped, because too many came at once. Record calls it; it must
	// not block.
	OnDropped func(n uint64)
	// OnResult is called with the outcome of each message to each target (OutcomeSent …). The target's name contains no secret.
	// Several goroutines call it, one of them the one that collects; it must not block.
	OnResult func(target, outcome string)
}

// Notifier notifies targets. Record may be called by any goroutine at any time; Run once.
type Notifier struct {
	opts    Options
	catalog catalog
	targets []*target
	queue   chan worker.Event
	dropped atomic.Uint64 // events dropped since the last digest
}

// New parses the URLs and the names of events. Nothing is sent. The error has one line for each mistake, with the URL without
// its secrets and what to write instead.
func New(opts Options) (*Notifier, error) {
	n := &Notifier{opts: opts, queue: make(chan worker.Event, maxQueued)}
	var problems []error
	var err error
	if n.catalog, err = newCatalog(opts.On); err != nil {
		problems = append(problems, prefix("STOKER_NOTIFY_ON: ", err)...)
	}
	client := newClient(cmp.Or(opts.Agent, "stoker"))
	seen := map[string]int{}
	for i, raw := range opts.URLs {
		to, m, err := open(strings.TrimSpace(raw), client)
		if err != nil {
			problems = append(problems, fmt.Errorf("STOKER_NOTIFY, entry %d of %d: %w", i+1, len(opts.URLs), err))
			continue
		}
		if seen[m.name]++; seen[m.name] > 1 {
			m.name = fmt.Sprintf("%s #%d", m.name, seen[m.name])
		}
		n.addTarget(m, to)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return n, nil
}

// prefix puts words before each of joined errors.
func prefix(words string, err error) []error {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for i, one := range all {
		all[i] = fmt.Errorf("%s%w", words, one)
	}
	return all
}

func (n *Notifier) host() string {
	if n.opts.Host == nil {
		return ""
	}
	return n.opts.Host()
}

func (n *Notifier) addTarget(m redactor, to sender) {
	result := n.opts.OnResult
	if result == nil {
		result = func(string, string) {}
	}
	n.targets = append(n.targets, newTarget(m, to, renderer{n.catalog, n.host}, result))
}

// Record queues the events that are wanted. It never blocks.
func (n *Notifier) Record(events []worker.Event) {
	if len(n.targets) == 0 {
		return
	}
	var lost uint64
	for _, e := range events {
		if !n.catalog.may(e) {
			continue
		}
		select {
		case n.queue <- trim(e):
		default:
			lost++
		}
	}
	if lost > 0 {
		n.dropped.Add(lost)
		if n.opts.OnDropped != nil {
			n.opts.OnDropped(lost)
		}
	}
}

// trim releases long texts.
func trim(e worker.Event) worker.Event {
	for _, s := range []*string{&e.Output, &e.Detail, (*string)(&e.Key), &e.ID} {
		if len(*s) > maxKept {
			*s = strings.Clone((*s)[:maxKept]) + "…"
		}
	}
	return e
}

// Run collects and sends until ctx ends. Then what is queued is sent in one last try, and Run returns some two seconds later at
// most. A service of the library that does not answer is left behind; it ends with the process.
func (n *Notifier) Run(ctx context.Context) {
	var sending sync.WaitGroup
	for _, t := range n.targets {
		sending.Go(func() { t.run(ctx) })
	}
	n.collect(ctx)
	for _, t := range n.targets {
		close(t.queue)
	}
	sending.Wait()
}

func (n *Notifier) collect(ctx context.Context) {
	c := newCollector(n.catalog)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case e := <-n.queue:
			c.add(time.Now(), e)
		case <-timer.C:
		case <-ctx.Done():
			n.finish(c)
			return
		}
		if d, ok := c.take(time.Now()); ok {
			n.dispatch(d)
		}
		if at := c.due(); at.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(at))
		}
	}
}

// finish dispatches what was queued before the end.
func (n *Notifier) finish(c *collector) {
	for {
		select {
		case e := <-n.queue:
			c.add(time.Now(), e)
			continue
		default:
		}
		break
	}
	if d, ok := c.flush(time.Now()); ok {
		n.dispatch(d)
	}
}

func (n *Notifier) dispatch(d Digest) {
	d.Dropped = n.dropped.Swap(0)
	for _, t := range n.targets {
		t.offer(d)
	}
}
