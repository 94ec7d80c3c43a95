package history

import "slices"

// followQueue is how many events may wait for one follower. A follower reads them in microseconds unless its client is slow; it
// can follow again from its last event.
const followQueue = 128

// follower receives events as they are recorded.
type follower struct{ live chan Entry }

// Follow returns every event with an ID above after: those that are known, and a channel of the new ones. Gap reports that
// events between after and the first of them may be missing: after is older than the history, or from a run whose end was not
// written.
//
// A follower that lets 128 events wait is dropped: live is closed, and it may Follow again from its last ID. The caller must call
// stop when it no longer reads; live is closed then too.
func (l *Log) Follow(after uint64) (missed []Entry, gap bool, live <-chan Entry, stop func()) { //nolint:revive // four results that belong together: two for the past, two for the future
	f := &follower{live: make(chan Entry, followQueue)}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prune(l.now())
	missed = slices.Clone(later(l.events, after))
	l.followers[f] = struct{}{}
	return missed, l.gapAfter(after), f.live, func() { l.leave(f) }
}

// gapAfter is false when after is a known ID, or the last one dropped, or 0, which is no ID. The lock is held.
func (l *Log) gapAfter(after uint64) bool {
	if after == 0 || after == l.minID || after == l.last {
		return false
	}
	rest := later(l.events, after-1)
	return len(rest) == 0 || rest[0].ID != after
}

// publish sends e to all followers and drops those that do not read. The lock is held.
func (l *Log) publish(e Entry) {
	for f := range l.followers {
		select {
		case f.live <- e:
		default:
			l.drop(f)
		}
	}
}

func (l *Log) leave(f *follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, follows := l.followers[f]; follows {
		l.drop(f)
	}
}

func (l *Log) drop(f *follower) {
	delete(l.followers, f)
	close(f.live)
}
