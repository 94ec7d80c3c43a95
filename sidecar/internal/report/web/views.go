package web

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// viewEvery is how often a stream of events sends a view that has changed, at most.
const viewEvery = time.Second

// statsEvery is how often it sends one in which only the CPU use has changed, which it does all the time.
const statsEvery = 10 * time.Second

// views caches the last view as JSON for all streams.
type views struct {
	mu       sync.Mutex
	asked    time.Time // when the view was last read
	text     []byte
	essence  []byte // text without what changes when nothing has happened
	made     time.Time
	measured time.Time // the newest measurement in it
	version  uint64
}

// latest returns the view, not much older than a second, and a number that changes with it.
func (v *views) latest(view func() fleet.View) (text []byte, version uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	if v.text != nil && now.Sub(v.asked) < viewEvery/2 {
		return v.text, v.version
	}
	v.asked = now
	current := view()
	essence, err := essenceOf(current)
	same := bytes.Equal(essence, v.essence) && (now.Sub(v.made) < statsEvery || !v.hasNewStats(current))
	if err != nil || same { // no type in it can fail to be encoded
		return v.text, v.version
	}
	text, err = json.Marshal(fleetOf(current))
	if err != nil {
		return v.text, v.version
	}
	v.text, v.essence, v.made, v.measured = text, essence, now, newest(current)
	v.version++
	return v.text, v.version
}

// hasNewStats reports whether a view has measurements that the last one did not have.
func (v *views) hasNewStats(current fleet.View) bool { return !newest(current).Equal(v.measured) }

// newest returns the time of the newest measurement in a view.
func newest(v fleet.View) time.Time {
	var at time.Time
	for _, w := range v.Workers {
		if w.Share.At.After(at) {
			at = w.Share.At
		}
	}
	return at
}

// essenceOf returns a view without its time, what depends on that, and the CPU use.
func essenceOf(v fleet.View) ([]byte, error) {
	v.At, v.Engine.Skew = time.Time{}, 0
	v.Workers = slices.Clone(v.Workers)
	for n := range v.Workers {
		v.Workers[n].Share = worker.Share{}
	}
	return json.Marshal(fleetOf(v))
}
