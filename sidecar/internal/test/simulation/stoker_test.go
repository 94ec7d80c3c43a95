package simulation

import (
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// closeWait is how long a Stoker that was asked to stop may take to finish its actions (supervisor.closeWait).
const closeWait = 8 * time.Second

// maxTurns is the number of turns at one instant that counts as an endless loop.
const maxTurns = 5000

// stoker is one Stoker process. Times are of the world's clock, except those that are given to the fleet.
type stoker struct {
	fleet    *fleet.Fleet
	sim      *dockertest.Sim
	offset   time.Duration // of Stoker's clock to the world's
	wake     time.Time     // when the fleet asked for a tick; zero if it did not
	deadline time.Time     // when it stops waiting for its actions; zero if it was not asked to stop
	inFlight map[uint64]worker.Action
	sent     map[uint64]time.Time // when an action in flight was sent
	kill     plannedKill
	turns    turnCounter
	overload overload

	inspected map[string]time.Time // by container ID: when it last received an inspect of it

	lastRecreate uint64              // the transaction of the last step that began a recreate
	recreating   map[worker.Key]bool // workers with a recreate that was begun, by this Stoker or one before, and has no result
}

// plannedKill is a kill of Stoker after some turns.
type plannedKill struct {
	turns        int // 0 is no kill
	restartAfter time.Duration
}

// turnCounter counts the turns at one instant.
type turnCounter struct {
	at time.Time
	n  int
}

// overload is what the check of the overload guard needs.
type overload struct {
	since       time.Time            // of the host's overload, as Stoker's events report it; zero if it is not overloaded
	lastTrickle time.Time            // the last restart that the guard allowed
	timedOut    map[string]time.Time // by container ID: when Stoker received the event of a probe that timed out
	unanswered  map[string]time.Time // by container ID: when the engine last failed to answer an inspect
}

// startStoker starts a Stoker with the content of the journal.
func (r *run) startStoker() {
	now := r.world.Now()
	s := &stoker{
		inFlight: map[uint64]worker.Action{}, sent: map[uint64]time.Time{}, inspected: map[string]time.Time{}, recreating: map[worker.Key]bool{},
		overload: overload{timedOut: map[string]time.Time{}, unanswered: map[string]time.Time{}},
	}
	s.offset = r.world.EngineNow().Sub(now) // Stoker reads the host's clock once, when it starts
	settings := fleet.Settings{
		Rules:    policy.Rules{Selector: policy.Selector{Mode: r.plan.Mode}, Defaults: policy.Defaults{Policy: policy.Default()}},
		Parallel: r.plan.Parallel, DryRun: r.plan.DryRun, Self: r.self,
		Saved: r.journal.load(), Bookmark: r.journal.bookmark, CPUBudget: -1, Pauses: r.pauses,
	}
	config := dockertest.SimConfig{Bookmark: settings.Bookmark, Select: settings.Keep}
	if r.pool != nil {
		settings.CPUBudget, config.Ask = r.plan.Pool.Budget, r.pool.ask
		r.pool.inHand, r.pool.readings = nil, map[string][]cpuReading{}
	}
	s.recreatesBegun(settings.Saved)
	r.tracef("Stoker starts with %d saved workers", len(settings.Saved))
	r.schedule.startAt = time.Time{}
	r.stoker = s
	r.tally.stokers++
	r.checks.timeline.started = append(r.checks.timeline.started, now)
	s.fleet = fleet.New(now.Add(s.offset), settings)
	s.sim = dockertest.NewSim(r.world, config)
	r.apply(s.fleet.Tick(now.Add(s.offset)))
}

// killStoker ends the Stoker that runs, if any, as SIGKILL does.
func (r *run) killStoker() {
	if r.stoker == nil {
		return
	}
	r.tracef("Stoker exits")
	if s := r.stoker; s.deadline.IsZero() || !r.schedule.followsHost {
		r.checks.timeline.killed = append(r.checks.timeline.killed, r.world.Now())
	}
	for key := range r.journal.unsaved() {
		r.checks.records.unsaved[string(key)]++
	}
	r.journal.loseUnsaved()
	r.stoker.sim.Close()
	r.stoker = nil
}

// stopStoker asks Stoker to stop, as SIGTERM does.
func (r *run) stopStoker() {
	s := r.stoker
	if s == nil || !s.deadline.IsZero() {
		return
	}
	r.tracef("Stoker is asked to stop")
	s.deadline = r.world.Now().Add(closeWait)
	r.journal.commitReplay()
	r.apply(s.fleet.Close(r.clock()))
	r.finishStop()
}

// finishStop ends a Stoker that was asked to stop, once its actions are finished or the time for them is over.
func (r *run) finishStop() {
	s := r.stoker
	if s == nil || s.deadline.IsZero() || (s.fleet.Busy() > 0 && r.world.Now().Before(s.deadline)) {
		return
	}
	r.checkUnfinished()
	r.journal.write()
	r.killStoker()
}

// clock returns the time of Stoker's clock.
func (r *run) clock() time.Time { return r.world.Now().Add(r.stoker.offset) }

// apply carries out the effects of a turn, as the supervisor does.
func (r *run) apply(t fleet.Effects) {
	s := r.stoker
	if s.turns.at != r.world.Now() {
		s.turns = turnCounter{at: r.world.Now()}
	}
	if s.turns.n++; s.turns.n == maxTurns {
		r.violate("Stoker loops: %d turns at one instant", maxTurns)
	}
	r.traceEffects(t)
	r.journal.add(r.world.Now(), t, s.fleet.Bookmark())
	for _, e := range t.Events {
		r.recordEvent(e)
	}
	s.wake = time.Time{}
	if !t.Wake.IsZero() {
		s.wake = t.Wake.Add(-s.offset)
	}
	if r.killIfDue(len(t.Do)) {
		return
	}
	for _, id := range t.GiveUp {
		r.tracef("  give up %d", id)
		s.sim.GiveUp(id)
	}
	s.recreatesEnded(t.Save)
	for _, a := range t.Do {
		r.checkAction(a)
		r.tally.actions[a.Verb]++
		s.inFlight[a.ID], s.sent[a.ID] = a, r.world.Now()
		if a.Verb == worker.Stop || a.Verb == worker.RecreateStep || a.Verb == worker.Update {
			r.journal.write()
		}
		s.sim.Do(a)
	}
	s.recreatesBegun(t.Save)
}

// recreatesBegun records which recreates are under way.
func (s *stoker) recreatesBegun(all []worker.Saved) {
	for _, saved := range all {
		s.recreating[saved.Key] = saved.State.Phase == worker.PhaseRecreating
	}
}

// recreatesEnded records which recreates have a result.
func (s *stoker) recreatesEnded(all []worker.Saved) {
	for _, saved := range all {
		s.recreating[saved.Key] = s.recreating[saved.Key] && saved.State.Phase == worker.PhaseRecreating
	}
}

// killIfDue kills Stoker if a planned kill is due, and reports whether it did. The kill is due in the last of its turns, or up to six turns
// earlier if the turn has actions: those are decided on, but not carried out.
func (r *run) killIfDue(actions int) bool {
	s := r.stoker
	if s.kill.turns == 0 {
		return false
	}
	if s.kill.turns--; s.kill.turns > 0 && (actions == 0 || s.kill.turns > 6) {
		return false
	}
	if s.turns.n%2 == 0 {
		r.journal.write()
	}
	r.killStoker()
	r.schedule.startAt = r.world.Now().Add(s.kill.restartAfter)
	return true
}

// recordInspects records which containers an outcome shows to Stoker, and when.
func (s *stoker) recordInspects(now time.Time, o worker.Outcome) {
	switch {
	case o.Snapshot != nil:
		s.inspected[o.Snapshot.ID] = now
	case o.Action.Verb == worker.Inspect:
		s.overload.unanswered[o.Action.Incarnation.ID] = now
	}
	if o.Report != nil {
		for _, seen := range o.Report.Seen {
			s.inspected[seen.ID] = now
		}
	}
}

// deliver gives Stoker the next output of the world, or a tick if there is none.
func (r *run) deliver(out dockertest.Output, ok bool) {
	s := r.stoker
	now := r.clock()
	switch {
	case !ok:
		if !s.wake.IsZero() && !s.wake.After(r.world.Now()) {
			r.apply(s.fleet.Tick(now))
		}
	case out.Outcome != nil:
		r.traceOutcome(*out.Outcome)
		delete(s.inFlight, out.Outcome.Action.ID)
		delete(s.sent, out.Outcome.Action.ID)
		if r.pool != nil {
			r.pool.receive(*out.Outcome)
		}
		r.recordFirstInspect(*out.Outcome)
		s.recordInspects(r.world.Now(), *out.Outcome)
		r.apply(s.fleet.Finish(now, *out.Outcome))
	case s.deadline.IsZero(): // a Stoker that stops receives no more events
		o := *out.Observation
		r.traceObservation(o)
		if o.Origin != worker.OriginRepeated {
			r.journal.receive(r.world.Now(), o)
			r.recordObservation(o)
		}
		expected := r.expectStart(o)
		t := s.fleet.Observe(now, o)
		r.checkExpectedStart(expected, t)
		r.apply(t)
	}
	r.finishStop()
}
