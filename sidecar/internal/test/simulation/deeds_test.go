package simulation

import (
	"slices"
	"strings"
	"syscall"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// do carries one deed out.
func (r *run) do(d deed) {
	r.count.deeds[d.Do]++
	if r.pool != nil && r.pool.do(r, d) || r.doPause(d) || r.doOperator(d) || r.doWorker(d) || r.doEngine(d) {
		return
	}
	switch d.Do {
	case stokerKilled:
		r.killStoker()
		r.startAt = r.w.Now().Add(d.For)
	case stokerAmnesia:
		r.killStoker()
		r.journal = newJournal()
		r.amnesia = r.w.Now()
		r.startAt = r.w.Now().Add(d.For)
	case stokerEnded:
		r.end()
		r.startAt = r.w.Now().Add(closeWait + d.For)
	case stokerFuse:
		if r.stoker != nil {
			r.stoker.fuse, r.stoker.away = d.N, d.For
		}
	}
}

func (r *run) doOperator(d deed) bool {
	op, key := r.w.Operator(), d.Key
	switch d.Do {
	case opStop:
		op.Stop(key, dockertest.OwnGrace)
	case opStopNow:
		op.Stop(key, 0)
	case opKill:
		op.Kill(key, syscall.SIGKILL)
	case opTerm:
		op.Kill(key, syscall.SIGTERM)
	case opHup:
		op.Kill(key, syscall.SIGHUP)
	case opRestart:
		op.Restart(key, dockertest.OwnGrace)
	case opStart:
		op.Start(key)
	case opRemove:
		op.Remove(key, true)
	case opStopRm:
		r.then(dockertest.Request{Op: dockertest.OpStop, Ref: key, Grace: dockertest.OwnGrace}, dockertest.Request{Op: dockertest.OpRemove, Ref: key})
	case opPause:
		op.Pause(key)
	case opUnpause:
		op.Unpause(key)
	case opRename:
		op.Rename(key, key+"x")
	case opNameBack:
		op.Rename(key+"x", key)
	case opUpdate:
		op.Update(key, 0.5)
	case opRun:
		op.Run(r.specs[key])
	case opReplace:
		r.replace(key)
	case opReplace2:
		r.replace2(key)
	case opDisconnect:
		r.unclear[key] = r.unclear[key] || r.thinksLost(key)
		op.Disconnect(key, firstNetwork(r.specs[key]))
	case opConnect:
		op.Connect(key, firstNetwork(r.specs[key]))
	case opRevive:
		r.revive()
	default:
		return false
	}
	return true
}

// then is a row of an operator's requests, each sent when the one before was answered with yes.
func (r *run) then(requests ...dockertest.Request) {
	if len(requests) == 0 {
		return
	}
	req := requests[0]
	req.By = dockertest.ByOperator
	r.w.Call(req, func(reply dockertest.Reply) {
		if reply.Err == nil || reply.Err.Status == 304 {
			r.then(requests[1:]...)
		}
	})
}

// replace is docker-compose 1.29: stop, rename aside, create, start, remove.
func (r *run) replace(key string) {
	old, ok := r.w.Truth(key)
	if !ok || old.Gone {
		return
	}
	r.then(
		dockertest.Request{Op: dockertest.OpStop, Ref: old.ID, Grace: dockertest.OwnGrace},
		dockertest.Request{Op: dockertest.OpRename, Ref: old.ID, NewName: old.ID[:12] + "_" + key},
		dockertest.Request{Op: dockertest.OpCreate, Spec: r.specs[key]},
		dockertest.Request{Op: dockertest.OpStart, Ref: key},
		dockertest.Request{Op: dockertest.OpRemove, Ref: old.ID},
	)
}

// replace2 is docker compose 2: create under a name of its own, stop and remove the old, rename, start.
func (r *run) replace2(key string) {
	old, ok := r.w.Truth(key)
	if !ok || old.Gone {
		return
	}
	spec := r.specs[key]
	spec.Name = old.ID[:12] + "_" + key
	r.then(
		dockertest.Request{Op: dockertest.OpCreate, Spec: spec},
		dockertest.Request{Op: dockertest.OpStop, Ref: old.ID, Grace: dockertest.OwnGrace},
		dockertest.Request{Op: dockertest.OpRemove, Ref: old.ID},
		dockertest.Request{Op: dockertest.OpRename, Ref: spec.Name, NewName: key},
		dockertest.Request{Op: dockertest.OpStart, Ref: key},
	)
}

// tidy removes what a compose that was cut short left behind, and what Stoker tells people that it leaves to them: the old container
// of a recreate in the middle of which somebody else took the worker's name (docs/recreate.md).
func (r *run) tidy() {
	for _, t := range r.w.Truths() {
		if !t.Gone && (strings.Contains(string(t.Key), "_") || r.superseded(t)) {
			r.w.Operator().Remove(t.ID, true)
		}
	}
}

// superseded reports whether a container was set aside, and its name is now that of another one which does not replace it.
func (r *run) superseded(t dockertest.Truth) bool {
	name, aside := strings.CutSuffix(string(t.Key), worker.BackupSuffix)
	holder, ok := r.w.Truth(name)
	return aside && ok && !holder.Gone && r.root(holder) != r.root(t)
}

// revive is an operator who wants everything to run again.
func (r *run) revive() {
	for _, s := range r.plan.Containers {
		switch t, ok := r.w.Truth(s.Name); {
		case !ok || t.Gone:
			r.w.Operator().Run(s)
		case t.Status.Down():
			r.w.Operator().Start(s.Name)
		}
	}
}

func (r *run) doWorker(d deed) bool {
	key := d.Key
	switch d.Do {
	case doCrash:
		r.w.Crash(key, syscall.SIGSEGV)
	case doKilled:
		r.w.Crash(key, syscall.SIGKILL)
	case doExit:
		r.w.Exit(key, d.N)
	case doOOM:
		r.w.OOM(key)
	case doSicken:
		r.w.Sicken(key, dockertest.Failing)
	case doHang:
		r.w.Sicken(key, dockertest.Hanging)
	case doHangAll:
		for _, s := range r.plan.Containers {
			r.w.Sicken(s.Name, dockertest.Hanging)
		}
	case doRecover:
		r.w.Sicken(key, dockertest.Well)
	case doLoop:
		b := r.specs[key].Behaviour
		b.RunFor, b.ExitCode = d.For, d.N
		r.w.Behave(key, b)
	case doBehave:
		r.w.Behave(key, r.good(key))
	case failNext:
		for range d.N {
			r.w.FailStarts(key, "no such device")
		}
	case breakIt:
		r.w.BreakStarts(key, "bind source path does not exist")
	case mendIt:
		r.w.BreakStarts(key, "")
	case takePort:
		r.w.TakePort(r.specs[key].HostPort)
	case freePort:
		r.w.FreePort(r.specs[key].HostPort)
	default:
		return false
	}
	return true
}

// good is how a container behaves when nothing is wrong with it.
func (r *run) good(key string) dockertest.Behaviour {
	b := r.specs[key].Behaviour
	b.RunFor = 0
	return b
}

func (r *run) doEngine(d deed) bool {
	f := dockertest.Fault{Key: d.Key, Count: d.N, Delay: d.For}
	switch d.Do {
	case engRefuse:
		f.Kind, f.Text = dockertest.Refuse, "no"
	case engDone:
		f.Kind = dockertest.TimeOutDone
	case engUndone:
		f.Kind = dockertest.TimeOutUndone
	case engSlow:
		f.Kind = dockertest.Slow
	case engSlowInspect:
		f.Kind, f.Op = dockertest.Slow, dockertest.OpInspect
	case engSlowList:
		f.Kind, f.Op, f.Key = dockertest.Slow, dockertest.OpList, ""
	case engDrop:
		r.drops = append(r.drops, r.w.Now())
		f.Kind = dockertest.DropEvents
	case engDuplicate:
		f.Kind = dockertest.DuplicateEvents
	case engDelay:
		f.Kind, f.Key = dockertest.DelayEvents, ""
	case engCut:
		f.Kind = dockertest.CutStream
	case clockStep:
		r.w.StepClock(d.For)
		r.steps = append(r.steps, r.w.Now())
		return true
	default:
		return r.fall(d)
	}
	r.w.Plan(f)
	return true
}

// fall takes the engine down, if it is up.
func (r *run) fall(d deed) bool {
	kind := dockertest.RestartEngine
	switch d.Do {
	case engRestart, hostReboot:
	case engCrash:
		kind = dockertest.CrashEngine
	case hostCrash:
		kind = dockertest.CrashHost
	default:
		return false
	}
	if !r.w.EngineUp() {
		return true
	}
	r.falls = append(r.falls, r.w.Now())
	r.blind = r.blind || r.stoker != nil && r.view().Engine.Synced.IsZero()
	r.w.Plan(dockertest.Fault{Kind: kind, Delay: d.For})
	switch {
	case d.Do == hostReboot:
		r.rebooted = true
		r.w.AdvanceTo(r.w.Now()) // the shutdown begins; the containers are told, and Stoker is one of them
		r.end()
	case d.Do == hostCrash && d.N == 0:
		r.killStoker()
		r.rebooted = true
	}
	return true
}

// calmDown ends all faults.
func (r *run) calmDown() {
	r.say("==== quiet")
	r.w.Disarm()
	if r.stoker != nil {
		r.stoker.fuse = 0
	}
	if !r.rebooted && (r.stoker == nil || !r.stoker.ending.IsZero()) {
		r.killStoker()
		r.startStoker()
	}
	if r.pool != nil {
		r.pool.calm()
	}
	r.endPauses()
	r.repair()
}

// called are all names under which containers of a plan's worker are or were: anyone who is in the middle of a recreate, or to be recreated
// from what it was, is to be mended too.
func (r *run) called(name string) []string {
	names := []string{name, name + "x"}
	for _, t := range r.w.Truths() {
		key := string(t.Key)
		t.Key = worker.Key(strings.TrimSuffix(strings.TrimSuffix(key, worker.NewSuffix), worker.BackupSuffix))
		if nameOf(t) == name && !slices.Contains(names, key) {
			names = append(names, key)
		}
	}
	return names
}

// repair makes everything well that no Stoker could make well.
func (r *run) repair() {
	r.tidy()
	for _, s := range r.plan.Containers {
		for _, name := range r.called(s.Name) {
			r.w.LetStart(name)
			r.w.Behave(name, r.good(s.Name))
			r.w.Sicken(name, dockertest.Well)
			if t, ok := r.w.Truth(name); ok && !t.Gone && t.Status == worker.StatusPaused {
				r.w.Operator().Unpause(name)
			}
		}
		r.w.FreePort(s.HostPort)
		if t, ok := r.w.Truth(s.Name); ok && !t.Gone && s.HostPort != 0 {
			r.w.Operator().Remove(s.Name+"x", true) // two cannot have the port
		}
	}
}
