package docker

import (
	"slices"
	"strings"

	"stoker/sidecar/internal/core/worker"
)

// Labels by which compose knows its containers, and what they depend on: "db:service_started:true,…", of which the last
// part says whether to restart with it. compose before v2.3 wrote the names alone, and never meant a restart.
const (
	composeProject   = "com.docker.compose.project"
	composeService   = "com.docker.compose.service"
	composeDependsOn = "com.docker.compose.depends_on"
	composeOneOff    = "com.docker.compose.oneoff"
	swarmTask        = "com.docker.swarm.task.id"
	swarmService     = "com.docker.swarm.service.id"
)

// guest is a container that may hang on another one.
type guest struct {
	id     string
	key    worker.Key
	labels map[string]string
	refs   []string // to the containers whose namespaces it lives in: IDs as a rule
	spared bool     // a worker: its own machine heals it
}

// host is a container that began a new life, or will.
type host struct {
	id     string
	key    worker.Key
	labels map[string]string
	former []string // IDs that it had before
}

// bond is how a guest hangs on a host.
type bond uint8

const (
	noBond bond = iota
	byDependsOn
	byNamespace // it names the host as it is
	byFormer    // it names an ID that the host had once: it can never be started again as it is
)

// bondOf tells how a guest hangs on a host, by the strongest bond.
func bondOf(g guest, h host) bond {
	found := noBond
	for _, ref := range g.refs {
		switch {
		case slices.ContainsFunc(h.former, func(id string) bool { return means(ref, id) }):
			return byFormer
		case means(ref, h.id), strings.TrimPrefix(ref, "/") == string(h.key):
			found = byNamespace
		}
	}
	if found == noBond && dependsOn(g.labels, h.labels) {
		found = byDependsOn
	}
	return found
}

// means reports whether a reference is this ID, whole or cut short.
func means(ref, id string) bool {
	const short = 12
	return ref == id || len(ref) >= short && strings.HasPrefix(id, ref)
}

// dependsOn reports whether compose would restart a container together with the other one.
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

// untouchable tells by its labels and name that a container is never healed with another one: Swarm does it itself, a
// one-off's end is its result, and one of a transaction is not over.
func untouchable(key worker.Key, labels map[string]string) bool {
	return labels[swarmTask] != "" || labels[swarmService] != "" || strings.EqualFold(labels[composeOneOff], "true") ||
		key.IsTemporaryName(labels) || key.IsBackupName()
}

// tie is one bond of a relative.
type tie struct {
	host string // its ID, as it was at the list
	bond bond
}

// relative is a guest that hangs on a root, or on another relative that is not spared.
type relative struct {
	guest
	ties []tie
}

// family are all that hang on the roots, directly or not. What hangs on a spared one only is not among them. No root is
// its own relative.
func family(guests []guest, roots []host) []relative {
	var all []relative
	at := map[string]int{}
	for _, root := range roots {
		at[root.id] = -1
	}
	for queue := roots; len(queue) > 0; queue = queue[1:] {
		for _, g := range guests {
			b := bondOf(g, queue[0])
			i, known := at[g.id]
			if b == noBond || i < 0 {
				continue
			}
			if !known {
				i = len(all)
				at[g.id] = i
				all = append(all, relative{guest: g})
				if !g.spared {
					queue = append(queue, host{id: g.id, key: g.key, labels: g.labels})
				}
			}
			all[i].ties = append(all[i].ties, tie{queue[0].id, b})
		}
	}
	return all
}

// round are the relatives whose turn it is: none of their hosts waits any more. In a circle, which only depends_on can
// make, it is everyone's.
func round(waiting []relative) (now, later []relative) {
	waits := map[string]bool{}
	for _, r := range waiting {
		waits[r.id] = true
	}
	for _, r := range waiting {
		if slices.ContainsFunc(r.ties, func(t tie) bool { return waits[t.host] && t.host != r.id }) {
			later = append(later, r)
			continue
		}
		now = append(now, r)
	}
	if len(now) == 0 {
		return waiting, nil
	}
	return now, later
}

// life is what became of a host: its incarnation now, under the ID that it had at the list.
type life struct {
	key worker.Key
	worker.Incarnation
}

// stranding tells what a relative needs, and for whose sake, given the lives that its hosts have begun; nothing when it
// is not orphaned.
func stranding(r relative, self worker.Incarnation, lives map[string]life) (worker.HealAction, worker.Key) {
	heal, parent := worker.HealNone, worker.Key("")
	for _, t := range r.ties {
		l, begun := lives[t.host]
		switch {
		case !begun:
		case t.bond == byFormer, t.bond == byNamespace && l.ID != t.host:
			return worker.HealRecreate, l.key
		case heal == worker.HealNone && self.StartedAt.Before(l.StartedAt):
			heal, parent = worker.HealRestart, l.key
		}
	}
	return heal, parent
}
