// Package worker decides for one worker: what happened to it, what that means, and what to do now.
//
// It is pure. A Machine takes now and an input and returns what it wants; it has no goroutine, no clock, no
// randomness and no log, so that days of crash loops replay exactly from a seed.
package worker

import (
	"syscall"
	"time"

	"stoker/sidecar/internal/core/policy"
)

// Input is what a Machine can be told: an Observation, an Outcome, a Grant or an EngineRestarted.
type Input interface{ input() }

// Grant tells the machine that its turn has come: what it asked for is due and there is room for it.
type Grant struct{ ActionID uint64 }

// EngineRestarted tells that another engine process answers now. Stops since StopsSince were the old one's own
// shutdown, not an operator's.
type EngineRestarted struct {
	BootedAt   time.Time // zero when it cannot be told
	StopsSince time.Time // the engine's clock; zero when no stop belongs to the shutdown
}

func (Observation) input()     {}
func (Outcome) input()         {}
func (Grant) input()           {}
func (EngineRestarted) input() {}

// Lane is the bound that a wish counts against. Stopping and starting are bounded apart.
type Lane uint8

// The lanes. LaneNone is a wish for time to pass, which needs no room.
const (
	LaneNone Lane = iota
	LaneLook
	LaneStart
	LaneStop
	LaneRecreate
	LaneUpdate
)

// Turn is the machine's answer to an input.
type Turn struct {
	Do      *Action   // only as an answer to Grant
	Lane    Lane      // of what is wanted next
	Due     time.Time // when it is wanted; zero for nothing until something happens
	Notes   []Note
	Changed bool // Memory differs from before
	Over    bool // the container is gone: forget this machine
}

// Machine is one worker. It is not safe for concurrent use; one goroutine owns it.
type Machine struct {
	mem      Memory
	policy   policy.Policy
	problems []policy.Problem
	barred   Reason // never touched: bad labels, Swarm, one-off

	status Status
	health Health
	traits traits
	looked bool // traits and incarnation come from a look at this very container

	startedAt   time.Time // of the last Started event, the engine's clock
	endedAt     time.Time // of the last Exited event, the engine's clock
	exitCode    int
	oomAt       time.Time // the engine's clock
	unhealthyAt time.Time // Stoker's clock
	resumedAt   time.Time // thawed, so that older probes tell nothing; the engine's clock
	wellSince   time.Time // running, and healthy if it has a health check; Stoker's clock
	probe       Probe

	busy        *Action
	look        wish
	lookTries   int
	awaitStart  time.Time // until then, Stoker's own start was sent and its Started event has not come by
	confirming  bool      // the look under way was sent after the stop that holds the worker
	goneSince   bool      // nobody was there to answer such a look, nor any look since: that stop was the engine's own end
	delayed     bool      // a look found it waiting for its restart by Docker
	unjudged    bool      // an end was seen, and only a look can tell what it was
	unsaid      bool      // the engine does not say before an end that somebody means it (Podman)
	stopper     bool      // the last stop of Stoker's own was sent by this very process of it
	ownSignals  int       // stop signals of Stoker's own stop seen
	ownStopped  bool      // the stop event of Stoker's own stop was seen
	ownTermAt   time.Time // the first of ownSignals, the engine's clock
	yieldUntil  time.Time // someone else's stop is under way, and one of Stoker's own would cut its grace; Stoker's clock
	ownTermSeen time.Time // the same, Stoker's clock
	unseenEnd   time.Time // a look found it down with no event to explain it; Stoker's clock
	engineTook  bool      // the engine's own shutdown stopped it
	bootedAt    time.Time // of the engine process; zero when it cannot be told
	setAside    *Memory   // before a transaction that is not known for Stoker's own gave it another name
	unfitSaid   string    // why it cannot be made anew
	sent        sent      // what was seen of the stops of the transaction under way
	resent      bool      // the transaction under way goes on with an earlier one
	ownLife     bool      // Stoker began the life that is
	followAt    time.Time // when its dependents are to follow; zero when they need not; Stoker's clock
	followTries int

	askAt       time.Time // when readings are due that tell starved from hung; zero when they are not asked for
	answered    bool      // that question about the open heal
	lacking     bool      // the last answer was that the host is out of CPU
	alone       time.Time // when that heal would be due without waiting for company
	sampleAt    time.Time // when the next reading for idle-after is due
	meter       Meter     // the last one
	idleSince   time.Time // nothing but idleness since; the engine's clock
	shown       Share
	shownOf     Incarnation
	glimpse     glimpse   // the last reading for people
	updateAt    time.Time // when the quota is to be set; zero when it is as it should be
	updateTries int
	boostOver   bool // the grace of a starved worker is over
	hostCPUs    float64
	vanishedAt  time.Time // an answer said that there is no such container; Stoker's clock
	unhealed    Reason    // why an unhealthy worker is left so, said once: HeldIgnored or HeldNeedsRecreate
	early       *early    // a stop signal, perhaps
	byDocker    bool      // the last start was that of Docker's policy
	gathered    time.Time // the others had the time to be looked at since this one was first; Stoker's clock
	unanswered  bool      // what became of the last action is not known: nothing is done before a look
	overtaken   bool      // an event came by while a look was under way: the look may be older
	over        bool
	introduced  bool
	tentative   bool // whether it is a worker at all is known after the first look

	notes   []Note
	changes int // bumped when Definition or Labels change: they are too big to compare
}

