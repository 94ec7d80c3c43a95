package worker

import (
	"fmt"
	"time"

	"github.com/docker/go-units"

	"stoker/sidecar/internal/core/policy"
)

// Recycle is the restart of a worker without a fault: the wait before it, and the time after it until the worker is stable. It
// belongs to PhaseWatching: the worker is watched as usual, and any other change ends the wait.
type Recycle struct {
	Stage RecycleStage `json:"stage,omitempty"`
	Fault Fault        `json:"fault,omitempty"`
	Due   time.Time    `json:"due,omitzero"`   // when it became due, or is due again after a failed stop
	Since time.Time    `json:"since,omitzero"` // of Stage
	Of    time.Time    `json:"of,omitzero"`    // start of the incarnation that is to end, the engine's clock
}

// RecycleStage is the stage of a recycle.
type RecycleStage string

// The stages of a recycle. Between RecycleWaitsForIdle and RecycleSettling it is a normal heal.
const (
	RecycleNone RecycleStage = ""
	// RecycleWaitsForGroup: another worker of the group is being recycled, or is not healthy.
	RecycleWaitsForGroup RecycleStage = "waits-for-group"
	// RecycleWaitsForIdle: its turn has come, and it is busy.
	RecycleWaitsForIdle RecycleStage = "waits-for-idle"
	// RecycleSettling: it was restarted, and is not stable yet.
	RecycleSettling RecycleStage = "settling"
)

// Pending reports whether the restart is still to come.
func (s RecycleStage) Pending() bool { return s == RecycleWaitsForGroup || s == RecycleWaitsForIdle }

// RecycleTurn gives the turn to a worker that waits for its group.
type RecycleTurn struct{}

// RecycleNow begins the restart of a worker whose turn has come. Busy: it has waited for the maximum time.
type RecycleNow struct{ Busy bool }

func (RecycleTurn) input() {}
func (RecycleNow) input()  {}

// recycleUse is the state of a worker's next recycle. After a crash of Stoker all of it is determined again.
type recycleUse struct {
	next      time.Time // of restart-at
	soonest   time.Time // when the time alone makes one due; zero for never
	begunAt   time.Time // when the last one was begun; Stoker's clock
	memory    Stats     // the last reading
	memoryOf  Incarnation
	overSince time.Time // all readings since were above the bound; the engine's clock
	idle      bool      // between the last two readings since its turn came
}

// Recycles reports whether the fault only stands for a recycle. Its heal counts as no attempt.
func (f Fault) Recycles() bool { return f == FaultOld || f == FaultScheduled || f == FaultMemory }

// missedFor is the minimum delay with which a restart at a fixed time may still begin, because Stoker, the engine or the worker
// may be down at that time.
const missedFor = time.Minute

// recycling is the state of the worker's recycle.
func (m *Machine) recycling() Recycle { return m.saved.State.Recycle }

// Recyclable reports whether a recycle may begin: the worker runs, is healthy if it has a health check, and no action on it is
// under way.
func (m *Machine) Recyclable() bool {
	return m.container.inspected && m.container.status == StatusRunning && !m.checks.healthySince.IsZero() && !m.recycleBarred()
}

// recycleBarred reports whether a recycle is blocked now. Unknown facts do not block it.
func (m *Machine) recycleBarred() bool {
	known, running := m.container.status != StatusUnknown, m.container.status == StatusRunning
	return !m.idle() || m.id.Tentative || known && !running || m.saved.StopIntent != nil || m.saved.Dependents.RestartPending ||
		m.checks.leftReason != HeldNot || m.health() == HealthUnhealthy
}

// recycleDue updates the worker's recycle: it records what has become due, and drops what the labels no longer ask for.
func (m *Machine) recycleDue(now time.Time) {
	r := m.recycling()
	switch {
	case !m.id.Policy.Recycle.Set() && r.Stage == RecycleNone:
	case r.Stage == RecycleSettling:
		m.recycleSettles(now)
	case r.Stage.Pending():
		m.keepRecycle(now)
	case m.Recyclable():
		if f := m.recycleFault(now); f != FaultNone {
			m.saved.State.Recycle = Recycle{Stage: RecycleWaitsForGroup, Fault: f, Due: now, Since: now, Of: m.saved.Incarnation.StartedAt}
		}
	}
	m.recycle.idle = m.recycle.idle && m.recycling().Stage == RecycleWaitsForIdle
	m.recycle.soonest = time.Time{}
	if m.recycling().Stage == RecycleNone && m.id.Policy.Recycle.Set() && m.Recyclable() {
		m.recycle.soonest = earliestOf(m.recycleTimes(now))
	}
}

