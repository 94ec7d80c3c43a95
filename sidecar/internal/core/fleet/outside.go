package fleet

import (
	"time"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// probeLane is a kind of probe from outside with a separate limit.
type probeLane uint8

const (
	laneNetwork probeLane = iota
	laneFile              // through the engine
	probeLanes            // number of lanes
)

// room returns the maximum number of probes in flight. A network probe is only an open connection that waits, so that many are allowed: hung
// workers delay no other. A file probe is work for the engine.
func (l probeLane) room() int {
	if l == laneFile {
		return maxFileProbes
	}
	return maxProbes
}

const (
	maxProbes     = 256
	maxFileProbes = 16
	// probeMargin is how long a probe may exceed its own time-out: the probe reports why there is no answer.
	probeMargin = 2 * time.Second
)

func laneOf(t policy.ProbeTarget) probeLane {
	if t.Kind == policy.ProbeFile {
		return laneFile
	}
	return laneNetwork
}

// outside is the probes from outside. They have no action class, so that heals and probes do not delay each other.
type outside struct {
	future queue
	ready  [probeLanes]queue // due, and waiting for capacity
	asking [probeLanes]int
}

// outsideProbe is a member's state for probes from outside.
type outsideProbe struct {
	next    slot
	asked   uint64 // the probe in flight; 0 is none
	of      worker.Incarnation
	givenUp bool
}

// planProbe schedules a member's next probe after an input.
func (f *Fleet) planProbe(m *member) {
	due, ok := m.machine.ProbeDue()
	if of := m.machine.Saved().Incarnation; !ok || m.outside.of.ID != of.ID || !m.outside.of.StartedAt.Equal(of.StartedAt) {
		f.giveUpProbe(m)
	}
	if !ok || m.outside.asked != 0 {
		m.outside.next.move(nil, time.Time{})
		return
	}
	m.outside.next.move(&f.outside.future, due)
}

// giveUpProbe gives up the probe of an ended incarnation, so that the next one does not wait for its time-out.
func (f *Fleet) giveUpProbe(m *member) {
	if m.outside.asked != 0 && !m.outside.givenUp {
		m.outside.givenUp = true
		f.out.GiveUp = append(f.out.GiveUp, m.outside.asked)
	}
}

// probesDue requests the due probes, ordered by (due, key).
func (f *Fleet) probesDue(now time.Time) {
	if !f.reads() {
		return
	}
	for s := f.outside.future.pop(now); s != nil; s = f.outside.future.pop(now) {
		s.move(&f.outside.ready[laneOf(s.m.machine.ProbeCall().Target)], s.due)
	}
	for lane := range probeLanes {
		for f.outside.asking[lane] < lane.room() {
			s := f.outside.ready[lane].pop(now)
			if s == nil {
				break
			}
			f.sendProbe(s.m, lane)
		}
	}
}

func (f *Fleet) sendProbe(m *member, lane probeLane) {
	call := m.machine.ProbeCall()
	call.Skew = f.stream.engine.Skew
	of := m.machine.Saved().Incarnation
	f.outside.asking[lane]++
	f.send(inFlight{session: f.stream.session, verb: worker.RunProbe, member: m}, worker.Action{
		Key: m.key(), Incarnation: of, Verb: worker.RunProbe, OutsideArgs: worker.OutsideArgs{Probe: &call}, Deadline: call.Timeout + probeMargin,
	})
	m.outside.asked, m.outside.of, m.outside.givenUp = f.actions.lastID, of, false
}

// probeAnswered passes an answer to its machine.
func (f *Fleet) probeAnswered(now time.Time, m *member, o worker.Outcome) {
	f.outside.asking[laneOf(o.Action.Probe.Target)]--
	m.outside.asked = 0
	if f.byID[m.id] != m { // forgotten
		return
	}
	answer := worker.ProbeAnswer{Verdict: worker.VerdictNotMade, Detail: o.Err}
	if o.Result == worker.Done && o.Probe != nil {
		answer = *o.Probe
	}
	f.step(now, m, worker.ProbeAnswered{Incarnation: o.Action.Incarnation, Answer: answer})
}
