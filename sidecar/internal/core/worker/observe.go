package worker

import (
	"slices"
	"strings"
	"time"
)

// settle is how long a state that contradicts the events may wait for the event that explains it. A list or a look
// travels on another connection than the events and may lead them.
const settle = 2 * time.Second

// dockerSettle is the same for a container with a Docker restart policy: a booting engine waits up to 5 s for a
// parent before it starts such a container (moby daemon.go, restore).
const dockerSettle = 10 * time.Second

func (m *Machine) observe(now time.Time, o Observation) {
	switch {
	case m.Missing():
		return // it was about the container that is gone
	case m.Anew():
		m.observeAnew(now, o)
		return
	}
	if o.History && m.outdated(o) {
		m.retold(o)
		return
	}
	m.take(now, o)
}

// retold: an event of an earlier life still tells where in the stream the present one begins.
func (m *Machine) retold(o Observation) {
	if o.Kind == Started {
		m.early = nil // what came before it in the stream was about the life before
	}
	if o.Kind == Started && !o.At.Before(m.mem.Incarnation.StartedAt) {
		m.awaitStart = time.Time{} // it is the start of the life that is known
	}
}

func (m *Machine) take(now time.Time, o Observation) {
	switch o.Kind {
	case Listed:
		m.listed(now, o)
	case Created, Updated:
		m.wishLook(now, ReasonChanged)
	case Started:
		m.started(now, o)
	case Exited:
		m.exited(now, o)
	case Signalled:
		m.signalled(now, o)
	case Stopped:
		m.stopped(now, o)
	case OutOfMemory:
		m.outOfMemory(o)
	case Unhealthy:
		m.turnedUnhealthy(now)
	case Healthy:
		m.turnedHealthy(now)
	case Paused:
		m.status = StatusPaused
		m.wellSince = time.Time{}
		m.doubt(now)
		m.note(Note{At: now, Kind: NoteHeld, Reason: HeldPaused})
	case Resumed:
		m.status = StatusRunning
		m.resumedAt = o.At
		m.wishLook(now, ReasonChanged)
	case Renamed:
		m.renamed(now, o)
	case Gone:
		m.gone(now, o.At)
	case LinkLost, LinkOpened, ListBegan, ListEnded:
		// the fleet's, not one worker's
	}
}

// outdated tells whether a replayed event is about an earlier life than the one that is known. Only replayed events
// are dropped by their time: the engine's clock may step back, and a live event is never about the past.
func (m *Machine) outdated(o Observation) bool {
	if o.Kind == Started {
		return o.At.Before(m.endedAt) || m.startOf(m.mem.Incarnation.StartedAt, o)
	}
	ofALife := []Kind{Exited, Signalled, Stopped, OutOfMemory, Unhealthy, Healthy, Paused, Resumed}
	if !slices.Contains(ofALife, o.Kind) {
		return false
	}
	// With the heal that was given up for good went what told Stoker's own stop from an operator's.
	judged := m.mem.Held == HeldExhausted && m.mem.Heal == nil && !o.At.After(m.mem.HeldAt)
	return judged || o.At.Before(m.mem.Incarnation.StartedAt)
}

// awaiting tells whether what comes now is still about the life before Stoker's own start: the stream is in order, and
// that start has not come by in it. The time bounds the damage of a start event that was lost.
func (m *Machine) awaiting(now time.Time) bool {
	return now.Before(m.awaitStart)
}

func (m *Machine) listed(now time.Time, o Observation) {
	if o.History {
		m.awaitStart = time.Time{}
	}
	if m.barred != HeldNot {
		m.status, m.health = o.Status, o.Health
		return
	}
	m.backInPlace(now, o)
	m.leftAside(now, o)
	if !m.looked {
		m.wishLook(now, ReasonNew)
		return
	}
	differs := o.Status != m.status || (o.Status == StatusRunning && o.Health != m.health && o.Health != HealthUntold)
	if i := m.mem.StopIntent; i != nil && i.Complete && o.Status == StatusRunning {
		differs = true // stopped, and running all the same: it is another life
	}
	if differs && m.busy == nil {
		m.wishLook(now.Add(settle), ReasonUncertain)
	}
}

