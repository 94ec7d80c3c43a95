package worker

import (
	"slices"
	"syscall"
	"time"
)

// recreateMargin is how long a transaction may take besides its grace: some fifteen calls to an engine that may be busy, and
// the proof. Past it the way back has a bound of its own (docs/recreate.md).
const recreateMargin = 3 * time.Minute

// mostFormer bounds the IDs that are remembered of a worker that is made anew again and again.
const mostFormer = 8

// Anew tells whether a transaction was sent whose end is not known: under way, or cut off by the end of the engine or of
// Stoker. Until it is known the worker is up to two containers, and only the transaction can tell what their events mean.
func (m *Machine) Anew() bool {
	h := m.mem.Heal
	return h != nil && h.Step == StepRecreate && !h.StopSentAt.IsZero()
}

// observeAnew: of what happens to the old container only a stop by someone else counts. The transaction's own stop, its
// renames and its removals tell nothing.
func (m *Machine) observeAnew(now time.Time, o Observation) {
	if o.ID != m.mem.Incarnation.ID {
		m.intendAnew(o, false) // of the new one the fleet tells only this
		return
	}
	switch o.Kind { //nolint:exhaustive // see above
	case Signalled:
		if m.meansStop(o.Signal) && !m.ownAnew(now, o) {
			m.intendAnew(o, false)
		}
	case Started:
		m.mem.StopIntent = nil // whoever stopped it, or someone else, has thought better of it; the transaction starts nothing after a word
	case Stopped:
		if m.sent.stops++; m.sent.stops > m.sends() {
			m.intendAnew(o, true)
		}
	}
}

// sent counts what was seen of the transaction's own stops. A Stoker that goes on with what another one has begun may send a
// second stop while the first one lasts.
type sent struct {
	times, terms, kills, stops int
	termAt                     time.Time // of the first of terms, the engine's clock
	termSeen                   time.Time // the same, Stoker's clock
}

// sends is how often the transaction was sent. One that was remembered was sent once before.
func (m *Machine) sends() int { return max(m.sent.times, 1) }

// ownAnew tells the signals of the transaction's own stops from an operator's, as ownSignal does for a restart.
func (m *Machine) ownAnew(now time.Time, o Observation) bool {
	switch s := &m.sent; {
	case m.firstSignal(o.Signal) && s.terms < m.sends():
		if s.terms++; s.terms == 1 {
			s.termAt, s.termSeen = o.At, now
		}
		return true
	case o.Signal == syscall.SIGKILL && s.kills < m.sends() && m.graceOverAnew(now, o):
		s.kills++
		return true
	}
	return false
}

func (m *Machine) graceOverAnew(now time.Time, o Observation) bool {
	grace, s, at := m.mem.Heal.Grace, m.sent, o.At
	if s.terms == 0 {
		return m.firstUnseen(s.times != 1, o)
	}
	return at.Sub(s.termAt) >= grace-graceSlack || now.Sub(s.termSeen) >= grace-graceSlack
}

// intendAnew notes a stop by someone else. It began with its first signal, as intend has it: by that time an engine's shutdown is
// told from a person's word.
func (m *Machine) intendAnew(o Observation, complete bool) {
	i := StopIntent{ID: o.ID, At: o.At, Signal: int(o.Signal), Complete: complete}
	if was := m.mem.StopIntent; was != nil && was.ID == i.ID && i.At.Sub(was.At) <= m.stopWindow() {
		i.At, i.Signal = was.At, was.Signal
	}
	m.mem.StopIntent = &i
}

// Interrupted tells a worker that a transaction for it was found on the engine of which nothing is remembered: Stoker was killed
// in the middle of it, and its journal is lost.
type Interrupted struct{}

func (Interrupted) input() {}

// interrupted takes the transaction for the machine's own. A stop that was seen of the worker was then a part of it.
func (m *Machine) interrupted(now time.Time) {
	if m.Anew() || m.barred != HeldNot {
		return
	}
	m.release()
	m.mem.StopIntent, m.confirming, m.yieldUntil = nil, false, time.Time{}
	c := cause{fault: FaultExited, intent: IntentSelf, reason: ReasonHealInterrupted, heal: HealRecreate}
	m.mem.Heal = nil
	m.begin(now, c, now)
	heal := *m.mem.Heal
	heal.Heal, heal.Step, heal.Due = HealRecreate, StepRecreate, now
	heal.StopSentAt = now
	m.mem.Heal = &heal
	m.sent = sent{}
	if !m.looked {
		m.mem.Incarnation.StartedAt = time.Time{} // known by an event at most, which is a little later
	}
}

// StoppedAnew tells whether someone has stopped the old container since the transaction was sent.
func (m *Machine) StoppedAnew() bool {
	i := m.mem.StopIntent
	return m.Anew() && i != nil && i.ID == m.mem.Incarnation.ID
}

