package worker

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/policy"
)

const policyRecreate = policy.OnMissingRecreate

// dependentsSettle is how long somebody else's restart of a worker may take to bring its dependents along: docker compose restart
// and a daemon that boots do it themselves.
const dependentsSettle = 5 * time.Second

// Parent is a worker that began a new incarnation, so that what shares the namespaces of the last one is orphaned.
type Parent struct {
	Key Key
	Incarnation
	PreviousIDs []string          // IDs that it had before it was recreated
	Labels      map[string]string // docker compose's say who depends on it
	EndedAt     time.Time         // when the last incarnation ended, the engine's clock; zero when that is not known
}

// Dependent is a container that could depend on another one.
type Dependent struct {
	Key       Key
	ID        string
	Labels    map[string]string
	Parents   []string // containers whose namespaces it shares: IDs as a rule
	PIDParent string   // the one whose process namespace it shares: it is killed when that one ends
}

// Orphaned tells a worker that it shares the namespaces of an incarnation of another that is over (rule 18).
type Orphaned struct {
	Parent Key
	Heal   HealAction // HealRestart, or HealRecreate where it holds the ID of a container that is gone
	Since  time.Time  // the parent's present incarnation, the engine's clock
}

// DependentsRestarted tells a worker what became of its dependents.
type DependentsRestarted struct {
	Incarnation Incarnation // into which they were to be restarted
	Again       bool        // not all of them could be healed, and may be later
}

// TemporaryContainer tells a worker that another container had its name for a while: a new one, of a recreate that was undone. A
// dependent that was recreated meanwhile, onto that name, holds its ID.
type TemporaryContainer struct{ ID string }

func (Orphaned) input()            {}
func (DependentsRestarted) input() {}
func (TemporaryContainer) input()  {}

// dependentsDue notes that the worker has begun an incarnation into which its dependents have to be restarted. A worker that is seen for
// the first time has none: what depends on it came later.
func (m *Machine) dependentsDue(now time.Time) {
	settled := m.inFlight == nil && m.inspects.request.due.IsZero()
	if m.container.status != StatusRunning || !m.container.inspected || !settled || m.id.Unmanageable != HeldNot || m.Recreating() {
		return
	}
	switch {
	case m.saved.Dependents.FollowedInto.ID == "", m.id.Policy.Dependents == policy.DependentsNone:
		m.markFollowed()
	case m.saved.Dependents.FollowedInto.ID == m.saved.Incarnation.ID && m.saved.Dependents.FollowedInto.StartedAt.Equal(m.saved.Incarnation.StartedAt):
		m.deps.at = time.Time{}
	case m.deps.at.IsZero() && m.life.startedBy == startedByStoker:
		m.deps.at = now
	case m.deps.at.IsZero():
		m.deps.at = now.Add(dependentsSettle)
	}
}

// markFollowed keeps PreviousIDs: a dependent that is down, or waits, may hold such an ID still.
func (m *Machine) markFollowed() {
	m.saved.Dependents.FollowedInto, m.deps.at, m.deps.tries = m.saved.Incarnation, time.Time{}, 0
}

// DependentsDue is the worker as a parent whose dependents have to be restarted, and from when on; false when they need not.
func (m *Machine) DependentsDue() (Parent, time.Time, bool) {
	if m.deps.at.IsZero() || m.container.status != StatusRunning || !m.container.inspected || m.id.Tentative {
		return Parent{}, time.Time{}, false
	}
	return Parent{
		Key: m.saved.Key, Incarnation: m.saved.Incarnation, PreviousIDs: m.saved.PreviousIDs, Labels: m.saved.Labels, EndedAt: m.deps.parentEnded,
	}, m.deps.at, true
}

// temporaryContainer puts the ID before all that the worker itself had, and leaves it out when there is no room: a worker that cannot be
// recreated has one at each attempt.
func (m *Machine) temporaryContainer(in TemporaryContainer) {
	if len(m.saved.PreviousIDs) < maxPreviousIDs && !slices.Contains(m.saved.PreviousIDs, in.ID) {
		m.saved.PreviousIDs = slices.Insert(slices.Clone(m.saved.PreviousIDs), 0, in.ID)
		m.changes++
	}
}

