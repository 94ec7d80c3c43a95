package worker

import (
	"fmt"
	"syscall"
	"time"

	"stoker/sidecar/internal/core/policy"
)

// CollectLimit bounds the time to collect everything before a stop, except stoker.before-stop.
const CollectLimit = 2 * time.Second

// collectMargin is the extra time of a Collect: its inspect, and a late answer of the engine that the command has ended.
const collectMargin = 5 * time.Second

// collection is what was collected before the stop of the open heal. After a restart Stoker collects again; the journal only
// records that the command was sent (Heal.BeforeStop).
type collection struct {
	healID    uint64    // requested for this heal
	sentAt    time.Time // Stoker's clock
	throttled float64   // share of the periods; 0 is not measured
	logsUntil time.Time // exit time of the incarnation whose log lines were requested, the engine's clock
}

// collects reports whether evidence has to be collected, or a command run, before the stop of the open heal. For a worker that is
// put to sleep only the command's output is kept.
func (m *Machine) collects() bool {
	r := m.evidenceRequest()
	return m.collection.healID != r.HealID && (r.Keep || len(r.Command) > 0)
}

func (m *Machine) evidenceRequest() EvidenceRequest {
	p, h := m.id.Policy.Evidence, m.heal()
	r := EvidenceRequest{HealID: h.ID, Keep: p.Level != policy.EvidenceOff && !h.byDemand()}
	if len(p.BeforeStop) > 0 && !h.BeforeStop {
		r.Command, r.Limit = p.BeforeStop, p.BeforeStopTimeout
	}
	return r
}

// Collected reports whether the evidence of the open heal was requested.
func (m *Machine) Collected() bool {
	return m.heal().Open() && m.collection.healID == m.heal().ID
}

// StopBegun reports whether the command before the stop was sent, so that the stop no longer waits.
func (m *Machine) StopBegun() bool { return m.stopBegun() }

// stopBegun reports whether stoker.before-stop was sent. The command may have drained or ended the worker. So the stop is carried
// out whatever the health check shows meanwhile, and an exit counts as that of the stop.
func (m *Machine) stopBegun() bool {
	return m.phase() == PhaseStopDue && m.heal().BeforeStop
}

// DrainedForSleep reports whether the worker is about to be put to sleep and the command before that was sent.
func (m *Machine) DrainedForSleep() bool {
	return m.stopBegun() && m.heal().Action == HealSleep
}

// fillCollect requests the evidence. The phase stays PhaseStopDue: no stop was sent, so each stop signal is another client's.
func (m *Machine) fillCollect(now time.Time, a *Action) {
	s := m.saved.State
	r := m.evidenceRequest()
	m.collection = collection{healID: r.HealID, sentAt: now, logsUntil: m.collection.logsUntil}
	a.Verb, a.Reason, a.Attempt, a.Evidence = Collect, s.Heal.Reason, s.Heal.Attempt, &r
	a.OnlyIfUnhealthy = m.onlyIfUnhealthy()
	a.Deadline = CollectLimit + r.Limit + collectMargin
	if len(r.Command) > 0 {
		s.Heal.BeforeStop = true
		m.enter(s)
	}
}

// onlyIfUnhealthy reports whether the stop is refused if the worker is healthy again. It is not once the command before the stop
// was sent.
func (m *Machine) onlyIfUnhealthy() bool {
	return m.heal().Fault == FaultUnhealthy && !m.heal().BeforeStop && !m.failsOutside() // the engine has no record of it
}

// finishCollect applies what was collected. A failure to collect does not delay the stop.
func (m *Machine) finishCollect(now time.Time, o Outcome) {
	m.keepEvidence(now, o)
	asked := o.Action.Evidence
	same := asked != nil && m.heal().ID == asked.HealID
	sent := o.Evidence != nil && o.Evidence.Command != nil
	if same && len(asked.Command) > 0 && !sent && o.Result != Unknown { // the command was not run
		s := m.saved.State
		s.Heal.BeforeStop = false
		m.enter(s)
	}
	switch o.Result {
	case Skipped:
		m.skip(now)
	case Refused:
		m.applyOrInspect(now, o)
	case Done:
		if same && !m.inspects.stale {
			m.inspects.appliedAt = m.collection.sentAt // the inspect is no older than this
		}
	case Unknown, Failed: // the stop is attempted anyway
	}
}

