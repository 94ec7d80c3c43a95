package worker

import (
	"strings"
	"time"
)

// settle is how long a state that contradicts the events may wait for the event that explains it. A list or an inspect uses
// another connection than the events and may be ahead of them.
const settle = 2 * time.Second

// dockerSettle is settle for a container with a Docker restart policy: a booting engine waits up to 5 s for a parent before it
// starts such a container (moby daemon.go, restore).
const dockerSettle = 10 * time.Second

func (m *Machine) observe(now time.Time, o Observation) {
	switch {
	case m.Missing():
		m.observeMissing(now, o)
		return
	case m.Recreating():
		old := o.ID == m.saved.Incarnation.ID && o.Kind != Listed
		if old && o.History() && m.known(o) {
			return
		}
		m.observeRecreating(now, o)
		if old {
			m.saved.LastEventAt = o.At
		}
		return
	}
	if o.History() && m.outdated(o) {
		m.replayed(o)
		return
	}
	m.apply(now, o)
	if o.Kind != Listed {
		m.life.unrecorded = o.At
		m.recordEvent()
	}
}

func (m *Machine) apply(now time.Time, o Observation) {
	switch o.Kind {
	case Listed:
		m.listed(now, o)
	case Created, Updated:
		m.memoryLimitChanged()
		m.requestInspect(now, ReasonChanged)
	case Started:
		m.started(now, o)
	case Exited:
		m.exited(now, o)
	case Signalled:
		m.signalled(now, o)
	case Stopped:
		m.stopped(now, o)
	case OutOfMemory:
		m.outOfMemory(now, o)
	case Unhealthy:
		m.lifeSeen(o)
		m.turnedUnhealthy(now)
	case Healthy:
		m.lifeSeen(o)
		m.turnedHealthy(now)
	case Paused:
		m.container.status = StatusPaused
		m.checks.healthySince = time.Time{}
		m.reinspect(now)
		m.emit(Event{At: now, Kind: EventHeld, Reason: HeldPaused})
	case Resumed:
		m.container.status = StatusRunning
		m.checks.resumedAt = o.At
		m.requestInspect(now, ReasonChanged)
	case Renamed:
		m.renamed(now, o)
	case Gone:
		m.gone(now, o.At)
	case Disconnected, Connecting, ListBegin, ListEnd:
		// handled by the fleet
	}
}

// awaiting reports whether events still concern the incarnation before Stoker's own start. The stream is in order, and the event
// of that start has not arrived. The time limit bounds the damage of a lost start event.
func (m *Machine) awaiting(now time.Time) bool {
	return now.Before(m.life.start.awaited)
}

// lifeSeen: a probe of the present incarnation arrived, so its start event was lost.
func (m *Machine) lifeSeen(o Observation) {
	if !o.At.After(m.saved.Incarnation.StartedAt) {
		return
	}
	m.life.start.behind = time.Time{}
	if m.life.start.eventMissing {
		m.life.start.awaited, m.life.start.eventMissing = time.Time{}, false
	}
}

// earlierLife reports whether a live exit event concerns an earlier incarnation: an inspect was ahead of the events.
func (m *Machine) earlierLife(now time.Time, o Observation) bool {
	return !o.History() && now.Before(m.life.start.behind) && o.At.Before(m.saved.Incarnation.StartedAt)
}

func (m *Machine) listed(now time.Time, o Observation) {
	if o.History() {
		m.life.start.awaited, m.life.start.behind = time.Time{}, time.Time{}
	}
	if m.id.Unmanageable != HeldNot {
		if !m.endedSince(o) {
			m.container.status, m.checks.status = o.Status, o.Health
		}
		m.observeTask(now)
		return
	}
	m.backInPlace(now, o)
	m.leftUnderBackupName(now, o)
	if !m.container.inspected {
		m.container.listed = o.Status
		m.requestInspect(now, ReasonNew)
		return
	}
	differs := o.Status != m.container.status || (o.Status == StatusRunning && o.Health != m.checks.status && o.Health != HealthUnknown)
	if i := m.saved.StopIntent; i != nil && i.Complete && o.Status == StatusRunning {
		differs = true // stopped, but running: another incarnation
	}
	differs = differs || ((o.Status == StatusRunning || o.Status.Down()) && m.connectedOtherwise(o.Networks))
	if differs && m.inFlight == nil {
		m.requestInspect(now.Add(settle), ReasonUncertain)
	}
}

