package metrics

import (
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// crowd is one worker, or several summed up.
type crowd struct {
	running, expected, attempts, problems, quota, boosted float64

	measured int     // of which it is known what they use
	use      float64 // of those
	states   map[fleet.State]int
	held     map[worker.Reason]int
}

func newCrowd() *crowd {
	return &crowd{states: map[fleet.State]int{}, held: map[worker.Reason]int{}}
}

func (c *crowd) add(w fleet.WorkerView) {
	c.running += oneIf(w.Status == worker.StatusRunning)
	c.expected += oneIf(w.Expected)
	c.attempts += float64(w.Attempts)
	c.problems += float64(len(w.Problems))
	c.quota += w.CPUs
	c.boosted += oneIf(w.Boosted)
	if !w.Share.At.IsZero() {
		c.measured++
		c.use += w.Share.CPUs
	}
	c.states[w.State]++
	if w.Held != worker.HeldNot {
		c.held[w.Held]++
	}
}

// fillWorkers tells of each worker that has a label, and of the rest together.
func (p *picture) fillWorkers(view fleet.View, labels map[worker.Key]string) {
	all, rest, unnamed := newCrowd(), newCrowd(), 0
	for _, s := range states() {
		all.states[s] = 0
	}
	seen := make(map[worker.Key]bool, len(view.Workers))
	for _, w := range view.Workers {
		all.states[w.State]++
		label, ok := labels[w.Key]
		if !ok || seen[w.Key] {
			rest.add(w)
			unnamed++
			continue
		}
		seen[w.Key] = true
		p.fillWorker(label, w)
	}
	for s, n := range all.states {
		p.workers.put(float64(n), shown(said(s)))
	}
	p.unnamed.put(float64(unnamed))
	if unnamed > 0 {
		p.fillCrowd(other, rest)
	}
}

// fillWorker tells also what cannot be summed up.
func (p *picture) fillWorker(label string, w fleet.WorkerView) {
	one := newCrowd()
	one.add(w)
	p.fillCrowd(label, one)
	p.started.putInstant(w.StartedAt, label)
	p.next.putInstant(w.NextAt, label)
	if one.measured > 0 {
		p.throttled.put(w.Share.Throttled, label)
	}
}

func (p *picture) fillCrowd(label string, c *crowd) {
	for s, n := range c.states {
		p.state.put(float64(n), label, shown(said(s)))
	}
	for reason, n := range c.held {
		p.held.put(float64(n), label, shown(reason))
	}
	p.running.put(c.running, label)
	p.expected.put(c.expected, label)
	p.attempts.put(c.attempts, label)
	p.quota.put(c.quota, label)
	p.boosted.put(c.boosted, label)
	p.problems.put(c.problems, label)
	if c.measured > 0 {
		p.use.put(c.use, label)
	}
}

// states that are shown with a 0 when nobody is in them. Others appear with the first worker.
func states() []fleet.State {
	return []fleet.State{
		fleet.StateUnknown, fleet.StateRunning, fleet.StateStarting, fleet.StateUnhealthy, fleet.StateHealing, fleet.StateWaiting,
		fleet.StateHeld, fleet.StateExhausted,
	}
}
