package simulation

import (
	"slices"
	"strings"
	"syscall"
	"time"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// The facts about containers that several checkers need, from the world or from the plan.

// isWorker reports whether a container is a managed worker. It does not use the code under test: the labels that a plan draws are few.
func (r *run) isWorker(t dockertest.Truth) bool {
	l := t.Labels
	if t.ID == r.self || l["stoker.scope"] != "" || l["com.docker.swarm.task.id"] != "" || l["com.docker.compose.oneoff"] != "" {
		return false
	}
	if l["stoker.on-exit"] == "sometimes" || l["stoker.max-atempts"] != "" {
		return false
	}
	switch l["stoker.enable"] {
	case "true":
		return true
	case "false":
		return false
	}
	return r.plan.Mode == policy.ModeAll || r.plan.Mode == policy.ModeQuota && t.CPUs > 0
}

// policyOf returns the policy of a container's labels, which never change.
func (r *run) policyOf(t dockertest.Truth) policy.Policy {
	p, ok := r.policies[t.ID]
	if !ok {
		p, _ = policy.Defaults{Policy: policy.Default()}.Parse(t.Labels)
		r.policies[t.ID] = p
	}
	return p
}

// unmanageable returns the labels for which Stoker shows a container and never acts on it.
func unmanageable(t dockertest.Truth) string {
	l := t.Labels
	return l["com.docker.swarm.task.id"] + l["com.docker.compose.oneoff"] + l["stoker.max-atempts"] + l["stoker.on-exit"]
}

// plannedName returns the name under which a plan created a container.
func plannedName(t dockertest.Truth) string {
	_, name, cut := strings.Cut(string(t.Key), "_")
	if !cut {
		name = string(t.Key)
	}
	return strings.TrimSuffix(name, "x")
}

// root returns the first of the containers that replaced each other up to this one.
func (r *run) root(t dockertest.Truth) string {
	for {
		_, of, ok := worker.ReplacementOf(t.Labels)
		old, found := r.world.TruthByID(of)
		if !ok || !found {
			return t.ID
		}
		t = old
	}
}

// lastIncarnation returns when the current or last incarnation of a container began and ended.
func lastIncarnation(t dockertest.Truth) (began, ended time.Time) {
	if len(t.Lives) == 0 {
		return time.Time{}, time.Time{}
	}
	l := t.Lives[len(t.Lives)-1]
	return l.Began, l.Ended
}

// renamed reports whether an operator renamed one of the containers that replaced each other. Both may be the operator's then.
func (r *run) renamed(root string) bool {
	return slices.ContainsFunc(r.world.Events(), func(e dockertest.Event) bool {
		t, _ := r.world.TruthByID(e.ID)
		return e.Action == "rename" && e.By == dockertest.ByOperator && r.root(t) == root
	})
}

func (r *run) removedBy(id string) dockertest.Actor {
	for _, e := range r.world.Events() {
		if e.ID == id && e.Action == "destroy" {
			return e.By
		}
	}
	return ""
}

// transactionOpen reports whether a transaction is in progress. A dependent that cannot start is retried without end.
func (r *run) transactionOpen() bool {
	for _, a := range r.stoker.inFlight {
		if a.Verb == worker.ListDependents || a.Verb == worker.RestartDependent {
			return true
		}
	}
	return r.stoker.fleet.Transactions() > 0
}

// signalled reports whether an operator sent a stop signal to the current incarnation of a running container. docker stop -t may take any
// time, so Stoker does not act on the container for an hour.
func (r *run) signalled(t dockertest.Truth) bool {
	began, _ := lastIncarnation(t)
	stop := []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, r.specs[plannedName(t)].StopSignal}
	return slices.ContainsFunc(r.world.Events(), func(e dockertest.Event) bool {
		sent := e.ID == t.ID && e.Action == "kill" && e.By == dockertest.ByOperator && e.TrueAt.After(began)
		return sent && slices.Contains(stop, syscall.Signal(e.Signal))
	})
}
