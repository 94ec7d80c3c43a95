package worker

import (
	"cmp"
	"time"

	"stoker/sidecar/internal/core/policy"
)

// Verdict is what one probe from outside has shown.
type Verdict uint8

// The verdicts. The last two say nothing about the worker.
const (
	VerdictWell       Verdict = iota + 1
	VerdictBad                // an answer that is none of a worker that is well, or a refusal
	VerdictNoAnswer           // none in time
	VerdictNotMade            // what the probe needs on Stoker's own side failed; the next one may work
	VerdictImpossible         // it cannot be made as things are: no network in common, or the call is not allowed
)

// ProbeAnswer is what one probe from outside has shown. Detail may come from the container: hostile until shown otherwise.
type ProbeAnswer struct {
	Verdict Verdict
	Address string // that was asked; empty where none was
	Detail  string // what is wrong, in one line; empty for VerdictWell
}

// ProbeCall is what it takes to make one probe.
type ProbeCall struct {
	Target  policy.ProbeTarget
	Timeout time.Duration
	Reach   Reach         // where the worker is, for a target without a host
	Unseen  []string      // folders that the engine does not show, for a target that is a file
	Skew    time.Duration // the engine's clock minus Stoker's, for a target that is a file
}

// ProbeAnswered tells a machine what a probe of one incarnation has shown.
type ProbeAnswered struct {
	Incarnation Incarnation
	Answer      ProbeAnswer
}

func (ProbeAnswered) input() {}

// outside is what the probes from outside have shown in the present life. Times are of Stoker's clock.
type outside struct {
	of         Incarnation
	status     Health // HealthNone: it cannot be made
	since      time.Time
	began      time.Time // when the life was first seen
	due        time.Time // of the next probe
	failures   int       // in a row
	last       ProbeAnswer
	impossible string // why it cannot be made, as was told; kept across lives
}

// probed reports whether the worker is one that is to be probed now.
func (m *Machine) probed() bool {
	return m.id.Policy.Probe.Set() && m.readable() && m.phase() != PhaseStopping && !m.id.Tentative && !m.container.removed
}

// planProbe starts over with each life. What was seen stays while a transaction is under way, which may come to nothing.
func (m *Machine) planProbe(now time.Time) {
	p := m.id.Policy.Probe
	o := &m.outside
	switch {
	case m.Recreating() || m.phase() == PhaseStopping:
	case !m.probed():
		*o = outside{impossible: o.impossible}
	case !o.of.same(m.saved.Incarnation):
		*o = outside{of: m.saved.Incarnation, status: HealthStarting, since: now, began: now, due: now.Add(p.Pace(0)), impossible: o.impossible}
		if o.impossible != "" {
			o.status = HealthNone
		}
	case o.due.Sub(now) > p.Interval: // the clock stepped back
		o.due, o.began = now.Add(p.Interval), now
	}
}

// ProbeDue is when the next probe from outside is due, and false when none is. A life that only an event has told of has no address yet.
func (m *Machine) ProbeDue() (due time.Time, ok bool) {
	return m.outside.due, m.probed() && m.outside.of.same(m.saved.Incarnation) && m.networks.runningIn.same(m.saved.Incarnation)
}

// ProbeCall is what it takes to make it, but for Skew.
func (m *Machine) ProbeCall() ProbeCall {
	p := m.id.Policy.Probe
	return ProbeCall{Target: p.Target, Timeout: p.Timeout, Reach: m.networks.reach, Unseen: m.networks.unseen}
}

// probeAnswered takes in an answer. An inspect follows each change of the verdict, for the engine's state decides, and each failure,
// for the worker may have another address by now.
func (m *Machine) probeAnswered(now time.Time, in ProbeAnswered) {
	o := &m.outside
	if !m.probed() || !in.Incarnation.same(m.saved.Incarnation) || !o.of.same(in.Incarnation) {
		return
	}
	p := m.id.Policy.Probe
	age := now.Sub(o.began)
	o.due = now.Add(p.Pace(age))
	switch a := in.Answer; a.Verdict {
	case VerdictWell:
		o.last, o.failures, o.impossible = a, 0, ""
		m.turnOutside(now, HealthHealthy)
	case VerdictBad, VerdictNoAnswer:
		o.last, o.impossible = a, ""
		if o.status == HealthNone {
			m.turnOutside(now, HealthStarting)
		}
		if o.status != HealthStarting || age >= p.StartPeriod {
			o.failures++
		}
		if o.failures >= p.Retries {
			m.turnOutside(now, HealthUnhealthy)
		}
		if p.Target.Host == "" {
			m.requestInspect(now, ReasonUncertain)
		}
	case VerdictNotMade:
		o.last.Detail = a.Detail
	case VerdictImpossible:
		m.probeImpossible(now, a)
	}
}

// probeImpossible: the worker counts as one without this probe, or no heal of it would ever end. One that was unhealthy before stays so.
func (m *Machine) probeImpossible(now time.Time, a ProbeAnswer) {
	o := &m.outside
	if o.impossible != a.Detail {
		o.impossible = a.Detail
		m.emit(Event{At: now, Kind: EventUnprobed, Reason: ReasonProbeImpossible, Detail: m.probeProblem().String()})
	}
	if o.status != HealthUnhealthy {
		o.last, o.failures = ProbeAnswer{}, 0
		m.turnOutside(now, HealthNone)
	}
}

