package recreate

import (
	"time"

	"stoker/sidecar/internal/core/worker"
)

// exitNoticeLimit bounds the wait for the event of an exit that an inspect showed. Under load an event came 5.9 s after the exit
// (engine 29.7.2). A lost event never comes.
const exitNoticeLimit = 10 * time.Second

// exits are the exits of the two containers according to the event stream. Inspects use another connection and may be ahead of
// the stream. An operator's signal comes before the exit that it causes (moby kill.go). So once the exit event has arrived,
// Stoker can decide whether an operator stopped the container.
type exits struct {
	ran    map[string]bool      // observed running
	exitAt map[string]time.Time // the last exit event of each; the engine's clock
	since  time.Time            // when the wait for an exit event began; zero without one
}

// Exited records the exit event of a container, with its time on the engine's clock.
func (t *Transaction) Exited(now time.Time, id string, at time.Time) {
	t.exits.exitAt[id] = at
	if !t.exits.since.IsZero() {
		t.exits.since, t.at = time.Time{}, now
	}
}

// noteRunning records the running containers: their exit events will come.
func (e *exits) noteRunning(seen map[string]worker.Snapshot) {
	for id, s := range seen {
		if c := containerOf(s); c.up() {
			e.ran[id] = true
		}
	}
}

// awaitsExit reports whether the next step waits for the event of an exit that the last inspects show. Only the exits of the
// worker's own containers arrive here.
func (t *Transaction) awaitsExit(now time.Time) bool {
	e := &t.exits
	if !t.req.Followed || !t.exitEventMissing(t.run.oldID) && !t.exitEventMissing(t.run.newID) {
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

// exitEventMissing reports whether a container that ran has exited or is gone, and its exit event has not arrived.
func (t *Transaction) exitEventMissing(id string) bool {
	s, exists := t.inspected.byID[id]
	switch {
	case !t.exits.ran[id]:
		return false
	case !exists:
		return t.exits.exitAt[id].IsZero()
	}
	return s.Status.Down() && t.exits.exitAt[id].Before(s.FinishedAt)
}