// backInPlace: a list shows a worker under its own name that was about to be replaced. The replacement was undone while no Stoker
// ran. How the worker ended is judged by its present state.
func (m *Machine) backInPlace(now time.Time, o Observation) {
	if !m.heldFor(HeldReplaced) || o.Key == "" || o.Key.IsBackupName() || m.byCompose(o.Key) {
		return
	}
	if m.container.savedBeforeRename != nil { // a transaction was rolled back and its event was lost, unless the list is older
		if o.At.After(m.saved.State.Hold.At.Add(settle)) {
			m.renamedBack(now)
		}
		return
	}
	if by := m.saved.State.Hold.At.Sub(o.At); by > -settle && by < time.Minute {
		return // the list may be older than the rename; more than a minute is a step of the clock
	}
	m.release()
	if o.Status.Down() {
		m.life.end.state = exitPending
	}
	m.requestInspect(now, ReasonChanged)
}

// leftUnderBackupName: it still has the backup name, and no transaction is under way. Another container has the worker's name and
// is the worker now. A heal would create a second one.
func (m *Machine) leftUnderBackupName(now time.Time, o Observation) {
	if m.saved.Key.IsBackupName() && !m.heldFor(HeldReplaced) {
		m.renamedToBackup(now, o)
	}
}

// renamedToBackup holds the worker, and keeps its earlier state until it has its own name again.
func (m *Machine) renamedToBackup(now time.Time, o Observation) {
	before := m.saved
	m.container.savedBeforeRename = &before
	m.hold(now, HeldReplaced, o.At)
}

// byCompose reports whether docker-compose gave the container this name in order to replace it.
func (m *Machine) byCompose(key Key) bool {
	return strings.HasPrefix(string(key), m.shortID()+"_")
}

func (m *Machine) shortID() string {
	id := m.saved.Incarnation.ID
	return id[:min(len(id), 12)]
}

func (m *Machine) started(now time.Time, o Observation) {
	m.life.start.behind = time.Time{}
	if m.startKnown(o) && (m.container.status == StatusRunning || m.stoppedBeforeStartEvent(now)) { // an inspect was ahead of the event
		if !o.At.Before(m.life.startedAt) {
			m.life.start.awaited, m.life.start.eventMissing = time.Time{}, false
		}
		m.saved.StopIntent, m.foreign.until, m.foreign.window = nil, time.Time{}, time.Time{} // earlier events in the stream concern the previous incarnation
		return
	}
	if m.overBeforeStartEvent(now, o) {
		return
	}
	again := m.life.start.by == startedByDocker && o.History() && !m.container.inspected && m.saved.StopIntent == nil // one of several that no Stoker followed
	byDocker := m.phase() == PhaseDocker || m.container.status == StatusRestarting || again
	own := m.awaiting(now) || m.beganByHeal(o)
	m.life.startedAt, m.life.start.by = o.At, startedByOther
	switch {
	case own:
		m.life.start.by = startedByStoker
	case byDocker:
		m.life.start.by = startedByDocker
	case m.container.config.restart.Active() && !now.Before(m.life.start.late), m.startedUnfollowed(o):
		m.life.start.by = startedByEither
	}
	m.saved.Incarnation.StartedAt = o.At // approximately: a replay of this start is recognized by it, even without another inspect
	m.life.start.awaited, m.inspects.stale = time.Time{}, m.inFlight != nil
	m.container.status, m.checks.status = StatusRunning, m.firstHealth()
	m.saved.StopIntent = nil
	m.saved.Expected = true
	m.saved.OwnStops = OwnStops{}
	m.newLife()
	switch {
	case own:
		m.verifyOwnStart(now)
		return
	case m.stopMayHit():
		m.to(PhaseStopping)
		m.own = ownStop{issuedHere: true, former: true, carriedOut: m.own.signals > 0 && m.own.stopped}
	default:
		m.startedByOther(now, m.life.start.by)
	}
	m.requestInspect(now, ReasonChanged)
}

