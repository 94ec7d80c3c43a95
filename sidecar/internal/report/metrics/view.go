package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/sanitize"
)

// viewCollector collects gauges from the last view of the fleet, and the counters of its workers. All of a scrape is from one
// view.
type viewCollector struct {
	view    func() fleet.View
	workers *workers
	gauges  gauges
}

// gauges are the descriptions of the gauges.
type gauges map[string]*prometheus.Desc

// newGauges returns the descriptions by the name without the prefix.
func newGauges() gauges {
	g := gauges{}
	add := func(name, help string, labels ...string) {
		g[name] = prometheus.NewDesc("stoker_"+name, help, labels, nil)
	}
	add("workers", "Workers in each state.", "state")
	add("workers_overflow", "Workers beyond the first 1000, whose series are summed up under worker=\"~other\".")
	add("engine_up", "1 while the engine's events are followed and the view of the fleet is complete.")
	add("engine_up_changed_timestamp_seconds", "When stoker_engine_up last changed.")
	add("engine_synced_timestamp_seconds", "When the last complete list was taken.")
	add("engine_clock_skew_seconds", "The engine's clock minus Stoker's.")
	add("engine_info", "1, with the versions of the engine.", "version", "api_version")
	add("engine_cpus", "CPUs of the engine's host.")
	add("host_overloaded", "1 while restarts of running workers wait, because most of them fail together or the host is out of CPU.")
	add("snapshot_timestamp_seconds", "When the snapshot was taken that these numbers are from. Every five seconds at least.")
	add("worker_state", "1 for the state that the worker is in.", "worker", "state")
	add("worker_held", "1 for the reason why the worker is held.", "worker", "reason")
	add("worker_running", "1 while the worker's process runs.", "worker")
	add("worker_expected", "1 while the worker should run.", "worker")
	add("worker_attempts", "Heals tried since the worker was last stable.", "worker")
	add("worker_quota_cpus", "CPU quota in CPUs, 0 for none.", "worker")
	add("worker_boosted", "1 while the worker's CPU quota is raised, because it starved.", "worker")
	add("worker_cpu_use", "CPUs that the worker used at the last measurement, if there was one since its last start.", "worker")
	add("worker_throttled_ratio", "Share of the quota's periods, from 0 to 1, in which the worker was throttled at the last measurement, if there was one since its last start.", "worker")
	add("worker_probe_up", "1 while the probes from outside show that the worker is well, 0 while they fail, before the first and while it cannot be probed. Only for workers with stoker.probe.", "worker")
	add("worker_label_problems", "Labels of the worker that are wrong.", "worker")
	add("worker_started_timestamp_seconds", "When the worker was last started.", "worker")
	add("worker_next_attempt_timestamp_seconds", "When the next heal is tried, if one waits.", "worker")
	add("demand_value", "Items of work that a group has to do, waiting or in hand, as far as is known.", "group")
	add("demand_up", "1 while all sources of work of a group answer.", "group")
	add("service_replicas", "Replicas that a Swarm service was given, by what is done about them (STOKER_SWARM_SCALE).", "group", "state")
	add("replicas_wanted", "Workers of a group that should run.", "group")
	add("replicas_running", "Workers of a group that run.", "group")
	add("replicas_asleep", "Workers of a group that sleep and can be woken.", "group")
	add("demand_limited", "1 while a group has more work than workers that may run, with the reason.", "group", "limit")
	return g
}

// Describe implements prometheus.Collector.
func (c *viewCollector) Describe(out chan<- *prometheus.Desc) {
	for _, desc := range c.gauges {
		out <- desc
	}
	c.workers.faults.Describe(out)
	c.workers.heals.Describe(out)
}

// Collect implements prometheus.Collector.
func (c *viewCollector) Collect(out chan<- prometheus.Metric) {
	view := c.view()
	labels := c.workers.sync(view)
	s := scrape{c.gauges, out}
	s.engine(view)
	s.workers(view, labels)
	s.groups(view)
	c.workers.faults.Collect(out)
	c.workers.heals.Collect(out)
}

// scrape is one collection under way.
type scrape struct {
	gauges gauges
	out    chan<- prometheus.Metric
}

func (s scrape) put(name string, v float64, labels ...string) {
	s.out <- prometheus.MustNewConstMetric(s.gauges[name], prometheus.GaugeValue, v, labels...)
}

