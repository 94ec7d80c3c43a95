package worker

import (
	"cmp"
	"slices"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/policy"
)

// Wake requests the start of a worker that sleeps. It has no effect on any other worker.
type Wake struct {
	Reason Reason
	Detail string
}

// Sleep requests the stop of a worker that runs undisturbed, until a Wake. It has no effect on any other worker.
type Sleep struct {
	Reason Reason
	Detail string
}

// WorkReported reports whether work waits for a worker with a source of work. Consumed: some was taken meanwhile and no worker seems
// busy, so one of the idle workers did it.
type WorkReported struct {
	Waits    bool
	Consumed bool
}

func (Wake) input()         {}
func (Sleep) input()        {}
func (WorkReported) input() {}

// byDemand reports whether the heal only wakes the worker or puts it to sleep. It has no fault and counts as no attempt.
func (h Heal) byDemand() bool { return h.Action == HealWake || h.Action == HealSleep }

// asleep reports whether the worker was stopped for want of work.
func (m *Machine) asleep() bool { return m.phase() == PhaseAsleep }

// Wakeable reports whether a Wake would start the worker.
func (m *Machine) Wakeable() bool {
	if m.id.Unmanageable != HeldNot || m.id.Tentative || !m.container.inspected || !m.container.status.Down() || m.saved.StopIntent != nil {
		return false
	}
	return m.asleep()
}

// rest leaves a worker down that needs no start: it is held, or asleep if its work decides when it runs.
func (m *Machine) rest(now time.Time, why Reason, at time.Time) {
	if !m.id.Policy.Demand.Set() {
		m.hold(now, why, at)
		return
	}
	m.emit(Event{At: now, Kind: EventAsleep, HealDetails: HealDetails{HealID: m.heal().ID, ExitCode: m.life.end.code}, Reason: why})
	m.enter(State{Phase: PhaseAsleep})
	m.saved.Expected, m.saved.Budget, m.life.end.state = false, Budget{}, exitSettled
}

// Sleepable reports whether a Sleep would stop the worker. A worker with --rm would be removed by the stop.
func (m *Machine) Sleepable() bool {
	undisturbed := m.idle() && m.container.status == StatusRunning && m.saved.StopIntent == nil && m.inFlight == nil
	return undisturbed && m.container.inspected && !m.container.config.autoRemove && !m.saved.Dependents.RestartPending
}

func (m *Machine) wake(now time.Time, in Wake) {
	if m.Wakeable() {
		m.foreign.inspectFailed = false
		m.beginDemand(now, PhaseBackingOff, Heal{Action: HealWake, Reason: in.Reason, Note: in.Detail})
	}
}

// Waking reports whether a Wake was received whose start was not sent yet. A Sleep cancels it.
func (m *Machine) Waking() bool {
	p := m.phase()
	return m.heal().Action == HealWake && (p == PhaseBackingOff || p == PhaseRecreateDue) && m.inFlight == nil && m.container.status.Down()
}

func (m *Machine) sleep(now time.Time, in Sleep) {
	switch {
	case m.Sleepable():
		m.beginDemand(now, PhaseStopDue, Heal{Action: HealSleep, Reason: in.Reason, Note: in.Detail})
	case m.Waking():
		m.enter(State{Phase: PhaseAsleep, Stop: m.saved.State.Stop})
		m.saved.Expected = false
	}
}

func (m *Machine) beginDemand(now time.Time, p Phase, h Heal) {
	h.OpenedAt, h.Intent = now, IntentSelf
	h.ID = m.healID(now, h)
	if h.Action == HealWake && m.saved.Dependents.NeedsNewParentID {
		p = PhaseRecreateDue
	}
	m.enter(State{Phase: p, Due: now, Stop: m.saved.State.Stop, Heal: h})
	m.saved.Expected = true
}

// fallAsleep: the stop for lack of work succeeded. Its own event may still come.
func (m *Machine) fallAsleep(now time.Time) {
	m.emit(m.healEvent(now, EventAsleep, m.heal().Note))
	m.enter(State{Phase: PhaseAsleep, Stop: m.saved.State.Stop})
	m.saved.Expected, m.saved.StopIntent = false, nil // this also ends a stop that does not explain the exit
	m.saved.Budget = Budget{}
	m.life.end.state = exitSettled
}

// staysAwake: the stop for lack of work failed. Whether the worker is to sleep is decided again.
func (m *Machine) staysAwake(now time.Time, why string) {
	if why != "" {
		m.emit(m.healEvent(now, EventHealFailed, why))
	}
	m.to(PhaseWatching)
	m.requestInspect(now, ReasonUncertain)
}

// skipDemand: a dry run reports what it would do, and changes nothing.
func (m *Machine) skipDemand(now time.Time) {
	e := m.healEvent(now, EventHeld, m.heal().Note)
	e.Reason = HeldDryRun
	m.emit(e)
	p := PhaseWatching
	if m.heal().Action == HealWake {
		p = PhaseAsleep
		m.saved.Expected = false
	}
	m.enter(State{Phase: p})
}

