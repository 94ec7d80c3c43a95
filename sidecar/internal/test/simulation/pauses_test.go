package simulation

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// drawPauses has an operator pause workers in a quarter of the plans. It has dice of its own.
func drawPauses(d dice, p *plan, names []string) {
	if !d.oneIn(4) || len(p.Deeds) == 0 {
		return
	}
	burst := slices.DeleteFunc(slices.Clone(p.Deeds), func(e deed) bool { return e.Do == opRevive })
	for range 1 + d.IntN(8) {
		e := deed{At: pick(d, burst...).At, Do: pick(d, opPauseAll, opPauseOne, opPauseOne, opPauseOne, opResumeAll), Key: pick(d, names...)}
		e.For = pick(d, time.Second, 10*time.Second, time.Minute) + d.upTo(time.Second)
		p.Deeds = append(p.Deeds, e)
	}
	slices.SortStableFunc(p.Deeds, func(a, b deed) int { return int(a.At - b.At) })
}

// doPause has Stoker leave workers alone for a while, or not any more. What it says in return nobody looks at: there may be no such worker.
func (r *run) doPause(d deed) bool {
	s := r.stoker
	pause := fleet.Pause{Scope: fleet.PauseAll}
	switch d.Do {
	case opPauseAll, opResumeAll:
	case opPauseOne:
		pause.Scope, pause.Name = fleet.PauseWorker, d.Key
	default:
		return false
	}
	if s == nil || !s.ending.IsZero() {
		return true
	}
	var t fleet.Effects
	if d.Do == opResumeAll {
		t, _ = s.f.Resume(r.clock(), pause)
	} else {
		pause.At, pause.Until = r.clock(), r.clock().Add(d.For)
		t, _ = s.f.Pause(r.clock(), pause)
	}
	r.pauses = s.f.Pauses()
	r.apply(t)
	return true
}

// endPauses is for a quiet.
func (r *run) endPauses() {
	for _, p := range r.pauses {
		if s := r.stoker; s != nil {
			t, _ := s.f.Resume(r.clock(), p)
			r.apply(t)
		}
	}
	r.pauses = nil
	if r.stoker != nil {
		r.pauses = r.stoker.f.Pauses()
	}
}

// checkPause: who is paused is not acted on, unless Stoker has stopped it, or a recreate of it was begun before.
func (r *run) checkPause(a worker.Action) {
	s := r.stoker
	begun := r.drained[a.Incarnation]
	if a.Verb == worker.Collect && len(a.Evidence.Command) > 0 {
		r.drained[a.Incarnation] = true
	}
	if begun && (a.Verb == worker.Stop || a.Verb == worker.Collect) { // a Stoker that began meanwhile collects again
		return
	}
	if a.Verb == worker.RecreateStep && a.Call != nil && a.Call.Transaction <= s.lastRecreate {
		return
	}
	if (a.Verb == worker.Start || a.Verb == worker.Connect) && r.stoppedByStoker(a.Incarnation.ID) { // its restart is finished
		return
	}
	for _, p := range s.f.Pauses() {
		if p.At.Equal(r.clock()) || !p.Until.After(r.clock()) || !ofOne(a) || a.Verb == worker.RecreateStep && a.Attempt == 0 {
			continue
		}
		if p.Scope == fleet.PauseAll && !ofDependent(a) || p.Scope == fleet.PauseWorker && p.Name == string(a.Key) {
			r.blame("%s of %s, with %s paused until %s", a.Verb, a.Key, p, p.Until.Format("15:04:05.000"))
		}
	}
}

// stoppedByStoker reports whether the last life of a container was ended by a stop of Stoker's own, since when no start has worked.
func (r *run) stoppedByStoker(id string) bool {
	for _, a := range slices.Backward(r.w.Audit()) {
		worked := a.Op == dockertest.OpStart && a.Effect
		if a.Incarnation.ID == id && a.By == dockertest.ByStoker && (worked || a.Op == dockertest.OpStop) {
			return !worked
		}
	}
	return false
}