// traits are the facts of a container that do not change during a life.
type traits struct {
	restart     RestartPolicy
	autoRemove  bool
	stopTimeout time.Duration
	stopSignal  syscall.Signal
	healthcheck bool
	cpus        float64
	cpuPeriod   time.Duration
	probeEvery  time.Duration
	devices     bool
}

// wish is a look wanted at some time; a zero due is no wish.
type wish struct {
	due    time.Time
	reason Reason
}

// Identity is what a machine is made for.
type Identity struct {
	Key      Key
	ID       string
	Policy   policy.Policy
	Problems []policy.Problem
	Barred   Reason // HeldNot, HeldBadLabels, HeldSwarm or HeldOneOff
	// Tentative: whether the container is a worker depends on its first look. Nothing is told of it before Confirm.
	Tentative bool
}

// New is a machine for a container that nothing is remembered of.
func New(id Identity) *Machine {
	m := Recall(id, Memory{Key: id.Key, Incarnation: Incarnation{ID: id.ID}})
	return m
}

// Recall is a machine that goes on where the one that left mem was.
func Recall(id Identity, mem Memory) *Machine {
	mem.Key = id.Key
	mem.Incarnation.ID = id.ID
	if mem.Held == HeldDryRun { // whoever runs dry now says so again; nobody else is bound by it
		mem.Held, mem.HeldAt = HeldNot, time.Time{}
	}
	m := &Machine{mem: mem, policy: id.Policy, problems: id.Problems, barred: id.Barred, tentative: id.Tentative}
	if mem.Heal != nil && mem.Heal.Missing {
		m.status = StatusGone
	}
	return m
}

// Succeed is a machine for the container that took the place of the one that left mem: the history of a worker hangs on its
// name.
func Succeed(id Identity, mem Memory) *Machine {
	former, heal := mem.Incarnation.ID, mem.Heal
	mem.Incarnation, mem.StopIntent, mem.Heal = Incarnation{ID: id.ID}, nil, nil
	mem.Stranded, mem.Alone, mem.Killed = false, false, false
	mem.Former = formerly(mem.Former, former, id.ID)
	mem.Held, mem.HeldAt, mem.HeldSure = HeldNot, time.Time{}, false
	m := Recall(id, mem)
	if heal != nil {
		verify := *heal
		verify.Step, verify.StartSent, verify.StopSentAt, verify.Missing = StepStart, true, time.Time{}, false
		m.mem.Heal = &verify
	}
	return m
}

