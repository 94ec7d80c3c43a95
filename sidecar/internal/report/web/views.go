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

// viewEvery is how often streams of events are told of a View that has changed, at most.
const viewEvery = time.Second

// readingsEvery is how often they are told of one in which nothing has changed but what the workers use: that it does all the
// time.
const readingsEvery = 10 * time.Second

// views is the last View as JSON, made once for all streams.
type views struct {
	mu       sync.Mutex
	asked    time.Time // when the View was last looked at
	text     []byte
	essence  []byte // text without what changes when nothing has happened
	made     time.Time
	measured time.Time // the newest reading in it
	version  uint64
}

// latest is the View, not much older than a second, and a number that is another one when it is another View.
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
	same := bytes.Equal(essence, v.essence) && (now.Sub(v.made) < readingsEvery || !v.measuredAnew(current))
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

// measuredAnew reports whether a View has readings that the last one had not.
func (v *views) measuredAnew(current fleet.View) bool { return !newest(current).Equal(v.measured) }

// newest is when the newest reading of a View was taken.
func newest(v fleet.View) time.Time {
	var at time.Time
	for _, w := range v.Workers {
		if w.Share.At.After(at) {
			at = w.Share.At
		}
	}
	return at
}

// essenceOf is a View without the time of it, what depends on it, and what the workers use.
func essenceOf(v fleet.View) ([]byte, error) {
	v.At, v.Engine.Skew = time.Time{}, 0
	v.Workers = slices.Clone(v.Workers)
	for n := range v.Workers {
		v.Workers[n].Share = worker.Share{}
	}
	return json.Marshal(fleetOf(v))
}
