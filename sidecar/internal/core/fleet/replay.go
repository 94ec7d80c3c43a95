package fleet

import (
	"time"

	"stoker/sidecar/internal/core/worker"
)

// maxReplay bounds what is kept of a replay until it is whole. An engine remembers 256 events (moby daemon/events); a Podman
// may remember more.
const maxReplay = 4096

// keepReplayed keeps an event of the replay with which a session begins, for replayed.
func (f *Fleet) keepReplayed(now time.Time, o worker.Observation) {
	if f.stream.replay = append(f.stream.replay, o); len(f.stream.replay) >= maxReplay {
		f.replayed(now)
	}
}

// replayed takes in the replay, once it is whole: only then it shows which of its events a remembered worker has taken into account.
// They are those up to the last one that the record has, in the order of the stream. Their times tell as much only as long as
// the engine's clock does not step.
func (f *Fleet) replayed(now time.Time) {
	events := f.stream.replay
	f.stream.replay = nil
	known := f.lastKnown(events)
	for i, o := range events {
		if o.Origin == worker.OriginRepeated {
			continue
		}
		if last, ok := known[o.ID]; ok {
			o.Order = worker.OrderAfter
			if i <= last {
				o.Order = worker.OrderBefore
			}
		}
		f.route(now, o)
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
