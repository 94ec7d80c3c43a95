package simulation

import (
	"hash/fnv"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/test/dockertest"
)

// run is the execution of a plan.
type run struct {
	plan     plan
	schedule schedule
	start    time.Time // the time of the plan's zero

	world    *dockertest.World
	specs    map[string]dockertest.Spec
	policies map[string]policy.Policy // by container ID
	pool     *pool                    // nil without a group with demand

	self    string  // ID of the container that Stoker takes for its own
	stoker  *stoker // nil while no Stoker runs
	journal *journal
	pauses  []fleet.Pause // in the state directory

	checks checks
	trace  trace
	tally  tally
}

func newRun(p plan) *run {
	r := &run{
		plan:     p,
		schedule: newSchedule(p),
		world:    dockertest.New(dockertest.Config{Seed: p.Seed, ProbeEvents: p.Seed%8 == 0, LosesNetworks: p.LosesNetworks}),
		specs:    map[string]dockertest.Spec{},
		policies: map[string]policy.Policy{},
		journal:  newJournal(),
		checks:   checks{records: newRecords()},
		tally:    newTally(),
	}
	r.pool = newPool(p.Pool, r.world)
	r.start = r.world.Now()
	for _, s := range p.Containers {
		r.specs[s.Name] = s
		if s.NetworkMode+s.PidMode == "" {
			r.world.Operator().Run(s)
		}
	}
	r.world.Advance(time.Second)
	for _, s := range p.Containers {
		if s.NetworkMode+s.PidMode != "" { // its parent must exist first
			r.world.Operator().Run(s)
		}
	}
	r.world.Advance(time.Second)
	if t, ok := r.world.Truth(selfName); ok {
		r.self = t.ID
	}
	return r
}

// simulate executes a plan and returns the run with its violations. It stops at the first violation.
func simulate(p plan, tracing bool) *run {
	r := newRun(p)
	r.trace = trace{enabled: tracing, hash: fnv.New64a()}
	r.startStoker()
	r.runUntil(p.length())
	if !r.violated() {
		r.journal.write()
		r.checkWorld()
	}
	return r
}

// violated reports whether the run broke a rule.
func (r *run) violated() bool { return len(r.checks.violations) > 0 }

// runUntil advances the time to an offset from the run's start, or to the first violation.
func (r *run) runUntil(offset time.Duration) {
	end := r.start.Add(offset)
	for r.world.Now().Before(end) && !r.violated() {
		r.step(r.nextDue(end))
		r.runDue()
	}
}

// nextDue returns when the next thing is due that is not an event of the world, or end if that is earlier.
func (r *run) nextDue(end time.Time) time.Time {
	next := end
	at := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	for _, offset := range r.schedule.due(r.pool != nil) {
		at(r.start.Add(offset))
	}
	at(r.schedule.startAt)
	at(r.journal.due)
	if r.pool != nil {
		at(r.pool.next())
	}
	if r.schedule.followsHost {
		at(r.world.Now().Add(100 * time.Millisecond))
	}
	if s := r.stoker; s != nil {
		at(s.deadline)
		at(s.wake)
	}
	if next.Before(r.world.Now()) {
		return r.world.Now()
	}
	return next
}

// step delivers the next output of the world to Stoker, or advances the time to limit.
func (r *run) step(limit time.Time) {
	if r.stoker == nil {
		r.world.AdvanceTo(limit)
		return
	}
	r.deliver(r.stoker.sim.Until(limit))
}

// runDue does everything that is due now.
func (r *run) runDue() {
	now := r.world.Now()
	if !r.journal.due.IsZero() && !r.journal.due.After(now) {
		r.journal.write()
	}
	if r.pool != nil {
		r.pool.advance()
	}
	if r.schedule.followsHost {
		r.followHost()
	}
	if !r.schedule.startAt.IsZero() && !r.schedule.startAt.After(now) {
		r.schedule.startAt = time.Time{}
		if r.stoker == nil {
			r.startStoker()
		}
	}
	offset := now.Sub(r.start)
	for f, ok := r.schedule.nextFault(offset); ok; f, ok = r.schedule.nextFault(offset) {
		r.tracef("==== %s", f)
		r.inject(f)
	}
	for r.schedule.stageEnds(offset, r.pool != nil) {
		r.nextStage()
	}
}

// followHost stops and starts Stoker with the engine, for it is a container of the host.
func (r *run) followHost() {
	switch {
	case r.stoker != nil && !r.world.EngineUp() && !r.world.EngineStopping():
		r.killStoker()
	case r.stoker == nil && r.world.EngineUp():
		r.schedule.followsHost = false
		r.schedule.startAt = r.world.Now().Add(400 * time.Millisecond)
	}
}

// view returns the state that Stoker shows.
func (r *run) view() fleet.View {
	if r.stoker == nil {
		return fleet.View{}
	}
	return r.stoker.fleet.View(r.clock())
}
