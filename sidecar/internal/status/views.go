package status

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"

	"stoker/sidecar/internal/fleet"
)

// viewEvery is how often streams of events are told of a View that has changed, at most.
const viewEvery = time.Second

// views is the last View as JSON, made once for all streams.
type views struct {
	mu      sync.Mutex
	asked   time.Time // when the View was last looked at
	text    []byte
	essence []byte // text without what changes when nothing has happened
	version uint64
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
	if err != nil || bytes.Equal(essence, v.essence) { // no type in it can fail to be encoded
		return v.text, v.version
	}
	text, err = json.Marshal(fleetOf(current))
	if err != nil {
		return v.text, v.version
	}
	v.text, v.essence = text, essence
	v.version++
	return v.text, v.version
}

// essenceOf is a View without the time of it and what depends on it.
func essenceOf(v fleet.View) ([]byte, error) {
	v.At, v.Link.Skew = time.Time{}, 0
	return json.Marshal(fleetOf(v))
}