// maxDependentTries is how often dependents that cannot be healed are tried again, at 1 s, 2 s, 4 s … 30 s.
const maxDependentTries = 10

func (m *Machine) dependentsRestarted(now time.Time, in DependentsRestarted) {
	current := in.Incarnation.ID == m.saved.Incarnation.ID && in.Incarnation.StartedAt.Equal(m.saved.Incarnation.StartedAt)
	switch {
	case !current:
		m.deps.at = now // into the incarnation that has begun meanwhile
	case in.Again && m.deps.tries < maxDependentTries:
		m.deps.at = now.Add(min(firstRetry<<m.deps.tries, lastRetry))
		m.deps.tries++
	default:
		m.markFollowed()
	}
}

// orphaned: a worker in namespaces that nobody else is in any more reaches nobody.
func (m *Machine) orphaned(now time.Time, in Orphaned) {
	if m.Missing() || m.Recreating() || m.id.Unmanageable != HeldNot {
		return
	}
	if in.Heal == HealRecreate {
		m.saved.Dependents.NeedsNewParentID = true // also when it is down now: the engine could not start it
		m.recreateInstead()
	}
	late := in.Heal == HealRestart && m.saved.Incarnation.StartedAt.After(in.Since)
	switch {
	case late || m.phase() == PhaseHeld:
	case m.container.status == StatusRunning && m.idle():
		m.openOrphanedHeal(now, string(in.Parent))
	case !m.container.status.Down(): // one that is down begins a new incarnation anyway
		m.saved.Dependents.RestartPending = true
	}
}

// recreateInstead makes a recreate of a start that is due: the container could not start.
func (m *Machine) recreateInstead() {
	if m.phase() != PhaseBackingOff || !m.container.status.Down() {
		return
	}
	s := m.saved.State
	s.Phase, s.Heal.Action = PhaseRecreateDue, HealRecreate
	m.enter(s)
}

// restartOrphaned begins the restart of an orphaned worker when what it had to wait for is over.
func (m *Machine) restartOrphaned(now time.Time) {
	settled := m.container.inspected && m.inFlight == nil && m.inspects.request.due.IsZero()
	if m.saved.Dependents.RestartPending && m.idle() && settled && m.container.status == StatusRunning {
		m.openOrphanedHeal(now, "")
	}
}

// openOrphanedHeal begins the restart after which the worker is in its parent's namespaces again.
func (m *Machine) openOrphanedHeal(now time.Time, parent string) {
	m.saved.Dependents.RestartPending = false
	m.openHeal(now, cause{fault: FaultOrphaned, intent: IntentNone, reason: ReasonParentRestarted, action: HealRestart, detail: parent})
}

// Runs reports whether the worker is in this incarnation still.
func (m *Machine) Runs(i Incarnation) bool {
	return m.container.status == StatusRunning && i.same(m.saved.Incarnation)
}

// Policy is what the worker's labels say.
func (m *Machine) Policy() policy.Policy { return m.id.Policy }

// noteEnded keeps when an incarnation ended: what shared its process namespace ended with it.
func (m *Machine) noteEnded(at time.Time) {
	if !at.IsZero() {
		m.deps.parentEnded = at
	}
}

// Parents are the containers whose namespaces the worker shares, as its last inspect shows them.
func (m *Machine) Parents() []string { return m.container.config.parents }

// Down reports whether the worker has a container without a process.
func (m *Machine) Down() bool { return m.container.status.Down() }

// Joinable reports whether a container can be started that shares the worker's namespaces, and will not lose them at once.
func (m *Machine) Joinable() bool {
	return m.container.status == StatusRunning && !m.Recreating() && !m.stopSent()
}

// KilledInNamespace is the container whose process namespace the worker shares, and when the worker was killed, if that was the last
// that was heard of it.
func (m *Machine) KilledInNamespace() (pidParent string, at time.Time, ok bool) {
	const killed = 137
	parent := m.container.config.pidParent
	return parent, m.life.endedAt, parent != "" && m.container.status == StatusExited && m.life.exitCode == killed && !m.life.endedAt.IsZero()
}
