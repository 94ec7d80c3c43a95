package demand

import "time"

// sleep picks the workers to put to sleep: one after a cooldown without need; outside the hours, all that may.
func (s Settings) sleep(now time.Time, d *Decision, m Memory, in Input) {
	if d.Closed {
		d.Measure = len(s.Sources) > 0
		for i := len(in.Workers) - 1; i >= 0; i-- {
			if s.maySleep(now, in.Workers[i]) {
				d.Sleep = append(d.Sleep, i)
			}
		}
		return
	}
	due := s.sleepDue(m)
	if !s.fresh(in) || m.AwakeUntil.After(now) {
		return
	}
	d.Measure = len(s.Sources) > 0 && !due.Add(-2*s.Poll).After(now)
	if due.After(now) {
		return
	}
	for i := len(in.Workers) - 1; i >= 0; i-- {
		if s.maySleep(now, in.Workers[i]) {
			d.Sleep = []int{i}
			return
		}
	}
}

// sleepDue returns when the next worker may go to sleep.
func (s Settings) sleepDue(m Memory) time.Time {
	last := m.NeededAt
	if m.SteppedAt.After(last) {
		last = m.SteppedAt
	}
	return last.Add(s.Cooldown)
}

// maySleep reports whether stopping the worker would interrupt no work. Without a source no item can be lost: the user has set the hours. A
// worker that was just started, also by an operator, runs for at least a cooldown.
func (s Settings) maySleep(now time.Time, w Worker) bool {
	if w.State != Awake || w.Since.Add(s.Cooldown).After(now) {
		return false
	}
	return len(s.Sources) == 0 || w.Use == UseIdle && w.InHand <= 0
}

// clones reports whether to make one more worker when more are wanted: all existing ones run, or cannot.
func (s Settings) clones(in Input) bool {
	asleep := count(in.Workers, func(w Worker) bool { return w.State == Asleep })
	starting := count(in.Workers, func(w Worker) bool { return w.State == Failing || w.State == Leaving || w.State == Unseen })
	last := len(in.Workers) - 1
	room := len(in.Workers) < s.CloneUpTo && asleep == 0 && starting == 0 && last >= 0
	return room && in.Workers[last].CPUs <= in.Budget
}

// surplusClones returns clones that have slept for a cooldown: one at a time, the last one first.
func (s Settings) surplusClones(now time.Time, in Input) []int {
	for i := len(in.Workers) - 1; i >= 0; i-- {
		w := in.Workers[i]
		if w.State == Asleep && !w.AsleepSince.IsZero() && !w.AsleepSince.Add(s.Cooldown).After(now) {
			return []int{i}
		}
	}
	return nil
}
