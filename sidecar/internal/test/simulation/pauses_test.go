package simulation

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// drawPauses adds operators' pauses of Stoker to a quarter of the plans. It has its own random source.
func drawPauses(d random, p *plan, names []string) {
	if !d.oneIn(4) || len(p.Faults) == 0 {
		return
	}
	burst := slices.DeleteFunc(slices.Clone(p.Faults), func(e fault) bool { return e.Kind == opStartAll })
	for range 1 + d.IntN(8) {
		e := fault{At: pick(d, burst...).At, Kind: pick(d, opPauseAll, opPauseWorker, opPauseWorker, opPauseWorker, opResumeAll), Key: pick(d, names...)}
		e.For = pick(d, time.Second, 10*time.Second, time.Minute) + d.upTo(time.Second)
		p.Faults = append(p.Faults, e)
	}
	slices.SortStableFunc(p.Faults, func(a, b fault) int { return int(a.At - b.At) })
}

// injectPause pauses or resumes Stoker. The errors are ignored: the worker may not exist.
func (r *run) injectPause(f fault) bool {
	s := r.stoker
	pause := fleet.Pause{Scope: fleet.PauseAll}
	switch f.Kind {
	case opPauseAll, opResumeAll:
	case opPauseWorker:
		pause.Scope, pause.Name = fleet.PauseWorker, f.Key
	default:
		return false
	}
	if s == nil || !s.deadline.IsZero() {
		return true
	}
	var t fleet.Effects
	if f.Kind == opResumeAll {
		t = r.resume(pause)
	} else {
		pause.At, pause.Until = r.clock(), r.clock().Add(f.For)
		t, _ = s.fleet.Pause(r.clock(), pause)
	}
	r.pauses = s.fleet.Pauses()
	r.apply(t)
	return true
}

// endPauses resumes everything.
func (r *run) endPauses() {
	for _, p := range r.pauses {
		if r.stoker != nil {
			r.apply(r.resume(p))
		}
	}
	r.pauses = nil
	if r.stoker != nil {
		r.pauses = r.stoker.fleet.Pauses()
	}
}

// resume ends a pause, and records which workers have their attempts back: a resume of a single worker that has used them up is an operator's start.
func (r *run) resume(p fleet.Pause) fleet.Effects {
	before := map[string]int{}
	for _, w := range r.view().Workers {
		before[w.ID] = w.Attempts
	}
	t, _ := r.stoker.fleet.Resume(r.clock(), p)
	for _, w := range r.view().Workers {
		if w.Attempts < before[w.ID] {
			r.checks.records.resumed[w.ID] = append(r.checks.records.resumed[w.ID], r.world.Now())
		}
	}
	return t
}

// checkPause checks that Stoker does not act on a paused worker, except to finish a restart or a recreate that it began before.
func (r *run) checkPause(a worker.Action) {
	s := r.stoker
	begun := r.checks.records.commandSent[a.Incarnation]
	if a.Verb == worker.Collect && len(a.Evidence.Command) > 0 {
		r.checks.records.commandSent[a.Incarnation] = true
	}
	if begun && (a.Verb == worker.Stop || a.Verb == worker.Collect) { // a new Stoker collects again
		return
	}
	if a.Verb == worker.RecreateStep && a.Call != nil && a.Call.Transaction <= s.lastRecreate {
		return
	}
	if (a.Verb == worker.Start || a.Verb == worker.Connect) && r.stoppedByStoker(a.Incarnation.ID) { // its restart is finished
		return
	}
	for _, p := range s.fleet.Pauses() {
		if p.At.Equal(r.clock()) || !p.Until.After(r.clock()) || !changesContainer(a) || a.Verb == worker.RecreateStep && a.Attempt == 0 {
			continue
		}
		if p.Scope == fleet.PauseAll && !mayBeDependent(a) || p.Scope == fleet.PauseWorker && p.Name == string(a.Key) {
			r.violate("%s of %s, with %s paused until %s", a.Verb, a.Key, p, p.Until.Format("15:04:05.000"))
		}
	}
}

// stoppedByStoker reports whether Stoker stopped a container, or decided to, and no start of Stoker's has succeeded since.
func (r *run) stoppedByStoker(id string) bool {
	var started time.Time
	for _, a := range slices.Backward(r.world.Audit()) {
		if a.Incarnation.ID != id || a.By != dockertest.ByStoker {
			continue
		}
		if a.Op == dockertest.OpStop {
			return true
		}
		if a.Op == dockertest.OpStart && a.Effect {
			started = a.Done
			break
		}
	}
	return slices.ContainsFunc(r.checks.records.stops, func(s decidedStop) bool { return s.id == id && s.at.After(started) })
}
