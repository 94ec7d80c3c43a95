package docker

import (
	"sync"

	"github.com/docker/docker/api/types/container"

	"stoker/sidecar/internal/core/worker"
)

// known holds the containers that exist, from the last list and the events since then. It saves the list that the search for dependents
// would cost after each heal. It is complete only while one event stream is open and a list was taken after that stream began: the create
// event of a container comes before the exit of a worker that it depends on.
type known struct {
	mu         sync.Mutex
	containers map[string]knownContainer
	complete   bool
	stream     uint64               // counts the streams; odd while one is open
	changes    []worker.Observation // since the pending list was requested
	listing    int                  // pending lists
}

type knownContainer struct {
	key    worker.Key
	labels map[string]string
	shared *shared // nil before the container was inspected
}

// follow begins a stream, and returns its end.
func (k *known) follow() (end func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stream++
	k.complete = false
	return func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.stream++
		k.complete = false
	}
}

// observe applies an event.
func (k *known) observe(o worker.Observation) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if o.Kind != worker.Created && o.Kind != worker.Renamed && o.Kind != worker.Gone {
		return
	}
	if k.listing > 0 {
		k.changes = append(k.changes, o)
	}
	k.apply(o)
}

func (k *known) apply(o worker.Observation) {
	switch one, exists := k.containers[o.ID]; {
	case o.Kind == worker.Gone:
		delete(k.containers, o.ID)
	case o.Kind == worker.Created && k.containers != nil:
		k.containers[o.ID] = knownContainer{key: o.Key, labels: o.Labels}
	case o.Kind == worker.Renamed && exists:
		one.key = o.Key
		k.containers[o.ID] = one
	}
}

// list begins a list. The caller passes the answer to the function that it returns; an error changes nothing.
func (k *known) list() (answered func(list []container.Summary, err error)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.listing++
	stream, from := k.stream, len(k.changes)
	return func(list []container.Summary, err error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		changes := k.changes[from:]
		if k.listing--; k.listing == 0 {
			k.changes = nil
		}
		if err != nil {
			return
		}
		before := k.containers
		k.containers = make(map[string]knownContainer, len(list))
		for _, one := range list {
			k.containers[one.ID] = knownContainer{key: keyOf(one.Names), labels: one.Labels, shared: before[one.ID].shared}
		}
		for _, o := range changes {
			k.apply(o)
		}
		k.complete = stream == k.stream && stream%2 == 1
	}
}

// snapshot returns the containers that exist; false if they are not known.
func (k *known) snapshot() (map[string]knownContainer, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.copied(), k.complete
}

func (k *known) copied() map[string]knownContainer {
	all := make(map[string]knownContainer, len(k.containers))
	for id, one := range k.containers {
		all[id] = one
	}
	return all
}

// inspected stores the namespaces that a container shares.
func (k *known) inspected(id string, s shared) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if one, ok := k.containers[id]; ok {
		one.shared = &s
		k.containers[id] = one
	}
}
