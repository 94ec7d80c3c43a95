package fleet

import (
	"cmp"
	"slices"
	"time"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// Bounds of the lanes. Stops are many, for each is only a wait: 20 workers that ignore SIGTERM are back in little more
// than one stop timeout when all stops wait at once (33 s through 8 slots, engine 20.10).
const (
	maxLooks = 8
	maxStops = 512
	// A transaction makes some fifteen calls and waits for a stop and for the proof in between.
	maxRecreates = 16
	maxUpdates   = 8
)

// Settings is what a Fleet is made from.
type Settings struct {
	Rules    policy.Rules
	Parallel int           // starts at once
	IllShare float64       // see config; 0 is the default
	IllHold  time.Duration // see config; 0 is the default
	Self     string        // Stoker's own container ID; empty outside a container
	DryRun   bool
	Memories []worker.Memory
	Bookmark worker.Bookmark
}

// Fleet is all workers. It is not safe for concurrent use; one goroutine owns it.
type Fleet struct {
	set      Settings
	members  map[worker.Key]*member // by the name that is theirs now
	byID     map[string]*member     // all, also those whose name someone else has taken
	rejected map[string]uint64      // containers that a look showed to be no workers, with the last round that listed them

	pairs   map[string]*pair                // transactions under way, by the ID of the old container
	orphans map[worker.Key]*orphan          // transactions that were left behind, by the worker's name
	retired map[string]uint64               // containers that were replaced, with the round of that
	early   map[string][]worker.Observation // of heirs whose transaction was sent by the Stoker before this one, by the old ID
	heirs   map[worker.Key]heir             // marked containers of the list under way or last complete
	asides  map[string]worker.Key           // old containers of that list, by ID

	flying    map[uint64]flight
	following int
	reading   [purposes]int      // readings under way
	sampled   map[string]*member // who wants readings, by ID
	watchers  watchers
	inLane    map[worker.Lane]int
	lastID    uint64
	round     uint64 // of the list under way or last complete
	session   uint64 // counts the links to an engine
	opening   bool   // between LinkOpened and the first ListEnded: history and picture, no news
	link      Link
	brake     brake
	mark      worker.Bookmark
	readTo    time.Time // mark.EventAt when the session began
	closing   bool      // Stoker is being stopped: heals under way are finished, none is begun
	out       Turn
}

// member is a machine with what the fleet keeps about it.
type member struct {
	machine   *worker.Machine
	id        string
	lane      worker.Lane
	due       time.Time
	round     uint64
	heard     time.Time      // of its newest event, the engine's clock
	illStop   time.Time      // when it was last stopped for a timed-out probe
	lacked    bool           // the host was out of CPU then
	asks      bool           // tentative: the verdict waits for the quota
	following bool           // its dependents are being healed
	reading   [purposes]bool // readings of it under way
	glance    glance
}

// ahead tells whether events of the container are newer than a list of that time. A list may be overtaken by events, but
// not by many; more than that is a step of the clock.
func (m *member) ahead(at time.Time) bool {
	by := m.heard.Sub(at)
	return by >= 0 && by < time.Minute
}

type flight struct {
	id      string // container
	lane    worker.Lane
	session uint64
	parents []worker.Parent // Follow
	leaders []*member       // the same
	orphan  worker.Key      // Resume
	purpose purpose         // Sample
	verb    worker.Verb     // of one machine's action
	done    time.Time       // when an event said that it was carried out, before any answer
	givenUp bool
}

// Turn is what the fleet wants done after one input.
type Turn struct {
	Do    []worker.Action
	Wake  time.Time // when to Tick at the latest; zero for never
	Notes []worker.Note
	Save  []worker.Memory
	Drop  []worker.Key
	Words []Word // for transactions under way
	// GiveUp are actions whose answer is not waited for any longer. Each still needs its outcome, which is Unknown.
	GiveUp []uint64
}

// New is a fleet that remembers what set says and has seen nothing yet.
func New(now time.Time, set Settings) *Fleet {
	f := &Fleet{
		set: set, members: map[worker.Key]*member{}, byID: map[string]*member{}, rejected: map[string]uint64{},
		pairs: map[string]*pair{}, orphans: map[worker.Key]*orphan{}, retired: map[string]uint64{}, early: map[string][]worker.Observation{}, sampled: map[string]*member{},
		flying: map[uint64]flight{}, inLane: map[worker.Lane]int{}, mark: set.Bookmark,
	}
	f.beginRound()
	f.link = Link{Since: now}
	f.link.Engine.BootedAt = set.Bookmark.BootedAt
	for _, mem := range set.Memories {
		f.recall(mem)
	}
	return f
}

// Observe takes in one observation.
func (f *Fleet) Observe(now time.Time, o worker.Observation) Turn {
	switch o.Kind {
	case worker.LinkLost:
		f.linkLost(now)
	case worker.LinkOpened:
		f.linkOpened(now, o)
	case worker.ListBegan:
		f.beginRound()
	case worker.ListEnded:
		f.listEnded(now, o)
	default:
		o.History = f.opening
		f.route(now, o)
	}
	return f.settle(now)
}

// Finish takes in what became of an action.
func (f *Fleet) Finish(now time.Time, o worker.Outcome) Turn {
	flight, ok := f.flying[o.Action.ID]
	if !ok {
		return f.settle(now)
	}
	delete(f.flying, o.Action.ID)
	f.inLane[flight.lane]--
	o.Broken = flight.session != f.session || !f.link.Up
	f.finish(now, flight, o)
	return f.settle(now)
}

func (f *Fleet) finish(now time.Time, flight flight, o worker.Outcome) {
	switch o.Action.Verb { //nolint:exhaustive // the rest is one machine's own
	case worker.Follow:
		f.followed(now, flight, o)
		return
	case worker.Resume:
		f.resumed(now, flight.orphan, o)
		return
	case worker.Sample:
		f.read(now, flight.purpose, o)
		return
	}
	m := f.byID[flight.id]
	switch {
	case m == nil || !f.decided(m, o):
	case o.Action.Verb == worker.Recreate:
		f.replaced(now, m, o)
	default:
		f.step(now, m, o)
	}
	if m != nil && m.machine.Missing() && !f.seated(m) {
		f.forget(m) // somebody else has made the worker anew
	}
}

// Tick lets time pass.
func (f *Fleet) Tick(now time.Time) Turn { return f.settle(now) }

// Bookmark is how far the event stream was read.
func (f *Fleet) Bookmark() worker.Bookmark { return f.mark }

// Close lets only those heals go on whose worker Stoker itself has stopped.
func (f *Fleet) Close(now time.Time) Turn {
	f.closing = true
	if f.link.Up {
		f.mark.LostAt, f.mark.Closed = f.engineTime(now), true
	}
	return f.settle(now)
}

// Busy is how many heals a closing fleet still has to finish.
func (f *Fleet) Busy() int {
	n := 0
	for _, m := range f.members { // whoever has lost its name is not waited for
		if m.machine.Midway() {
			n++
		}
	}
	return n
}

// step tells one machine one thing and takes in what it wants.
func (f *Fleet) step(now time.Time, m *member, in worker.Input) *worker.Action {
	t := m.machine.Step(now, in)
	m.lane, m.due = t.Lane, t.Due
	f.overhear(m)
	f.noteSamples(m)
	f.out.Notes = append(f.out.Notes, t.Notes...)
	switch {
	case t.Over:
		f.forget(m)
	case t.Changed && !m.asks && f.seated(m):
		f.out.Save = append(f.out.Save, m.machine.Memory())
	}
	return t.Do
}

// settle grants what is due and has room, until nothing more moves, and closes the turn.
func (f *Fleet) settle(now time.Time) Turn {
	f.judgeHost(now)
	for f.grantDue(now) {
		f.judgeHost(now)
	}
	f.resumeDue(now)
	f.followDue(now)
	f.sampleDue(now)
	f.giveUpDue(now)
	t := f.out
	t.Wake = f.wake(now)
	f.out = Turn{}
	return t
}

// grantDue makes one pass over what is due, in the order of (due, key), and tells whether anything was granted.
func (f *Fleet) grantDue(now time.Time) bool {
	var due []*member
	for _, m := range f.byID {
		if !m.due.IsZero() && !m.due.After(now) {
			due = append(due, m)
		}
	}
	slices.SortFunc(due, func(a, b *member) int { return cmp.Or(a.due.Compare(b.due), byKey(a, b)) })
	granted := false
	for _, m := range due {
		if f.room(now, m) {
			f.grant(now, m)
			granted = true
		}
	}
	return granted
}

// room tells whether a wish can be granted now.
func (f *Fleet) room(now time.Time, m *member) bool {
	if m.lane == worker.LaneNone { // stable, it would be; of a worker that is not followed nobody knows
		return f.link.Up
	}
	if !f.link.Up || !f.seated(m) || f.orphans[m.key()] != nil || (f.closing && !m.machine.Midway()) {
		return false
	}
	switch m.lane {
	case worker.LaneNone:
		return true
	case worker.LaneLook:
		return f.inLane[m.lane] < maxLooks
	case worker.LaneStart:
		return f.inLane[m.lane] < f.set.Parallel
	case worker.LaneStop:
		return f.inLane[m.lane] < maxStops && f.brake.allows(now, m)
	case worker.LaneRecreate:
		return f.inLane[m.lane] < maxRecreates && f.brake.allows(now, m)
	case worker.LaneUpdate:
		return f.inLane[m.lane] < maxUpdates
	}
	return false
}

func (f *Fleet) grant(now time.Time, m *member) {
	lane := m.lane
	f.lastID++
	do := f.step(now, m, worker.Grant{ActionID: f.lastID})
	if do == nil {
		return
	}
	if f.set.DryRun && do.Verb != worker.Look {
		f.step(now, m, worker.Outcome{Action: *do, Result: worker.Skipped})
		return
	}
	if lane == worker.LaneStop || lane == worker.LaneRecreate {
		f.brake.stopped(now, m)
	}
	if do.Verb == worker.Recreate {
		do.Names = f.names()
		p := &pair{action: do.ID, told: map[string]bool{}, heard: f.early[m.id]}
		f.pairs[m.id] = p
		delete(f.early, m.id)
		f.retell(now, m, p)
	}
	f.flying[do.ID] = flight{id: m.id, lane: lane, session: f.session, verb: do.Verb}
	f.inLane[lane]++
	f.out.Do = append(f.out.Do, *do)
}

// send asks for an action of the fleet's own.
func (f *Fleet) send(fl flight, a worker.Action) {
	f.lastID++
	a.ID = f.lastID
	f.flying[a.ID] = fl
	f.inLane[fl.lane]++
	f.out.Do = append(f.out.Do, a)
}

// wake is the next time at which something may be due. What is due already waits for room, which an outcome makes,
// for the link, or for the brake.
func (f *Fleet) wake(now time.Time) time.Time {
	wake := f.patienceWake(f.glanceWake(now, f.sampleWake(now, f.followWake(now, f.brakeWake(now)))))
	for _, o := range f.orphans {
		if !o.flying && o.due.After(now) && (wake.IsZero() || o.due.Before(wake)) {
			wake = o.due
		}
	}
	for _, m := range f.byID {
		if m.due.After(now) && (wake.IsZero() || m.due.Before(wake)) {
			wake = m.due
		}
	}
	return wake
}
