// Package metrics tells in Prometheus' words what Stoker does: notes become counters, and the picture of the fleet becomes
// gauges at the moment of a scrape. It decides nothing and holds nobody up.
//
// Every label value that is not a fixed word of Stoker's own is cleaned and clipped, and every label has a bounded number of
// values: containers can be called anything and come by the thousand.
package metrics

import (
	"runtime"
	"sync/atomic"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// Options is what the metrics are about.
type Options struct {
	View    func() fleet.View // the last picture; must not block
	Version string
	Commit  string
}

// Metrics is all of Stoker's metrics. All methods are safe for concurrent use, and none waits for anything but another one's
// few memory writes.
type Metrics struct {
	opts     Options
	ledger   *ledger
	cured    stopwatch // by fault and action
	calls    stopwatch // by kind and outcome
	notes    tally
	dropped  tally
	notified tally
	observed tally
	resyncs  atomic.Uint64
}

// New makes the metrics. Counters of known words begin at 0, so that the first count is an increase.
func New(opts Options) *Metrics {
	m := &Metrics{opts: opts, ledger: newLedger(), cured: stopwatch{bounds: healBuckets()}, calls: stopwatch{bounds: callBuckets()}}
	for _, kind := range worker.EventKinds() {
		m.notes.add(string(kind), 0)
	}
	for _, outcome := range []string{"sent", "failed", "dropped"} {
		m.notified.add(outcome, 0)
	}
	return m
}

// Tell counts the notes. What a container printed or an engine answered (Output, Detail) goes nowhere.
func (m *Metrics) Record(notes []worker.Event) {
	for _, n := range notes {
		m.notes.add(string(n.Kind), 1)
		if n.Kind == worker.EventHealed {
			m.cured.observe(n.Duration, string(n.Fault), string(n.Heal))
		}
	}
	m.ledger.tell(notes)
}

// Dropped counts n more notes that a sink had no room for. An n of 0 makes the sink known, so that its first drop is an increase.
func (m *Metrics) Dropped(sink string, n uint64) { m.dropped.add(sink, n) }

// Notified counts one notification: sent, failed, or dropped.
func (m *Metrics) Notified(outcome string) { m.notified.add(outcome, 1) }

// Observed counts one fact that the watch told, by its kind.
func (m *Metrics) Observed(kind string) { m.observed.add(kind, 1) }

// Resynced counts one complete list taken from the engine.
func (m *Metrics) Resynced() { m.resyncs.Add(1) }

// Called counts one call to the engine, how long it took and what became of it.
func (m *Metrics) Called(kind string, took time.Duration, outcome string) {
	m.calls.observe(took, kind, outcome)
}

// sheet is all that there is to tell at this moment. What is from the picture is all from one.
func (m *Metrics) sheet() *sheet {
	s := &sheet{}
	m.fillCounts(s)
	view := m.opts.View()
	b := m.ledger.balance(view)
	p := newPicture(s)
	p.fillLink(view)
	p.fillWorkers(view, b.labels)
	b.fill(s)
	s.gauge("stoker_build_info", "1, with what this Stoker was built from.", "version", "commit", "goversion").
		put(1, clean(m.opts.Version), clean(m.opts.Commit), clean(runtime.Version()))
	fillProcess(s)
	return s
}

func (m *Metrics) fillCounts(s *sheet) {
	m.cured.fill(s.histogram("stoker_heal_duration_seconds", "Time from a fault being seen to the worker being back.", "fault", "action"))
	m.calls.fill(s.histogram("stoker_engine_call_duration_seconds", "Duration of calls to the engine.", "kind", "outcome"))
	m.notes.fill(s.counter("stoker_events_total", "What was told of workers, the link and the host.", "kind"))
	m.dropped.fill(s.counter("stoker_events_dropped_total", "Notes that a sink had no room for.", "sink"))
	m.notified.fill(s.counter("stoker_notifications_total", "Notifications, by what became of them.", "outcome"))
	m.observed.fill(s.counter("stoker_observations_total", "Facts that the watch told about containers and the link.", "kind"))
	s.counter("stoker_resyncs_total", "Complete lists taken from the engine.").put(float64(m.resyncs.Load()))
}

// healBuckets reach from a start at once, over a health check's interval, to a worker that took many attempts.
func healBuckets() []float64 {
	return []float64{.1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600}
}

// callBuckets reach from a look over a socket to a stop with a long grace.
func callBuckets() []float64 {
	return []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
}
