package fleet

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/dependents"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// Bounds of the action classes. Many stops are allowed, because a stop is mostly waiting: 20 workers that ignore SIGTERM are back in little more
// than one stop timeout if all stops run at once (33 s with 8 slots, engine 20.10).
const (
	maxInspects = 8
	maxStops    = 512
	// A transaction makes some fifteen calls, and waits for a stop and for the verification.
	maxRecreates = 16
	maxUpdates   = 8
)

// Settings configures a Fleet.
type Settings struct {
	Rules         policy.Rules
	Parallel      int           // starts at once
	OverloadShare float64       // see config; 0 is the default
	OverloadHold  time.Duration // see config; 0 is the default
	Self          string        // Stoker's own container ID; empty outside a container
	Owner         string        // identifies this Stoker's unfinished recreates, also after a restart; empty is "stoker"
	DryRun        bool
	CPUBudget     float64        // CPUs that demand may allocate to workers; 0 is the host's, below 0 is no limit
	Zone          *time.Location // of stoker.hours without a zone
	Saved         []worker.Saved
	Pauses        []Pause
	Bookmark      worker.Bookmark
}

// Fleet is all workers. It is not safe for concurrent use; one goroutine owns it.
type Fleet struct {
	set Settings
	registry
	actions actions
	heals
	inquiries
	stream   stream
	demands  demands
	recycles recycles
	pauses   []Pause
	closing  bool // Stoker is shutting down: heals in progress are finished, and none is started
	out      Effects
}

// registry is the containers that are workers.
type registry struct {
	members  map[worker.Key]*member // by their current name
	byID     map[string]*member     // all, including those without a name of their own
	rejected map[string]rejection   // containers that are no workers, by an inspect
}

// heals is the heals in progress and waiting.
type heals struct {
	recreates recreates
	followers followers
	schedule  schedule
	probes    probes
	overload  overloadGuard
}

// inquiries is the requests about workers other than inspects: display stats, probes from outside and last log lines.
type inquiries struct {
	viewers viewers
	outside outside
	logs    logReads
}

// actions is the actions in flight.
type actions struct {
	inFlight map[uint64]inFlight
	inClass  map[worker.ActionClass]int
	reading  [purposes]int // readings in flight
	lastID   uint64
}

// rejection is the record of a container that is no worker.
type rejection struct {
	round   uint64              // of the last list that contained it
	session uint64              // in which the inspect was made
	stop    *worker.Observation // a signal to its current incarnation: an update may make it a worker before it exits
}

type inFlight struct {
	id         string // container
	class      worker.ActionClass
	session    uint64
	recreation *recreation     // of which it is a step
	group      *dependentGroup // for an action on one dependent or on the group
	dependent  *dependents.Affected
	healed     healedDependent
	purpose    purpose     // ReadStats
	member     *member     // of ReadStats and RunProbe: its container may differ at the time of the answer
	verb       worker.Verb // of one machine's action
	done       time.Time   // when an event showed that it was done, before any answer
	givenUp    bool
}

// Effects is what to do after one input.
type Effects struct {
	Do     []worker.Action
	Wake   time.Time // when to Tick at the latest; zero for never
	Events []worker.Event
	Save   []worker.Saved
	Drop   []worker.Key
	// GiveUp lists actions whose answer is no longer waited for. Each still needs its outcome, which is Unknown.
	GiveUp []uint64
}

// New returns a fleet with the saved state in set and no observations.
func New(now time.Time, set Settings) *Fleet {
	f := &Fleet{
		set:      set,
		registry: registry{members: map[worker.Key]*member{}, byID: map[string]*member{}, rejected: map[string]rejection{}},
		heals:    heals{recreates: newRecreates(), followers: followers{leftDown: map[string]bool{}}},
		stream:   stream{bookmark: set.Bookmark},
		actions:  actions{inFlight: map[uint64]inFlight{}, inClass: map[worker.ActionClass]int{}},
		demands:  newDemands(), recycles: recycles{groups: map[string][]*member{}}, pauses: slices.Clone(set.Pauses),
	}
	f.beginRound()
	f.stream.engine = EngineLink{Since: now}
	f.stream.engine.Engine.BootedAt = set.Bookmark.BootedAt
	for _, mem := range set.Saved {
		f.recall(mem)
	}
	return f
}

