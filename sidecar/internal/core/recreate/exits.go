package recreate

import (
	"time"

	"stoker/sidecar/internal/core/worker"
)

// exitNoticeLimit is how long the event of an exit is waited for that an inspect has shown. Under load an event came 5.9 s after
// what it tells of (engine 29.7.2); one that was lost never comes.
const exitNoticeLimit = 10 * time.Second

// exits are the ends of the two containers as the event stream tells them. Inspects travel on another connection and may lead the
// stream. An operator's signal comes before the exit that it causes (moby kill.go), so that once the exit was heard, whether an
// operator stopped the container is known.
type exits struct {
	ran   map[string]bool      // containers that were seen running
	heard map[string]time.Time // the last exit of each; the engine's clock
	since time.Time            // when the wait for one began; zero when none is waited for
}

// Exited takes in that the event stream has told the end of a container, at a time of the engine's clock.
func (t *Transaction) Exited(now time.Time, id string, at time.Time) {
	t.exits.heard[id] = at
	if !t.exits.since.IsZero() {
		t.exits.since, t.at = time.Time{}, now
	}
}

// noteRunning remembers who runs: its end will be told.
func (e *exits) noteRunning(seen map[string]worker.Snapshot) {
	for id, s := range seen {
		if c := containerOf(s); c.up() {
			e.ran[id] = true
		}
	}
}

// awaitsExit reports whether the next step waits for the event of an exit that the last inspects show. Only the events of a
// worker's own containers are told.
func (t *Transaction) awaitsExit(now time.Time) bool {
	e := &t.exits
	if !t.req.Followed || !t.unheard(t.run.oldID) && !t.unheard(t.run.newID) {
		e.since = time.Time{}
		return false
	}
	if e.since.IsZero() {
		e.since = now
	}
	if due := e.since.Add(exitNoticeLimit); due.After(now) {
		t.at = due
		return true
	}
	e.ran, e.since = map[string]bool{}, time.Time{}
	return false
}

// unheard reports whether a container that ran has ended or is gone, and the stream has not told of it.
func (t *Transaction) unheard(id string) bool {
	s, exists := t.seen[id]
	switch {
	case !t.exits.ran[id]:
		return false
	case !exists:
		return t.exits.heard[id].IsZero()
	}
	return s.Status.Down() && t.exits.heard[id].Before(s.FinishedAt)
}