// keepEvidence reports what an action collected.
func (m *Machine) keepEvidence(now time.Time, o Outcome) {
	if o.Evidence.Empty() || o.Action.Evidence == nil {
		return
	}
	e := Event{At: now, Kind: EventEvidence, HealDetails: HealDetails{HealID: o.Action.Evidence.HealID, Attempt: o.Action.Attempt}, Reason: o.Action.Reason, Evidence: o.Evidence}
	e.Detail = o.Evidence.Summary()
	m.emit(e)
	if u := o.Evidence.Usage; u != nil && u.Throttled != nil {
		m.collection.throttled = *u.Throttled
	}
}

// requestLogs requests the last log lines of the incarnation that ended, if the labels ask for them.
func (m *Machine) requestLogs(endedAt time.Time, code int) {
	if m.id.Policy.Evidence.Level != policy.EvidenceLogs || m.heal().byDemand() || endedAt.IsZero() || m.container.removed {
		return
	}
	if !m.collection.logsUntil.Equal(endedAt) { // otherwise they were requested
		m.collection.logsUntil = endedAt
		m.logs = &LogsRequest{Incarnation: m.saved.Incarnation, HealID: m.heal().ID, Until: endedAt, ExitCode: code}
	}
}

// LogsRequest requests the last lines that an incarnation of a worker printed.
type LogsRequest struct {
	Incarnation Incarnation
	HealID      uint64
	Until       time.Time // its exit, the engine's clock
	ExitCode    int
}

// graceTooShort reports that Stoker's own stop ended with SIGKILL because the quota throttled the worker during its shutdown. The
// engine shows such an exit like any other SIGKILL (137, no OOM).
func (m *Machine) graceTooShort(now time.Time, o Observation) {
	throttled := 0.0
	if m.collection.healID == m.heal().ID {
		throttled = m.collection.throttled
	}
	if shown := m.cpu.shown; m.cpu.shownOf.ID == o.ID && !shown.ThrottlingUnknown {
		throttled = max(throttled, shown.Throttled)
	}
	oom := !m.life.oom.at.IsZero() && o.At.Sub(m.life.oom.at) < oomWindow
	if o.ExitCode != 128+int(syscall.SIGKILL) || throttled < starvedThrottle || oom {
		return
	}
	grace := "its grace"
	if stop := m.saved.State.Stop; !stop.Any {
		grace += " of " + stop.Grace.String()
	}
	e := m.healEvent(now, EventGraceTooShort, fmt.Sprintf(
		"killed (exit code 137) at the end of %s, while its quota throttled it in %.0f %% of the periods with work: raise stoker.stop-timeout, or the quota",
		grace, 100*throttled))
	e.Reason = ReasonGraceTooShort
	m.emit(e)
}

// exitedWhileRecreating reports what is worth an event about the old container's exit. The recreate ignores it. The container is
// removed shortly after.
func (m *Machine) exitedWhileRecreating(now time.Time, o Observation) {
	if o.History() || m.stopsSent() == 0 {
		return
	}
	if m.saved.OwnStops.Kills > 0 {
		m.graceTooShort(now, o)
	}
	m.requestLogs(o.At, o.ExitCode)
}

// RecreateCollected carries what was collected before the transaction's stop.
type RecreateCollected struct{ Outcome Outcome }

func (RecreateCollected) input() {}

func (m *Machine) recreateCollected(now time.Time, in RecreateCollected) {
	if r := in.Outcome.Action.Evidence; r != nil && r.HealID == m.heal().ID {
		m.collection = collection{healID: r.HealID, sentAt: now, logsUntil: m.collection.logsUntil}
	}
	m.keepEvidence(now, in.Outcome)
}