// recycleSettles ends the time in which the next worker of the group waits for this one.
func (m *Machine) recycleSettles(now time.Time) {
	stable := m.checks.healthySince.Add(m.id.Policy.StableAfter)
	if !m.checks.healthySince.IsZero() && !stable.After(now) {
		m.saved.State.Recycle = Recycle{}
	}
}

// keepRecycle ends a wait with the incarnation that was to end. Any other change of the worker passes its turn to the next one.
func (m *Machine) keepRecycle(now time.Time) {
	r := &m.saved.State.Recycle
	if r.Since.After(now) { // the clock stepped back
		r.Since = now
	}
	another := m.container.inspected && !r.Of.Equal(m.saved.Incarnation.StartedAt)
	switch {
	case another || !m.asksFor(r.Fault):
		*r = Recycle{}
	case r.Stage == RecycleWaitsForIdle && m.recycleBarred():
		r.Stage, r.Since = RecycleWaitsForGroup, now
	}
}

// asksFor reports whether the labels configure the fault.
func (m *Machine) asksFor(f Fault) bool {
	p := m.id.Policy.Recycle
	switch f { //nolint:exhaustive // the faults of a recycle
	case FaultOld:
		return p.MaxAge > 0
	case FaultScheduled:
		return p.RestartAt.Set()
	case FaultMemory:
		return p.MaxMemory.Set()
	}
	return false
}

// recycleFault is the most urgent fault that is due.
func (m *Machine) recycleFault(now time.Time) Fault {
	p := m.id.Policy.Recycle
	old, scheduled := m.recycleTimes(now)
	switch {
	case m.overMemory():
		return FaultMemory
	case p.RestartAt.Set() && !scheduled.IsZero() && !scheduled.After(now):
		return FaultScheduled
	case p.MaxAge > 0 && !old.After(now):
		return FaultOld
	}
	return FaultNone
}

// recycleTimes returns when the worker is too old, and when the next restart at a fixed time is; zero for never. The engine's
// clock may differ from Stoker's, so both also count from the last restart for such a reason.
func (m *Machine) recycleTimes(now time.Time) (old, scheduled time.Time) {
	p, began := m.id.Policy.Recycle, latest(m.saved.Incarnation.StartedAt, m.recycledAt(now))
	if p.MaxAge > 0 {
		old = began.Add(p.Age(m.ageSeed()))
	}
	if !p.RestartAt.Set() {
		return old, time.Time{}
	}
	if next := m.recycle.next; !next.After(now) || next.Before(began) { // otherwise it is known
		late := max(p.Wait, missedFor)
		m.recycle.next = p.RestartAt.After(latest(began, now.Add(-late)), m.id.Zone)
	}
	return old, m.recycle.next
}

// recycledAt is when the last recycle was begun or succeeded. It is never in the future, as a time from before a step of the
// clock would be.
func (m *Machine) recycledAt(now time.Time) time.Time {
	at := latest(m.saved.RecycledAt, m.recycle.begunAt)
	if at.After(now) {
		return now
	}
	return at
}

// ageSeed differs between workers, and between incarnations.
func (m *Machine) ageSeed() uint64 {
	return policy.Seed(string(m.saved.Key), int(m.saved.Incarnation.StartedAt.UnixNano()))
}

// recycleWake is when the time alone changes the recycle; zero for never.
func (m *Machine) recycleWake(now time.Time) time.Time {
	r := m.recycling()
	switch {
	case r.Stage == RecycleSettling && !m.checks.healthySince.IsZero():
		return m.checks.healthySince.Add(m.id.Policy.StableAfter)
	case r.Stage.Pending() && r.Due.After(now):
		return r.Due
	}
	return m.recycle.soonest
}

