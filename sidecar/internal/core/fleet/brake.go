package fleet

import (
	"cmp"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// The brake's bounds. Three, because two workers that time out together are no sign of anything on a small host; half,
// because the contract says most.
const (
	brakeLeast  = 3
	brakeShare  = 0.5
	brakeMemory = time.Minute      // a worker stopped for a timed-out probe counts as ill for so long
	brakeHold   = 5 * time.Minute  // after this long, restarts trickle: all workers may really hang
	brakeDrip   = 30 * time.Second // one restart each
)

// brake holds restarts of running workers back while most workers on the host went unhealthy together by timed-out
// probes: then the host is ill, and restarts make it worse. It never touches the start of a dead worker.
type brake struct {
	on      bool
	hold    time.Duration
	since   time.Time
	dripped time.Time
}

// judgeHost sets the brake or lets it go. A worker that was stopped a moment ago for a timed-out probe is as ill as it
// was, whatever it is doing now.
func (f *Fleet) judgeHost(now time.Time) {
	why := f.illness(now)
	on := why != ""
	if on == f.brake.on {
		return
	}
	kind := worker.NoteHostWell
	if on {
		kind = worker.NoteHostIll
	}
	f.brake = brake{on: on, since: now, dripped: now, hold: cmp.Or(f.set.IllHold, brakeHold)}
	f.out.Notes = append(f.out.Notes, worker.Note{At: now, Kind: kind, Reason: worker.HeldHostIll, Detail: why})
}

// illness says why the host is ill, or nothing: most workers were cut off together, or one was whose reading shows that the host is
// out of CPU.
func (f *Fleet) illness(now time.Time) string {
	share := cmp.Or(f.set.IllShare, brakeShare)
	watched, ill, still, lacking := 0, 0, 0, 0
	for _, m := range f.byID {
		w, timedOut := m.machine.Watched()
		recent := m.recentlyIll(now)
		if w || recent {
			watched++
		}
		if timedOut || recent {
			ill++
		}
		if timedOut {
			still++
		}
		if m.machine.Lacking() || (recent && m.lacked) {
			lacking++
		}
	}
	switch {
	case share > 1: // turned off
		return ""
	case still > 0 && ill >= brakeLeast && float64(ill) >= share*float64(watched):
		return "most workers time out together"
	case lacking > 0:
		return "its CPUs are all busy, more tasks wait for them, and a worker whose probe was cut off gets less than its quota"
	}
	return ""
}

func (m *member) recentlyIll(now time.Time) bool {
	return !m.illStop.IsZero() && now.Before(m.illStop.Add(brakeMemory))
}

// allows tells whether a running worker may be stopped now. One whose probe really fails is not what the brake is for.
func (b *brake) allows(now time.Time, m *member) bool {
	_, timedOut := m.machine.Watched()
	if !b.on || !timedOut {
		return true
	}
	return now.Sub(b.since) >= b.hold && now.Sub(b.dripped) >= brakeDrip
}

func (b *brake) stopped(now time.Time, m *member) {
	if _, timedOut := m.machine.Watched(); timedOut {
		m.illStop, m.lacked = now, m.machine.Lacking()
		b.dripped = now
	}
}

// brakeWake is when the brake may allow something that it does not allow now.
func (f *Fleet) brakeWake(now time.Time) time.Time {
	if !f.brake.on {
		return time.Time{}
	}
	next := latest(f.brake.since.Add(f.brake.hold), f.brake.dripped.Add(brakeDrip))
	if !next.After(now) {
		next = now.Add(brakeDrip)
	}
	for _, m := range f.byID {
		if m.recentlyIll(now) && m.illStop.Add(brakeMemory).Before(next) {
			next = m.illStop.Add(brakeMemory)
		}
	}
	return next
}
