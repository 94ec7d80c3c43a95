package worker

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/policy"
)

const policyRecreate = policy.OnMissingRecreate

// followSettle is how long somebody else's restart of a worker may take to bring its dependents along: docker compose restart
// and an engine that boots do it themselves.
const followSettle = 5 * time.Second

// Stranded tells a worker that it lives in the namespaces of a life of another that is over (rule 18).
type Stranded struct {
	Parent Key
	Heal   Heal      // HealRestart, or HealRecreate where it holds the ID of a container that is gone
	Since  time.Time // the parent's present life, the engine's clock
}

// Followed tells a worker what became of its dependents.
type Followed struct {
	Incarnation Incarnation // the life that they were to follow into
	Again       bool        // not all of them could be healed, and may be later
}

// Understudy tells a worker that another container had its name for a while: a new one, which a recreate has taken back. Whoever was
// made anew meanwhile, by that name, holds its ID.
type Understudy struct{ ID string }

func (Stranded) input()   {}
func (Followed) input()   {}
func (Understudy) input() {}

// lead notes that the worker has begun a life into which its dependents have to follow. A worker that is seen for the first
// time has none to fetch: whatever hangs on it came later.
func (m *Machine) lead(now time.Time) {
	settled := m.busy == nil && m.look.due.IsZero()
	if m.status != StatusRunning || !m.looked || !settled || m.barred != HeldNot || m.Anew() {
		return
	}
	switch {
	case m.mem.Led.ID == "", m.policy.Dependents == policy.DependentsNone:
		m.led()
	case m.mem.Led.ID == m.mem.Incarnation.ID && m.mem.Led.StartedAt.Equal(m.mem.Incarnation.StartedAt):
		m.followAt = time.Time{}
	case m.followAt.IsZero() && m.ownLife:
		m.followAt = now
	case m.followAt.IsZero():
		m.followAt = now.Add(followSettle)
	}
}

// led: Former is kept, for one that is down, or waits for its turn, may hold such an ID still.
func (m *Machine) led() {
	m.mem.Led, m.followAt, m.followTries = m.mem.Incarnation, time.Time{}, 0
}

// Leads is the worker as a parent whose dependents have to follow, and from when on; false when they need not.
func (m *Machine) Leads() (Parent, time.Time, bool) {
	if m.followAt.IsZero() || m.status != StatusRunning || !m.looked || m.tentative {
		return Parent{}, time.Time{}, false
	}
	return Parent{Key: m.mem.Key, Incarnation: m.mem.Incarnation, Former: m.mem.Former}, m.followAt, true
}

// understudied puts it before all that the worker itself had, and leaves it out when there is no room: a worker that cannot be made anew
// has one at each attempt.
func (m *Machine) understudied(in Understudy) {
	if len(m.mem.Former) < mostFormer && !slices.Contains(m.mem.Former, in.ID) {
		m.mem.Former = slices.Insert(slices.Clone(m.mem.Former), 0, in.ID)
		m.changes++
	}
}

// mostFollows is how often dependents that cannot be healed are tried again, at 1 s, 2 s, 4 s … 30 s.
const mostFollows = 10

func (m *Machine) followed(now time.Time, in Followed) {
	current := in.Incarnation.ID == m.mem.Incarnation.ID && in.Incarnation.StartedAt.Equal(m.mem.Incarnation.StartedAt)
	switch {
	case !current:
		m.followAt = now // into the life that has begun meanwhile
	case in.Again && m.followTries < mostFollows:
		m.followAt = now.Add(min(firstLook<<m.followTries, lastLook))
		m.followTries++
	default:
		m.led()
	}
}

// stranded: what runs in namespaces that nobody else is in any more reaches nobody.
func (m *Machine) stranded(now time.Time, in Stranded) {
	if m.Missing() || m.Anew() || m.barred != HeldNot {
		return
	}
	if in.Heal == HealRecreate {
		m.mem.Stranded = true // also when it is down now: the engine could not start it
	}
	late := in.Heal == HealRestart && m.mem.Incarnation.StartedAt.After(in.Since)
	switch {
	case late || m.mem.Held != HeldNot:
	case m.status == StatusRunning && m.mem.Heal == nil:
		m.rejoin(now, string(in.Parent))
	case m.status == StatusRunning || m.status == StatusPaused: // who is down has a new life to come
		m.mem.Alone = true
	}
}

// company begins that life when what it had to wait for is over.
func (m *Machine) company(now time.Time) {
	free := m.mem.Held == HeldNot && m.mem.Heal == nil && m.barred == HeldNot
	settled := m.looked && m.busy == nil && m.look.due.IsZero()
	if m.mem.Alone && free && settled && m.status == StatusRunning {
		m.rejoin(now, "")
	}
}

// rejoin begins the life in which the worker is with its parent again.
func (m *Machine) rejoin(now time.Time, parent string) {
	m.mem.Alone = false
	m.openHeal(now, cause{fault: FaultStranded, intent: IntentNone, reason: ReasonParentHealed, heal: HealRestart, detail: parent})
}