func (m *Machine) probeProblem() policy.Problem {
	return policy.Problem{Label: "stoker.probe", Value: m.id.Policy.Probe.Target.String(), Message: m.outside.impossible}
}

func (m *Machine) turnOutside(now time.Time, to Health) {
	if m.outside.status == to {
		return
	}
	m.outside.status, m.outside.since = to, now
	reason := ReasonVerifying
	if to == HealthUnhealthy {
		reason = m.outside.last.reason()
	}
	m.requestInspect(now, reason)
}

// outsideHealth is the health as the probes from outside show it in the present life; HealthNone where there are none.
func (m *Machine) outsideHealth() Health {
	switch {
	case !m.id.Policy.Probe.Set():
		return HealthNone
	case !m.outside.of.same(m.saved.Incarnation):
		if m.outside.impossible != "" {
			return HealthNone
		}
		return HealthStarting
	}
	return m.outside.status
}

// health is that of the worker: either kind of check makes it unhealthy, and it is healthy only if all that it has say so.
func (m *Machine) health() Health { return WorseHealth(m.checks.status, m.outsideHealth()) }

// WorseHealth is the health of a worker with two kinds of check, by what each shows.
func WorseHealth(a, b Health) Health {
	for _, h := range []Health{HealthUnhealthy, HealthStarting, HealthHealthy} {
		if a == h || b == h {
			return h
		}
	}
	return cmp.Or(a, b)
}

// failsOutside reports whether a probe from outside makes the worker unhealthy.
func (m *Machine) failsOutside() bool { return m.outsideHealth() == HealthUnhealthy }

// unhealthyCause is why an unhealthy worker is to be healed. A probe from outside that fails tells more than a health check that was cut
// off for want of the worker's own CPU.
func (m *Machine) unhealthyCause(s Snapshot) cause {
	c := cause{fault: FaultUnhealthy, intent: IntentNone, reason: ReasonProbeFailed, action: HealRestart}
	if m.failsOutside() {
		c.reason, c.output = m.outside.last.reason(), m.outside.last.Detail
		return c
	}
	if p, ok := s.LastProbe(); ok {
		c.output = p.Output
		if p.ExitCode == ProbeTimedOut {
			c.reason = ReasonProbeTimedOut
		}
	}
	return c
}

// healthOutput is what the check that makes the worker unhealthy has said.
func (m *Machine) healthOutput() string {
	if m.failsOutside() {
		return m.outside.last.Detail
	}
	return m.checks.probe.Output
}

func (a ProbeAnswer) reason() Reason {
	if a.Verdict == VerdictNoAnswer {
		return ReasonOutsideTimedOut
	}
	return ReasonOutsideFailed
}

// outside reports whether the reason is what a probe from outside has shown.
func (r Reason) outside() bool { return r == ReasonOutsideFailed || r == ReasonOutsideTimedOut }

// cutOff reports whether the reason is a check without an answer in time, as an overloaded host has them.
func (r Reason) cutOff() bool { return r == ReasonProbeTimedOut || r == ReasonOutsideTimedOut }

// otherCheckFails: what has opened the heal that waits is not what fails now. A worker that is starved waits no longer once a probe from
// outside fails, and one whose probe from outside is well again may turn out to be starved.
func (m *Machine) otherCheckFails(c cause) {
	st := m.saved.State
	answersNow := st.Heal.Reason == ReasonOutsideTimedOut && c.reason == ReasonOutsideFailed // so that it is no sign of a busy host any more
	if st.Heal.Fault != FaultUnhealthy || st.Heal.Reason.outside() == c.reason.outside() && !answersNow {
		return
	}
	if st.Heal.Reason == ReasonStarved && !m.checks.dueAlone.IsZero() {
		st.Due = m.checks.dueAlone
	}
	st.Heal.Reason, st.Heal.Output = c.reason, c.output
	m.enter(st)
	if m.cpu.question == questionAnswered {
		m.cpu.question = questionOpen
	}
}

// ProbeView is what people are shown of the probe from outside.
type ProbeView struct {
	Target     policy.ProbeTarget // zero: there is none
	Status     Health             // HealthNone: it cannot be made, or the worker does not run
	Since      time.Time          // of Status; Stoker's clock
	Address    string             // that was last asked
	Detail     string             // of the last failure, or why it cannot be made; as hostile as the container
	Impossible bool
}

func (m *Machine) probeView() ProbeView {
	v := ProbeView{Target: m.id.Policy.Probe.Target, Status: HealthNone}
	if !m.outside.of.same(m.saved.Incarnation) || m.container.status != StatusRunning {
		return v
	}
	o := m.outside
	v.Status, v.Since, v.Address, v.Detail = o.status, o.since, o.last.Address, o.last.Detail
	if o.impossible != "" {
		v.Detail, v.Impossible = o.impossible, true
	}
	return v
}

// problems are those of the labels, and of the probe that they ask for.
func (m *Machine) problems() []policy.Problem {
	if m.outside.impossible == "" {
		return m.id.Problems
	}
	return append(m.id.Problems[:len(m.id.Problems):len(m.id.Problems)], m.probeProblem())
}
