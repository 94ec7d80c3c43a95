package worker

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/policy"
)

const policyRecreate = policy.OnMissingRecreate

// followSettle is how long somebody else's restart of a worker may take to bring its dependents along: docker compose restart
// and an engine that boots do it themselves.
const dependentsSettle = 5 * time.Second

// Orphaned tells a worker that it lives in the namespaces of a life of another that is over (rule 18).
type Orphaned struct {
	Parent Key
	Heal   HealAction // HealRestart, or HealRecreate where it holds the ID of a container that is gone
	Since  time.Time  // the parent's present life, the engine's clock
}

// Followed tells a worker what became of its dependents.
type DependentsRestarted struct {
	Incarnation Incarnation // the life that they were to follow into
	Again       bool        // not all of them could be healed, and may be later
}

// Understudy tells a worker that another container had its name for a while: a new one, which a recreate has taken back. Whoever was
// recreated meanwhile, by that name, holds its ID.
type TemporaryContainer struct{ ID string }

func (Orphaned) input()            {}
func (DependentsRestarted) input() {}
func (TemporaryContainer) input()  {}

// lead notes that the worker has begun a life into which its dependents have to follow. A worker that is seen for the first
// time has none to fetch: whatever hangs on it came later.
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

// led: Former is kept, for one that is down, or waits for its turn, may hold such an ID still.
func (m *Machine) markFollowed() {
	m.saved.Dependents.FollowedInto, m.deps.at, m.deps.tries = m.saved.Incarnation, time.Time{}, 0
}

// Leads is the worker as a parent whose dependents have to follow, and from when on; false when they need not.
func (m *Machine) DependentsDue() (Parent, time.Time, bool) {
	if m.deps.at.IsZero() || m.container.status != StatusRunning || !m.container.inspected || m.id.Tentative {
		return Parent{}, time.Time{}, false
	}
	return Parent{Key: m.saved.Key, Incarnation: m.saved.Incarnation, PreviousIDs: m.saved.PreviousIDs}, m.deps.at, true
}

// understudied puts it before all that the worker itself had, and leaves it out when there is no room: a worker that cannot be recreated
// has one at each attempt.
func (m *Machine) temporaryContainer(in TemporaryContainer) {
	if len(m.saved.PreviousIDs) < maxPreviousIDs && !slices.Contains(m.saved.PreviousIDs, in.ID) {
		m.saved.PreviousIDs = slices.Insert(slices.Clone(m.saved.PreviousIDs), 0, in.ID)
		m.changes++
	}
}

// mostFollows is how often dependents that cannot be healed are tried again, at 1 s, 2 s, 4 s … 30 s.
const maxDependentTries = 10

func (m *Machine) dependentsRestarted(now time.Time, in DependentsRestarted) {
	current := in.Incarnation.ID == m.saved.Incarnation.ID && in.Incarnation.StartedAt.Equal(m.saved.Incarnation.StartedAt)
	switch {
	case !current:
		m.deps.at = now // into the life that has begun meanwhile
	case in.Again && m.deps.tries < maxDependentTries:
		m.deps.at = now.Add(min(firstRetry<<m.deps.tries, lastRetry))
		m.deps.tries++
	default:
		m.markFollowed()
	}
}

// orphaned: what runs in namespaces that nobody else is in any more reaches nobody.
func (m *Machine) orphaned(now time.Time, in Orphaned) {
	if m.Missing() || m.Recreating() || m.id.Unmanageable != HeldNot {
		return
	}
	if in.Heal == HealRecreate {
		m.saved.Dependents.NeedsNewParentID = true // also when it is down now: the engine could not start it
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

// company begins that life when what it had to wait for is over.
func (m *Machine) restartOrphaned(now time.Time) {
	settled := m.container.inspected && m.inFlight == nil && m.inspects.request.due.IsZero()
	if m.saved.Dependents.RestartPending && m.idle() && settled && m.container.status == StatusRunning {
		m.openOrphanedHeal(now, "")
	}
}

// rejoin begins the life in which the worker is with its parent again.
func (m *Machine) openOrphanedHeal(now time.Time, parent string) {
	m.saved.Dependents.RestartPending = false
	m.openHeal(now, cause{fault: FaultOrphaned, intent: IntentNone, reason: ReasonParentRestarted, action: HealRestart, detail: parent})
}
