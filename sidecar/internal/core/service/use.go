package service

import (
	"math"
	"time"

	"stoker/sidecar/internal/core/demand"
)

// settle is how long work has to wait, with no change of the replicas, until each task counts as one that has an item in hand. A task that has
// just begun has not taken one yet.
const settle = time.Minute

// workers are the replicas of a service, and those that it may have, as what a decision goes by. Which node a task runs on and how busy it is,
// is not known: the first ones stand for those that may have an item in hand, and Swarm chooses which task ends.
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

// inHand is how many tasks have an item in hand as far as the sources tell, and what is known of the others.
//
// A source that counts the items in hand tells it: no more tasks have one than there are items, or consumers that hold one. A number that has
// them in it asks for as many tasks as are wanted. Where a source tells nothing, all tasks may have one until no work has waited for a cooldown.
func (t *Table) inHand(now time.Time, s *scaled) (busy int, rest demand.Use) {
	rest = demand.UseIdle
	for _, key := range s.settings.Sources {
		one := t.sources[key]
		switch {
		case one.State == demand.SourceLost && s.settings.Fallback != demand.Keep: // a number was asked for
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

// holders is how many consumers hold an item, at most.
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

// countedByAnother reports whether another source of the service tells of the items in hand of the same queue.
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

// noteWork keeps since when no work has waited, where the source does not tell of the items in hand.
func (t *Table) noteWork(now time.Time, s *scaled) {
	if s.waitedAt.IsZero() || s.waitedAt.After(now) { // a Stoker that has just begun knows nothing of before
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
