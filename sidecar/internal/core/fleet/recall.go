package fleet

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/worker"
)

// recallWakes puts workers back to sleep whose wake is decided and whose start is not sent yet, if others were started since: by the engine or an
// operator, while the engine did not answer or Stoker was down.
func (f *Fleet) recallWakes(now time.Time) {
	if !f.reads() {
		return
	}
	for _, g := range f.demands.byName {
		if !slices.ContainsFunc(g.members, func(m *member) bool { return m.machine.Waking() }) {
			continue
		}
		in := demand.Input{Budget: f.budgetLeft(now, func(m *member) bool { return m.machine.TakesBudget() && !m.machine.Waking() })}
		for _, m := range g.members {
			in.Workers = append(in.Workers, demand.Worker{State: f.stateForDemand(now, g, m), CPUs: m.machine.BudgetShare()})
		}
		members := slices.Clone(g.members)
		for _, i := range demand.Recall(now, g.settings, g.memory, in) {
			g.recalled = now
			f.step(now, members[i], worker.Sleep{})
		}
	}
}