// stopMayHit reports whether one of Stoker's own stops is still on its way to an incarnation that has already exited, so it may
// hit the next one.
func (m *Machine) stopMayHit() bool {
	p := m.phase()
	return m.inFlight != nil && m.inFlight.Verb == Stop && m.heal().Open() && (p == PhaseStopping || p == PhaseBackingOff)
}

// startKnown reports whether a start event belongs to the inspected incarnation, or to an earlier one. The first start event
// after Stoker's own start is that start's, however late it is.
func (m *Machine) startKnown(o Observation) bool {
	return m.startOf(m.life.startedAt, o) || m.life.start.eventMissing
}

// stoppedBeforeStartEvent reports whether Stoker sent a stop to the incarnation whose start event has not arrived. Events before it
// concern an earlier incarnation. The stop's own events come after it.
func (m *Machine) stoppedBeforeStartEvent(now time.Time) bool {
	return m.awaiting(now) && m.life.start.eventMissing && m.stopSent()
}

// beganByHeal reports whether a start is that of the heal: one that was sent, or the start of an incarnation that an inspect has
// already shown to be over.
func (m *Machine) beganByHeal(o Observation) bool {
	if m.phase() == PhaseVerifying {
		return m.unexplained() && m.startOf(m.life.startedAt, o)
	}
	return m.phase() == PhaseStarting
}

// startOf reports whether a start event belongs to the incarnation that began at that time: the engine records the start shortly
// before it sends the event.
func (m *Machine) startOf(began time.Time, o Observation) bool {
	return !began.IsZero() && !o.At.After(began.Add(settle)) && !m.life.end.at.After(began)
}

// newLife drops what was observed of the last incarnation.
func (m *Machine) newLife() {
	m.checks.healthySince, m.checks.unhealthyAt = time.Time{}, time.Time{}
	m.foreign.until, m.foreign.window, m.checks.resumedAt = time.Time{}, time.Time{}, time.Time{}
	m.life.delayed, m.life.start.eventMissing, m.life.oom.reported, m.saved.Dependents.RestartPending = false, false, false, false
	m.life.end.byDaemon, m.life.end.state, m.checks.leftReason = false, exitSettled, HeldNot
	m.life.end.inspected = time.Time{}
	m.foreign.pending = nil
}

// verifyOwnStart: the answer to the start is on its way, or was lost; then an inspect decides. From now on stop signals are
// another client's.
func (m *Machine) verifyOwnStart(now time.Time) {
	m.dropOwnStop()
	if m.inFlight == nil {
		m.requestInspect(now, ReasonVerifying)
	}
}

// startedByOther resets the budget after an operator's start. Docker's own start does not reset it, because it belongs to the
// same fault. Nor does a start that may be Stoker's own and was taken for a failed one.
func (m *Machine) startedByOther(now time.Time, by startedBy) {
	if m.life.start.by == startedByStoker {
		m.life.start.by = startedByOther
	}
	reason := ReasonSuperseded
	switch {
	case by == startedByDocker:
		reason = ReasonWaitsDocker
	case by == startedByEither: // see startExplained
	case !now.Before(m.life.start.late):
		m.resetBudget()
	}
	m.life.start.late = time.Time{}
	switch {
	case m.asleep():
		m.emit(Event{At: now, Kind: EventWoken, HealDetails: HealDetails{Heal: HealWake}, Reason: ReasonStartedByHand})
	case m.phase() != PhaseWatching || m.saved.Budget.exhausted():
		m.emit(Event{At: now, Kind: EventRecovered, HealDetails: HealDetails{HealID: m.heal().ID}, Reason: reason})
	}
	m.to(PhaseWatching)
	m.release()
}

