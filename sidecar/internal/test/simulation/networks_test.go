package simulation

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// drawNetworks gives half of the plans an engine that loses networks, and adds faults that lead to a loss. It has its own random source.
func drawNetworks(d random, p *plan) {
	if p.LosesNetworks = d.oneIn(2); !p.LosesNetworks {
		return
	}
	var published []string
	for i := range p.Containers {
		s := &p.Containers[i]
		if s.NetworkMode+s.PidMode != "" || s.Labels["stoker.enable"] != "true" { // a container without a network cannot be recreated for its parent
			continue
		}
		if s.HostPort == 0 && d.oneIn(2) {
			s.HostPort = 20000 + i
		}
		if d.oneIn(2) {
			s.Networks = []string{"back", "front"}
		}
		if s.HostPort != 0 {
			published = append(published, s.Name)
		}
	}
	if len(published) == 0 {
		return
	}
	burst := slices.DeleteFunc(slices.Clone(p.Faults), func(e fault) bool { return e.Kind == opStartAll })
	for range 5 + d.IntN(30) {
		e := fault{At: pick(d, burst...).At, Key: pick(d, published...)}
		e.Kind = pick(d, portTaken, portTaken, portTaken, portFree, workerCrash, workerCrash, opStart, opStart, opDisconnect, opConnect)
		p.Faults = append(p.Faults, e)
	}
	slices.SortStableFunc(p.Faults, func(a, b fault) int { return int(a.At - b.At) })
}

// firstNetwork returns the first network of a spec.
func firstNetwork(s dockertest.Spec) string {
	if len(s.Networks) > 0 {
		return s.Networks[0]
	}
	return "bridge"
}

// reportsLostNetworks reports whether Stoker shows networks of a container as lost, or does not run.
func (r *run) reportsLostNetworks(key string) bool {
	return r.stoker == nil || slices.ContainsFunc(r.view().Workers, func(w fleet.WorkerView) bool {
		return string(w.Key) == key && len(w.LostNetworks) > 0
	})
}

// checkNetworks checks I12: a running worker has the networks that it was given, except those that an operator disconnected. It does not check
// where Stoker cannot distinguish the two: a network that was lost in an operator's failed start looks disconnected after a later start that
// works, and a network that the operator disconnects around a failed start, or before a list has shown it, looks lost. A removed container is
// created from an inspect that may be older than the disconnect. Without its journal Stoker has only the network of the container's mode.
func (r *run) checkNetworks(t dockertest.Truth) {
	if r.lossUnclear(t) || r.plan.DryRun || r.portElsewhere(t) || r.signalled(t) {
		return
	}
	for _, name := range t.Given {
		if !slices.Contains(t.Networks, name) && !r.changeUnobserved(t.Loss.Connected) {
			r.violate("I12: %s runs without network %s", t.Key, name)
		}
	}
	if r.changeUnobserved(t.Loss.Disconnected) || r.startUnobserved(t.Loss.Disconnected, t) || r.disconnectedBeforeStart(t) || r.checks.records.disconnectUnclear[plannedName(t)] || t.Labels[worker.MarkMissing] == "true" {
		return
	}
	for _, name := range t.Networks {
		if !slices.Contains(t.Given, name) {
			r.violate("I12: %s was disconnected from network %s, and has it", t.Key, name)
		}
	}
}

// lossUnclear reports whether Stoker may have no evidence that a container lost networks.
func (r *run) lossUnclear(t dockertest.Truth) bool {
	return t.Loss.ByOperator || startedSoon(t) || r.failedSoon(t) || !r.checks.timeline.journalLost.IsZero() || r.lostBeforeFirstInspect(t)
}

// lostBeforeFirstInspect reports whether the first inspect of a container came after the loss, or Stoker was killed so soon after the container
// was created that it may not have inspected it before.
func (r *run) lostBeforeFirstInspect(t dockertest.Truth) bool {
	const soon = time.Second
	return r.checks.records.networkMissing[r.root(t)] || slices.ContainsFunc(r.world.History(t.ID), func(e dockertest.Event) bool {
		return e.Action == "create" && slices.ContainsFunc(r.checks.timeline.killed, func(at time.Time) bool {
			return !at.Before(e.TrueAt) && at.Sub(e.TrueAt) < soon && at.Before(t.Loss.At)
		})
	})
}

// changeUnobserved reports whether an operator's change came so soon before the container lost a network, or was removed, that no list may have
// shown it, or so soon after that the failed start that lost it had no answer yet. A container's events do not include its networks.
func (r *run) changeUnobserved(change dockertest.Change) bool {
	if change.At.IsZero() {
		return false
	}
	for _, at := range []time.Time{change.LostBefore, change.LostAt} {
		if since := at.Sub(change.At); since > -5*time.Second && since < unlisted {
			return true
		}
	}
	return r.removedSoonAfter(change)
}

// unlisted is the time after an operator's change of the networks within which no list may have shown it.
const unlisted = 3 * time.Minute

// removedSoonAfter reports whether an operator changed the networks of a container so soon before it was removed that no list may have shown that.
func (r *run) removedSoonAfter(change dockertest.Change) bool {
	return !change.At.IsZero() && slices.ContainsFunc(r.world.Events(), func(e dockertest.Event) bool {
		return e.ID == change.ID && e.Action == "destroy" && e.TrueAt.Sub(change.At) < unlisted
	})
}