func earliestOf(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// recycleTurn: the others of the group wait from now on.
func (m *Machine) recycleTurn(now time.Time) {
	if r := &m.saved.State.Recycle; r.Stage == RecycleWaitsForGroup && m.Recyclable() {
		r.Stage, r.Since = RecycleWaitsForIdle, now
		m.cpu.lastStats = Stats{} // use before its turn does not count
	}
}

// recycleNow begins the restart. From now on it is a normal heal that counts as no attempt.
func (m *Machine) recycleNow(now time.Time, in RecycleNow) {
	r := m.recycling()
	if r.Stage != RecycleWaitsForIdle || !m.Recyclable() {
		return
	}
	reason := map[Fault]Reason{FaultOld: ReasonOld, FaultScheduled: ReasonScheduled, FaultMemory: ReasonMemory}[r.Fault]
	detail := m.recycleDetail(now, r.Fault)
	if waited := now.Sub(r.Since).Round(time.Second); in.Busy && waited > 0 {
		detail += fmt.Sprintf("; it was not idle for %s", waited)
	}
	m.recycle.begunAt, m.recycle.overSince = now, time.Time{}
	m.begin(now, cause{fault: r.Fault, intent: IntentSelf, reason: reason, action: HealRestart, detail: detail}, now)
}

// recycleDetail describes the fault.
func (m *Machine) recycleDetail(now time.Time, f Fault) string {
	p := m.id.Policy.Recycle
	switch f { //nolint:exhaustive // the faults of a recycle
	case FaultOld:
		age, due := now.Sub(m.saved.Incarnation.StartedAt), p.Age(m.ageSeed())
		if age < due { // the clock has stepped back since it was due
			return fmt.Sprintf("it has run for more than %s", due.Round(time.Second))
		}
		return fmt.Sprintf("it has run for %s", age.Round(time.Second))
	case FaultScheduled:
		return "restart at " + p.RestartAt.String()
	}
	return fmt.Sprintf("it uses %s, and may use %s", units.BytesSize(float64(m.recycle.memory.Memory)), units.BytesSize(float64(m.memoryBound())))
}

// recycled: the restart succeeded.
func (m *Machine) recycled(now time.Time) {
	m.saved.RecycledAt = now
	m.saved.State.Recycle = Recycle{Stage: RecycleSettling, Fault: FaultNone, Since: now}
}

// recycleFailed: the engine did not stop the worker, which still runs. The stop is retried later.
func (m *Machine) recycleFailed(now time.Time, why string) {
	m.emit(m.healEvent(now, EventHealFailed, why))
	m.postponeRecycle(now, m.id.Policy.RetryEvery)
	m.requestInspect(now, ReasonUncertain)
}

func (m *Machine) postponeRecycle(now time.Time, by time.Duration) {
	r := Recycle{Stage: RecycleWaitsForGroup, Fault: m.heal().Fault, Due: now.Add(by), Since: now, Of: m.saved.Incarnation.StartedAt}
	m.to(PhaseWatching)
	m.saved.State.Recycle = r
}

// dryRunRepeats is the interval at which a dry run reports the same recycle.
const dryRunRepeats = time.Hour

// skipRecycle: a dry run reports what it would do, and changes nothing.
func (m *Machine) skipRecycle(now time.Time) {
	e := m.healEvent(now, EventHeld, "")
	e.Reason = HeldDryRun
	m.emit(e)
	m.postponeRecycle(now, dryRunRepeats)
}

// RecycleState is the part of a worker's recycle that its group needs.
type RecycleState struct {
	Recycle
	Idle bool // idle between the last two readings since its turn came
	// Occupies: the others of its group wait for it. Its turn has come, it is being restarted for any reason, or it is not
	// stable.
	Occupies bool
}

// RecycleState returns the present state.
func (m *Machine) RecycleState() RecycleState {
	r := m.recycling()
	out := m.leftAlone() != HeldNot && m.phase() != PhaseDocker || !m.Manageable() || m.container.removed || m.checks.leftReason != HeldNot
	down := m.container.status.Down() || !m.container.inspected // possibly
	dead := m.saved.Expected && down && !m.heal().Open()        // its meaning is still unknown
	unstable := m.heal().Open() && !m.heal().byDemand() || m.saved.Budget.Attempts > 0 || m.phase() == PhaseDocker || dead
	return RecycleState{
		Recycle: r, Idle: m.recycle.idle,
		Occupies: !out && (unstable || r.Stage == RecycleWaitsForIdle || r.Stage == RecycleSettling),
	}
}

// BeingRecycled reports whether the worker was stopped for a recycle, or is about to be, and is not healthy again.
func (m *Machine) BeingRecycled() bool {
	return m.heal().Fault.Recycles() || m.recycling().Stage == RecycleSettling
}

// RecycleView is the view of a worker's recycle.
type RecycleView struct {
	Fault  Fault        // of the waiting restart; empty without one
	Stage  RecycleStage // what it waits for; RecycleSettling afterwards
	Since  time.Time    // of Stage
	NextAt time.Time    // when the time alone makes one due; zero if unknown or never
}

func (m *Machine) recycleView() RecycleView {
	r := m.recycling()
	v := RecycleView{Fault: r.Fault, Stage: r.Stage, Since: r.Since}
	if !r.Stage.Pending() {
		v.NextAt = m.recycle.soonest
	}
	return v
}
