// Package dependents decides which containers depend on others that began a new incarnation, in which order they are healed, and what each of
// them needs (rule 18).
package dependents

import (
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// Labels of docker compose. The value of depends_on is "db:service_started:true,…"; the last part is whether to restart with it. Compose before
// v2.3 wrote only the names, and never restarted.
const (
	composeProject   = "com.docker.compose.project"
	composeService   = "com.docker.compose.service"
	composeDependsOn = "com.docker.compose.depends_on"
	swarmService     = "com.docker.swarm.service.id"
)

// parent is a container that began a new incarnation, or will.
type parent struct {
	id       string
	key      worker.Key
	labels   map[string]string
	previous []string // its earlier IDs
}

// relation is how a container depends on a parent.
type relation uint8

const (
	unrelated relation = iota
	byDependsOn
	byNamespace  // it refers to the parent's current ID or name
	byPreviousID // it refers to an earlier ID of the parent, so it cannot be started unchanged
)

// relationOf returns the strongest relation.
func relationOf(d worker.Dependent, p parent) relation {
	found := unrelated
	for _, ref := range d.Parents {
		switch {
		case slices.ContainsFunc(p.previous, func(id string) bool { return Names(ref, id) }):
			return byPreviousID
		case Names(ref, p.id), strings.TrimPrefix(ref, "/") == string(p.key):
			found = byNamespace
		}
	}
	if found == unrelated && dependsOn(d.Labels, p.labels) {
		found = byDependsOn
	}
	return found
}

// Names reports whether a reference is this ID, in full or abbreviated.
func Names(ref, id string) bool {
	const short = 12
	return ref == id || len(ref) >= short && strings.HasPrefix(id, ref)
}

// dependsOn reports whether compose restarts a container together with the other one.
func dependsOn(labels, on map[string]string) bool {
	service := on[composeService]
	if service == "" || on[composeProject] == "" || labels[composeProject] != on[composeProject] {
		return false
	}
	for entry := range strings.SplitSeq(labels[composeDependsOn], ",") {
		parts := strings.Split(strings.TrimSpace(entry), ":")
		if len(parts) == 3 && parts[0] == service && strings.EqualFold(parts[2], "true") {
			return true
		}
	}
	return false
}

// untouchable reports whether a container is never healed with its parent: a task of Swarm, a one-off container, whose exit is its result, or one
// of an unfinished transaction.
func untouchable(d worker.Dependent) bool {
	return policy.SwarmTask(d.Labels) || d.Labels[swarmService] != "" || policy.OneOff(d.Labels) || d.Key.IsTemporaryName(d.Labels) || d.Key.IsBackupName()
}

// edge is one relation of a dependent.
type edge struct {
	parent   string // its ID when the containers were listed
	relation relation
}

// Affected is a container that depends on one of the parents, directly or through others.
type Affected struct {
	worker.Dependent
	Managed bool // a worker: its own machine heals it
	edges   []edge
}

// Find returns all containers that depend on the parents, directly or through others. Those that depend only on a managed container are left out:
// they follow that one. A parent may depend on another parent: both began a new incarnation, and its own may be the older.
func Find(all []worker.Dependent, parents []worker.Parent, managed func(id string) bool) []Affected {
	var found []Affected
	at, queue := map[string]int{}, []parent{}
	for _, p := range parents {
		queue = append(queue, parent{id: p.ID, key: p.Key, labels: p.Labels, previous: p.PreviousIDs})
	}
	for ; len(queue) > 0; queue = queue[1:] {
		for _, d := range all {
			r := relationOf(d, queue[0])
			i, known := at[d.ID]
			if r == unrelated || d.ID == queue[0].id || untouchable(d) {
				continue
			}
			if !known {
				i = len(found)
				at[d.ID] = i
				found = append(found, Affected{Dependent: d, Managed: managed(d.ID)})
				if !found[i].Managed {
					queue = append(queue, parent{id: d.ID, key: d.Key, labels: d.Labels})
				}
			}
			found[i].edges = append(found[i].edges, edge{queue[0].id, r})
		}
	}
	return found
}

// Round splits the waiting containers into those none of whose parents waits, and the others. In a cycle, which only depends_on can form, all are
// in the first part.
func Round(waiting []Affected) (now, later []Affected) {
	waits := map[string]bool{}
	for _, d := range waiting {
		waits[d.ID] = true
	}
	for _, d := range waiting {
		if slices.ContainsFunc(d.edges, func(e edge) bool { return waits[e.parent] && e.parent != d.ID }) {
			later = append(later, d)
			continue
		}
		now = append(now, d)
	}
	if len(now) == 0 {
		return waiting, nil
	}
	return now, later
}

// Begun is the current incarnation of a parent.
type Begun struct {
	Key worker.Key
	worker.Incarnation
	EndedAt time.Time // when its last incarnation ended; zero if unknown
}

// endSpread is the maximum time between the end of a parent and that of a container in its process namespace.
const endSpread = 2 * time.Second

// killed is the exit code of a container whose process namespace ended with its parent.
const killed = 137

// RequiredAction returns what a dependent needs, and for which parent; nothing when it is not orphaned. The parents' incarnations are given by
// the ID that each had when the containers were listed. A dependent that is down stays down unless its parent's end ended it, or leftDown is set:
// an earlier heal left it down.
func RequiredAction(a Affected, s worker.Snapshot, begun map[string]Begun, leftDown bool) (worker.HealAction, worker.Key) {
	heal, of := worker.HealNone, worker.Key("")
	ended := leftDown
	for _, e := range a.edges {
		b, ok := begun[e.parent]
		if !ok {
			continue
		}
		ended = ended || endedWith(s, a, e, b)
		switch {
		case heal == worker.HealRecreate:
		case e.relation == byPreviousID, e.relation == byNamespace && b.ID != e.parent:
			heal, of = worker.HealRecreate, b.Key
		case heal == worker.HealNone && s.StartedAt.Before(b.StartedAt):
			heal, of = worker.HealRestart, b.Key
		}
	}
	follows := s.Status == worker.StatusRunning || s.Status.Down() && ended || s.Status == worker.StatusPaused && a.Managed
	if !follows {
		return worker.HealNone, ""
	}
	return heal, of
}

// endedWith reports whether a container that is down was killed by the end of the parent whose process namespace it shares. If an operator
// stopped it before, it was not.
func endedWith(s worker.Snapshot, a Affected, e edge, b Begun) bool {
	if a.Managed || s.Status != worker.StatusExited || s.ExitCode != killed || e.relation < byNamespace || b.EndedAt.IsZero() {
		return false
	}
	gap := s.FinishedAt.Sub(b.EndedAt)
	return a.PIDParent != "" && gap > -endSpread/2 && gap < endSpread
}