// Observe handles one observation.
func (f *Fleet) Observe(now time.Time, o worker.Observation) Effects {
	switch o.Kind {
	case worker.Disconnected:
		f.disconnected(now)
	case worker.Connecting:
		f.connecting(now, o)
	case worker.ListBegin:
		f.endReplay(now)
		f.beginRound()
	case worker.ListEnd:
		f.listEnded(now, o)
	case worker.Listed:
		o.Origin = f.stream.origin()
		f.route(now, o)
	default:
		if o.Origin != worker.OriginRepeated {
			o.Origin = f.stream.origin()
		}
		switch {
		case f.stream.opening:
			f.keepReplayed(now, o)
		case o.Origin != worker.OriginRepeated:
			f.route(now, o)
		}
	}
	return f.settle(now)
}

// Finish handles the outcome of an action.
func (f *Fleet) Finish(now time.Time, o worker.Outcome) Effects {
	flight, ok := f.actions.inFlight[o.Action.ID]
	if !ok {
		return f.settle(now)
	}
	delete(f.actions.inFlight, o.Action.ID)
	f.actions.inClass[flight.class]--
	o.Broken = flight.session != f.stream.session || !f.stream.engine.Connected
	f.finish(now, flight, o)
	return f.settle(now)
}

func (f *Fleet) finish(now time.Time, flight inFlight, o worker.Outcome) {
	switch {
	case flight.recreation != nil:
		f.collected(now, flight.recreation, o)
		f.stopFailed(now, flight.recreation, o)
		flight.recreation.tx.Finish(now, o)
		f.endIfOver(now, flight.recreation)
		return
	case flight.group != nil:
		f.finishDependents(now, flight, o)
		return
	case o.Action.Verb == worker.ReadStats:
		f.read(now, flight, o)
		return
	case o.Action.Verb == worker.RunProbe:
		f.probeAnswered(now, flight.member, o)
		return
	case o.Action.Verb == worker.ReadLogs:
		f.logsRead(now, o)
		return
	case o.Action.Verb == worker.AskSource:
		f.answered(now, o)
		return
	case o.Action.Verb == worker.Clone, o.Action.Verb == worker.RemoveClone:
		f.cloneChanged(now, o)
		return
	}
	m := f.byID[flight.id]
	if m != nil && o.Action.Verb == worker.Start && o.Result == worker.Failed {
		o.ParentDown = f.waitsForParent(m)
	}
	if m != nil && f.decided(m, o) {
		f.step(now, m, o)
	}
	if m != nil && m.machine.Missing() && !f.bound(m) {
		f.forget(m) // another client has recreated the worker
	}
}

// Tick handles the passing of time.
func (f *Fleet) Tick(now time.Time) Effects { return f.settle(now) }

// Bookmark returns how far the event stream was read.
func (f *Fleet) Bookmark() worker.Bookmark { return f.stream.bookmark }

// Close continues only the heals whose worker Stoker itself has stopped. It processes the received part of a replay: an engine that shuts down as
// well does not send it again.
func (f *Fleet) Close(now time.Time) Effects {
	f.closing = true
	f.takeReplay(now)
	if f.stream.engine.Connected || f.stream.opening {
		f.stream.bookmark.LostAt, f.stream.bookmark.Closed = f.engineTime(now), true
	}
	return f.settle(now)
}

// Busy returns how many heals a closing fleet must still finish.
func (f *Fleet) Busy() int {
	n := len(f.recreates.transactions)
	for _, m := range f.members { // a member that has lost its name is not waited for
		if f.startWaits(m) {
			continue // a parent that is down will not be started
		}
		if m.machine.StoppedForHeal() {
			n++
		}
	}
	return n
}

// step passes one input to one machine, and collects its effects.
func (f *Fleet) step(now time.Time, m *member, in worker.Input) *worker.Action {
	t := m.machine.Step(now, in)
	m.class = t.Class
	f.plan(m, t.Due)
	f.followStop(now, m)
	f.demandChanged(now, m)
	f.recycleChanged(m)
	f.report(m, t.Events)
	f.wantLogs(m, t.Logs)
	switch {
	case t.Removed:
		f.forget(m)
	case t.Changed && !m.undecided && f.bound(m):
		f.out.Save = append(f.out.Save, m.machine.Saved())
	}
	return t.Do
}