// backInPlace: a list that shows a worker under a name of its own that was on its way out says that somebody has thought better
// of it, while no Stoker was there to see. How it ended is judged by what is left of it.
func (m *Machine) backInPlace(now time.Time, o Observation) {
	if m.mem.Held != HeldReplaced || o.Key == "" || o.Key.Aside() || m.byCompose(o.Key) {
		return
	}
	if m.setAside != nil { // a transaction was undone, and the event that says so was lost, unless the list is the older one
		if o.At.After(m.mem.HeldAt.Add(settle)) {
			m.namedBack(now)
		}
		return
	}
	m.release()
	m.unjudged = o.Status.Down()
	m.wishLook(now, ReasonChanged)
}

// leftAside: it still has the name that a transaction gave it, and no transaction is under way. Somebody else has the worker's name,
// so that it could not have it back, and is the worker now: a heal would make two of it.
func (m *Machine) leftAside(now time.Time, o Observation) {
	if m.mem.Key.Aside() && m.mem.Held != HeldReplaced {
		m.setAsideBy(now, o)
	}
}

// setAsideBy holds it, and keeps what it was before, for when it has its own name again.
func (m *Machine) setAsideBy(now time.Time, o Observation) {
	before := m.mem
	m.setAside = &before
	m.hold(now, HeldReplaced, o.At)
}

// byCompose tells whether docker-compose gave the container this name, to replace it.
func (m *Machine) byCompose(key Key) bool {
	return strings.HasPrefix(string(key), m.shortID()+"_")
}

func (m *Machine) shortID() string {
	id := m.mem.Incarnation.ID
	return id[:min(len(id), 12)]
}

func (m *Machine) started(now time.Time, o Observation) {
	if m.status == StatusRunning && m.startOf(m.startedAt, o) { // a look was quicker than the event
		if !o.At.Before(m.startedAt) {
			m.awaitStart = time.Time{}
		}
		m.mem.StopIntent, m.yieldUntil = nil, time.Time{} // what came before it in the stream was about the life before
		return
	}
	again := m.byDocker && o.History && !m.looked && m.mem.StopIntent == nil // one of several that nobody followed
	byDocker := m.mem.Held == HeldDocker || m.status == StatusRestarting || again
	m.byDocker = byDocker
	own := m.awaiting(now) || m.beganByHeal(o)
	m.startedAt, m.ownLife = o.At, own
	m.mem.Incarnation.StartedAt = o.At // nearly: a replay of this start is known by it, also when no look comes any more
	m.awaitStart, m.overtaken = time.Time{}, m.busy != nil
	m.status, m.health = StatusRunning, m.firstHealth()
	m.mem.StopIntent = nil
	m.mem.Expected = true
	m.newLife()
	if own {
		m.verifyOwnStart(now)
		return
	}
	m.startedByOther(now, byDocker)
	m.wishLook(now, ReasonChanged)
}

// beganByHeal tells whether a start is that of the heal: one that was sent, or the one of a life of which a look has told that
// it is over already.
func (m *Machine) beganByHeal(o Observation) bool {
	h := m.mem.Heal
	if h == nil {
		return false
	}
	return (h.Step == StepStart && h.StartSent) || (h.Step == StepVerify && m.unexplained() && m.startOf(m.startedAt, o))
}

// startOf tells whether a start event belongs to the life that began at that time: the engine notes the time of a start
// a little before it tells of it.
func (m *Machine) startOf(began time.Time, o Observation) bool {
	return !began.IsZero() && !o.At.After(began.Add(settle)) && !m.endedAt.After(began)
}

