package fleet

import (
	"time"

	"stoker/sidecar/internal/core/worker"
)

// maxReplay bounds what is kept of a replay until it is whole. An engine remembers 256 events (moby daemon/events); a Podman
// may remember more.
const maxReplay = 4096

// replayWait is how long after the connection a replay is taken for whole where no list has come by then. An engine sends all that it
// remembers at once, and may take most of a minute for a list. A Stoker that is killed before that must not have lost what was replayed:
// an engine that crashes as well has forgotten it.
const replayWait = 2 * time.Second

// replay is what a session begins with, up to its first list.
type replay struct {
	events []worker.Observation // in the order of the stream
	taken  int                  // how many of events were taken in
	due    time.Time            // when they are taken in without a list; Stoker's clock
}

// wake is when events are to be taken in; zero for never.
func (r *replay) wake() time.Time {
	if r.taken == len(r.events) {
		return time.Time{}
	}
	return r.due
}

// keepReplayed keeps an event of the replay with which a session begins, for takeReplay.
func (f *Fleet) keepReplayed(now time.Time, o worker.Observation) {
	r := &f.stream.replay
	if r.events = append(r.events, o); len(r.events) >= maxReplay {
		f.endReplay(now)
	}
}

// replayDue takes in what was replayed if the list is late.
func (f *Fleet) replayDue(now time.Time) {
	if due := f.stream.replay.wake(); !due.IsZero() && !due.After(now) {
		f.takeReplay(now)
	}
}

// endReplay takes in the rest of the replay, and forgets it.
func (f *Fleet) endReplay(now time.Time) {
	f.takeReplay(now)
	f.stream.replay.events, f.stream.replay.taken = nil, 0
}

// takeReplay takes in the replay, once it is whole: only then it shows which of its events a remembered worker has taken into account.
// They are those up to the last one that the record has, in the order of the stream. Their times tell as much only as long as
// the engine's clock does not step. What comes behind it is taken in as it comes.
func (f *Fleet) takeReplay(now time.Time) {
	r := &f.stream.replay
	known, from := f.lastKnown(r.events), r.taken
	r.taken = len(r.events)
	for i, o := range r.events[from:] {
		if o.Origin == worker.OriginRepeated {
			continue
		}
		if last, ok := known[o.ID]; ok {
			o.Order = worker.OrderAfter
			if from+i <= last {
				o.Order = worker.OrderBefore
			}
		}
		f.route(now, o)
		if m := f.byID[o.ID]; m != nil && o.Kind == worker.Started && m.machine.Saved().Incarnation.StartedAt.Equal(o.At) {
			known[o.ID] = from + i // what comes after it is about the life that began
		}
	}
}

// lastKnown is the index of the last event of each container that its record takes into account, where it is among the events. One
// that was passed on before is known; an event before it that was not was lost then, and is outdated now. The start of the life that the record has, which an inspect may have told, is one of them.
func (f *Fleet) lastKnown(events []worker.Observation) map[string]int {
	known, over := map[string]int{}, map[string]bool{} // over: a later start, be it within the same seconds, is another life's
	for i, o := range events {
		if o.Origin == worker.OriginRepeated {
			known[o.ID] = i
			continue
		}
		m := f.byID[o.ID]
		if m == nil {
			continue
		}
		last, start := m.machine.Recorded(o)
		if last || start && !over[o.ID] {
			known[o.ID] = i
		}
		over[o.ID] = over[o.ID] || start || m.machine.RecordedEnd(o)
	}
	return known
}