// foundAsleep: an inspect found it down, as intended, unless another client stopped it at the same time.
func (m *Machine) foundAsleep(now time.Time, s Snapshot) {
	if m.stoppedByOperator(now, s.FinishedAt) {
		m.hold(now, HeldOperator, m.saved.StopIntent.At)
	}
}

// workTold records whether work waits: only then is idleness a fault.
func (m *Machine) workReported(in WorkReported) {
	m.cpu.workWaits = in.Waits
	if in.Consumed {
		m.cpu.idleSince = time.Time{}
	}
}

// idleWithoutWork reports whether an idle worker has no work to do.
func (m *Machine) idleWithoutWork() bool { return m.id.Policy.Demand.Source != "" && !m.cpu.workWaits }

// Addresses are the IP addresses of the worker's container.
func (m *Machine) Addresses() []string { return slices.Clone(m.networks.addresses) }

// IdleBetween reports whether the worker's use between two readings is below its idle share; ok is false if the readings do not
// show it.
func (m *Machine) IdleBetween(a, b Stats) (idle, ok bool) {
	r, ok := between(a, b, m.container.config.cpuPeriod)
	return ok && r.cpus < m.idleBound(), ok
}

// GroupConflict reports that the worker's labels contradict those of its group; a nil Problem ends the conflict.
type GroupConflict struct{ Problem *policy.Problem }

func (GroupConflict) input() {}

// groupConflict holds the worker as for any other label problem.
func (m *Machine) groupConflict(now time.Time, in GroupConflict) {
	m.id.Problems = slices.DeleteFunc(slices.Clone(m.id.Problems), func(p policy.Problem) bool { return p.Label == policy.LabelGroup })
	if in.Problem == nil {
		m.id.Unmanageable = HeldNot
		m.requestInspect(now, ReasonChanged)
		return
	}
	m.id.Problems = append(m.id.Problems, *in.Problem)
	m.id.Unmanageable = HeldBadLabels
	m.emit(Event{At: now, Kind: EventProblem, Reason: HeldBadLabels, Detail: in.Problem.String()})
}

// Demand is the demand in the worker's labels.
func (m *Machine) Demand() policy.Demand { return m.id.Policy.Demand }

// Manageable reports whether Stoker acts on the worker at all, in any phase.
func (m *Machine) Manageable() bool { return m.id.Unmanageable == HeldNot && !m.id.Tentative }

// LooksIdle reports whether the last reading for idle-after was idle.
func (m *Machine) LooksIdle() bool { return !m.cpu.idleSince.IsZero() }

// DemandState is the worker's state for the demand of its group. A worker whose next start is further away than the poll is no
// capacity.
func (m *Machine) DemandState(now time.Time, poll time.Duration) demand.State {
	s := m.saved.State
	running := m.container.status == StatusRunning
	switch {
	case m.saved.Budget.exhausted() && m.Manageable() && (running || beginsOrEnds(s.Phase)):
		return demand.Exhausted
	case !m.Manageable() || m.container.removed || m.saved.Budget.exhausted():
		return demand.Out
	case s.Heal.Action == HealSleep, s.Heal.Action == HealStop:
		return demand.Leaving
	case m.unexplained():
		return demand.Unseen
	case m.Wakeable():
		return demand.Asleep
	case m.Waking():
		return demand.Waking
	case s.Phase == PhaseHeld, s.Phase == PhaseAsleep, s.Phase == PhaseExhausted, m.container.status == StatusPaused, m.container.status == StatusRemoving:
		return demand.Out
	case s.Phase == PhaseWatching && running && m.health() != HealthStarting:
		return demand.Awake
	case running, beginsOrEnds(s.Phase):
		return demand.Starting
	case s.Heal.Open() && s.Due.Sub(now) > poll:
		return demand.Failing
	case m.saved.Expected:
		return demand.Down
	}
	return demand.Out
}

// beginsOrEnds reports whether an incarnation begins or ends in the phase.
func beginsOrEnds(p Phase) bool {
	return p == PhaseStarting || p == PhaseVerifying || p == PhaseStopping || p == PhaseRecreating
}

// BudgetShare is the worker's share of the CPU budget while it runs or should run: its quota, or one CPU without a quota.
func (m *Machine) BudgetShare() float64 { return cmp.Or(m.ownQuota(), 1) }

// Inspected reports whether the worker was inspected, so that its quota is known.
func (m *Machine) Inspected() bool { return m.container.inspected }

// TakesBudget reports whether the worker runs, is being started, or should run and is dead. Until its first inspect succeeds the list shows
// whether it runs.
func (m *Machine) TakesBudget() bool {
	starting := m.inFlight != nil && m.inFlight.Verb == Start
	listed := !m.container.inspected && m.container.listed == StatusRunning
	return m.container.status == StatusRunning || listed || m.saved.Expected || starting
}
