package worker

import (
	"cmp"
	"time"

	"stoker/sidecar/internal/core/policy"
)

// Verdict is the result of one probe from outside.
type Verdict uint8

// The verdicts. The last two do not concern the worker's health.
const (
	VerdictSuccess    Verdict = iota + 1
	VerdictBad                // an answer of an unhealthy worker, or a refused connection
	VerdictNoAnswer           // no answer in time
	VerdictNotMade            // a failure on Stoker's own side; the next probe may succeed
	VerdictImpossible         // impossible at present: no network in common, or the call is not allowed
)

// ProbeAnswer is the answer to one probe from outside. Detail may come from the container and is untrusted.
type ProbeAnswer struct {
	Verdict Verdict
	Address string // that was probed; empty for none
	Detail  string // the problem in one line; empty for VerdictSuccess
}

// ProbeCall has what is needed for one probe.
type ProbeCall struct {
	Target  policy.ProbeTarget
	Timeout time.Duration
	Reach   Reach         // where the worker is, for a target without a host
	Unseen  []string      // folders that the engine does not expose, for a target that is a file
	Skew    time.Duration // the engine's clock minus Stoker's, for a target that is a file
}

// ProbeAnswered is the answer to a probe of one incarnation.
type ProbeAnswered struct {
	Incarnation Incarnation
	Answer      ProbeAnswer
}

func (ProbeAnswered) input() {}

// outside is the state of the probes from outside in the present incarnation. Times are on Stoker's clock.
type outside struct {
	of         Incarnation
	status     Health // HealthNone: impossible
	since      time.Time
	began      time.Time // when the incarnation was first seen
	due        time.Time // of the next probe
	failures   int       // in a row
	last       ProbeAnswer
	impossible string // why it is impossible, as reported; kept across incarnations
}

// probed reports whether the worker is to be probed now.
func (m *Machine) probed() bool {
	return m.id.Policy.Probe.Set() && m.readable() && m.phase() != PhaseStopping && !m.id.Tentative && !m.container.removed
}

// planProbe starts over with each incarnation. It keeps its state during a transaction, which may be rolled back.
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

// ProbeDue returns when the next probe from outside is due; false if none is. An incarnation known only by an event has no
// address yet.
func (m *Machine) ProbeDue() (due time.Time, ok bool) {
	return m.outside.due, m.probed() && m.outside.of.same(m.saved.Incarnation) && m.networks.runningIn.same(m.saved.Incarnation)
}

// ProbeCall returns what is needed for the probe, except Skew.
func (m *Machine) ProbeCall() ProbeCall {
	p := m.id.Policy.Probe
	return ProbeCall{Target: p.Target, Timeout: p.Timeout, Reach: m.networks.reach, Unseen: m.networks.unseen}
}

// probeAnswered applies an answer. An inspect follows each change of the verdict, because the engine's state decides, and each
// failure, because the worker's address may have changed.
func (m *Machine) probeAnswered(now time.Time, in ProbeAnswered) {
	o := &m.outside
	if !m.probed() || !in.Incarnation.same(m.saved.Incarnation) || !o.of.same(in.Incarnation) {
		return
	}
	p := m.id.Policy.Probe
	age := now.Sub(o.began)
	o.due = now.Add(p.Pace(age))
	switch a := in.Answer; a.Verdict {
	case VerdictSuccess:
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

// probeImpossible: the worker counts as one without this probe, because otherwise no heal of it would end. A worker that was
// unhealthy before stays unhealthy.
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

// outsideHealth is the health according to the probes from outside in the present incarnation; HealthNone without them.
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

// health is the health of the worker: either check makes it unhealthy, and all of its checks must be healthy for it to be
// healthy.
func (m *Machine) health() Health { return WorseHealth(m.checks.status, m.outsideHealth()) }

// WorseHealth combines the health from two kinds of check.
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

// unhealthyCause is why an unhealthy worker is to be healed. A failed probe from outside takes precedence over a health check
// that timed out because the worker had no CPU.
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

// healthOutput is the output of the check that makes the worker unhealthy.
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

// outside reports whether the reason comes from a probe from outside.
func (r Reason) outside() bool { return r == ReasonOutsideFailed || r == ReasonOutsideTimedOut }

// cutOff reports whether the reason is a check that timed out, as on an overloaded host.
func (r Reason) cutOff() bool { return r == ReasonProbeTimedOut || r == ReasonOutsideTimedOut }

// otherCheckFails: another check fails now than the one that opened the waiting heal. A starved worker waits no longer once a
// probe from outside fails. A worker whose probe from outside succeeds again may turn out to be starved.
func (m *Machine) otherCheckFails(c cause) {
	st := m.saved.State
	answersNow := st.Heal.Reason == ReasonOutsideTimedOut && c.reason == ReasonOutsideFailed // so it no longer indicates a busy host
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

// ProbeView is the view of the probe from outside.
type ProbeView struct {
	Target     policy.ProbeTarget // zero if there is none
	Status     Health             // HealthNone: impossible, or the worker does not run
	Since      time.Time          // of Status; Stoker's clock
	Address    string             // last probed
	Detail     string             // of the last failure, or why it is impossible; untrusted
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

// problems are the problems of the labels, and of the probe in them.
func (m *Machine) problems() []policy.Problem {
	if m.outside.impossible == "" {
		return m.id.Problems
	}
	return append(m.id.Problems[:len(m.id.Problems):len(m.id.Problems)], m.probeProblem())
}
