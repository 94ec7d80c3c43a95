package worker

import (
	"time"

	"stoker/sidecar/internal/core/policy"
)

// View is the public view of a machine.
type View struct {
	Key         Key
	Incarnation Incarnation
	ContainerView
	HealView
	Problems []policy.Problem
	Recycle  RecycleView
	Probe    ProbeView
	Task     policy.Task // zero if it is not a Swarm task
}

// ContainerView is the view of the worker's container.
type ContainerView struct {
	Status    Status
	Health    Health
	CPUs      float64 // quota; 0 is none
	Boosted   bool
	Share     Share
	Inspected bool
	// LostNetworks are the networks that a failed start removed; see SavedNetworks.
	LostNetworks []string
}

// HealView is the view of the worker's heal.
type HealView struct {
	Expected bool
	Held     Reason
	Attempts int
	Phase    Phase
	Heal     Heal      // zero if none is open
	Due      time.Time // of the heal's next action
	Acting   bool
}

// View returns a copy: it does not change with the machine.
func (m *Machine) View() View {
	return View{
		Key: m.saved.Key, Incarnation: m.saved.Incarnation,
		ContainerView: ContainerView{
			Status: m.container.status, Health: m.checks.status, CPUs: m.ownQuota(), Boosted: m.saved.Boost != nil, Share: m.share(),
			Inspected: m.container.inspected, LostNetworks: m.saved.Networks.Lost,
		},
		HealView: HealView{
			Expected: m.saved.Expected, Held: m.held(), Attempts: m.saved.Budget.Attempts, Phase: m.phase(), Heal: m.heal(), Due: m.saved.State.Due,
			Acting: m.inFlight != nil && m.inFlight.Verb != Inspect,
		},
		Problems: m.problems(), Recycle: m.recycleView(), Probe: m.probeView(), Task: policy.TaskOf(m.saved.Labels),
	}
}

func (m *Machine) held() Reason {
	switch {
	case m.id.Unmanageable != HeldNot:
		return m.id.Unmanageable
	case m.id.Task && m.container.status.Down():
		return HeldSwarm
	case m.container.status == StatusPaused:
		return HeldPaused
	case m.container.status == StatusRemoving, m.container.status == StatusDead:
		return HeldRemoving
	}
	why := m.leftAlone()
	switch {
	case why == HeldNot && m.starving() && !m.stopSent():
		return HeldStarved
	case why == HeldNot:
		return m.checks.leftReason
	}
	return why
}

// leftAlone is why the worker is left alone, as far as it is saved.
func (m *Machine) leftAlone() Reason {
	switch p := m.phase(); {
	case p == PhaseHeld:
		return m.saved.State.Hold.Reason
	case p == PhaseAsleep:
		return HeldAsleep
	case p == PhaseDocker:
		return HeldDocker
	case p == PhaseExhausted, m.saved.Budget.exhausted():
		return HeldExhausted
	}
	return HeldNot
}

// StoppedAt returns when a stop that holds the worker was seen (the engine's clock); false without one, or if it is known to be
// an operator's.
func (m *Machine) StoppedAt() (time.Time, bool) {
	switch {
	case m.heldFor(HeldOperator):
		return m.saved.State.Hold.At, !m.saved.State.Hold.Confirmed
	case m.saved.StopIntent != nil:
		return m.saved.StopIntent.At, !m.saved.StopIntent.Confirmed
	}
	return time.Time{}, false
}

// StopTimeout is the container's own time between stop signal and SIGKILL, which the engine also uses in its shutdown; 0 without
// one.
func (m *Machine) StopTimeout() time.Duration { return m.container.config.stopTimeout }

// RunningUndisturbed reports whether the worker was last observed running and no client had begun to stop it.
func (m *Machine) RunningUndisturbed() bool {
	if m.container.status == StatusUnknown { // restored, and not inspected since; the exits of an unmanageable one are not saved
		return !m.container.listed.Down() && m.saved.Expected && m.id.Unmanageable == HeldNot && !m.heal().Open() && m.saved.StopIntent == nil
	}
	return m.container.status == StatusRunning && m.saved.StopIntent == nil && !m.stopSent()
}

// endedSince reports whether a list is older than the exit event: a container that is not inspected would count as running until the next list.
func (m *Machine) endedSince(o Observation) bool {
	return o.Status == StatusRunning && m.container.status == StatusExited && m.life.end.at.After(o.At)
}

// StoppedForHeal reports whether Stoker stopped the worker, or is about to, and has not yet started it again. A worker that is
// being removed has nothing left to start, and one that a client paused stays paused.
func (m *Machine) StoppedForHeal() bool {
	h := m.heal()
	starts := h.Open() && h.Action != HealSleep && h.Action != HealStop && h.Action != HealKill // otherwise nothing is to be started after its stop
	leftAlone := m.container.status == StatusRemoving || m.container.status == StatusDead || m.container.status == StatusPaused
	return m.stopSent() && starts && !leftAlone
}

// ProbeState reports whether the worker runs with a health check or a probe from outside, and whether that timed out last time. A
// timeout indicates an overloaded host rather than a broken worker. A probe from outside that fails for another reason indicates
// a broken worker.
func (m *Machine) ProbeState() (watched, timedOut bool) {
	running := m.container.status == StatusRunning && m.id.Unmanageable == HeldNot // the state of an unmanageable one does not matter
	watched = running && (m.container.config.healthcheck || m.outsideHealth() != HealthNone)
	if running && m.failsOutside() {
		return watched, m.outside.last.Verdict == VerdictNoAnswer
	}
	h := m.heal()
	own := h.Reason == ReasonStarved || h.Reason == ReasonHung // the cause is known, and is not the host
	timedOut = watched && m.checks.status == HealthUnhealthy && m.checks.probe.ExitCode == ProbeTimedOut && !own
	return watched, timedOut
}