// Confirm makes a tentative machine one of a worker.
func (m *Machine) Confirm() { m.tentative = false }

// Step tells the machine one thing and returns what it wants. Time never runs backwards between calls, or if it
// does, nothing worse happens than a wait that lasts longer.
func (m *Machine) Step(now time.Time, in Input) Turn {
	before, changes := digest(m.mem), m.changes
	m.shorten(now)
	m.keepQuota(now)
	if !prelude(in) {
		m.introduce(now)
	}
	var do *Action
	switch in := in.(type) {
	case Observation:
		m.observe(now, in)
	case Outcome:
		m.finish(now, in)
	case Grant:
		do = m.grant(now, in.ActionID)
	case EngineRestarted:
		m.engineRestarted(now, in)
	case Stranded:
		m.stranded(now, in)
	case Followed:
		m.followed(now, in)
	case Sampled:
		m.sampled(now, in)
	case Understudy:
		m.understudied(in)
	case Interrupted:
		m.interrupted(now)
	}
	m.company(now)
	m.lead(now)
	m.sense(now)
	m.keepQuota(now)
	lane, due := m.plan(now)
	turn := Turn{Do: do, Lane: lane, Due: due, Notes: m.notes, Over: m.over}
	turn.Changed = digest(m.mem) != before || m.changes != changes
	if !m.introduced {
		turn.Notes = nil
	}
	m.notes = nil
	return turn
}

// Memory is what must survive; the caller must not change what it points to.
func (m *Machine) Memory() Memory { return m.mem }

// Rename gives the machine the name that its container has now.
func (m *Machine) Rename(key Key) {
	m.mem.Key = key
}

// comparable picture of a Memory, without the parts that are too big to compare.
type memoryDigest struct {
	key         Key
	incarnation Incarnation
	expected    bool
	held        Reason
	heldAt      time.Time
	heldSure    bool
	attempts    int
	inARow      int
	heal        OpenHeal
	stop        StopIntent
	killed      bool
	autoRemove  bool
	stranded    bool
	alone       bool
	led         Incarnation
	boost       Boost
}

func digest(mem Memory) memoryDigest {
	d := memoryDigest{
		key: mem.Key, incarnation: mem.Incarnation, expected: mem.Expected, held: mem.Held, heldAt: mem.HeldAt, heldSure: mem.HeldSure,
		attempts: mem.Attempts, inARow: mem.RestartsInARow, killed: mem.Killed, autoRemove: mem.AutoRemove, stranded: mem.Stranded, alone: mem.Alone, led: mem.Led,
	}
	if mem.Heal != nil {
		d.heal = *mem.Heal
	}
	if mem.Boost != nil {
		d.boost = *mem.Boost
	}
	if mem.StopIntent != nil {
		d.stop = *mem.StopIntent
	}
	return d
}

// prelude tells whether an input is replayed history, from before Stoker knew whether the container still exists.
func prelude(in Input) bool {
	o, ok := in.(Observation)
	return ok && o.History && o.Kind != Listed
}

// introduce tells once who is looked after, and what is wrong with it.
func (m *Machine) introduce(now time.Time) {
	if m.introduced || m.tentative {
		return
	}
	m.introduced = true
	m.note(Note{At: now, Kind: NoteTaken})
	for _, p := range m.problems {
		m.note(Note{At: now, Kind: NoteProblem, Reason: HeldBadLabels, Detail: p.Message})
	}
	if m.barred != HeldNot {
		m.note(Note{At: now, Kind: NoteHeld, Reason: m.barred})
	} else if m.mem.Held != HeldNot {
		m.note(Note{At: now, Kind: NoteHeld, Reason: m.mem.Held})
	}
}

func (m *Machine) note(n Note) {
	n.Key, n.ID = m.mem.Key, m.mem.Incarnation.ID
	m.notes = append(m.notes, n)
}
