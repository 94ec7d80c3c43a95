package simulation

import (
	"hash"
	"hash/fnv"
	"math"
	"slices"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// run is a plan being carried out.
type run struct {
	plan     plan
	w        *dockertest.World
	start    time.Time
	specs    map[string]dockertest.Spec
	policies map[string]policy.Policy // by container ID
	self     string                   // ID of the container that Stoker is thought to be in
	stoker   *stoker
	journal  *journal
	startAt  time.Time // when the next Stoker begins; zero for not by itself
	rebooted bool      // Stoker begins when the engine is up again, and ends when it is down
	deeds    []deed
	quiets   []quiet
	calm     bool
	mended   bool // once more, for what the engine was not there for the first time
	pool     *pool
	pauses   []fleet.Pause               // what the state directory has
	drained  map[worker.Incarnation]bool // lives in which the command before the stop was sent
	work     quietWork

	wrong    []string
	falls    []time.Time // of the engine, in whatever way
	blind    bool        // at one of them a Stoker had no list yet
	deaths   []time.Time // of Stokers that were killed
	begun    []time.Time // when a Stoker began
	stops    []decidedStop
	steps    []time.Time // of the engine's clock
	drops    []time.Time // of events
	amnesia  time.Time   // the last time that the journal was lost
	forgiven map[string]int
	unclear  map[string]bool      // disconnected while Stoker thought it lost, or was away
	lacked   map[string]bool      // by the first container of a worker: the first inspect has shown that it had lost a network
	pushed   map[string]time.Time // the incarnation in which a container was last signalled, by its start
	lines    []string
	hash     hash.Hash64
	telling  bool
	count    tally
}

// quietWork is how far the work of a quiet has come.
type quietWork uint8

const (
	workNotYet quietWork = iota
	workBrought
	workChecked
)

// after is when the next step is due in a quiet that began then.
func (w quietWork) after(from time.Duration) time.Duration {
	switch w {
	case workNotYet:
		return from + poolWorkAt
	case workBrought:
		return from + poolWorkAt + poolWithin
	case workChecked:
	}
	return math.MaxInt64
}

// decidedStop is a stop that a Stoker was to send. Where it was killed meanwhile, the next one cannot know whether it was sent.
type decidedStop struct {
	id string
	at time.Time
	by int // which Stoker
	in time.Duration
}

func newRun(p plan) *run {
	r := &run{
		plan: p, w: dockertest.New(dockertest.Config{Seed: p.Seed, ProbeEvents: p.Seed%8 == 0, LosesNetworks: p.LosesNetworks}), specs: map[string]dockertest.Spec{}, policies: map[string]policy.Policy{},
		journal: newJournal(), deeds: slices.Clone(p.Deeds), quiets: slices.Clone(p.Quiets), forgiven: map[string]int{}, unclear: map[string]bool{}, lacked: map[string]bool{}, drained: map[worker.Incarnation]bool{}, pushed: map[string]time.Time{}, count: newTally(),
	}
	r.pool = newPool(p.Pool, r.w)
	r.start = r.w.Now()
	for _, s := range p.Containers {
		r.specs[s.Name] = s
		if s.NetworkMode+s.PidMode == "" {
			r.w.Operator().Run(s)
		}
	}
	r.w.Advance(time.Second)
	for _, s := range p.Containers {
		if s.NetworkMode+s.PidMode != "" { // its parent must be there first
			r.w.Operator().Run(s)
		}
	}
	r.w.Advance(time.Second)
	if t, ok := r.w.Truth(selfName); ok {
		r.self = t.ID
	}
	return r
}

// simulate carries a plan out and returns the run, with what was wrong in it.
func simulate(p plan, telling bool) *run {
	r := newRun(p)
	r.telling, r.hash = telling, fnv.New64a()
	r.startStoker()
	r.live(p.length())
	if len(r.wrong) == 0 {
		r.journal.write()
		r.checkWorld()
	}
	return r
}

// live lets time pass until so long after the run's start, or until something is wrong.
func (r *run) live(until time.Duration) {
	end := r.start.Add(until)
	for r.w.Now().Before(end) && len(r.wrong) == 0 {
		r.step(r.next(end))
		r.due()
	}
}

// next is when something is due that is not the world's own.
func (r *run) next(end time.Time) time.Time {
	next := end
	at := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	if len(r.deeds) > 0 {
		at(r.start.Add(r.deeds[0].At))
	}
	if len(r.quiets) > 0 {
		if r.calm {
			at(r.start.Add(r.quiets[0].To))
			if !r.mended {
				at(r.start.Add(r.quiets[0].From + time.Minute))
			}
			if r.pool != nil && r.work != workChecked {
				at(r.start.Add(r.work.after(r.quiets[0].From)))
			}
		} else {
			at(r.start.Add(r.quiets[0].From))
		}
	}
	at(r.startAt)
	at(r.journal.due)
	if r.pool != nil {
		at(r.pool.next())
	}
	if r.rebooted {
		at(r.w.Now().Add(100 * time.Millisecond))
	}
	if s := r.stoker; s != nil {
		at(s.ending)
		at(s.wake)
	}
	if next.Before(r.w.Now()) {
		return r.w.Now()
	}
	return next
}

func (r *run) step(limit time.Time) {
	if r.stoker == nil {
		r.w.AdvanceTo(limit)
		return
	}
	r.turn(r.stoker.sim.Until(limit))
}

// due does what its time has come for.
func (r *run) due() {
	now := r.w.Now()
	if !r.journal.due.IsZero() && !r.journal.due.After(now) {
		r.journal.write()
	}
	if r.pool != nil {
		r.pool.advance()
	}
	if r.rebooted {
		r.reboot()
	}
	if !r.startAt.IsZero() && !r.startAt.After(now) {
		r.startAt = time.Time{}
		if r.stoker == nil {
			r.startStoker()
		}
	}
	for len(r.deeds) > 0 && !r.start.Add(r.deeds[0].At).After(now) {
		d := r.deeds[0]
		r.deeds = r.deeds[1:]
		r.say("==== %s", d)
		r.do(d)
	}
	r.dueQuiet(now)
}

func (r *run) dueQuiet(now time.Time) {
	if len(r.quiets) == 0 {
		return
	}
	q := r.quiets[0]
	if !r.calm && !r.start.Add(q.From).After(now) {
		r.calm, r.mended, r.work = true, false, workNotYet
		r.calmDown()
	}
	if r.calm && r.pool != nil && r.work != workChecked && !r.start.Add(r.work.after(q.From)).After(now) {
		r.dueWork()
	}
	if r.calm && !r.mended && !r.start.Add(q.From+time.Minute).After(now) {
		r.mended = true
		r.repair()
	}
	if r.calm && !r.start.Add(q.To).After(now) {
		r.calm = false
		r.quiets = r.quiets[1:]
		r.checkQuiet()
	}
}

// dueWork brings the work of a quiet, or checks that somebody does it.
func (r *run) dueWork() {
	if r.work == workNotYet {
		r.bringWork()
		r.work = workBrought
		return
	}
	r.checkWork()
	r.work = workChecked
}

// reboot takes Stoker down and up with the engine that it is a container of.
func (r *run) reboot() {
	switch {
	case r.stoker != nil && !r.w.EngineUp() && !r.w.EngineStopping():
		r.killStoker()
	case r.stoker == nil && r.w.EngineUp():
		r.rebooted = false
		r.startAt = r.w.Now().Add(400 * time.Millisecond)
	}
}

// view is what Stoker shows.
func (r *run) view() fleet.View {
	if r.stoker == nil {
		return fleet.View{}
	}
	return r.stoker.f.View(r.clock())
}
