package simulation

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// The real journal writes behind. A change is on disk some milliseconds later, and a bookmark without a change within seconds. Only a stop
// waits for the write.
const (
	journalLag  = 8 * time.Millisecond
	journalMark = 5 * time.Second
)

// journal is the state directory of Stoker: what is on disk, and what is not written yet.
type journal struct {
	saved    map[worker.Key][]byte
	bookmark worker.Bookmark
	observed map[eventKey]time.Time // when Stoker received what the state on disk may depend on
	expected map[string]bool        // containers that were saved as expected to run
	asleep   map[string]bool        // containers that were saved as asleep

	unwritten unwritten
	replay    []received // of a session that begins; it counts once the replay is complete
	due       time.Time  // of the next write; zero if there is nothing to write
}

// unwritten is what the next write puts on disk.
type unwritten struct {
	changes  []change
	bookmark worker.Bookmark
	observed []received
}

// change is a change of one worker's saved state.
type change struct {
	key      worker.Key
	body     []byte // nil to delete
	expected string // ID of a container that is expected to run
	asleep   string // ID of a container that sleeps
}

// eventKey identifies an event of the world.
type eventKey struct {
	id   string
	kind worker.Kind
	at   int64
}

// received is an event, and when Stoker received it by the world's clock.
type received struct {
	eventKey
	at time.Time
}

func newJournal() *journal {
	return &journal{saved: map[worker.Key][]byte{}, observed: map[eventKey]time.Time{}, expected: map[string]bool{}, asleep: map[string]bool{}}
}

// add records the effects of one turn.
func (j *journal) add(now time.Time, t fleet.Effects, bookmark worker.Bookmark) {
	u := &j.unwritten
	for _, key := range t.Drop {
		u.changes = append(u.changes, change{key: key})
	}
	for _, saved := range t.Save {
		body, err := json.Marshal(saved)
		if err != nil {
			panic(fmt.Sprintf("a saved state does not encode: %v", err))
		}
		c := change{key: saved.Key, body: body}
		if saved.Expected {
			c.expected = saved.Incarnation.ID
		}
		if saved.State.Phase == worker.PhaseAsleep {
			c.asleep = saved.Incarnation.ID
		}
		u.changes = append(u.changes, c)
	}
	u.bookmark = bookmark
	lag := journalLag
	if len(u.changes) == 0 {
		lag = journalMark
	}
	if due := now.Add(lag); j.due.IsZero() || due.Before(j.due) {
		j.due = due
	}
}

// receive records an observation that Stoker received.
func (j *journal) receive(now time.Time, o worker.Observation) {
	e := received{eventKey{o.ID, o.Kind, o.At.UnixNano()}, now}
	switch {
	case o.Kind == worker.ListBegin, o.Kind == worker.Disconnected:
		j.commitReplay()
	case o.History() && o.Kind != worker.Listed:
		j.replay = append(j.replay, e)
		return
	}
	j.unwritten.observed = append(j.unwritten.observed, e)
}

// commitReplay counts the events of the replay with which a session began.
func (j *journal) commitReplay() {
	j.unwritten.observed, j.replay = append(j.unwritten.observed, j.replay...), nil
}

// write writes everything to disk.
func (j *journal) write() {
	for _, c := range j.unwritten.changes {
		if c.body == nil {
			delete(j.saved, c.key)
		} else {
			j.saved[c.key] = c.body
		}
		j.expected[c.expected], j.asleep[c.asleep] = true, true
	}
	for _, e := range j.unwritten.observed {
		if _, ok := j.observed[e.eventKey]; !ok {
			j.observed[e.eventKey] = e.at
		}
	}
	j.bookmark = j.unwritten.bookmark
	j.discard()
}

// loseUnsaved loses what is not on disk, as a SIGKILL does.
func (j *journal) loseUnsaved() {
	j.replay = nil
	j.discard()
}

// discard empties what is not written.
func (j *journal) discard() {
	j.unwritten, j.due = unwritten{bookmark: j.bookmark}, time.Time{}
}

// load returns what the next Stoker finds.
func (j *journal) load() []worker.Saved {
	var all []worker.Saved
	for _, key := range slices.Sorted(maps.Keys(j.saved)) {
		var saved worker.Saved
		if err := json.Unmarshal(j.saved[key], &saved); err != nil {
			panic(fmt.Sprintf("a saved state does not decode: %v", err))
		}
		all = append(all, saved)
	}
	return all
}

// unsaved returns the workers with changes that are not on disk.
func (j *journal) unsaved() map[worker.Key]bool {
	keys := map[worker.Key]bool{}
	for _, c := range j.unwritten.changes {
		keys[c.key] = true
	}
	return keys
}
