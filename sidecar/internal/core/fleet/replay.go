package fleet

import (
	"time"

	"stoker/sidecar/internal/core/worker"
)

// maxReplay bounds what is kept of a replay until it is complete. An engine keeps 256 events (moby daemon/events); Podman may keep more.
const maxReplay = 4096

// replayWait is how long after the connection a replay counts as complete without a list. An engine sends all kept events at once, and may take
// most of a minute for a list. A Stoker that is killed before that must not lose the replayed events: an engine that crashes as well has lost
// them.
const replayWait = 2 * time.Second

// replay is the replayed events at the start of a session, up to its first list.
type replay struct {
	events []worker.Observation // in the order of the stream
	taken  int                  // how many of events were processed
	due    time.Time            // when to process them without a list; Stoker's clock
}

// wake returns when to process events; zero for never.
func (r *replay) wake() time.Time {
	if r.taken == len(r.events) {
		return time.Time{}
	}
	return r.due
}

// keepReplayed buffers an event of the initial replay for takeReplay.
func (f *Fleet) keepReplayed(now time.Time, o worker.Observation) {
	r := &f.stream.replay
	if r.events = append(r.events, o); len(r.events) >= maxReplay {
		f.endReplay(now)
	}
}

// replayDue processes the replay if the list is late.
func (f *Fleet) replayDue(now time.Time) {
	if due := f.stream.replay.wake(); !due.IsZero() && !due.After(now) {
		f.takeReplay(now)
	}
}

// endReplay processes the rest of the replay, and drops it.
func (f *Fleet) endReplay(now time.Time) {
	f.takeReplay(now)
	f.stream.replay.events, f.stream.replay.taken = nil, 0
}

// takeReplay processes the replay once it is complete: only then can it determine which events the saved record of a worker includes. These are
// the events up to the last one in the record, in stream order. Their times are reliable only while the engine's clock does not step. Later
// events are processed as they come.
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
			if o.Order == worker.OrderBefore && f.byID[o.ID] == nil {
				continue // it was handled before: it is no worker, or gone
			}
		}
		f.route(now, o)
		if m := f.byID[o.ID]; m != nil && o.Kind == worker.Started && m.machine.Saved().Incarnation.StartedAt.Equal(o.At) {
			known[o.ID] = from + i // later events belong to the incarnation that began
		}
	}
}

// lastKnown returns the index of the last event of each container that its record includes, if it is among the events. An event that was passed
// on before is known; an earlier one that was not passed on was lost then, and is outdated now. The start of the recorded incarnation is known,
// even if only an inspect showed it.
func (f *Fleet) lastKnown(events []worker.Observation) map[string]int {
	known, over := map[string]int{}, map[string]bool{} // over: a later start, even within the same seconds, is another incarnation's
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
