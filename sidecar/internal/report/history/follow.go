package history

import "slices"

// followQueue is how many events may wait for one follower. A follower reads them in microseconds unless its client is
// slow; it can come back for what it missed.
const followQueue = 128

// follower is someone who is told of events as they come.
type follower struct{ live chan Entry }

// Follow is every event with an ID above after: those that are known already, and then the live ones. Gap says that
// something between after and the first of them may be missing: after is older than the history, or of a run whose end
// was not written down.
//
// A follower that lets 128 events wait is cut off: live is closed, and it may Follow again from the last ID that it has.
// The caller must call stop when it no longer reads; live is closed then too.
func (l *Log) Follow(after uint64) (missed []Entry, gap bool, live <-chan Entry, stop func()) { //nolint:revive // four results that belong together: two say what was, two what comes
	f := &follower{live: make(chan Entry, followQueue)}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.prune(l.now())
	missed = slices.Clone(later(l.events, after))
	l.followers[f] = struct{}{}
	return missed, l.gapAfter(after), f.live, func() { l.leave(f) }
}

// gapAfter is false when after is an ID that is known, or the last one forgotten, or 0, with which nobody comes back. The
// lock is held.
func (l *Log) gapAfter(after uint64) bool {
	if after == 0 || after == l.floor || after == l.last {
		return false
	}
	rest := later(l.events, after-1)
	return len(rest) == 0 || rest[0].ID != after
}

// pass hands e to all followers and cuts off those that do not read. The lock is held.
func (l *Log) pass(e Entry) {
	for f := range l.followers {
		select {
		case f.live <- e:
		default:
			l.cut(f)
		}
	}
}

func (l *Log) leave(f *follower) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, follows := l.followers[f]; follows {
		l.cut(f)
	}
}

func (l *Log) cut(f *follower) {
	delete(l.followers, f)
	close(f.live)
}
