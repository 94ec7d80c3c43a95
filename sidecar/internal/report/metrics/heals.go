package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

const (
	// maxWorkers have series of their own. The others share the series of overflow.
	maxWorkers = 1000
	// maxSeries bounds the counters of one worker. Stoker's words make a few dozen, of which a worker meets a handful.
	maxSeries = 64
	// goneAfter is how long a worker may be missing from the view. It bridges the moment of a recreate in which no container has
	// the name, and ends the series of a worker that was renamed, which no event reports.
	goneAfter = time.Minute
)

// workers holds the counters of each worker for as long as the worker exists.
type workers struct {
	mu       sync.Mutex
	faults   *prometheus.CounterVec // worker, fault, intent, reason
	heals    *prometheus.CounterVec // worker, fault, action, outcome
	byName   map[worker.Key]*counters
	overflow *counters
}

// counters are the series of one worker.
type counters struct {
	label  string
	id     string // of the container that has the name
	seen   time.Time
	heal   openHeal
	faults map[[3]string]bool // the series that exist
	heals  map[[3]string]bool
}

// openHeal is the heal in progress. Its fault is empty when there is none; the action is kept after a failed attempt, for the
// event that the worker is exhausted.
type openHeal struct {
	id     uint64
	fault  worker.Fault
	action worker.HealAction
}

func newWorkers() *workers {
	return &workers{
		faults:   counter("stoker_faults_total", "Heals decided on.", "worker", "fault", "intent", "reason"),
		heals:    counter("stoker_heals_total", "Heals ended, by outcome.", "worker", "fault", "action", "outcome"),
		byName:   map[worker.Key]*counters{},
		overflow: newCounters(overflow, ""),
	}
}

func newCounters(label, id string) *counters {
	return &counters{label: label, id: id, faults: map[[3]string]bool{}, heals: map[[3]string]bool{}}
}

func (w *workers) record(events []worker.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range events {
		switch {
		case e.Key == "": // about the engine or the host
		case e.Kind == worker.EventUnmanaged:
			if c := w.byName[e.Key]; c != nil && (e.ID == "" || c.id == e.ID) { // else another container has the name by now
				w.remove(e.Key)
			}
		default:
			w.count(w.of(e), e)
		}
	}
}

// of returns the counters of the worker that an event is about.
func (w *workers) of(e worker.Event) *counters {
	c := w.admit(e.Key, e.ID)
	if c == nil {
		c = w.overflow
		c.heal = openHeal{} // of workers that share their counters no open heal is known
	}
	c.seen = e.At
	if e.ID != "" {
		c.id = e.ID
	}
	return c
}

// admit returns the counters of a worker, or new ones while there is room, or nil.
func (w *workers) admit(key worker.Key, id string) *counters {
	c := w.byName[key]
	if c == nil && len(w.byName) < maxWorkers {
		c = newCounters(value(key), id)
		w.byName[key] = c
	}
	return c
}

func (w *workers) remove(key worker.Key) {
	c := w.byName[key]
	for s := range c.faults {
		w.faults.DeleteLabelValues(c.label, s[0], s[1], s[2])
	}
	for s := range c.heals {
		w.heals.DeleteLabelValues(c.label, s[0], s[1], s[2])
	}
	delete(w.byName, key)
}

// count counts one event. Events of other kinds are counted by their kind only.
func (w *workers) count(c *counters, e worker.Event) {
	switch e.Kind {
	case worker.EventFault:
		c.heal = openHeal{id: e.HealID, fault: e.Fault, action: e.Heal}
		inc(w.faults, c.label, c.faults, [3]string{value(e.Fault), value(e.Intent), value(e.Reason)}, [3]string{overflow, overflow, overflow})
	case worker.EventHealed:
		w.closed(c, e, "healed")
	case worker.EventHealFailed:
		w.closed(c, e, "failed")
	case worker.EventExhausted:
		w.closed(c, e, "exhausted")
	case worker.EventRecovered:
		if e.Fault != "" || e.HealID != 0 || c.heal.isOf(e) { // else an operator started a worker that was held
			w.closed(c, e, "recovered")
		}
	case worker.EventHeld:
		if e.Reason != worker.HeldStarved { // a starved worker's heal is delayed, not dropped
			c.heal = openHeal{}
		}
	case worker.EventManaged:
		c.heal = openHeal{}
	default:
	}
}

// isOf reports whether an event is about the open heal. Events from before heals had IDs are paired by their order.
func (h openHeal) isOf(e worker.Event) bool { return h.fault != "" && h.id == e.HealID }

// closed counts the end of a heal or of an attempt. What the event leaves out is taken from the same heal's fault.
func (w *workers) closed(c *counters, e worker.Event, outcome string) {
	fault, action := e.Fault, e.Heal
	if c.heal.id == e.HealID {
		if fault == "" {
			fault = c.heal.fault
		}
		if action == "" {
			action = c.heal.action
		}
		c.heal = openHeal{id: e.HealID}
		if e.Kind == worker.EventHealFailed || e.Kind == worker.EventExhausted {
			c.heal.action = action
		}
	}
	inc(w.heals, c.label, c.heals, [3]string{value(fault), value(action), outcome}, [3]string{overflow, overflow, overflow})
}

// inc counts in a series of a worker, or in rest when the worker has too many.
func inc(vec *prometheus.CounterVec, label string, known map[[3]string]bool, series, rest [3]string) {
	if !known[series] && len(known) >= maxSeries {
		series = rest
	}
	known[series] = true
	vec.WithLabelValues(label, series[0], series[1], series[2]).Inc()
}

// sync brings the counters in line with a view and returns the labels of the workers that have series of their own. Workers
// of the view get counters while there is room. Those that have been missing from it for goneAfter lose theirs; a view without
// a connection to the engine is incomplete and ends nothing.
func (w *workers) sync(view fleet.View) map[worker.Key]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, v := range view.Workers {
		if c := w.byName[v.Key]; c != nil && c.seen.Before(view.At) {
			c.seen = view.At
		}
	}
	if view.Engine.Connected {
		for key, c := range w.byName {
			if view.At.Sub(c.seen) > goneAfter {
				w.remove(key)
			}
		}
	}
	for _, v := range view.Workers {
		if c := w.admit(v.Key, v.ID); c != nil && c.seen.IsZero() {
			c.seen = view.At
		}
	}
	labels := make(map[worker.Key]string, len(w.byName))
	for key, c := range w.byName {
		labels[key] = c.label
	}
	return labels
}
