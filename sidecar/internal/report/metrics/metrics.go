// Package metrics exports what Stoker does to Prometheus: events become counters, and the last view of the fleet becomes
// gauges at the moment of a scrape. It decides nothing and blocks no one.
//
// Every label value that is not one of Stoker's own words is sanitized, and every label has a bounded number of values:
// containers can have any name and come by the thousand.
package metrics

import (
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/sanitize"
)

// Options are the sources of the metrics.
type Options struct {
	View    func() fleet.View // the last view; must not block
	Version string
	Commit  string
}

// Metrics is all of Stoker's metrics, in a registry of its own. All methods are safe for concurrent use and do not block.
type Metrics struct {
	registry      *prometheus.Registry
	workers       *workers
	healDurations *prometheus.HistogramVec
	wakeDurations *prometheus.HistogramVec
	calls         *prometheus.HistogramVec
	events        *prometheus.CounterVec
	dropped       *prometheus.CounterVec
	notifications *prometheus.CounterVec
	observations  *prometheus.CounterVec
	pings         *prometheus.CounterVec
	resyncs       prometheus.Counter
	words         *words
}

// New creates the metrics. Counters of known words begin at 0, so that the first count is an increase.
func New(opts Options) *Metrics {
	m := &Metrics{
		registry:      prometheus.NewRegistry(),
		workers:       newWorkers(),
		words:         &words{known: map[string]map[string]bool{}},
		healDurations: histogram("stoker_heal_duration_seconds", "Time from the detection of a fault to the worker being back.", healBuckets(), "fault", "action"),
		wakeDurations: histogram("stoker_wake_duration_seconds", "Time from the decision to wake a worker to the worker being up, and healthy if it has a health check.", healBuckets(), "group"),
		calls:         histogram("stoker_engine_call_duration_seconds", "Duration of calls to the engine.", callBuckets(), "kind", "outcome"),
		events:        counter("stoker_events_total", "Events about workers, the connection to the engine and the host.", "kind"),
		dropped:       counter("stoker_events_dropped_total", "Events that a sink had no room for.", "sink"),
		pings:         counter("stoker_pings_total", "Fetches of STOKER_PING, by outcome.", "outcome"),
		notifications: counter("stoker_notifications_total", "Notifications, by outcome.", "outcome"),
		observations:  counter("stoker_observations_total", "Observations of the watch about containers and the connection to the engine.", "kind"),
		resyncs:       prometheus.NewCounter(prometheus.CounterOpts{Name: "stoker_resyncs_total", Help: "Complete lists taken from the engine."}),
	}
	for _, kind := range worker.EventKinds() {
		m.events.WithLabelValues(m.words.bounded("event", string(kind)))
	}
	for _, outcome := range []string{"sent", "failed", "dropped"} {
		m.notifications.WithLabelValues(m.words.bounded("notification", outcome))
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "stoker_build_info", Help: "1, with the versions of this build of Stoker."}, []string{"version", "commit", "goversion"})
	build.WithLabelValues(sanitize.Label(opts.Version), sanitize.Label(opts.Commit), sanitize.Label(runtime.Version())).Set(1)
	m.registry.MustRegister(
		&viewCollector{view: opts.View, workers: m.workers, gauges: newGauges()},
		m.healDurations, m.wakeDurations, m.calls, m.events, m.dropped, m.notifications, m.pings, m.observations, m.resyncs, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

// Handler serves the metrics. A scrape is gathered as a whole before the first byte is written, so that a client that does
// not read holds memory and nothing else. Nothing is compressed: the answer is small, and the CPU belongs to the workers.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{DisableCompression: true, ErrorHandling: promhttp.ContinueOnError})
}

// Record counts the events. What a container printed or an engine answered (Output, Detail) is not exported.
func (m *Metrics) Record(events []worker.Event) {
	for _, e := range events {
		m.events.WithLabelValues(m.words.bounded("event", string(e.Kind))).Inc()
		if e.Kind == worker.EventWoken && e.HealID != 0 { // else another client has started it
			m.wakeDurations.WithLabelValues(m.words.bounded("group", e.Group)).Observe(max(e.Duration, 0).Seconds())
		}
		if e.Kind == worker.EventHealed {
			m.healDurations.WithLabelValues(m.words.bounded("fault", string(e.Fault)), m.words.bounded("action", string(e.Heal))).Observe(max(e.Duration, 0).Seconds())
		}
	}
	m.workers.record(events)
}

// Dropped counts n events that a sink had no room for. An n of 0 creates the series, so that the first drop is an increase.
func (m *Metrics) Dropped(sink string, n uint64) {
	m.dropped.WithLabelValues(m.words.bounded("sink", sink)).Add(float64(n))
}

// Notified counts one notification: sent, failed, or dropped.
func (m *Metrics) Notified(outcome string) {
	m.notifications.WithLabelValues(m.words.bounded("notification", outcome)).Inc()
}

// Pinged counts one fetch of STOKER_PING.
func (m *Metrics) Pinged(err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	m.pings.WithLabelValues(outcome).Inc()
}

// Observed counts one observation of the watch, by its kind.
func (m *Metrics) Observed(kind string) {
	m.observations.WithLabelValues(m.words.bounded("observation", kind)).Inc()
}

// Resynced counts one complete list taken from the engine.
func (m *Metrics) Resynced() { m.resyncs.Inc() }

// Called counts one call to the engine by kind and outcome. A duration below zero (the clock was set back) counts as zero.
func (m *Metrics) Called(kind string, took time.Duration, outcome string) {
	m.calls.WithLabelValues(m.words.bounded("call", kind), m.words.bounded("outcome", outcome)).Observe(max(took, 0).Seconds())
}

// healBuckets reach from an immediate start, over a health check's interval, to a worker that took many attempts.
func healBuckets() []float64 {
	return []float64{.1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600}
}

// callBuckets reach from an inspect over a socket to a stop with a long grace period.
func callBuckets() []float64 {
	return []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
}

const (
	// overflow is the label value for everything beyond a bound. No sanitized value is equal to it.
	overflow = sanitize.LabelMark + "other"
	// none is the label value where an event has none: to Prometheus an empty label is a missing one.
	none = "none"
	// maxWords is the number of values of a label that Stoker's own words fill. There are fewer than half as many.
	maxWords = 64
)

// words bounds the number of values of each label.
type words struct {
	mu    sync.Mutex
	known map[string]map[string]bool // by label
}

// bounded returns the label value for a text: the text itself, or overflow when the label has too many values already.
func (w *words) bounded(label, word string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.known[label] == nil {
		w.known[label] = map[string]bool{}
	}
	if !w.known[label][word] {
		if len(w.known[label]) >= maxWords {
			return overflow
		}
		w.known[label][word] = true
	}
	return value(word)
}

// value returns a text as a label value.
func value[W ~string](word W) string {
	if word == "" {
		return none
	}
	return sanitize.Label(string(word))
}
