package metrics

import (
	"time"

	"stoker/sidecar/internal/core/fleet"
)

// picture is what is shown of the last View. It is recreated for each scrape, so that nothing can be stale.
type picture struct {
	engineUp, engineSince, engineSynced, engineSkew *family
	engineInfo, engineCPUs                          *family
	hostIll, at                                     *family
	workers, unnamed                                *family
	state, held, running, expected, attempts        *family
	quota, boosted, use, throttled                  *family
	problems, started, next                         *family
}

func newPicture(s *sheet) *picture {
	return &picture{
		workers:      s.gauge("stoker_workers", "Workers in each state.", "state"),
		unnamed:      s.gauge("stoker_workers_overflow", "Workers beyond the first 1000, whose series are summed up under worker=\"~other\"."),
		engineUp:     s.gauge("stoker_engine_up", "1 while the events of the engine are followed and the picture is complete."),
		engineSince:  s.gauge("stoker_engine_up_changed_timestamp_seconds", "When stoker_engine_up last changed."),
		engineSynced: s.gauge("stoker_engine_synced_timestamp_seconds", "When the last complete list was taken."),
		engineSkew:   s.gauge("stoker_engine_clock_skew_seconds", "The engine's clock minus Stoker's."),
		engineInfo:   s.gauge("stoker_engine_info", "1, with the versions of the engine.", "version", "api_version"),
		engineCPUs:   s.gauge("stoker_engine_cpus", "CPUs of the engine's host."),
		hostIll:      s.gauge("stoker_host_overloaded", "1 while restarts of running workers wait, because most of them fail together or the host is out of CPU."),
		at:           s.gauge("stoker_snapshot_timestamp_seconds", "When the picture was taken that these numbers are from. Every five seconds at least."),
		state:        s.gauge("stoker_worker_state", "1 for the state that the worker is in.", "worker", "state"),
		held:         s.gauge("stoker_worker_held", "1 for the reason why the worker is left alone.", "worker", "reason"),
		running:      s.gauge("stoker_worker_running", "1 while the worker's process runs.", "worker"),
		expected:     s.gauge("stoker_worker_expected", "1 while the worker is meant to run.", "worker"),
		attempts:     s.gauge("stoker_worker_attempts", "Heals tried since the worker was last stable.", "worker"),
		quota:        s.gauge("stoker_worker_quota_cpus", "CPU quota in CPUs, 0 for none.", "worker"),
		boosted:      s.gauge("stoker_worker_boosted", "1 while the worker's CPU quota is raised, because it starved.", "worker"),
		use:          s.gauge("stoker_worker_cpu_use", "CPUs that the worker was using when that was last measured, if it ever was in its present life.", "worker"),
		throttled:    s.gauge("stoker_worker_throttled_ratio", "Share of the quota's periods, from 0 to 1, in which the worker was held back when that was last measured, if it ever was in its present life.", "worker"),
		problems:     s.gauge("stoker_worker_label_problems", "Labels of the worker that are wrong.", "worker"),
		started:      s.gauge("stoker_worker_started_timestamp_seconds", "When the worker's present life began, or its last one if it is down.", "worker"),
		next:         s.gauge("stoker_worker_next_attempt_timestamp_seconds", "When the next heal is tried, if one waits.", "worker"),
	}
}

func (p *picture) fillLink(view fleet.View) {
	l := view.Engine
	p.engineUp.put(oneIf(l.Connected))
	p.engineSince.putInstant(l.Since)
	p.engineSynced.putInstant(l.Synced)
	p.engineSkew.put(l.Skew.Seconds())
	if l.Engine.Version != "" {
		p.engineInfo.put(1, clean(l.Engine.Version), clean(l.Engine.APIVersion))
		p.engineCPUs.put(float64(l.Engine.CPUs))
	}
	p.hostIll.put(oneIf(view.HostOverloaded))
	p.at.putInstant(view.At)
}

// putInstant leaves out what has not happened.
func (f *family) putInstant(t time.Time, values ...string) {
	if !t.IsZero() {
		f.put(float64(t.UnixMilli())/1000, values...)
	}
}

func oneIf(on bool) float64 {
	if on {
		return 1
	}
	return 0
}