func (m *Machine) fillRecreate(now time.Time, a *Action) {
	heal := *m.mem.Heal
	m.resent = !heal.StopSentAt.IsZero()
	if m.looked {
		heal.Grace = m.policy.Grace(m.traits.stopTimeout)
	}
	if m.resent {
		m.sent.times = m.sends() + 1
	} else {
		heal.StopSentAt, m.sent = now, sent{times: 1}
	}
	m.mem.Heal = &heal
	m.mem.StopIntent = nil
	m.count(heal)
	m.mem.RestartsInARow = 0
	a.Verb, a.Reason, a.Attempt, a.Grace = Recreate, heal.Reason, heal.Attempt, heal.Grace
	if heal.Grace == 0 && !m.looked {
		a.Grace = -1 // the container's own, which is not known here
	}
	a.OnlyIfUnhealthy = heal.Fault == FaultUnhealthy && !heal.Missing && !m.resent
	a.Deadline = heal.Grace + recreateMargin
	if heal.Missing {
		a.Definition = m.mem.Definition
	}
}

func (m *Machine) finishRecreate(now time.Time, o Outcome) {
	if m.mem.Heal == nil {
		m.lookAnew(now)
		return
	}
	if i := m.mem.StopIntent; i != nil && i.ID != m.mem.Incarnation.ID && !o.StoodDown && o.Result != Unknown {
		m.mem.StopIntent = nil // the transaction's own, on its way back
	}
	switch o.Result {
	case Skipped:
		m.unsend(now)
		m.skip(now)
	case Done:
		m.reborn(now, o)
	case Refused:
		m.unsend(now)
		m.refund(*m.mem.Heal)
		m.disownAnew(now)
		if m.mem.Heal != nil && m.mem.Heal.Missing {
			m.stillMissing(now, o)
			return
		}
		m.absorbAnew(now, o)
	case Unknown:
		m.delayAnew(now)
	case Failed:
		m.failedAnew(now, o)
	}
}

// stillMissing, unless the container is there after all: somebody renamed it in the midst of a transaction, which then could
// not see it any more.
func (m *Machine) stillMissing(now time.Time, o Outcome) {
	if o.Snapshot == nil || o.Snapshot.ID != m.mem.Incarnation.ID {
		m.delayAnew(now)
		return
	}
	prev := *m.mem.Heal
	m.mem.Heal = nil
	m.backTo(now, prev, o)
}

// backTo goes on with the old container, as after a restart.
func (m *Machine) backTo(now time.Time, prev OpenHeal, o Outcome) {
	m.become(*o.Snapshot)
	m.absorb(now, *o.Snapshot)
	if m.mem.Heal == nil && m.status.Down() {
		m.openHeal(now, cause{fault: prev.Fault, intent: prev.Intent, reason: prev.Reason, heal: HealStart, detail: o.Err, output: prev.Output})
	}
}

func (m *Machine) failedAnew(now time.Time, o Outcome) {
	switch {
	case o.StoodDown && (o.Missing || (o.Snapshot == nil && m.Missing())):
		m.removedAnew(now, o)
	case o.StoodDown:
		m.stoodDown(now, o)
	case o.Unreachable && m.resent:
		m.delayAnew(now)
	case o.Unreachable:
		m.unsend(now)
		m.refund(*m.mem.Heal)
		m.disownAnew(now)
		if m.mem.StopIntent != nil {
			m.lookAnew(now)
		}
	case o.Missing:
		m.lost(now, o)
	case o.Unfit && m.mem.Heal.Missing:
		m.sayUnfit(now, o)
		m.unsend(now)
		m.refund(*m.mem.Heal)
		m.delayAnew(now)
	case o.Unfit && (o.Snapshot == nil || o.Snapshot.StartedAt.Equal(m.mem.Incarnation.StartedAt)):
		m.unfit(now, o)
	default:
		m.undone(now, o)
	}
}

// disownAnew: nothing was sent, so that what was seen was somebody else's stop.
func (m *Machine) disownAnew(now time.Time) {
	if m.sent.terms+m.sent.kills+m.sent.stops > 0 && !m.resent {
		m.ownSignals, m.ownStopped, m.ownTermAt = 1, m.sent.stops > 0, m.sent.termAt
		m.disown(now)
	}
}

// unsend: no transaction is under way any more.
func (m *Machine) unsend(now time.Time) {
	heal := *m.mem.Heal
	heal.StopSentAt = time.Time{}
	heal.Due = latest(heal.Due, now.Add(firstLook))
	m.mem.Heal = &heal
}

func (m *Machine) delayAnew(now time.Time) {
	heal := *m.mem.Heal
	heal.Due = now.Add(m.nextLook())
	m.mem.Heal = &heal
}

// lookAnew forgets what is known of the container: it has been through something whose events were not followed.
func (m *Machine) lookAnew(now time.Time) {
	m.looked = false
	m.wishLook(now, ReasonUncertain)
}

func (m *Machine) absorbAnew(now time.Time, o Outcome) {
	if o.Snapshot == nil {
		m.lookAnew(now)
		return
	}
	m.absorb(now, *o.Snapshot)
}

