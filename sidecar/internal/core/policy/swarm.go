package policy

import (
	"strings"
	"time"
)

// Swarm is what Stoker may do to a task of a Swarm service. Swarm itself replaces a task that exits.
type Swarm string

// The values of stoker.swarm.
const (
	SwarmObserve Swarm = "observe"
	SwarmKill    Swarm = "kill" // SIGKILL a task that Swarm leaves alone although it is unhealthy, hung or idle
)

// taskUnhealthyFor is the minimum time unhealthy before Swarm is assumed to have missed it: its agent acts on the event at once.
const taskUnhealthyFor = 15 * time.Second

func swarmLabels() []Label {
	return []Label{
		{"stoker.swarm", "STOKER_SWARM", "observe",
			"a task of a Swarm service: `observe`, or `kill` (SIGKILL, so that Swarm replaces it) when Swarm leaves it alone although it is unhealthy, hung or idle",
			choice(func(p *Policy) *Swarm { return &p.Swarm }, SwarmObserve, SwarmKill)},
	}
}

// ForTask returns the part of a policy that applies to a task of a Swarm service: when it is unhealthy or idle, how often it may be killed, and
// which evidence is kept. Swarm controls the rest: starts and stops, quota, number and age. A starved task is never killed.
func (p Policy) ForTask() Policy {
	d := Default()
	t := p
	t.OnExit, t.FinalCodes, t.OnMissing, t.Dependents = OnExitNever, ExitCodes{}, OnMissingIgnore, DependentsNone
	t.OnStarved, t.RecreateAfter, t.CPUs, t.CPUsExplicit, t.CPUsWhereNone = OnStarvedWait, 0, 0, false, false
	t.Demand, t.Recycle, t.Evidence.BeforeStop = d.Demand, d.Recycle, nil
	t.UnhealthyFor = max(p.UnhealthyFor, taskUnhealthyFor)
	if p.OnUnhealthy == OnUnhealthyRecreate || p.OnUnhealthy == OnUnhealthyStop {
		t.OnUnhealthy = OnUnhealthyRestart
	}
	return t
}

// Task is the slot of a task in Swarm.
type Task struct {
	Service string // its name
	Slot    string // its number, or the node of a global service
}

// TaskOf returns the slot of a container in Swarm; zero if it is no task.
func TaskOf(labels map[string]string) Task {
	service := labels["com.docker.swarm.service.name"]
	if !SwarmTask(labels) || service == "" {
		return Task{}
	}
	slot := strings.TrimPrefix(labels["com.docker.swarm.task.name"], service+".")
	return Task{Service: service, Slot: strings.TrimSuffix(slot, "."+labels["com.docker.swarm.task.id"])}
}