// startUnobserved reports whether Stoker may not have observed, around an operator's change, that a start had failed: the container was started
// by a recreate or by a start of Stoker's own without an answer, the engine or Stoker started, or events were dropped or late.
func (r *run) startUnobserved(change dockertest.Change, t dockertest.Truth) bool {
	near := func(at time.Time) bool {
		return at.Sub(change.At) > -3*time.Minute && at.Sub(change.At) < 3*time.Minute
	}
	lives := slices.ContainsFunc(r.world.Truths(), func(other dockertest.Truth) bool {
		return r.root(other) == r.root(t) && slices.ContainsFunc(other.Lives, func(l dockertest.Life) bool { return near(l.Began) })
	})
	failed := slices.ContainsFunc(r.world.Audit(), func(a dockertest.Record) bool {
		return (a.Op == dockertest.OpStart || a.Op == dockertest.OpRestart) && (a.Incarnation.ID == t.ID || a.Key == string(t.Key)) && a.Err != "" && near(a.Sent)
	})
	if change.At.IsZero() || !lives && !failed {
		return false
	}
	if slices.ContainsFunc(slices.Concat(r.checks.timeline.engineDown, r.checks.timeline.started, r.checks.timeline.eventsDropped), near) || slices.ContainsFunc(r.world.History(t.ID), func(e dockertest.Event) bool {
		startOrEnd := e.Action == "start" || e.Action == "die"
		return startOrEnd && near(e.TrueAt) && e.SeenAt.Sub(e.TrueAt) > 100*time.Millisecond // an inspect may have come before the event
	}) {
		return true
	}
	return slices.ContainsFunc(r.world.Audit(), func(a dockertest.Record) bool {
		other, _ := r.world.TruthByID(a.Incarnation.ID)
		if a.By != dockertest.ByStoker || a.Op != dockertest.OpStart || !near(a.Sent) || r.root(other) != r.root(t) {
			return false
		}
		return a.Action.Verb == worker.RecreateStep || a.Answered.IsZero() || a.Done.IsZero() || a.Answered.Sub(a.Done) > 3*time.Second
	})
}

// disconnectedBeforeStart reports whether an operator disconnected a container between the last inspect before a start of Stoker's own and that
// start, however long its request was on its way, and the start before it had lost a network. The inspect after the start shows what it would
// show if another client's start had failed in between: no list or inspect shows the difference.
func (r *run) disconnectedBeforeStart(t dockertest.Truth) bool {
	const inspected = 3 * time.Second // the maximum age of that inspect (worker.inspectBeforeStart), and its way
	loss, change := t.Loss.At, t.Loss.Disconnected.At
	return !loss.IsZero() && loss.Before(change) && slices.ContainsFunc(r.world.Audit(), func(a dockertest.Record) bool {
		if a.By != dockertest.ByStoker || a.Op != dockertest.OpStart || !a.Effect || a.Incarnation.ID != t.Loss.Disconnected.ID {
			return false
		}
		ranBetween := slices.ContainsFunc(t.Lives, func(l dockertest.Life) bool { return l.Began.After(loss) && l.Began.Before(a.Sent) })
		return !ranBetween && change.After(a.Sent.Add(-inspected)) && !change.After(a.Done)
	})
}

// startedSoon reports whether an operator started a container so soon after the start that lost a network that Stoker may not have inspected it
// in between.
func startedSoon(t dockertest.Truth) bool {
	const soon = 30 * time.Second
	return slices.ContainsFunc(t.Lives, func(l dockertest.Life) bool {
		after := l.Began.Sub(t.Loss.At)
		return l.StartedBy == dockertest.ByOperator && after >= 0 && after < soon
	})
}

// failedSoon reports whether an operator's start failed so soon after the start that lost a network that Stoker may not have inspected the container
// in between. The engine keeps only the last error.
func (r *run) failedSoon(t dockertest.Truth) bool {
	const soon = 90 * time.Second // the deadline of a start of Stoker's, and the retry of the inspect
	return !t.Loss.At.IsZero() && slices.ContainsFunc(r.world.Audit(), func(a dockertest.Record) bool {
		starts := a.Op == dockertest.OpStart || a.Op == dockertest.OpRestart
		after := a.Done.Sub(t.Loss.At)
		return a.By == dockertest.ByOperator && starts && a.Incarnation.ID == t.ID && !a.Effect && after >= 0 && after < soon
	})
}

// portElsewhere reports whether another container has the host port, or had it at the last retry to connect the network: a container that
// restarts frees its port for a moment.
func (r *run) portElsewhere(t dockertest.Truth) bool {
	const retry = 31 * time.Second
	port := r.specs[plannedName(t)].HostPort
	return port != 0 && slices.ContainsFunc(r.world.Truths(), func(other dockertest.Truth) bool {
		_, ended := lastIncarnation(other)
		has := other.Status == worker.StatusRunning && !other.Gone || !ended.IsZero() && r.world.Now().Sub(ended) < retry
		return other.ID != t.ID && has && r.specs[plannedName(other)].HostPort == port
	})
}

// tookPort reports whether a container got its host port when another one was restarted, which can happen at any time, and its health check has
// no result since.
func (r *run) tookPort(t dockertest.Truth) bool {
	const down = 10 * time.Second
	port := r.specs[plannedName(t)].HostPort
	began, _ := lastIncarnation(t)
	return port != 0 && t.Health == worker.HealthStarting && slices.ContainsFunc(r.world.Truths(), func(other dockertest.Truth) bool {
		return other.ID != t.ID && r.specs[plannedName(other)].HostPort == port && slices.ContainsFunc(other.Lives, func(l dockertest.Life) bool {
			return !l.Ended.IsZero() && !began.Before(l.Ended) && began.Sub(l.Ended) < down
		})
	})
}
