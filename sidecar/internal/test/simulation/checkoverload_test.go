package simulation

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// checkOverloadGuard checks rule 15: no restart of a worker whose probe timed out while the probes of half of the workers, and of at least
// three, have timed out for more than two seconds. After five minutes the guard allows one restart every 30 seconds.
func (r *run) checkOverloadGuard(a worker.Action) {
	s, now := r.stoker, r.world.Now()
	target, ok := r.world.TruthByID(a.Incarnation.ID)
	if a.Reason != worker.ReasonProbeTimedOut || !ok || target.Status != worker.StatusRunning { // one that is down is started
		return
	}
	probed, timedOut := 0, 0
	// Only an inspect since shows why a worker is unhealthy, and Stoker inspects it after the answer to the action in flight.
	busy := map[string]bool{}
	for _, f := range s.inFlight {
		busy[f.Incarnation.ID] = busy[f.Incarnation.ID] || changesContainer(f)
	}
	for _, t := range r.world.Truths() {
		outside := t.Labels["stoker.probe"] != ""
		if t.Gone || t.Status != worker.StatusRunning || !t.HasHealthcheck && !outside || !r.isWorker(t) {
			continue
		}
		if probed++; outside { // the result of Stoker's own probe is not recorded
			continue
		}
		p, ok := t.LastProbe()
		at, received := s.overload.timedOut[t.ID]
		shown := received && now.Sub(at) > 2*time.Second && !busy[t.ID] && !s.causeUnknown(t.ID, at) && !r.probeAgeUnclear(t.ID)
		if ok && p.ExitCode == worker.ProbeTimedOut && t.Health == worker.HealthUnhealthy && shown {
			timedOut++
		}
	}
	trickle := !s.overload.since.IsZero() && now.Sub(s.overload.since) >= 5*time.Minute && now.Sub(s.overload.lastTrickle) >= 30*time.Second
	if timedOut >= 3 && 2*timedOut >= probed && !trickle {
		r.violate("rule 15: restart of %s while the probes of %d of %d have timed out", a.Key, timedOut, probed)
	}
	s.overload.lastTrickle = now
}

// causeUnknown reports whether all inspects of a container since the event of a probe that timed out were left without an answer, and there was one.
// Stoker repeats the inspect.
func (s *stoker) causeUnknown(id string, event time.Time) bool {
	return s.inspected[id].Before(event) && s.overload.unanswered[id].After(event)
}

// probeAgeUnclear reports whether a container was unpaused and the clock stepped. Probes from before the unpause do not count, and after a
// step nothing shows which these are.
func (r *run) probeAgeUnclear(id string) bool {
	return len(r.checks.timeline.clockSteps) > 0 && slices.ContainsFunc(r.world.Events(), func(e dockertest.Event) bool {
		return e.ID == id && e.Action == "unpause"
	})
}
