package simulation

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// drawNetworks makes half of the plans ones of an engine that loses networks, with more of what leads to that. It has dice of its own.
func drawNetworks(d dice, p *plan) {
	if p.LosesNetworks = d.oneIn(2); !p.LosesNetworks {
		return
	}
	var published []string
	for i := range p.Containers {
		s := &p.Containers[i]
		if s.NetworkMode+s.PidMode != "" || s.Labels["stoker.enable"] != "true" { // what was disconnected cannot follow its parent
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
	burst := slices.DeleteFunc(slices.Clone(p.Deeds), func(e deed) bool { return e.Do == opRevive })
	for range 5 + d.IntN(30) {
		e := deed{At: pick(d, burst...).At, Key: pick(d, published...)}
		e.Do = pick(d, takePort, takePort, takePort, freePort, doCrash, doCrash, opStart, opStart, opDisconnect, opConnect)
		p.Deeds = append(p.Deeds, e)
	}
	slices.SortStableFunc(p.Deeds, func(a, b deed) int { return int(a.At - b.At) })
}

// firstNetwork is one of those that a container is made with.
func firstNetwork(s dockertest.Spec) string {
	if len(s.Networks) > 0 {
		return s.Networks[0]
	}
	return "bridge"
}

// thinksLost reports whether Stoker takes networks of a container for lost, or is not there to see that an operator connects it first.
func (r *run) thinksLost(key string) bool {
	return r.stoker == nil || slices.ContainsFunc(r.view().Workers, func(w fleet.WorkerView) bool {
		return string(w.Key) == key && len(w.LostNetworks) > 0
	})
}

// checkNetworks: a worker that runs has the networks that it was given, and those alone that nobody has disconnected. What was lost in an
// operator's start that failed looks like the operator's wish, once another start has worked. And what the operator disconnects at the time of
// a start that fails, or before a list has shown it, looks like what that start took.
// One that is gone is made from an inspect that may be older than that. Without its journal Stoker knows the network of the mode alone.
func (r *run) checkNetworks(t dockertest.Truth) {
	if r.lossUnclear(t) || r.plan.DryRun || r.portElsewhere(t) || r.signalled(t) {
		return
	}
	for _, name := range t.Given {
		if !slices.Contains(t.Networks, name) && !r.unseen(t.Loss.Connected, t) {
			r.blame("I12: %s runs without network %s", t.Key, name)
		}
	}
	if r.unseen(t.Loss.Disconnected, t) || r.startUnseen(t.Loss.Disconnected, t) || r.unclear[nameOf(t)] || t.Labels[worker.MarkMissing] == "true" {
		return
	}
	for _, name := range t.Networks {
		if !slices.Contains(t.Given, name) {
			r.blame("I12: %s was disconnected from network %s, and has it", t.Key, name)
		}
	}
}

// lossUnclear reports whether nobody can know of networks that a container has lost.
func (r *run) lossUnclear(t dockertest.Truth) bool {
	return t.Loss.ByOperator || startedSoon(t) || !r.amnesia.IsZero() || r.lostBeforeInspect(t)
}

// noteFirst notes what the first inspect of a worker lacks.
func (r *run) noteFirst(o worker.Outcome) {
	if o.Snapshot == nil {
		return
	}
	t, _ := r.w.TruthByID(o.Snapshot.ID)
	if _, known := r.lacked[r.root(t)]; !known {
		r.lacked[r.root(t)] = slices.ContainsFunc(t.Given, func(name string) bool { return !slices.Contains(o.Snapshot.Networks, name) })
	}
}

// lostBeforeInspect reports whether the first inspect of a container came after the loss, or Stoker was killed so soon after it was made that no
// inspect may have shown the networks which it had before.
func (r *run) lostBeforeInspect(t dockertest.Truth) bool {
	const soon = time.Second
	return r.lacked[r.root(t)] || slices.ContainsFunc(r.w.History(t.ID), func(e dockertest.Event) bool {
		return e.Action == "create" && slices.ContainsFunc(r.deaths, func(at time.Time) bool {
			return !at.Before(e.TrueAt) && at.Sub(e.TrueAt) < soon && at.Before(t.Loss.At)
		})
	})
}

// unseen reports whether an operator's change came so soon before the container lost a network, or was removed, that no list may have shown
// it before. The events of a container tell nothing of its networks.
func (r *run) unseen(change dockertest.Change, t dockertest.Truth) bool {
	const soon = 3 * time.Minute
	if change.At.IsZero() {
		return false
	}
	for _, at := range []time.Time{t.Loss.At, change.LostAt} {
		if since := at.Sub(change.At); since > -5*time.Second && since < soon {
			return true
		}
	}
	return slices.ContainsFunc(r.w.Events(), func(e dockertest.Event) bool {
		return e.ID == change.ID && e.Action == "destroy" && e.TrueAt.Sub(change.At) < soon
	})
}

// startUnseen reports whether about the time of an operator's change the container was started in a way that hides a start which had failed
// before: by a recreate, by a start of Stoker's own that was not answered, or while the engine or Stoker began or events were lost or late.
func (r *run) startUnseen(change dockertest.Change, t dockertest.Truth) bool {
	near := func(at time.Time) bool {
		return at.Sub(change.At) > -3*time.Minute && at.Sub(change.At) < 3*time.Minute
	}
	lives := slices.ContainsFunc(r.w.Truths(), func(other dockertest.Truth) bool {
		return r.root(other) == r.root(t) && slices.ContainsFunc(other.Lives, func(l dockertest.Life) bool { return near(l.Began) })
	})
	failed := slices.ContainsFunc(r.w.Audit(), func(a dockertest.Record) bool {
		return (a.Op == dockertest.OpStart || a.Op == dockertest.OpRestart) && (a.Incarnation.ID == t.ID || a.Key == string(t.Key)) && a.Err != "" && near(a.Sent)
	})
	if change.At.IsZero() || !lives && !failed {
		return false
	}
	if slices.ContainsFunc(slices.Concat(r.falls, r.begun, r.drops), near) || slices.ContainsFunc(r.w.History(t.ID), func(e dockertest.Event) bool {
		return e.Action == "start" && near(e.TrueAt) && e.SeenAt.Sub(e.TrueAt) > 100*time.Millisecond // an inspect may have been quicker
	}) {
		return true
	}
	return slices.ContainsFunc(r.w.Audit(), func(a dockertest.Record) bool {
		other, _ := r.w.TruthByID(a.Incarnation.ID)
		if a.By != dockertest.ByStoker || a.Op != dockertest.OpStart || !near(a.Sent) || r.root(other) != r.root(t) {
			return false
		}
		return a.Action.Verb == worker.RecreateStep || a.Answered.IsZero() || a.Done.IsZero() || a.Answered.Sub(a.Done) > 3*time.Second
	})
}

// startedSoon reports whether an operator was so quick to start a container after the start that lost a network that nobody may have looked at
// it in between.
func startedSoon(t dockertest.Truth) bool {
	const soon = 30 * time.Second
	return slices.ContainsFunc(t.Lives, func(l dockertest.Life) bool {
		after := l.Began.Sub(t.Loss.At)
		return l.StartedBy == dockertest.ByOperator && after >= 0 && after < soon
	})
}

// portElsewhere reports whether another container than this one has its port, or had it when a network was last connected again: one that is
// restarted gives it up for a moment.
func (r *run) portElsewhere(t dockertest.Truth) bool {
	const retry = 31 * time.Second
	port := r.specs[nameOf(t)].HostPort
	return port != 0 && slices.ContainsFunc(r.w.Truths(), func(other dockertest.Truth) bool {
		_, ended := life(other)
		has := other.Status == worker.StatusRunning && !other.Gone || !ended.IsZero() && r.w.Now().Sub(ended) < retry
		return other.ID != t.ID && has && r.specs[nameOf(other)].HostPort == port
	})
}
