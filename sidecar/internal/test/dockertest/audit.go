package dockertest

import (
	"slices"
	"strconv"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// Life is one life of a container, as it really was.
type Life struct {
	Incarnation worker.Incarnation
	Name        string // when it began
	Began       time.Time
	Ended       time.Time // the world's clock, as Began; zero while it lasts
	StartedBy   Actor
	EndedBy     Actor
	ExitCode    int
}

// Record is one request that would change something, as the engine saw it and as its sender did.
type Record struct {
	By          Actor
	Op          Op
	Key         string             // the container's name when the request arrived
	Labels      map[string]string  // of the container
	Action      worker.Action      // Stoker's, on the simulation's face; zero elsewhere
	Incarnation worker.Incarnation // the container's, when the request arrived
	Signal      int                // kill
	CallTimes
	CallResult
}

// CallTimes are the stages of a request, on the world's clock.
type CallTimes struct {
	Sent     time.Time
	Arrived  time.Time // zero when it never did
	Done     time.Time // when the engine was through with it; zero when it never was
	Answered time.Time // when its sender had the answer or gave up; zero before
}

// CallResult is what came of a request.
type CallResult struct {
	Effect bool // the engine did it: neither refused, nor already so
	Err    string
}

// Truth is what really holds for one container, or held for one that is gone.
type Truth struct {
	worker.Snapshot
	HealthCheck CheckResult // of its process now
	Parents     []string    // containers whose namespaces it shares
	Unfit       string      // why it cannot be recreated; empty when it can
	Given       []string    // the networks that it was made with, and what operators did to them since
	Loss        Loss
	Wanted      bool // an operator started it last, and neither stopped nor removed it since
	Gone        bool
	Lives       []Life
}

// Audit is every request that would change something, in the order of arrival.
func (w *World) Audit() []Record {
	records := make([]Record, 0, len(w.audit))
	for _, r := range w.audit {
		records = append(records, *r)
	}
	return records
}

// Truths are all containers that there ever were, in the order of their creation.
func (w *World) Truths() []Truth {
	truths := []Truth{}
	for _, c := range w.removed {
		truths = append(truths, c.truth())
	}
	for _, c := range w.containers {
		truths = append(truths, c.truth())
	}
	return truths
}

// TruthsOf are the containers that exist and have a label with that value, in the order of their creation.
func (w *World) TruthsOf(label, value string) []Truth {
	var truths []Truth
	for _, c := range w.containers {
		if c.Spec.Labels[label] == value {
			truths = append(truths, c.truth())
		}
	}
	return truths
}

// Truth is the container of that name, or the last one that had it.
func (w *World) Truth(name string) (Truth, bool) {
	if c := w.find(name); c != nil {
		return c.truth(), true
	}
	for i := len(w.removed) - 1; i >= 0; i-- {
		if w.removed[i].Name == name {
			return w.removed[i].truth(), true
		}
	}
	return Truth{}, false
}

// TruthByID is the container of that ID, also when it is gone.
func (w *World) TruthByID(id string) (Truth, bool) {
	for _, c := range w.containers {
		if c.ID == id {
			return c.truth(), true
		}
	}
	for _, c := range w.removed {
		if c.ID == id {
			return c.truth(), true
		}
	}
	return Truth{}, false
}

func (c *container) truth() Truth {
	t := Truth{Snapshot: c.facts(), Wanted: *c.wanted, Given: slices.Clone(*c.given), Loss: *c.loss, Unfit: c.Spec.Unfit, Parents: c.Spec.parents(), Gone: c.gone, Lives: append([]Life(nil), c.lives...)}
	if c.process != nil {
		t.HealthCheck = c.process.healthCheck(c.w.now)
	}
	return t
}

func decimal(n int) string { return strconv.Itoa(n) }
