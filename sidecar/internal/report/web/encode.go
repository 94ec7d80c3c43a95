package web

import (
	"encoding/json"
	"fmt"
	"sync"

	"stoker/sidecar/internal/report/history"
)

// encoded caches the last events as JSON, so that an event is encoded once and not once for each of hundreds of streams.
type encoded struct {
	mu   sync.Mutex
	ring [64]struct {
		id   uint64
		data []byte
	}
}

func (c *encoded) event(e history.Entry) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	place := &c.ring[e.ID%uint64(len(c.ring))]
	if place.id == e.ID && place.data != nil {
		return place.data, nil
	}
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode event %d: %w", e.ID, err)
	}
	place.id, place.data = e.ID, data
	return data, nil
}