// reborn: the worker has a new container, which was seen to run.
func (m *Machine) reborn(now time.Time, o Outcome) {
	if o.Snapshot == nil {
		m.lookAnew(now)
		return
	}
	heal := *m.mem.Heal
	heal.Step, heal.StartSent, heal.StopSentAt, heal.Missing = StepStart, true, time.Time{}, false
	m.mem.Heal = &heal
	m.mem.StopIntent = nil
	m.mem.Stranded = false
	m.become(*o.Snapshot)
	m.absorb(now, *o.Snapshot)
}

// become begins with another container, or another life, that no event told of.
func (m *Machine) become(s Snapshot) {
	if id := m.mem.Incarnation.ID; s.ID != id {
		m.mem.Former = formerly(m.mem.Former, id, s.ID)
		m.changes++
	}
	m.mem.Incarnation = Incarnation{ID: s.ID}
	m.mem.Killed = false
	m.newLife()
	m.ownSignals, m.ownStopped, m.ownTermAt = 0, false, time.Time{}
	m.startedAt, m.endedAt, m.oomAt, m.awaitStart = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	m.overtaken, m.byDocker, m.looked, m.lookTries = false, false, false, 0
	m.status, m.probe = StatusUnknown, Probe{}
}

// formerly is one more ID that a worker had, beside the one that it has.
func formerly(ids []string, id, has string) []string {
	ids = append(slices.Clone(ids), id)
	ids = slices.DeleteFunc(ids, func(old string) bool { return old == has })
	return ids[max(0, len(ids)-mostFormer):]
}

// stoodDown: someone stopped the worker meanwhile, and the transaction has left it so.
func (m *Machine) stoodDown(now time.Time, o Outcome) {
	i := m.mem.StopIntent
	if i == nil && o.Snapshot != nil { // it was the engine's own shutdown that stopped it (engineRestarted)
		m.mem.Heal = nil
		m.become(*o.Snapshot)
		m.mem.Expected, m.engineTook = true, true
		m.absorb(now, *o.Snapshot)
		return
	}
	at := now
	if i != nil {
		at = i.At
	}
	if o.Snapshot != nil {
		at = latest(at, o.Snapshot.StartedAt) // a word to the old one holds for the life of the new one too
		m.mem.Heal = nil
		m.become(*o.Snapshot)
		m.learn(*o.Snapshot)
		m.mem.Incarnation, m.status, m.looked = o.Snapshot.Incarnation, o.Snapshot.Status, true
	}
	m.hold(now, HeldOperator, at)
	m.mem.HeldSure = !o.Broken // then the engine has answered since, and it was not its own shutdown
}

// removedAnew: no container of the worker exists any more, and none is to be made.
func (m *Machine) removedAnew(now time.Time, o Outcome) {
	m.over, m.status, m.mem.Heal = true, StatusGone, nil
	m.note(Note{At: now, Kind: NoteReleased, Reason: ReasonRemoved, Detail: o.Err})
}

// lost: no container of the worker exists any more. What is remembered of it is enough to make it again.
func (m *Machine) lost(now time.Time, o Outcome) {
	if len(m.mem.Definition) == 0 {
		m.removedAnew(now, o)
		return
	}
	prev := *m.mem.Heal
	m.miss()
	m.unsend(now)
	m.openHeal(now, cause{fault: FaultMissing, intent: prev.Intent, reason: prev.Reason, heal: HealRecreate, detail: o.Err})
}

// unfit: the container cannot be made anew without losing something. It is restarted instead, at once.
func (m *Machine) unfit(now time.Time, o Outcome) {
	m.sayUnfit(now, o)
	m.unsend(now)
	heal := *m.mem.Heal
	heal.Due = now
	heal.Step, heal.Heal = StepStart, HealStart
	if m.status == StatusRunning {
		heal.Step, heal.Heal = StepStop, HealRestart
	}
	m.mem.Heal = &heal
	if m.status == StatusRunning && (m.mem.AutoRemove || m.mem.Stranded) { // its stop would be its removal, or it could not start again
		m.mem.Heal = nil
		m.leaveUnhealthy(now, HeldNeedsRecreate)
	}
	m.absorbAnew(now, o)
}

func (m *Machine) sayUnfit(now time.Time, o Outcome) {
	if m.unfitSaid == o.Err {
		return
	}
	m.unfitSaid = o.Err
	n := m.healNote(now, NoteRefused, o.Err)
	n.Reason = HeldNeedsRecreate
	m.note(n)
}

// undone: the transaction failed and the old container has been put back. Where it runs again it is as after a restart.
func (m *Machine) undone(now time.Time, o Outcome) {
	prev := *m.mem.Heal
	if o.Snapshot == nil {
		m.unsend(now)
		m.openHeal(now, cause{fault: prev.Fault, intent: prev.Intent, reason: prev.Reason, heal: HealRecreate, detail: o.Err, output: prev.Output})
		m.absorbAnew(now, o)
		return
	}
	m.note(m.healNote(now, NoteHealFailed, o.Err))
	m.mem.Heal = nil
	same := o.Snapshot.same(m.mem.Incarnation)
	m.backTo(now, prev, o)
	if same && prev.Fault == FaultStranded && m.status == StatusRunning { // it never stopped, and is as alone as it was
		m.mem.Alone = true
	}
}
