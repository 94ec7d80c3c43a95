package fleet

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// PauseScope is the kind of a pause's target.
type PauseScope string

// The scopes of a pause.
const (
	PauseWorker  PauseScope = "worker"
	PauseProject PauseScope = "project" // of Compose, including future workers
	PauseAll     PauseScope = "all"
)

// LongestPause is the maximum duration of a pause.
const LongestPause = 7 * 24 * time.Hour

// Pause keeps Stoker from acting on workers for a time, at an operator's request. A restart whose stop was sent is finished, as is a recreate.
type Pause struct {
	Scope  PauseScope `json:"scope"`
	Name   string     `json:"name,omitempty"` // of the worker or the project
	At     time.Time  `json:"at"`
	Until  time.Time  `json:"until"`
	Reason string     `json:"reason,omitempty"` // as given by the operator
}

// same reports whether two pauses have the same target.
func (p Pause) same(o Pause) bool { return p.Scope == o.Scope && p.Name == o.Name }

// String returns the target of the pause.
func (p Pause) String() string {
	if p.Scope == PauseAll {
		return "all workers"
	}
	return string(p.Scope) + " " + p.Name
}

func (p Pause) covers(m *member) bool {
	switch p.Scope {
	case PauseAll:
		return true
	case PauseProject:
		return policy.Project(m.machine.Saved().Labels) == p.Name
	case PauseWorker:
		return string(m.key()) == p.Name
	}
	return false
}

// Pauses returns the active pauses.
func (f *Fleet) Pauses() []Pause { return slices.Clone(f.pauses) }

// Pause pauses workers until the given time. It replaces an active pause of the same target. The error is why the pause is invalid.
func (f *Fleet) Pause(now time.Time, p Pause) (Effects, error) {
	switch length := p.Until.Sub(now); {
	case length <= 0:
		return f.settle(now), errors.New("a pause must last for some time; give --for a duration such as 1h")
	case length > LongestPause:
		return f.settle(now), fmt.Errorf("a pause lasts for %v at most", LongestPause)
	case p.Scope == PauseProject && p.Name == "":
		return f.settle(now), errors.New("no project is named; give --project a name")
	}
	if err := f.checkTarget(p); err != nil {
		return f.settle(now), err
	}
	f.pauses = slices.DeleteFunc(f.pauses, p.same)
	f.pauses = append(f.pauses, p)
	f.out.Events = append(f.out.Events, pauseEvent(now, worker.EventPaused, p))
	f.demandsChanged()
	return f.settle(now), nil
}

// Resume ends a pause, even if its workers are gone or not known yet. For a single worker whose retry limit is reached it also resets the
// attempts. The error is why it had no effect.
func (f *Fleet) Resume(now time.Time, of Pause) (Effects, error) {
	ended := slices.ContainsFunc(f.pauses, of.same)
	if ended {
		f.pauses = slices.DeleteFunc(f.pauses, of.same)
		f.ended(now, of)
	}
	if err := f.checkTarget(of); err != nil {
		if ended {
			err = nil
		}
		return f.settle(now), err
	}
	switch {
	case of.Scope == PauseWorker:
		return f.resumeWorker(now, of, ended)
	case !ended:
		return f.settle(now), fmt.Errorf("%s: no such pause is in force; stoker status shows which are", of)
	}
	return f.settle(now), nil
}

// resumeWorker is the rest of Resume for one worker; ended reports whether its own pause has ended.
func (f *Fleet) resumeWorker(now time.Time, of Pause, ended bool) (Effects, error) {
	m := f.members[worker.Key(of.Name)]
	if by, ok := f.pausedBy(m); ok {
		return f.settle(now), fmt.Errorf("%s stays paused with %s; resume that", of.Name, by)
	}
	if m.machine.Exhausted() {
		f.step(now, m, worker.Resume{})
		ended = true
	}
	if !ended {
		return f.settle(now), fmt.Errorf("%s is neither paused nor exhausted", of.Name)
	}
	return f.settle(now), nil
}

// checkTarget returns an error if no worker matches the target of a pause.
func (f *Fleet) checkTarget(p Pause) error {
	if p.Scope == PauseAll {
		return nil
	}
	var names []string
	for _, m := range f.sorted() {
		if !f.bound(m) || m.undecided {
			continue
		}
		if p.covers(m) {
			return nil
		}
		name := string(m.key())
		if p.Scope == PauseProject {
			name = policy.Project(m.machine.Saved().Labels)
		}
		names = append(names, name)
	}
	message := fmt.Sprintf("there is no %s among the managed workers", p)
	if near := policy.Suggest(p.Name, names); near != "" {
		message += "; did you mean " + near + "?"
	} else {
		message += "; stoker status lists them"
	}
	return errors.New(message)
}

// pausedBy returns the longest pause of a worker.
func (f *Fleet) pausedBy(m *member) (Pause, bool) {
	var longest Pause
	for _, p := range f.pauses {
		if p.covers(m) && p.Until.After(longest.Until) {
			longest = p
		}
	}
	return longest, !longest.Until.IsZero()
}

// heldByPause reports whether a pause keeps Stoker from acting on a worker. A restart in progress is finished: a worker that Stoker has stopped
// is started again. A worker whose stoker.before-stop was sent, which may have drained it, is stopped.
func (f *Fleet) heldByPause(m *member) bool {
	if len(f.pauses) == 0 || m.machine.StoppedForHeal() || m.machine.StopBegun() {
		return false
	}
	_, paused := f.pausedBy(m)
	return paused
}

// endPauses ends expired pauses. One that would exceed LongestPause was made before the clock stepped back, and ends too.
func (f *Fleet) endPauses(now time.Time) {
	for i := 0; i < len(f.pauses); {
		p := f.pauses[i]
		if p.Until.After(now) && p.Until.Sub(now) <= LongestPause {
			i++
			continue
		}
		f.pauses = slices.Delete(f.pauses, i, i+1)
		f.ended(now, p)
	}
}

// ended reports the end of a pause, and then the faults of its workers.
func (f *Fleet) ended(now time.Time, p Pause) {
	f.out.Events = append(f.out.Events, pauseEvent(now, worker.EventResumed, p))
	for _, m := range f.sorted() {
		if !f.bound(m) || !p.covers(m) || f.heldByPause(m) {
			continue
		}
		if e, ok := m.machine.OpenFault(now); ok {
			f.report(m, []worker.Event{e})
		}
	}
	f.demandsChanged()
}

// demandsChanged makes each group decide again.
func (f *Fleet) demandsChanged() {
	for _, g := range f.demands.groups {
		g.changed = true
	}
}

// pauseWake returns when the next pause ends.
func (f *Fleet) pauseWake() time.Time {
	var wake time.Time
	for _, p := range f.pauses {
		wake = earliest(wake, p.Until)
	}
	return wake
}

func pauseEvent(now time.Time, kind worker.EventKind, p Pause) worker.Event {
	e := worker.Event{At: now, Kind: kind, Reason: worker.HeldByPause, Detail: p.String()}
	if p.Scope == PauseWorker {
		e.Key = worker.Key(p.Name)
	}
	if kind == worker.EventPaused {
		e.Delay = p.Until.Sub(now)
	}
	if p.Reason != "" {
		e.Detail += ": " + strings.TrimSpace(p.Reason)
	}
	return e
}

// deferredByPause reports whether an event of a worker is deferred to the end of its pause.
func deferredByPause(k worker.EventKind) bool {
	return k == worker.EventFault || k == worker.EventRecovered || k == worker.EventHung || k == worker.EventHealFailed
}
