package dockertest

// hooks are functions to call, in the order in which they were added.
type hooks[T any] struct{ all []*hook[T] }

type hook[T any] struct{ call func(T) }

// add has f called from now on, until the returned function is called.
func (h *hooks[T]) add(f func(T)) (remove func()) {
	mine := &hook[T]{call: f}
	h.all = append(h.all, mine)
	return func() {
		for i, other := range h.all {
			if other == mine {
				h.all = append(h.all[:i:i], h.all[i+1:]...)
				return
			}
		}
	}
}

func (h *hooks[T]) call(v T) {
	for _, hook := range h.all {
		hook.call(v)
	}
}

// turn is a change of the engine that its clients notice.
type turn uint8

const (
	listenersClosed turn = iota // requests are not answered any more
	listenersOpen               // they are again
	streamsBroke                // the engine is gone
	streamsCut                  // only the streams of Stoker are broken
)
