// Package fleet manages all workers: it routes observations to machines, schedules their actions within limits, and holds restarts while the host
// is overloaded. Like package worker it is pure: it takes now and a value, and returns values.
package fleet

import (
	"time"

	"stoker/sidecar/internal/core/candidates"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// View is an immutable snapshot of the fleet.
type View struct {
	At             time.Time
	Engine         EngineLink
	Workers        []WorkerView // by key
	HostOverloaded bool         // restarts of running workers wait
	Groups         []GroupView  // by name
	Pauses         []Pause      // active
	// Swarm is the role of this engine in its Swarm. The fleet does not set it, nor the groups that are services.
	Swarm SwarmView
	// Candidates explains why there are no workers. The fleet does not set it: it receives no containers that it cannot manage. Nil while there
	// are workers, and before the containers were checked.
	Candidates *candidates.Advice
}

// EngineLink is the state of the connection to the engine.
type EngineLink struct {
	Connected bool      // events are followed and the view is complete
	Since     time.Time // of the last change of Connected
	Synced    time.Time // the last complete list; zero before the first
	Engine    worker.Engine
	Skew      time.Duration // the engine's clock minus Stoker's
	// Problem is why it is not connected, in one line. The fleet does not set it, because it observes only the disconnect.
	Problem string
}

// State is a worker's state as one word, for display.
type State string

// The states shown.
const (
	StateUnknown   State = "unknown"   // not inspected yet
	StateRunning   State = "running"   // and healthy, if it has a health check
	StateStarting  State = "starting"  // running, health not known yet
	StateUnhealthy State = "unhealthy" // running, health check fails
	StateHealing   State = "healing"   // a heal is under way
	StateWaiting   State = "waiting"   // a heal waits for its back-off
	StateHeld      State = "held"      // not acted on, see Held
	StateExhausted State = "exhausted" // retry limit reached
	StateAsleep    State = "asleep"    // there is no work for it
	StateWaking    State = "waking"    // it slept, and is being started
	StateRetiring  State = "retiring"  // there is no work for it, and it is being stopped
)

// WorkerView is one worker in a View.
type WorkerView struct {
	Key   worker.Key
	ID    string
	Scope string
	Group string // whose demand decides how many run; empty for none
	ContainerView
	HealView
	Problems []policy.Problem
	Recycle  worker.RecycleView
	Probe    worker.ProbeView
	Task     policy.Task // its slot in Swarm; zero for none
	Pause    Pause       // the active pause; zero for none
}

// ContainerView is the state of a worker's container.
type ContainerView struct {
	StartedAt time.Time
	Status    worker.Status
	Health    worker.Health
	CPUs      float64      // quota; 0 is none
	Boosted   bool         // its quota is raised for a while
	Share     worker.Share // last measured use
	// LostNetworks are those that a failed start has removed. The worker runs without them until Stoker can connect it again.
	LostNetworks []string
}

// HealView is the state of a worker's heal.
type HealView struct {
	State    State
	Expected bool
	Held     worker.Reason
	Attempts int
	Heal     worker.HealAction // in progress or waiting
	Fault    worker.Fault
	Reason   worker.Reason
	NextAt   time.Time // of the next attempt; zero when none waits
}

// FullHealth returns the combined health of all checks of the worker.
func (w WorkerView) FullHealth() worker.Health { return worker.WorseHealth(w.Health, w.Probe.Status) }

// View returns the current view.
func (f *Fleet) View(now time.Time) View {
	v := View{At: now, Pauses: f.Pauses(), Engine: f.stream.engine, HostOverloaded: f.overload.on}
	for _, m := range f.sorted() {
		if !m.undecided && f.bound(m) {
			v.Workers = append(v.Workers, f.workerView(now, m))
		}
	}
	v.Groups = f.groupViews(now)
	return v
}

func (f *Fleet) workerView(now time.Time, m *member) WorkerView {
	p := m.machine.View()
	w := WorkerView{
		Key: p.Key,
		ID:  p.Incarnation.ID,
		ContainerView: ContainerView{
			StartedAt:    p.Incarnation.StartedAt,
			Status:       p.Status,
			Health:       p.Health,
			CPUs:         p.CPUs,
			Boosted:      p.Boosted,
			Share:        p.Share,
			LostNetworks: p.LostNetworks,
		},
		HealView: HealView{Expected: p.Expected, Held: p.Held, Attempts: p.Attempts},
		Problems: p.Problems,
		Scope:    f.set.Rules.Scope,
		Recycle:  p.Recycle,
		Probe:    p.Probe,
		Task:     p.Task,
	}
	if m.group != nil {
		w.Group = m.group.name
	}
	if h := p.Heal; h.Open() {
		w.Heal, w.Fault, w.Reason = h.Action, h.Fault, h.Reason
		if !p.Acting && p.Phase != worker.PhaseVerifying {
			w.NextAt = p.Due
		}
		if m.class == worker.ClassStop && !f.overload.allows(now, m) {
			w.Held = worker.HeldHostOverloaded
		}
	}
	if w.reconnects() { // and no longer the reason of its start
		w.Reason = worker.ReasonNetworkLost
	}
	if w.Pause, _ = f.pausedBy(m); f.heldByPause(m) && w.Held == worker.HeldNot {
		w.Held, w.NextAt = worker.HeldByPause, time.Time{}
	}
	w.State = stateOf(now, w, p)
	return w
}

// reconnects reports whether the worker runs without networks that it should have.
func (w WorkerView) reconnects() bool {
	return len(w.LostNetworks) > 0 && w.Status == worker.StatusRunning
}

// stateOf returns the state for display. An action in progress takes precedence over the state of the container.
func stateOf(now time.Time, w WorkerView, p worker.View) State {
	switch {
	case w.Held == worker.HeldExhausted:
		return StateExhausted
	case w.Held == worker.HeldAsleep:
		return StateAsleep
	case p.Heal.Action == worker.HealWake:
		return StateWaking
	case p.Heal.Action == worker.HealSleep:
		return StateRetiring
	case w.Held == worker.HeldIgnored, w.Held == worker.HeldNotified:
		return StateUnhealthy
	case w.Held != worker.HeldNot:
		return StateHeld
	case p.Heal.Open() && w.NextAt.After(now):
		return StateWaiting
	case p.Heal.Open(), w.reconnects():
		return StateHealing
	case !p.Inspected:
		return StateUnknown
	}
	switch {
	case w.Status != worker.StatusRunning:
		return StateUnknown
	case w.FullHealth() == worker.HealthStarting:
		return StateStarting
	case w.FullHealth() == worker.HealthUnhealthy:
		return StateUnhealthy
	}
	return StateRunning
}
