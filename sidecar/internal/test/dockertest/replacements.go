package dockertest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// A worker that was recreated is several containers, one after the other. Their labels show which replaces which.

// replacements are the IDs of a container and of all that it replaces, oldest first.
func (w *World) replacements(id string) []string {
	ids := []string{id}
	for {
		c := w.everFind(ids[0])
		if c == nil {
			return ids
		}
		_, of, ok := worker.ReplacementOf(c.Spec.Labels)
		if !ok || slices.Contains(ids, of) {
			return ids
		}
		ids = slices.Insert(ids, 0, of)
	}
}

// History are the events of a container and of those that it replaces, in order. The events of one that lives on beside its replacement, under a
// name of its own, are not among them from then on: somebody has made two workers of the one.
func (w *World) History(id string) []Event {
	var events []Event
	for _, e := range w.history(w.eventsByID(), id) {
		events = append(events, *e)
	}
	return events
}

func (w *World) history(byID map[string][]*Event, id string) []*Event {
	ids := w.replacements(id)
	if len(ids) == 1 {
		return byID[id]
	}
	var events []*Event
	for _, id := range ids {
		events = append(events, byID[id]...)
	}
	slices.SortStableFunc(events, func(a, b *Event) int { return cmp.Compare(a.Seq, b.Seq) })
	named := make([]bool, len(ids)) // with a name that is no transaction's
	return slices.DeleteFunc(events, func(e *Event) bool {
		i := slices.Index(ids, e.ID)
		key := worker.Key(e.Name)
		named[i] = e.Action != "destroy" && !key.IsTemporaryName(e.Labels) && !key.IsBackupName()
		for next := i + 1; next < len(ids); next++ {
			if named[next-1] && named[next] {
				return true
			}
		}
		return false
	})
}

// killAndRemove is how long after its SIGKILL the removal of a docker rm -f may come, and a bit.
const killAndRemove = 12 * time.Second

// MayComeBack reports whether an event is a removal after which Stoker may make the worker again.
func (w *World) MayComeBack(destroy Event) bool {
	return destroy.Action == "destroy" && cameBack(w.eventsByID()[destroy.ID], &destroy)
}

// cameBack reports whether a removal is one after which Stoker may make the worker again: by force, of a running one whose
// label asks for it.
func cameBack(events []*Event, destroy *Event) bool {
	if destroy.By != ByOperator || destroy.Labels["stoker.on-missing"] != "recreate" {
		return false
	}
	killed, stopped := false, false
	for _, e := range events {
		switch {
		case e.ID != destroy.ID || e.Seq > destroy.Seq:
		case e.Action == "start":
			killed, stopped = false, false
		case e.Action == "stop" && e.By == ByOperator:
			stopped = true
		case e.Action == "kill" && e.By == ByOperator && e.Signal == 9:
			killed = destroy.TrueAt.Sub(e.TrueAt) < killAndRemove
		}
	}
	return killed && !stopped
}

// removedBefore reports whether an event is about a container that is gone already.
func removedBefore(events []*Event, e *Event) bool {
	return slices.ContainsFunc(events, func(o *Event) bool { return o.ID == e.ID && o.Action == "destroy" && o.Seq < e.Seq })
}

// decidedOn reports whether a request must meet the life that its action was decided on. A worker's recreate looks at that before it
// makes anything, and stops the old container with what it has made; whatever else it does is to a container of its own.
func (w *World) decidedOn(r *Record) bool {
	switch r.Action.Verb {
	case worker.RestartDependent:
		return false
	case worker.RecreateStep:
		made := slices.ContainsFunc(w.audit, func(other *Record) bool {
			return other.Op == OpCreate && sameTransaction(other, r) && !other.Sent.After(r.Sent) && other.Effect
		})
		again := strings.HasSuffix(r.Key, worker.BackupSuffix) // an engine that came back has started it once more
		return ofWorker(r) && made && !again && r.Op == OpStop && r.Incarnation.ID == r.Action.Incarnation.ID
	case worker.Inspect, worker.Start, worker.Stop, worker.Kill:
	}
	return true
}

// ofWorker reports whether a step belongs to the recreate of a worker: the others are no attempt.
func ofWorker(r *Record) bool { return r.Action.Attempt > 0 }

func sameTransaction(a, b *Record) bool {
	return a.Action.Call != nil && b.Action.Call != nil && a.Action.Key == b.Action.Key && a.Action.Call.Transaction == b.Action.Call.Transaction
}

// dependent reports whether a request is to heal a dependent of a worker, or finishes such a heal.
func (w *World) dependent(r *Record) bool {
	c := w.everFind(r.Incarnation.ID)
	shares := c != nil && len(c.Spec.parents()) > 0
	switch r.Action.Verb {
	case worker.RestartDependent:
		return shares
	case worker.RecreateStep:
		_, of, ok := worker.ReplacementOf(r.Labels)
		return !ofWorker(r) && (shares || ok && w.everFind(of) != nil)
	}
	return false
}

// attempts are the requests that each begin one attempt at a worker: a start, or the first create of a transaction.
func (w *World) attempts(name string) []*Record {
	var records []*Record
	made := 0
	for _, r := range w.audit {
		switch {
		case r.By != ByStoker || strings.TrimSuffix(r.Key, worker.NewSuffix) != name:
		case r.Action.Verb == worker.RecreateStep && r.Op == OpCreate && ofWorker(r) && r.Action.Attempt != made:
			made = r.Action.Attempt // one that was cut short is sent again as the same attempt
			records = append(records, r)
		case r.Action.Verb != worker.RecreateStep && r.Op == OpStart && r.Incarnation.ID != "":
			made = 0
			records = append(records, r)
		}
	}
	return records
}
