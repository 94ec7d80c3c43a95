package supervisor

import (
	"sync/atomic"
	"time"

	"stoker/sidecar/internal/core/fleet"
)

// maxViewAge and viewShare bound how often the view is built in a storm of events: it is never older than maxViewAge while the loop turns,
// and otherwise building it takes no more than one viewShare-th of the loop's time.
const (
	maxViewAge = 100 * time.Millisecond
	viewShare  = 20
)

// display is the view of the fleet, which the loop builds for its readers, and when it was last read.
type display struct {
	view   atomic.Pointer[fleet.View]
	due    time.Time     // when the view may be built again; used by the loop only
	builds atomic.Int64  // of the view
	seenAt atomic.Int64  // when the view was last displayed; Unix nanoseconds, 0 for never
	wake   chan struct{} // wakes the loop when displaying begins
}

// publish builds the view.
func (d *display) publish(f *fleet.Fleet) {
	v := f.View(time.Now())
	d.view.Store(&v)
	d.builds.Add(1)
}

// publishWhenDue builds the view, or returns the time until it may be built. A view lists all workers in order; with thousands of
// them, building it for each event of a storm would take more time than the events.
func (d *display) publishWhenDue(f *fleet.Fleet, now time.Time) time.Duration {
	if wait := d.due.Sub(now); wait > 0 {
		return wait
	}
	d.publish(f)
	took := time.Since(now)
	d.due = now.Add(took + min(viewShare*took, max(maxViewAge-took, 0)))
	return 0
}

// seen notes that the view is displayed, and wakes the loop if it was not for a while.
func (d *display) seen(now time.Time) {
	before := time.Unix(0, d.seenAt.Swap(now.UnixNano()))
	if now.Sub(before).Abs() > fleet.ViewedFor {
		select {
		case d.wake <- struct{}{}:
		default:
		}
	}
}

// passSeen passes the time of the last display to the fleet. The loop turns often enough for that.
func (d *display) passSeen(f *fleet.Fleet) {
	if at := d.seenAt.Load(); at != 0 {
		f.Viewed(time.Unix(0, at))
	}
}
