package simulation

import (
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// closeWait is how long a Stoker that is told to end finishes what it is in the middle of (supervisor.closeWait).
const closeWait = 8 * time.Second

// spin is how many turns at one instant are taken for a loop that never ends.
const spin = 5000

// stoker is one Stoker, from its start to its death.
type stoker struct {
	f      *fleet.Fleet
	sim    *dockertest.Sim
	set    fleet.Settings
	born   time.Time     // the world's clock, as all times here but those given to the fleet
	offset time.Duration // of its clock to the world's
	wake   time.Time
	flying map[uint64]worker.Action
	fuse   int           // turns until it is killed; 0 is none
	away   time.Duration // then
	ending time.Time     // when it gives up finishing; zero while nobody told it to end
	turns  int           // at this instant
	turned time.Time

	illSince time.Time // the host is ill, as the notes tell
	dripped  time.Time // the last restart that the brake let through
	unwell   map[string]time.Time

	lastRecreate uint64 // the transaction of which a step was sent last
}

// startStoker starts a Stoker that finds what the journal holds.
func (r *run) startStoker() {
	now := r.w.Now()
	s := &stoker{born: now, flying: map[uint64]worker.Action{}, unwell: map[string]time.Time{}}
	s.offset = r.w.EngineNow().Sub(now) // it reads the host's clock when it begins, and counts from there
	s.set = fleet.Settings{
		Rules:    policy.Rules{Selector: policy.Selector{Mode: r.plan.Mode}, Defaults: policy.Defaults{Policy: policy.Default()}},
		Parallel: r.plan.Parallel, DryRun: r.plan.DryRun, Self: r.self,
		Saved: r.journal.load(), Bookmark: r.journal.mark, CPUBudget: -1, Pauses: r.pauses,
	}
	config := dockertest.SimConfig{Bookmark: s.set.Bookmark, Select: s.set.Keep}
	if r.pool != nil {
		s.set.CPUBudget, config.Ask = r.plan.Pool.Budget, r.pool.ask
		r.pool.told, r.pool.read = nil, map[string][]cpuReading{}
	}
	r.say("Stoker begins with %d memories", len(s.set.Saved))
	r.startAt = time.Time{}
	r.stoker = s
	r.count.stokers++
	r.begun = append(r.begun, now)
	s.f = fleet.New(now.Add(s.offset), s.set)
	s.sim = dockertest.NewSim(r.w, config)
	r.apply(s.f.Tick(now.Add(s.offset)))
}

// killStoker is the end of the Stoker there is, with no time for anything.
func (r *run) killStoker() {
	if r.stoker == nil {
		return
	}
	r.say("Stoker is dead")
	if s := r.stoker; s.ending.IsZero() || !r.rebooted {
		r.deaths = append(r.deaths, r.w.Now())
	}
	for key := range r.journal.unsaved() {
		r.forgiven[string(key)]++
	}
	r.journal.forget()
	r.stoker.sim.Close()
	r.stoker = nil
}

// end tells Stoker to end in good order.
func (r *run) end() {
	s := r.stoker
	if s == nil || !s.ending.IsZero() {
		return
	}
	r.say("Stoker is told to end")
	s.ending = r.w.Now().Add(closeWait)
	r.journal.replayed()
	r.apply(s.f.Close(r.clock()))
	r.ended()
}

// ended lets a Stoker go that has nothing left to finish, or no time.
func (r *run) ended() {
	s := r.stoker
	if s == nil || s.ending.IsZero() || (s.f.Busy() > 0 && r.w.Now().Before(s.ending)) {
		return
	}
	r.checkLeftBehind()
	r.journal.write()
	r.killStoker()
}

// clock is Stoker's.
func (r *run) clock() time.Time { return r.w.Now().Add(r.stoker.offset) }

// apply does what a turn asks for, as the supervisor does.
func (r *run) apply(t fleet.Effects) {
	s := r.stoker
	if s.turned != r.w.Now() {
		s.turns, s.turned = 0, r.w.Now()
	}
	if s.turns++; s.turns == spin {
		r.blame("Stoker turns and turns at one instant")
	}
	r.sayTurn(t)
	r.journal.keep(r.w.Now(), t, s.f.Bookmark())
	for _, n := range t.Events {
		r.note(n)
	}
	s.wake = time.Time{}
	if !t.Wake.IsZero() {
		s.wake = t.Wake.Add(-s.offset)
	}
	if r.burns(len(t.Do)) {
		return
	}
	for _, id := range t.GiveUp {
		r.say("  give up %d", id)
		s.sim.GiveUp(id)
	}
	for _, a := range t.Do {
		r.checkAction(a)
		r.count.actions[a.Verb]++
		s.flying[a.ID] = a
		if a.Verb == worker.Stop || a.Verb == worker.RecreateStep || a.Verb == worker.Update {
			r.journal.write()
		}
		s.sim.Do(a)
	}
}

// burns kills Stoker when its fuse is out: between the decision and the deed if there is one, else after the turn.
func (r *run) burns(actions int) bool {
	s := r.stoker
	if s.fuse == 0 {
		return false
	}
	if s.fuse--; s.fuse > 0 && (actions == 0 || s.fuse > 6) {
		return false
	}
	if s.turns%2 == 0 {
		r.journal.write()
	}
	r.killStoker()
	r.startAt = r.w.Now().Add(s.away)
	return true
}

// turn gives Stoker the next thing that the world says, or lets it wake.
func (r *run) turn(out dockertest.Output, ok bool) {
	s := r.stoker
	now := r.clock()
	switch {
	case !ok:
		if !s.wake.IsZero() && !s.wake.After(r.w.Now()) {
			r.apply(s.f.Tick(now))
		}
	case out.Outcome != nil:
		r.sayOutcome(*out.Outcome)
		delete(s.flying, out.Outcome.Action.ID)
		if r.pool != nil {
			r.pool.hear(*out.Outcome)
		}
		r.noteFirst(*out.Outcome)
		r.apply(s.f.Finish(now, *out.Outcome))
	case s.ending.IsZero(): // who ends does not listen any more
		o := *out.Observation
		r.sayHeard(o)
		if o.Origin != worker.OriginRepeated {
			r.journal.hear(r.w.Now(), o)
			r.hear(o)
		}
		expected := r.promptStart(o)
		t := s.f.Observe(now, o)
		r.checkPrompt(expected, t)
		r.apply(t)
	}
	r.ended()
}
