package worker

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/policy"
)

const policyRecreate = policy.OnMissingRecreate

// dependentsSettle is how long another client's restart of a worker may take to restart its dependents, too: docker compose
// restart and a booting daemon do.
const dependentsSettle = 5 * time.Second

// Parent is a worker that began a new incarnation, so the dependents of the last one are orphaned.
type Parent struct {
	Key Key
	Incarnation
	PreviousIDs []string          // IDs before its recreates
	Labels      map[string]string // those of docker compose list the dependents
	EndedAt     time.Time         // end of the last incarnation, the engine's clock; zero if unknown
}

// Dependent is a container that may depend on another one.
type Dependent struct {
	Key       Key
	ID        string
	Labels    map[string]string
	Parents   []string // containers whose namespaces it shares: usually IDs
	PIDParent string   // the container whose PID namespace it shares: its exit kills this one
}

// Orphaned reports that the worker shares the namespaces of a past incarnation of its parent (rule 18).
type Orphaned struct {
	Parent Key
	Heal   HealAction // HealRestart, or HealRecreate if it refers to the ID of a container that is gone
	Since  time.Time  // the parent's present incarnation, the engine's clock
}

// DependentsRestarted is the result of restarting a worker's dependents.
type DependentsRestarted struct {
	Incarnation Incarnation // into which they were restarted
	Again       bool        // not all could be restarted, and are retried
}

// TemporaryContainer reports that another container had the worker's name for a while: the new one of a recreate that was rolled
// back. A dependent that was recreated meanwhile by that name refers to its ID.
type TemporaryContainer struct{ ID string }

func (Orphaned) input()            {}
func (DependentsRestarted) input() {}
func (TemporaryContainer) input()  {}

// dependentsDue records that the worker began an incarnation into which its dependents must be restarted. A worker seen for the
// first time has none: its dependents were started later.
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
	case m.deps.at.IsZero() && m.life.start.by == startedByStoker:
		m.deps.at = now
	case m.deps.at.IsZero():
		m.deps.at = now.Add(dependentsSettle)
	}
}

// markFollowed keeps PreviousIDs: a dependent that is down or waiting may still refer to such an ID.
func (m *Machine) markFollowed() {
	m.saved.Dependents.FollowedInto, m.deps.at, m.deps.tries = m.saved.Incarnation, time.Time{}, 0
}

// DependentsDue returns the worker as a parent whose dependents must be restarted, and from when on; false if they need not be.
func (m *Machine) DependentsDue() (Parent, time.Time, bool) {
	if m.deps.at.IsZero() || m.container.status != StatusRunning || !m.container.inspected || m.id.Tentative {
		return Parent{}, time.Time{}, false
	}
	return Parent{
		Key: m.saved.Key, Incarnation: m.saved.Incarnation, PreviousIDs: m.saved.PreviousIDs, Labels: m.saved.Labels, EndedAt: m.deps.parentEnded,
	}, m.deps.at, true
}

// temporaryContainer adds the ID before all IDs of the worker itself, if there is room: a worker that cannot be recreated gets
// one at each attempt.
func (m *Machine) temporaryContainer(in TemporaryContainer) {
	if len(m.saved.PreviousIDs) < maxPreviousIDs && !slices.Contains(m.saved.PreviousIDs, in.ID) {
		m.saved.PreviousIDs = slices.Insert(slices.Clone(m.saved.PreviousIDs), 0, in.ID)
		m.changes++
	}
}

// maxDependentTries bounds the retries of dependents that cannot be healed, at 1 s, 2 s, 4 s … 30 s.
const maxDependentTries = 10

func (m *Machine) dependentsRestarted(now time.Time, in DependentsRestarted) {
	current := in.Incarnation.ID == m.saved.Incarnation.ID && in.Incarnation.StartedAt.Equal(m.saved.Incarnation.StartedAt)
	switch {
	case !current:
		m.deps.at = now // into the present incarnation, which began meanwhile
	case in.Again && m.deps.tries < maxDependentTries:
		m.deps.at = now.Add(min(firstRetry<<m.deps.tries, lastRetry))
		m.deps.tries++
	default:
		m.markFollowed()
	}
}

// orphaned heals a worker whose namespaces no running container shares any more: its network is gone.
func (m *Machine) orphaned(now time.Time, in Orphaned) {
	if m.Missing() || m.Recreating() || m.id.Unmanageable != HeldNot {
		return
	}
	if in.Heal == HealRecreate {
		m.saved.Dependents.NeedsNewParentID = true // also if it is down now: the engine could not start it
		m.recreateInstead()
	}
	late := in.Heal == HealRestart && m.saved.Incarnation.StartedAt.After(in.Since)
	switch {
	case late || m.phase() == PhaseHeld:
	case m.container.status == StatusRunning && m.idle():
		m.openOrphanedHeal(now, string(in.Parent))
	case !m.container.status.Down(): // a worker that is down begins a new incarnation anyway
		m.saved.Dependents.RestartPending = true
	}
}

// recreateInstead replaces a start that is due by a recreate: the container could not start.
func (m *Machine) recreateInstead() {
	if m.phase() != PhaseBackingOff || !m.container.status.Down() {
		return
	}
	s := m.saved.State
	s.Phase, s.Heal.Action = PhaseRecreateDue, HealRecreate
	m.enter(s)
}

// restartOrphaned begins the restart of an orphaned worker once it no longer has to wait.
func (m *Machine) restartOrphaned(now time.Time) {
	settled := m.container.inspected && m.inFlight == nil && m.inspects.request.due.IsZero()
	if m.saved.Dependents.RestartPending && m.idle() && settled && m.container.status == StatusRunning {
		m.openOrphanedHeal(now, "")
	}
}

// openOrphanedHeal begins the restart that moves the worker into its parent's present namespaces.
func (m *Machine) openOrphanedHeal(now time.Time, parent string) {
	m.saved.Dependents.RestartPending = false
	m.openHeal(now, cause{fault: FaultOrphaned, intent: IntentNone, reason: ReasonParentRestarted, action: HealRestart, detail: parent})
}

// Runs reports whether the worker is still in this incarnation.
func (m *Machine) Runs(i Incarnation) bool {
	return m.container.status == StatusRunning && i.same(m.saved.Incarnation)
}

// Policy is the policy in the worker's labels.
func (m *Machine) Policy() policy.Policy { return m.id.Policy }

// noteEnded records when an incarnation ended: containers in its PID namespace ended with it.
func (m *Machine) noteEnded(at time.Time) {
	if !at.IsZero() {
		m.deps.parentEnded = at
	}
}

// Parents are the containers whose namespaces the worker shares, from its last inspect.
func (m *Machine) Parents() []string { return m.container.config.parents }

// Down reports whether the worker has a container without a process.
func (m *Machine) Down() bool { return m.container.status.Down() }

// Joinable reports whether a container that shares the worker's namespaces can be started without losing them at once.
func (m *Machine) Joinable() bool {
	return m.container.status == StatusRunning && !m.Recreating() && !m.stopSent()
}

// KilledInNamespace returns the container whose PID namespace the worker shares, and when the worker was killed, if that is its
// latest state.
func (m *Machine) KilledInNamespace() (pidParent string, at time.Time, ok bool) {
	const killed = 137
	parent := m.container.config.pidParent
	return parent, m.life.end.at, parent != "" && m.container.status == StatusExited && m.life.end.code == killed && !m.life.end.at.IsZero()
}
