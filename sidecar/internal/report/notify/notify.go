// Package notify tells people, by the services that they use, what they may have to look at.
//
// It never holds up who tells it something: what is told goes into a bounded queue; one goroutine collects it into digests, so
// that a storm is one message, and hands those to one goroutine for each target, so that a dead target holds up no other.
// What events make a message of what text is pure (collector, writer); so is what a service's API is sent (request).
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
	// mostQueued is how many notes may wait to be collected. That takes microseconds for each.
	mostQueued = 1024
	// mostKept bounds the texts of a note that waits, in bytes.
	mostKept = 4 << 10
)

// Options is what a Notifier is made from.
type Options struct {
	URLs []string // of the services; they hold secrets
	On   []string // names of events; none is Defaults
	Host string   // what people call this host; may be empty
	// Agent is the User-Agent, such as stoker/1.0.
	Agent string
	// OnDropped is told how many notes were lost, because too many came at once. It is called by Tell and must not block.
	OnDropped func(n uint64)
	// OnResult is told what became of each message to each target (OutcomeSent …). The target's name holds no secret. It is
	// called from several goroutines, one of them the one that collects, and must not block.
	OnResult func(target, outcome string)
}

// Notifier tells targets. Tell may be called by anyone at any time; Run once.
type Notifier struct {
	opts    Options
	book    book
	targets []*target
	queue   chan worker.Event
	lost    atomic.Uint64 // notes dropped since the last digest
}

// New reads the URLs and the names of events. Nothing is sent. The error has one line for each mistake, which names the URL
// without its secrets and says what to write.
func New(opts Options) (*Notifier, error) {
	n := &Notifier{opts: opts, queue: make(chan worker.Event, mostQueued)}
	var problems []error
	var err error
	if n.book, err = newBook(opts.On); err != nil {
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
		n.add(m, to)
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

func (n *Notifier) add(m mask, to sender) {
	result := n.opts.OnResult
	if result == nil {
		result = func(string, string) {}
	}
	n.targets = append(n.targets, newTarget(m, to, writer{n.book, n.opts.Host}, result))
}

// Tell takes in notes. It never blocks, and keeps nothing of notes that nobody wants to be told.
func (n *Notifier) Record(notes []worker.Event) {
	if len(n.targets) == 0 {
		return
	}
	var lost uint64
	for _, note := range notes {
		if !n.book.may(note) {
			continue
		}
		select {
		case n.queue <- trimmed(note):
		default:
			lost++
		}
	}
	if lost > 0 {
		n.lost.Add(lost)
		if n.opts.OnDropped != nil {
			n.opts.OnDropped(lost)
		}
	}
}

// trimmed does not hold on to long texts.
func trimmed(note worker.Event) worker.Event {
	for _, s := range []*string{&note.Output, &note.Detail, (*string)(&note.Key), &note.ID} {
		if len(*s) > mostKept {
			*s = strings.Clone((*s)[:mostKept]) + "…"
		}
	}
	return note
}

// Run collects and sends until ctx ends. Then what was told is sent in one last try, and Run returns some two seconds later at
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
	c := newCollector(n.book)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case note := <-n.queue:
			c.add(time.Now(), note)
		case <-timer.C:
		case <-ctx.Done():
			n.finish(c)
			return
		}
		if d, ok := c.take(time.Now()); ok {
			n.hand(d)
		}
		if at := c.due(); at.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(at))
		}
	}
}

// finish hands over what was told before the end.
func (n *Notifier) finish(c *collector) {
	for {
		select {
		case note := <-n.queue:
			c.add(time.Now(), note)
			continue
		default:
		}
		break
	}
	if d, ok := c.flush(time.Now()); ok {
		n.hand(d)
	}
}

func (n *Notifier) hand(d Digest) {
	d.Dropped = n.lost.Swap(0)
	for _, t := range n.targets {
		t.offer(d)
	}
}
