package docker

import (
	"slices"
	"sync"
)

// word is that someone has stopped a container while an action was under way.
type word struct {
	action    uint64
	container string
}

// hearsay is what Stopped was told. A word may come before its action has begun here, and so none is turned away; a word
// about an action that is over is never asked for, and is pushed out by later ones.
type hearsay struct {
	mu    sync.Mutex
	words []word
}

const mostWords = 256

// Stopped says that someone has stopped this container while that action, a Recreate or a Resume, is under way. Then the
// worker stays down. A stop of the new container that the transaction may have sent itself counts for nothing; the caller
// judges the stops of the old one. It never waits.
func (c *Client) StopNotice(action uint64, container string) {
	h := &c.heard
	h.mu.Lock()
	defer h.mu.Unlock()
	w := word{action, container}
	if slices.Contains(h.words, w) {
		return
	}
	h.words = append(h.words, w)
	if excess := len(h.words) - mostWords; excess > 0 {
		h.words = slices.Delete(h.words, 0, excess)
	}
}

// stopped reports whether there was a word about a container that own does not hold for.
func (h *hearsay) stopped(action uint64, own func(id string) bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.ContainsFunc(h.words, func(w word) bool { return w.action == action && !own(w.container) })
}

// forget is for an action that is over.
func (h *hearsay) forget(action uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.words = slices.DeleteFunc(h.words, func(w word) bool { return w.action == action })
}