// putTime leaves out what has not happened.
func (s scrape) putTime(name string, t time.Time, labels ...string) {
	if !t.IsZero() {
		s.put(name, float64(t.UnixMilli())/1000, labels...)
	}
}

func (s scrape) engine(view fleet.View) {
	e := view.Engine
	s.put("engine_up", oneIf(e.Connected))
	s.putTime("engine_up_changed_timestamp_seconds", e.Since)
	s.putTime("engine_synced_timestamp_seconds", e.Synced)
	s.put("engine_clock_skew_seconds", e.Skew.Seconds())
	if e.Engine.Version != "" {
		s.put("engine_info", 1, sanitize.Label(e.Engine.Version), sanitize.Label(e.Engine.APIVersion))
		s.put("engine_cpus", float64(e.Engine.CPUs))
	}
	s.put("host_overloaded", oneIf(view.HostOverloaded))
	s.putTime("snapshot_timestamp_seconds", view.At)
}

// workers collects each worker that has a label, and the sum of the others.
func (s scrape) workers(view fleet.View, labels map[worker.Key]string) {
	states := map[fleet.State]int{
		fleet.StateUnknown: 0, fleet.StateRunning: 0, fleet.StateStarting: 0, fleet.StateUnhealthy: 0, fleet.StateHealing: 0,
		fleet.StateWaiting: 0, fleet.StateHeld: 0, fleet.StateExhausted: 0, fleet.StateAsleep: 0, fleet.StateWaking: 0, fleet.StateRetiring: 0,
	}
	rest, beyond := newSum(), 0
	seen := make(map[worker.Key]bool, len(view.Workers))
	for _, w := range view.Workers {
		states[w.State]++
		label, ok := labels[w.Key]
		if !ok || seen[w.Key] {
			rest.add(w)
			beyond++
			continue
		}
		seen[w.Key] = true
		s.worker(label, w)
	}
	for state, n := range states {
		s.put("workers", float64(n), value(state))
	}
	s.put("workers_overflow", float64(beyond))
	if beyond > 0 {
		s.sum(overflow, rest)
	}
}

// worker collects also what cannot be summed up.
func (s scrape) worker(label string, w fleet.WorkerView) {
	one := newSum()
	one.add(w)
	s.sum(label, one)
	s.putTime("worker_started_timestamp_seconds", w.StartedAt, label)
	s.putTime("worker_next_attempt_timestamp_seconds", w.NextAt, label)
	if one.measured > 0 && !w.Share.ThrottlingUnknown {
		s.put("worker_throttled_ratio", w.Share.Throttled, label)
	}
}

func (s scrape) sum(label string, c *sum) {
	for state, n := range c.states {
		s.put("worker_state", float64(n), label, value(state))
	}
	for reason, n := range c.held {
		s.put("worker_held", float64(n), label, value(reason))
	}
	s.put("worker_running", c.running, label)
	s.put("worker_expected", c.expected, label)
	s.put("worker_attempts", c.attempts, label)
	s.put("worker_quota_cpus", c.quota, label)
	s.put("worker_boosted", c.boosted, label)
	s.put("worker_label_problems", c.problems, label)
	if c.probed > 0 {
		s.put("worker_probe_up", c.probeUp, label)
	}
	if c.measured > 0 {
		s.put("worker_cpu_use", c.use, label)
	}
}

// sum is one worker, or several summed up.
type sum struct {
	running, expected, attempts, problems, quota, boosted float64

	probed   int // workers with a probe from outside
	probeUp  float64
	measured int // workers whose CPU use is known
	use      float64
	states   map[fleet.State]int
	held     map[worker.Reason]int
}

func newSum() *sum { return &sum{states: map[fleet.State]int{}, held: map[worker.Reason]int{}} }

func (s *sum) add(w fleet.WorkerView) {
	s.running += oneIf(w.Status == worker.StatusRunning)
	s.expected += oneIf(w.Expected)
	s.attempts += float64(w.Attempts)
	s.problems += float64(len(w.Problems))
	s.quota += w.CPUs
	s.boosted += oneIf(w.Boosted)
	if w.Probe.Target.Kind != 0 {
		s.probed++
		s.probeUp += oneIf(w.Probe.Status == worker.HealthHealthy)
	}
	if !w.Share.At.IsZero() {
		s.measured++
		s.use += w.Share.CPUs
	}
	s.states[w.State]++
	if w.Held != worker.HeldNot {
		s.held[w.Held]++
	}
}

func oneIf(on bool) float64 {
	if on {
		return 1
	}
	return 0
}
