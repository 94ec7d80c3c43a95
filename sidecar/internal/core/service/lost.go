package service

import (
	"fmt"
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// Bounds of losses that wait for an update.
const (
	mostLosses   = 100              // services
	lossKept     = 10 * time.Minute // until a leader has seen it
	firstForce   = time.Minute      // between two updates that restart tasks of one service, doubled each time
	longestForce = time.Hour
)

// losses are the tasks of one service that Swarm does not replace.
type losses struct {
	service   Service // as the leader last saw it
	open      []Loss  // their state in Swarm is not known yet
	confirmed int     // complete, and waiting for the update
	at        time.Time
	forces    int
	forcedAt  time.Time
	sent      bool
}

// Lost records a task on this node that was unhealthy and exited with 0.
func (t *Table) Lost(l Loss) {
	one := t.losses[l.Service]
	if one == nil {
		if len(t.losses) >= mostLosses {
			return
		}
		one = &losses{}
		t.losses[l.Service] = one
	}
	if !slices.ContainsFunc(one.open, func(o Loss) bool { return o.Container == l.Container }) {
		one.open, one.at = append(one.open, l), l.At
	}
}

// seeLosses updates the service of losses.
func (t *Table) seeLosses(now time.Time, seen Service) {
	l := t.losses[seen.Name]
	if l == nil {
		return
	}
	l.service, l.sent = seen, false
	if seen.Condition != "on-failure" { // Swarm has replaced them, or must not
		l.open, l.confirmed = nil, 0
	}
	l.forget(now)
}

// forget drops losses whose task Swarm does not list.
func (l *losses) forget(now time.Time) {
	l.open = slices.DeleteFunc(l.open, func(o Loss) bool { return now.Sub(o.At) > lossKept })
}

// forgetLosses drops losses of services that are gone, and those that are done.
func (t *Table) forgetLosses(now time.Time, services []Service) {
	for name, l := range t.losses {
		gone := !slices.ContainsFunc(services, func(s Service) bool { return s.Name == name })
		if gone || l.over() && now.Sub(l.forcedAt) > longestForce {
			delete(t.losses, name)
		}
	}
}

func (t *Table) dropOldLosses(now time.Time) {
	for name, l := range t.losses {
		l.forget(now)
		if l.confirmed = 0; len(l.open) == 0 {
			delete(t.losses, name)
		}
	}
}

func (t *Table) dropSettledLosses() {
	for name, l := range t.losses {
		if l.over() && l.forces == 0 {
			delete(t.losses, name)
		}
	}
}

func (l *losses) over() bool { return len(l.open) == 0 && l.confirmed == 0 }

// asks reports whether the state of the tasks in Swarm is needed now.
func (l *losses) asks(now time.Time) bool {
	return l.service.ID != "" && len(l.open) > 0 && !l.service.Updating && !l.dueAt().After(now)
}

// dueAt returns when the next update that restarts tasks may be sent.
func (l *losses) dueAt() time.Time {
	if l.forces == 0 {
		return time.Time{}
	}
	wait := firstForce
	for range l.forces - 1 {
		wait = min(2*wait, longestForce)
	}
	return l.forcedAt.Add(wait)
}

// judge uses the state of the tasks in Swarm. A complete task is not replaced: that is a loss. A task that Swarm stopped (shutdown: scaled down,
// moved) or that failed is no loss. A task that Swarm still reports as running is checked again.
func (l *losses) judge(now time.Time, tasks []Task) {
	l.open = slices.DeleteFunc(l.open, func(o Loss) bool {
		at := slices.IndexFunc(tasks, func(one Task) bool { return one.Container == o.Container })
		if at < 0 {
			return now.Sub(o.At) > time.Minute
		}
		switch tasks[at].State {
		case "running", "starting":
			return false
		case "complete":
			l.confirmed++
		}
		return true
	})
}

// force returns the updates that restart tasks, for services without another change in this round.
func (t *Table) force(now time.Time) []Change {
	var changes []Change
	for _, name := range sortedKeys(t.losses) {
		l := t.losses[name]
		busy := l.confirmed == 0 || l.sent || l.service.Updating || l.dueAt().After(now) || t.set.DryRun
		if busy || t.changedAlready(l.service.ID) {
			continue
		}
		l.sent = true
		s := l.service
		changes = append(changes, Change{ID: s.ID, Name: s.Name, Version: s.Version, Spec: s.Spec, From: s.Replicas, To: s.Replicas, Force: true})
	}
	return changes
}

// changedAlready reports whether an update of the service was sent in this round.
func (t *Table) changedAlready(id string) bool {
	s := t.services[id]
	return s != nil && s.change.sent
}

// forced records the result of an update that restarts tasks.
func (t *Table) forced(now time.Time, c Change, r Result, err string) {
	l := t.losses[c.Name]
	if s := t.services[c.ID]; s != nil && r != Refused {
		s.change.sent = true // the last view of the service is out of date
	}
	if l == nil || r == Conflict {
		return
	}
	if r != Done && r != Lost {
		l.forces, l.forcedAt = l.forces+1, now
		if l.forces == 1 {
			t.emit(worker.Event{At: now, Kind: worker.EventServiceHeld, Group: c.Name, Reason: worker.ReasonUpdateRefused, Detail: err})
		}
		return
	}
	n := l.confirmed
	l.confirmed, l.forces, l.forcedAt = 0, l.forces+1, now
	t.emit(worker.Event{At: now, Kind: worker.EventServiceForced, Group: c.Name, Reason: worker.ReasonTaskLost, Detail: fmt.Sprintf("%s ended with 0 under on-failure: the service is updated by force, once", count(n))})
}

func count(n int) string {
	if n == 1 {
		return "1 task"
	}
	return fmt.Sprintf("%d tasks", n)
}
