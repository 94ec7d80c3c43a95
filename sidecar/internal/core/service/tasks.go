package service

import (
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/worker"
)

// placeFor is how long fewer tasks than replicas must run before Stoker asks why, and how often it asks.
const (
	placeFor   = 30 * time.Second
	placeEvery = time.Minute
)

// unplaced is replicas for which Swarm finds no node.
type unplaced struct {
	since    time.Time // fewer tasks run than there are replicas; zero when they do not
	asked    time.Time
	asks     bool   // in this round
	why      string // Swarm's message; empty when it has none
	reported bool
}

// Wanted returns the IDs of the services whose tasks are needed now. Each needs a Tasks.
func (t *Table) Wanted(now time.Time) []string {
	if t.role != RoleLeader {
		return nil
	}
	var ids []string
	for _, s := range t.inOrder() {
		if s.asksPlace(now) {
			s.unplaced.asked, s.unplaced.asks = now, true
			ids = append(ids, s.seen.ID)
		}
	}
	for _, name := range sortedKeys(t.losses) {
		if l := t.losses[name]; l.asks(now) && !slices.Contains(ids, l.service.ID) {
			ids = append(ids, l.service.ID)
		}
	}
	return ids
}

// asksPlace reports whether to ask now why fewer tasks run than there are replicas.
func (s *scaled) asksPlace(now time.Time) bool {
	u := &s.unplaced
	switch {
	case s.seen.Running == Unknown || s.seen.Running >= s.seen.Replicas || s.seen.Updating:
		*u = unplaced{}
	case u.since.IsZero() || u.since.After(now):
		u.since = now
	}
	return !u.since.IsZero() && now.Sub(u.since) >= placeFor && now.Sub(u.asked) >= placeEvery
}

// Tasks takes the tasks of a service, current and past. With an error nothing is known of them.
func (t *Table) Tasks(now time.Time, id string, tasks []Task, err string) {
	if err != "" {
		return
	}
	if s := t.services[id]; s != nil && s.unplaced.asks {
		s.unplaced.asks = false
		s.unplaced.why = whyPending(tasks)
		if s.unplaced.why != "" && !s.unplaced.reported {
			s.unplaced.reported = true
			t.emit(worker.Event{At: now, Kind: worker.EventDemandLimited, Group: s.seen.Name, Reason: worker.Reason(demand.LimitPlacement.String()), Detail: s.unplaced.why})
		}
	}
	for _, l := range t.losses {
		if l.service.ID == id {
			l.judge(now, tasks)
		}
	}
	t.dropSettledLosses()
}

// whyPending returns Swarm's message why it does not run tasks.
func whyPending(tasks []Task) string {
	var all []string
	for _, one := range tasks {
		if one.State == "pending" && one.Err != "" && !slices.Contains(all, one.Err) {
			all = append(all, one.Err)
		}
	}
	return strings.Join(all, "; ")
}
