package fleet

import (
	"time"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// probeLane is what bounds a probe from outside. Each lane has places of its own.
type probeLane uint8

const (
	laneNetwork probeLane = iota
	laneFile              // through the engine
	probeLanes            // how many there are
)

// room bounds the probes under way at once. Over a network one is a wait with a connection, so that there are many: workers that hang
// delay no other. The engine works for each of a file.
func (l probeLane) room() int {
	if l == laneFile {
		return maxFileProbes
	}
	return maxProbes
}

const (
	maxProbes     = 256
	maxFileProbes = 16
	// probeMargin is how long past its own time-out a probe may take: it is the probe that says why there is no answer.
	probeMargin = 2 * time.Second
)

func laneOf(t policy.ProbeTarget) probeLane {
	if t.Kind == policy.ProbeFile {
		return laneFile
	}
	return laneNetwork
}

// outside is the probes from outside. They count against no class of actions, so that they delay no heal and no heal delays them.
type outside struct {
	future queue
	ready  [probeLanes]queue // due, and waiting for a place
	asking [probeLanes]int
}

// planProbe puts a member into its place after it has taken in an input.
func (f *Fleet) planProbe(m *member) {
	due, ok := m.machine.ProbeDue()
	if !ok || m.probing {
		m.outside.move(nil, time.Time{})
		return
	}
	m.outside.move(&f.outside.future, due)
}

// probesDue asks for the probes that are due, in the order of (due, key).
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
	m.probing = true
	f.outside.asking[lane]++
	f.send(inFlight{session: f.stream.session, verb: worker.RunProbe}, worker.Action{
		Key: m.key(), Incarnation: m.machine.Saved().Incarnation, Verb: worker.RunProbe, Probe: &call, Deadline: call.Timeout + probeMargin,
	})
}

// probeAnswered hands an answer to its machine.
func (f *Fleet) probeAnswered(now time.Time, o worker.Outcome) {
	f.outside.asking[laneOf(o.Action.Probe.Target)]--
	m := f.byID[o.Action.Incarnation.ID]
	if m == nil {
		return
	}
	m.probing = false
	answer := worker.ProbeAnswer{Verdict: worker.VerdictNotMade, Detail: o.Err}
	if o.Result == worker.Done && o.Probe != nil {
		answer = *o.Probe
	}
	f.step(now, m, worker.ProbeAnswered{Incarnation: o.Action.Incarnation, Answer: answer})
}
