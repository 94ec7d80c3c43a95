package service

import (
	"math"
	"time"

	"stoker/sidecar/internal/core/demand"
)

// settle is how long work must wait, with unchanged replicas, before each task counts as busy. A task that has just started has not taken an item
// yet.
const settle = time.Minute

// workers returns the replicas of a service, and those that it may have, as input of a decision. The node of a task and its CPU use are not
// known: the first ones stand for those that may have an item in hand. Swarm chooses which task ends.
func (t *Table) workers(now time.Time, s *scaled) []demand.Worker {
	all := make([]demand.Worker, max(s.seen.Replicas, s.settings.Max))
	busy, rest := t.inHand(now, s)
	for n := range all {
		switch {
		case n >= s.seen.Replicas:
			all[n].State = demand.Asleep
		case n < busy:
			all[n] = demand.Worker{State: demand.Awake, Use: demand.UseBusy}
		default:
			all[n] = demand.Worker{State: demand.Awake, Use: rest}
		}
	}
	return all
}

// inHand returns how many tasks have an item in hand as far as the sources report it, and the use of the others.
//
// A source that counts the items in hand gives an upper bound: the number of items, or of consumers that hold one. A number that includes them
// asks for as many tasks as are wanted. If a source does not report them, all tasks may have one until no work has waited for a cooldown.
func (t *Table) inHand(now time.Time, s *scaled) (busy int, rest demand.Use) {
	rest = demand.UseIdle
	for _, key := range s.settings.Sources {
		one := t.sources[key]
		switch {
		case one.State == demand.SourceLost && s.settings.Fallback != demand.Keep: // the fallback is a number
		case one.State != demand.SourceAnswered:
			rest = demand.UseUnknown
		case one.Reading.InHand.Kind == demand.InHandCounted:
			busy += holders(one.Reading.InHand)
		case one.Reading.InHand.Kind == demand.InHandUnknown && !s.countedByAnother(key):
			switch {
			case one.Reading.Waiting > 0 && now.Sub(s.calmAt) >= settle:
				busy = s.seen.Replicas
			case now.Sub(s.waitedAt) < s.settings.Cooldown:
				rest = demand.UseUnknown
			}
		}
	}
	return busy, rest
}

// holders returns the maximum number of consumers that hold an item.
func holders(h demand.InHand) int {
	if h.ByAddress == nil {
		return int(min(math.Ceil(max(h.Total, 0)), mostReplicas))
	}
	n := 0
	for _, items := range h.ByAddress {
		if items > 0 {
			n++
		}
	}
	return n
}

// countedByAnother reports whether another source of the service reports the items in hand of the same queue.
func (s *scaled) countedByAnother(key demand.Source) bool {
	t := key.Reveal()
	for _, other := range s.settings.Sources {
		o := other.Reveal()
		if t.Kind == demand.KindAMQP && o.Kind == demand.KindRabbitMQ && o.Host == t.Host && o.Vhost == t.Vhost && o.Queue == t.Queue {
			return true
		}
	}
	return false
}

// noteWork records since when no work has waited, for sources that do not report the items in hand.
func (t *Table) noteWork(now time.Time, s *scaled) {
	if s.waitedAt.IsZero() || s.waitedAt.After(now) { // a new Stoker has no earlier record
		s.waitedAt = now
	}
	waits := false
	for _, key := range s.settings.Sources {
		waits = waits || t.sources[key].Reading.Waiting > 0
	}
	if waits {
		s.waitedAt = now
	} else {
		s.calmAt = now
	}
	if s.calmAt.IsZero() || s.calmAt.After(now) {
		s.calmAt = now
	}
}