// report emits the events of a machine, with the group of its worker.
func (f *Fleet) report(m *member, events []worker.Event) {
	if len(events) > 0 && f.heldByPause(m) {
		events = slices.DeleteFunc(events, func(e worker.Event) bool { return deferredByPause(e.Kind) })
	}
	if m.group != nil {
		for i := range events {
			events[i].Group = m.group.name
		}
	}
	f.out.Events = append(f.out.Events, events...)
}

// settle starts all due actions for which there is capacity, until nothing changes, and returns the effects.
func (f *Fleet) settle(now time.Time) Effects {
	f.replayDue(now)
	f.endPauses(now)
	f.judgeHost(now)
	for moved := true; moved; {
		f.recallWakes(now)
		moved = f.grantDue(now)
		f.resumeDue(now)
		moved = f.stepRecreations(now) || moved
		moved = f.restartDependents(now) || moved
		moved = f.decideDemand(now) || moved
		moved = f.recycleDue(now) || moved
		f.judgeHost(now)
	}
	f.askDue(now)
	f.readStatsDue(now)
	f.readLogsDue()
	f.probesDue(now)
	f.giveUpDue(now)
	t := f.out
	t.Wake = f.wake(now)
	f.out = Effects{}
	return t
}

func (f *Fleet) grant(now time.Time, m *member) {
	lane, passed := m.class, m.passedGuard()
	if lane == worker.ClassStart && f.adoptParent(now, m) {
		return
	}
	f.actions.lastID++
	do := f.step(now, m, worker.Dispatch{ActionID: f.actions.lastID})
	if do == nil {
		return
	}
	if f.set.DryRun && do.Verb != worker.Inspect {
		f.step(now, m, worker.Outcome{Action: *do, Result: worker.Skipped})
		return
	}
	if do.Verb == worker.Collect {
		m.letThrough = f.overload.on
	}
	if !passed && f.beginsRestart(*do) {
		f.timedOutStopped(now, m)
	}
	if do.Verb == worker.Recreate {
		f.beginMember(now, m, *do)
		return
	}
	f.actions.inFlight[do.ID] = inFlight{id: m.id, class: lane, session: f.stream.session, verb: do.Verb}
	f.actions.inClass[lane]++
	f.out.Do = append(f.out.Do, *do)
}

// beginsRestart reports whether an action begins the restart of a running worker, which the overload guard counts once. That is the stop, or the
// collection before it if it runs a command or has passed the guard.
func (f *Fleet) beginsRestart(a worker.Action) bool {
	switch a.Verb { //nolint:exhaustive // the others are no part of a restart
	case worker.Stop, worker.Kill, worker.Recreate:
		return true
	case worker.Collect:
		return f.overload.on || len(a.Evidence.Command) > 0
	}
	return false
}

// passedGuard reports whether the overload guard has already allowed the restart. It is checked again if the guard came on since, and nothing was
// done to the worker yet. An unfinished recreate may have stopped the worker, and goes on.
func (m *member) passedGuard() bool {
	return m.machine.StopBegun() || m.machine.Recreating() || m.letThrough && m.machine.Collected()
}

// send requests an action of the fleet itself.
func (f *Fleet) send(fl inFlight, a worker.Action) {
	f.actions.lastID++
	a.ID = f.actions.lastID
	f.actions.inFlight[a.ID] = fl
	f.actions.inClass[fl.class]++
	f.out.Do = append(f.out.Do, a)
}

// wake returns when the next action may be due. Due actions wait for capacity, which an outcome frees, for the connection, or for the overload
// guard.
func (f *Fleet) wake(now time.Time) time.Time {
	wake := earliest(f.schedule.future.next(), f.overloadWake(now))
	wake = earliest(wake, f.recreationWake(now))
	wake = earliest(wake, f.dependentsWake(now))
	wake = earliest(wake, f.recycleWake(now))
	if f.reads() { // otherwise due readings wait for the connection
		wake = earliest(wake, f.schedule.stats.next())
		wake = earliest(wake, f.outside.future.next())
		wake = earliest(wake, f.demandWake())
	}
	wake = earliest(wake, f.displayStatsWake(now))
	wake = earliest(wake, f.answerWake())
	wake = earliest(wake, f.pauseWake())
	wake = earliest(wake, f.stream.replay.wake())
	for _, o := range f.recreates.unfinished {
		if o.due.After(now) {
			wake = earliest(wake, o.due)
		}
	}
	return wake
}
