package worker

import (
	"time"

	"stoker/sidecar/internal/core/policy"
)

// Picture is what people are shown of a machine.
type Picture struct {
	Key         Key
	Incarnation Incarnation
	Status      Status
	Health      Health
	Expected    bool
	Held        Reason
	Attempts    int
	Heal        *OpenHeal
	Acting      bool
	CPUs        float64 // quota; 0 is none
	Boosted     bool
	Share       Share
	Problems    []policy.Problem
	Looked      bool
}

// Picture is a copy: it does not change with the machine.
func (m *Machine) Picture() Picture {
	p := Picture{
		Key: m.mem.Key, Incarnation: m.mem.Incarnation, Status: m.status, Health: m.health, Expected: m.mem.Expected,
		Held: m.held(), Attempts: m.mem.Attempts, Acting: m.busy != nil && m.busy.Verb != Look, CPUs: m.quota(),
		Boosted: m.mem.Boost != nil, Share: m.share(),
		Problems: m.problems, Looked: m.looked,
	}
	if m.mem.Heal != nil {
		heal := *m.mem.Heal
		p.Heal = &heal
	}
	return p
}

func (m *Machine) held() Reason {
	switch {
	case m.barred != HeldNot:
		return m.barred
	case m.status == StatusPaused:
		return HeldPaused
	case m.status == StatusRemoving, m.status == StatusDead:
		return HeldRemoving
	case m.starving() && m.mem.Held == HeldNot && m.mem.Heal.StopSentAt.IsZero():
		return HeldStarved
	case m.mem.Held == HeldNot:
		return m.unhealed
	}
	return m.mem.Held
}

// StoppedAt is when a stop that holds the worker was seen (the engine's clock), and false when none does or when it is
// known for a person's.
func (m *Machine) StoppedAt() (time.Time, bool) {
	switch {
	case m.mem.Held == HeldOperator:
		return m.mem.HeldAt, !m.mem.HeldSure
	case m.mem.StopIntent != nil:
		return m.mem.StopIntent.At, !m.mem.StopIntent.Sure
	}
	return time.Time{}, false
}

// StopTimeout is the container's own time between stop signal and SIGKILL, which the engine's shutdown keeps to; 0 when it
// has none.
func (m *Machine) StopTimeout() time.Duration { return m.traits.stopTimeout }

// Spared tells whether the worker ran when it was last heard of and nobody had begun to stop it.
func (m *Machine) Spared() bool {
	if m.status == StatusUnknown { // remembered, and not seen since; the ends of a barred one are not remembered
		return m.mem.Expected && m.barred == HeldNot && m.mem.Heal == nil && m.mem.StopIntent == nil
	}
	return m.status == StatusRunning && m.mem.StopIntent == nil && !m.stopSent()
}

// Midway tells whether Stoker has stopped the worker, or is about to have, and not yet started it again. Of one that is being
// removed meanwhile nothing is left to start.
func (m *Machine) Midway() bool {
	return m.stopSent() && m.status != StatusRemoving && m.status != StatusDead
}

// Watched tells whether the worker runs with a health check, and whether that check was cut off last time: the sign
// of a starved host rather than of a broken worker.
func (m *Machine) Watched() (watched, timedOut bool) {
	watched = m.status == StatusRunning && m.traits.healthcheck
	h := m.mem.Heal
	own := h != nil && (h.Reason == ReasonStarved || h.Reason == ReasonHung) // it is known why, and not the host
	timedOut = watched && m.health == HealthUnhealthy && m.probe.ExitCode == ProbeTimedOut && !own
	return watched, timedOut
}