// startExplained decides by an inspect whether Docker began the present incarnation. Docker counts its own starts since the last
// one through the API.
func (m *Machine) startExplained(s Snapshot) {
	if m.life.start.by != startedByEither {
		return
	}
	if m.life.start.by = s.startedBy(); m.life.start.by == startedByOther {
		m.resetBudget()
	}
}

// startedBy returns who began the incarnation of a running container, if Stoker did not.
func (s Snapshot) startedBy() startedBy {
	if s.RestartCount > 0 {
		return startedByDocker
	}
	return startedByOther
}

func (m *Machine) firstHealth() Health {
	if m.container.config.healthcheck {
		return HealthStarting
	}
	return HealthNone
}

func (m *Machine) turnedUnhealthy(now time.Time) {
	m.checks.status = HealthUnhealthy
	m.checks.healthySince = time.Time{}
	if m.checks.unhealthyAt.IsZero() {
		m.checks.unhealthyAt = now
	}
	if m.container.status == StatusRunning {
		m.requestInspect(now, ReasonProbeFailed)
	}
}

func (m *Machine) turnedHealthy(now time.Time) {
	m.checks.status = HealthHealthy
	m.reinspect(now)
	if m.health() != HealthHealthy { // a probe from outside does not set it
		return
	}
	m.checks.unhealthyAt = time.Time{}
	m.noLongerLeft(now)
	if m.container.status == StatusRunning {
		m.markHealthy(now)
	}
}

// renamed: docker-compose renames a container to <short id>_<name> before it replaces it; another Stoker uses a name of its own.
// Such a container will be removed, and a start would make the removal fail.
func (m *Machine) renamed(now time.Time, o Observation) {
	if o.OldKey.IsBackupName() && !o.Key.IsBackupName() {
		m.renamedBack(now)
		return
	}
	switch {
	case o.OldKey == "":
	case o.Key.IsBackupName() && !m.heldFor(HeldReplaced):
		m.renamedToBackup(now, o)
	case o.Key.IsBackupName(), string(o.Key) == m.shortID()+"_"+strings.TrimPrefix(string(o.OldKey), "/"):
		m.hold(now, HeldReplaced, o.At)
	}
}

// renamedBack: the transaction that renamed it was rolled back. It may have been Stoker's own, with events behind its answer.
func (m *Machine) renamedBack(now time.Time) {
	before := m.container.savedBeforeRename
	m.container.savedBeforeRename = nil
	if before == nil || !m.heldFor(HeldReplaced) {
		return
	}
	m.enter(before.State)
	m.saved.Budget.ExhaustedAt = before.Budget.ExhaustedAt
	m.saved.StopIntent, m.saved.Expected = before.StopIntent, before.Expected
	if m.container.status == StatusExited && m.phase() == PhaseWatching {
		m.life.end.state = exitPending
	}
	m.requestInspect(now, ReasonChanged)
}

// reinspect requests another inspect after an event during an inspect, whose answer may be older than the event. Otherwise a
// worker that has just become healthy would count as starting until the next list.
func (m *Machine) reinspect(now time.Time) {
	if m.inFlight != nil {
		m.requestInspect(now, ReasonVerifying)
	}
}

func (m *Machine) requestInspect(due time.Time, reason Reason) {
	if m.inspects.request.due.IsZero() || due.Before(m.inspects.request.due) {
		m.inspects.request = inspectRequest{due: due, reason: reason}
	}
}
