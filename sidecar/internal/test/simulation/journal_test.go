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

// The real journal writes behind: what changed is on disk some milliseconds later, a bookmark without a change within
// seconds. Only a stop waits for it.
const (
	journalLag  = 8 * time.Millisecond
	journalMark = 5 * time.Second
)

// journal is what survives a Stoker: what is on disk, and what is not there yet.
type journal struct {
	memories map[worker.Key][]byte
	mark     worker.Bookmark
	heard    map[sound]time.Time // when Stoker heard what its memory on disk may rest on
	expected map[string]bool     // containers that were ever remembered as expected to run
	slept    map[string]bool     // containers that were ever remembered as asleep

	put      []change
	newMark  worker.Bookmark
	newHeard []heard
	replay   []heard   // of a session that begins: a Stoker takes it in when it is whole
	due      time.Time // of the next write; zero when there is none to do
}

type change struct {
	key  worker.Key
	body []byte // nil to delete
	id   string // of a container that is expected to run
	rest string // of one that sleeps
}

// sound is an observation, as an event of the world is told from others.
type sound struct {
	id   string
	kind worker.Kind
	at   int64
}

type heard struct {
	sound
	at time.Time // the world's clock
}

func newJournal() *journal {
	return &journal{memories: map[worker.Key][]byte{}, heard: map[sound]time.Time{}, expected: map[string]bool{}, slept: map[string]bool{}}
}

// keep takes in one turn.
func (j *journal) keep(now time.Time, t fleet.Effects, mark worker.Bookmark) {
	for _, key := range t.Drop {
		j.put = append(j.put, change{key: key})
	}
	for _, mem := range t.Save {
		body, err := json.Marshal(mem)
		if err != nil {
			panic(fmt.Sprintf("a memory does not encode: %v", err))
		}
		c := change{key: mem.Key, body: body}
		if mem.Expected {
			c.id = mem.Incarnation.ID
		}
		if mem.State.Phase == worker.PhaseAsleep {
			c.rest = mem.Incarnation.ID
		}
		j.put = append(j.put, c)
	}
	j.newMark = mark
	lag := journalLag
	if len(j.put) == 0 {
		lag = journalMark
	}
	if due := now.Add(lag); j.due.IsZero() || due.Before(j.due) {
		j.due = due
	}
}

func (j *journal) hear(now time.Time, o worker.Observation) {
	h := heard{sound{o.ID, o.Kind, o.At.UnixNano()}, now}
	switch {
	case o.Kind == worker.ListBegin, o.Kind == worker.Disconnected:
		j.replayed()
	case o.History() && o.Kind != worker.Listed:
		j.replay = append(j.replay, h)
		return
	}
	j.newHeard = append(j.newHeard, h)
}

// replayed takes in the replay with which a session has begun.
func (j *journal) replayed() {
	j.newHeard, j.replay = append(j.newHeard, j.replay...), nil
}

// write puts all on disk.
func (j *journal) write() {
	for _, c := range j.put {
		if c.body == nil {
			delete(j.memories, c.key)
		} else {
			j.memories[c.key] = c.body
		}
		j.expected[c.id], j.slept[c.rest] = true, true
	}
	for _, h := range j.newHeard {
		if _, ok := j.heard[h.sound]; !ok {
			j.heard[h.sound] = h.at
		}
	}
	j.mark = j.newMark
	j.drop()
}

// forget loses what is not on disk, as a SIGKILL does.
func (j *journal) forget() {
	j.replay = nil
	j.drop()
}

// drop ends what was to be written.
func (j *journal) drop() {
	j.put, j.newHeard, j.due = nil, nil, time.Time{}
	j.newMark = j.mark
}

// load is what the next Stoker finds.
func (j *journal) load() []worker.Saved {
	var memories []worker.Saved
	for _, key := range slices.Sorted(maps.Keys(j.memories)) {
		var mem worker.Saved
		if err := json.Unmarshal(j.memories[key], &mem); err != nil {
			panic(fmt.Sprintf("a memory does not decode: %v", err))
		}
		memories = append(memories, mem)
	}
	return memories
}

// unsaved reports whether attempts of a worker are counted only in what is not on disk.
func (j *journal) unsaved() map[worker.Key]bool {
	keys := map[worker.Key]bool{}
	for _, c := range j.put {
		keys[c.key] = true
	}
	return keys
}