// newLife forgets what was seen of the last one.
func (m *Machine) newLife() {
	m.unseenEnd, m.wellSince, m.unhealthyAt = time.Time{}, time.Time{}, time.Time{}
	m.yieldUntil, m.resumedAt = time.Time{}, time.Time{}
	m.delayed, m.mem.Alone = false, false
	m.engineTook, m.unjudged, m.unhealed = false, false, HeldNot
	m.early = nil
}

// verifyOwnStart: the answer to the start is on its way, or was lost; then a look tells. Stop signals from here on are
// somebody else's.
func (m *Machine) verifyOwnStart(now time.Time) {
	if heal := m.mem.Heal; heal != nil {
		begun := *heal
		begun.StopSentAt = time.Time{}
		m.mem.Heal = &begun
	}
	if m.busy == nil {
		m.wishLook(now, ReasonVerifying)
	}
}

// startedByOther: an operator's start wipes the slate; Docker's own does not, for it is part of the same trouble.
func (m *Machine) startedByOther(now time.Time, byDocker bool) {
	m.ownLife = false
	reason := ReasonSuperseded
	if byDocker {
		reason = ReasonWaitsDocker
	} else {
		m.mem.Attempts, m.mem.RestartsInARow = 0, 0
	}
	if m.mem.Heal != nil || m.mem.Held != HeldNot {
		m.note(Note{At: now, Kind: NoteRecovered, Reason: reason})
	}
	m.mem.Heal = nil
	m.release()
}

func (m *Machine) firstHealth() Health {
	if m.traits.healthcheck {
		return HealthStarting
	}
	return HealthNone
}

func (m *Machine) turnedUnhealthy(now time.Time) {
	m.health = HealthUnhealthy
	m.wellSince = time.Time{}
	if m.unhealthyAt.IsZero() {
		m.unhealthyAt = now
	}
	if m.status == StatusRunning {
		m.wishLook(now, ReasonProbeFailed)
	}
}

func (m *Machine) turnedHealthy(now time.Time) {
	m.health = HealthHealthy
	m.unhealthyAt = time.Time{}
	m.doubt(now)
	m.unhealed = HeldNot
	if m.status == StatusRunning {
		m.well(now)
	}
}

// renamed: docker-compose renames a container to <short id>_<name> when it is about to replace it, and another Stoker to a
// name of its own. Such a container is on its way out, and a start of it would make the removal fail.
func (m *Machine) renamed(now time.Time, o Observation) {
	if o.OldKey.Aside() && !o.Key.Aside() {
		m.namedBack(now)
		return
	}
	switch {
	case o.OldKey == "":
	case o.Key.Aside() && m.mem.Held != HeldReplaced:
		m.setAsideBy(now, o)
	case o.Key.Aside(), string(o.Key) == m.shortID()+"_"+strings.TrimPrefix(string(o.OldKey), "/"):
		m.hold(now, HeldReplaced, o.At)
	}
}

// namedBack: the transaction that had set it aside was undone. That may have been Stoker's own, of which the events came
// behind the answer.
func (m *Machine) namedBack(now time.Time) {
	before := m.setAside
	m.setAside = nil
	if before == nil || m.mem.Held != HeldReplaced {
		return
	}
	m.mem.Held, m.mem.HeldAt, m.mem.HeldSure, m.mem.Killed = before.Held, before.HeldAt, before.HeldSure, before.Killed
	m.mem.Heal, m.mem.StopIntent, m.mem.Expected = before.Heal, before.StopIntent, before.Expected
	m.unjudged = m.status == StatusExited && m.mem.Held == HeldNot && m.mem.Heal == nil
	m.wishLook(now, ReasonChanged)
}

// doubt: an event came by while a look is under way, whose answer may be older than the event. It is looked once more, or a
// worker that got well just then would count as starting until the next list.
func (m *Machine) doubt(now time.Time) {
	if m.busy != nil {
		m.wishLook(now, ReasonVerifying)
	}
}

func (m *Machine) wishLook(due time.Time, reason Reason) {
	if m.look.due.IsZero() || due.Before(m.look.due) {
		m.look = wish{due: due, reason: reason}
	}
}
