package fleet

import (
	"cmp"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// The brake's bounds. Three, because two workers that time out together are no sign of anything on a small host; half,
// because the contract says most.
const (
	overloadMin     = 3
	overloadShare   = 0.5
	overloadMemory  = time.Minute      // a worker stopped for a timed-out probe counts as ill for so long
	overloadHold    = 5 * time.Minute  // after this long, restarts trickle: all workers may really hang
	trickleInterval = 30 * time.Second // one restart each
)

// overloadGuard holds restarts of running workers back while most workers on the host went unhealthy together by timed-out
// probes: then the host is ill, and restarts make it worse. It never touches the start of a dead worker.
type overloadGuard struct {
	on       bool
	hold     time.Duration
	since    time.Time
	trickled time.Time
}

// judgeHost sets the brake or lets it go. A worker that was stopped a moment ago for a timed-out probe is as ill as it
// was, whatever it is doing now.
func (f *Fleet) judgeHost(now time.Time) {
	why := f.overloadReason(now)
	on := why != ""
	if on == f.overload.on {
		return
	}
	kind := worker.EventHostRecovered
	if on {
		kind = worker.EventHostOverloaded
	}
	f.overload = overloadGuard{on: on, since: now, trickled: now, hold: cmp.Or(f.set.OverloadHold, overloadHold)}
	f.out.Events = append(f.out.Events, worker.Event{At: now, Kind: kind, Reason: worker.HeldHostOverloaded, Detail: why})
}

// overloadReason says why the host is ill, or nothing: most workers were cut off together, or one was whose reading shows that the host is
// out of CPU.
func (f *Fleet) overloadReason(now time.Time) string {
	share := cmp.Or(f.set.OverloadShare, overloadShare)
	f.probes.expire(now)
	watched, failing, starved := f.probes.watched, f.probes.timedOut, f.probes.starved
	for m := range f.probes.recent {
		if !m.probe.watched {
			watched++
		}
		if !m.probe.timedOut {
			failing++
		}
		if m.hostStarved && !m.probe.starved {
			starved++
		}
	}
	switch {
	case share > 1: // turned off
		return ""
	case f.probes.timedOut > 0 && failing >= overloadMin && float64(failing) >= share*float64(watched):
		return "most workers time out together"
	case starved > 0:
		return "its CPUs are all busy, more tasks wait for them, and a worker whose probe was cut off gets less than its quota"
	}
	return ""
}

func (m *member) recentlyTimedOut(now time.Time) bool {
	return !m.timedOutStop.IsZero() && now.Before(m.timedOutStop.Add(overloadMemory))
}

// allows reports whether a running worker may be stopped now. One whose probe really fails is not what the brake is for.
func (b *overloadGuard) allows(now time.Time, m *member) bool {
	_, timedOut := m.machine.ProbeState()
	if !b.on || !timedOut {
		return true
	}
	return b.trickles(now)
}

// trickles reports whether one restart may go out although the guard is on.
func (b *overloadGuard) trickles(now time.Time) bool {
	return now.Sub(b.since) >= b.hold && now.Sub(b.trickled) >= trickleInterval
}

func (f *Fleet) timedOutStopped(now time.Time, m *member) {
	if _, timedOut := m.machine.ProbeState(); timedOut {
		m.timedOutStop, m.hostStarved = now, m.machine.HostStarved()
		f.overload.trickled = now
		f.probes.stopped(m)
	}
}

// overloadWake is when the brake may allow something that it does not allow now.
func (f *Fleet) overloadWake(now time.Time) time.Time {
	if !f.overload.on {
		return time.Time{}
	}
	next := latest(f.overload.since.Add(f.overload.hold), f.overload.trickled.Add(trickleInterval))
	if !next.After(now) {
		next = now.Add(trickleInterval)
	}
	for m := range f.probes.recent {
		if m.recentlyTimedOut(now) && m.timedOutStop.Add(overloadMemory).Before(next) {
			next = m.timedOutStop.Add(overloadMemory)
		}
	}
	return next
}
