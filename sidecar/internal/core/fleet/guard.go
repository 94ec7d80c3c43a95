package fleet

import (
	"cmp"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// Bounds of the overload guard. At least three workers: two that time out together prove nothing on a small host. The default share is half, as
// documented.
const (
	overloadMin     = 3
	overloadShare   = 0.5
	overloadMemory  = time.Minute      // a worker stopped for a timed-out probe counts as timed out for this long
	overloadHold    = 5 * time.Minute  // then restarts trickle: all workers may really hang
	trickleInterval = 30 * time.Second // between two of these restarts
)

// overloadGuard holds restarts of running workers while most workers on the host have become unhealthy together by timed-out probes. The host is
// then overloaded, and restarts add load. It never delays the start of a worker that is down.
type overloadGuard struct {
	on       bool
	hold     time.Duration
	since    time.Time
	trickled time.Time
}

// judgeHost turns the guard on or off. A worker that was recently stopped for a timed-out probe still counts as timed out, whatever its state.
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

// overloadReason returns why the host counts as overloaded, or nothing: the probes of most workers timed out together, or one did whose stats
// show that the host is out of CPU.
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

// allows reports whether a running worker may be stopped now. The guard does not apply to a worker whose probe fails without a time-out.
func (b *overloadGuard) allows(now time.Time, m *member) bool {
	_, timedOut := m.machine.ProbeState()
	if !b.on || !timedOut {
		return true
	}
	return b.trickles(now)
}

// trickles reports whether one restart may start although the guard is on.
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

// overloadWake returns when the guard may allow an action that it holds now.
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
