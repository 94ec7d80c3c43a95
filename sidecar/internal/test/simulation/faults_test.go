package simulation

import (
	"slices"
	"strings"
	"syscall"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// inject carries out one fault.
func (r *run) inject(f fault) {
	r.tally.faults[f.Kind]++
	if r.pool != nil && r.pool.inject(r, f) || r.injectPause(f) || r.injectOperator(f) || r.injectWorker(f) || r.injectEngine(f) {
		return
	}
	switch f.Kind {
	case stokerKilled:
		r.killStoker()
		r.schedule.startAt = r.world.Now().Add(f.For)
	case journalLost:
		r.killStoker()
		r.journal = newJournal()
		r.checks.timeline.journalLost = r.world.Now()
		r.schedule.startAt = r.world.Now().Add(f.For)
	case stokerStopped:
		r.stopStoker()
		r.schedule.startAt = r.world.Now().Add(closeWait + f.For)
	case stokerKilledLater:
		if r.stoker != nil {
			r.stoker.kill = plannedKill{turns: f.N, restartAfter: f.For}
		}
	}
}

func (r *run) injectOperator(f fault) bool {
	op, key := r.world.Operator(), f.Key
	switch f.Kind {
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
		r.inSequence(dockertest.Request{Op: dockertest.OpStop, Ref: key, Grace: dockertest.OwnGrace}, dockertest.Request{Op: dockertest.OpRemove, Ref: key})
	case opPause:
		op.Pause(key)
	case opUnpause:
		op.Unpause(key)
	case opRename:
		op.Rename(key, key+"x")
	case opRenameBack:
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
		r.checks.records.disconnectUnclear[key] = r.checks.records.disconnectUnclear[key] || r.reportsLostNetworks(key)
		op.Disconnect(key, firstNetwork(r.specs[key]))
	case opConnect:
		op.Connect(key, firstNetwork(r.specs[key]))
	case opStartAll:
		r.startAll()
	default:
		return false
	}
	return true
}

// inSequence sends an operator's requests, each after the one before succeeded.
func (r *run) inSequence(requests ...dockertest.Request) {
	if len(requests) == 0 {
		return
	}
	req := requests[0]
	req.By = dockertest.ByOperator
	r.world.Call(req, func(reply dockertest.Reply) {
		if reply.Err == nil || reply.Err.Status == 304 {
			r.inSequence(requests[1:]...)
		}
	})
}

// replace does what docker-compose 1.29 does: stop and rename the old container, create and start the new one, remove the old one.
func (r *run) replace(key string) {
	old, ok := r.world.Truth(key)
	if !ok || old.Gone {
		return
	}
	r.inSequence(
		dockertest.Request{Op: dockertest.OpStop, Ref: old.ID, Grace: dockertest.OwnGrace},
		dockertest.Request{Op: dockertest.OpRename, Ref: old.ID, NewName: old.ID[:12] + "_" + key},
		dockertest.Request{Op: dockertest.OpCreate, Spec: r.specs[key]},
		dockertest.Request{Op: dockertest.OpStart, Ref: key},
		dockertest.Request{Op: dockertest.OpRemove, Ref: old.ID},
	)
}

// replace2 does what docker compose 2 does: create the new container under a temporary name, stop and remove the old one, rename and start
// the new one.
func (r *run) replace2(key string) {
	old, ok := r.world.Truth(key)
	if !ok || old.Gone {
		return
	}
	spec := r.specs[key]
	spec.Name = old.ID[:12] + "_" + key
	r.inSequence(
		dockertest.Request{Op: dockertest.OpCreate, Spec: spec},
		dockertest.Request{Op: dockertest.OpStop, Ref: old.ID, Grace: dockertest.OwnGrace},
		dockertest.Request{Op: dockertest.OpRemove, Ref: old.ID},
		dockertest.Request{Op: dockertest.OpRename, Ref: spec.Name, NewName: key},
		dockertest.Request{Op: dockertest.OpStart, Ref: key},
	)
}

// removeLeftovers removes what only an operator can remove: the old container of an interrupted docker-compose, and the old container of a
// recreate during which another container took the worker's name (docs/recreate.md).
func (r *run) removeLeftovers() {
	for _, t := range r.world.Truths() {
		if !t.Gone && (strings.Contains(string(t.Key), "_") || r.superseded(t)) {
			r.world.Operator().Remove(t.ID, true)
		}
	}
}

// superseded reports whether a container has a backup name, and its original name belongs to a container that does not replace it.
func (r *run) superseded(t dockertest.Truth) bool {
	name, backup := strings.CutSuffix(string(t.Key), worker.BackupSuffix)
	owner, ok := r.world.Truth(name)
	return backup && ok && !owner.Gone && r.root(owner) != r.root(t)
}

// startAll starts or runs every container of the plan, as an operator.
func (r *run) startAll() {
	for _, s := range r.plan.Containers {
		switch t, ok := r.world.Truth(s.Name); {
		case !ok || t.Gone:
			r.world.Operator().Run(s)
		case t.Status.Down():
			r.world.Operator().Start(s.Name)
		}
	}
}

func (r *run) injectWorker(f fault) bool {
	key := f.Key
	switch f.Kind {
	case workerCrash:
		r.world.Crash(key, syscall.SIGSEGV)
	case workerKilled:
		r.world.Crash(key, syscall.SIGKILL)
	case workerExit:
		r.world.Exit(key, f.N)
	case workerOOM:
		r.world.OOM(key)
	case probeFails:
		r.world.SetHealthCheck(key, dockertest.Failing)
	case probeHangs:
		r.world.SetHealthCheck(key, dockertest.Hanging)
	case allProbesHang:
		for _, s := range r.plan.Containers {
			r.world.SetHealthCheck(s.Name, dockertest.Hanging)
		}
	case probeRecovers:
		r.world.SetHealthCheck(key, dockertest.Passing)
	case workerLoop:
		b := r.specs[key].Behaviour
		b.RunFor, b.ExitCode = f.For, f.N
		r.world.Behave(key, b)
	case workerRecovers:
		r.world.Behave(key, r.healthyBehaviour(key))
	case startsFail:
		for range f.N {
			r.world.FailStarts(key, "no such device")
		}
	case mountGone:
		r.world.BreakStarts(key, "bind source path does not exist")
	case mountBack:
		r.world.BreakStarts(key, "")
	case portTaken:
		r.world.TakePort(r.specs[key].HostPort)
	case portFree:
		r.world.FreePort(r.specs[key].HostPort)
	default:
		return false
	}
	return true
}

// healthyBehaviour returns the behaviour of a container without its faults.
func (r *run) healthyBehaviour(key string) dockertest.Behaviour {
	b := r.specs[key].Behaviour
	b.RunFor = 0
	return b
}

func (r *run) injectEngine(f fault) bool {
	planned := dockertest.Fault{Key: f.Key, Count: f.N, Delay: f.For}
	switch f.Kind {
	case engRefuse:
		planned.Kind, planned.Text = dockertest.Refuse, "no"
	case engTimeoutDone:
		planned.Kind = dockertest.TimeOutDone
	case engTimeoutUndone:
		planned.Kind = dockertest.TimeOutUndone
	case engSlow:
		planned.Kind = dockertest.Slow
	case engSlowInspect:
		planned.Kind, planned.Op = dockertest.Slow, dockertest.OpInspect
	case engSlowList:
		planned.Kind, planned.Op, planned.Key = dockertest.Slow, dockertest.OpList, ""
	case engDrop:
		r.checks.timeline.eventsDropped = append(r.checks.timeline.eventsDropped, r.world.Now())
		planned.Kind = dockertest.DropEvents
	case engDuplicate:
		planned.Kind = dockertest.DuplicateEvents
	case engDelay:
		planned.Kind, planned.Key = dockertest.DelayEvents, ""
	case engCut:
		planned.Kind = dockertest.CutStream
	case clockStep:
		r.world.StepClock(f.For)
		r.checks.timeline.clockSteps = append(r.checks.timeline.clockSteps, r.world.Now())
		return true
	default:
		return r.injectEngineDown(f)
	}
	r.world.Plan(planned)
	return true
}

// injectEngineDown stops or crashes the engine or its host, if the engine is up.
func (r *run) injectEngineDown(f fault) bool {
	kind := dockertest.RestartEngine
	switch f.Kind {
	case engRestart, hostReboot:
	case engCrash:
		kind = dockertest.CrashEngine
	case hostCrash:
		kind = dockertest.CrashHost
	default:
		return false
	}
	if !r.world.EngineUp() {
		return true
	}
	r.checks.timeline.engineDown = append(r.checks.timeline.engineDown, r.world.Now())
	r.checks.timeline.downBeforeSync = r.checks.timeline.downBeforeSync || r.stoker != nil && r.view().Engine.Synced.IsZero()
	r.world.Plan(dockertest.Fault{Kind: kind, Delay: f.For})
	switch {
	case f.Kind == hostReboot:
		r.schedule.followsHost = true
		r.world.AdvanceTo(r.world.Now()) // the shutdown begins, and signals all containers; Stoker is one of them
		r.stopStoker()
	case f.Kind == hostCrash && f.N == 0:
		r.killStoker()
		r.schedule.followsHost = true
	}
	return true
}

// beginQuiet clears all faults. If no Stoker runs, or one that stops, it starts a new one.
func (r *run) beginQuiet() {
	r.tracef("==== quiet period")
	r.world.Disarm()
	if r.stoker != nil {
		r.stoker.kill = plannedKill{}
	}
	if !r.schedule.followsHost && (r.stoker == nil || !r.stoker.deadline.IsZero()) {
		r.killStoker()
		r.startStoker()
	}
	if r.pool != nil {
		r.pool.clearFaults()
	}
	r.endPauses()
	r.clearFaults()
}

// namesOf returns all names that containers of a planned container have or had, the temporary names of a recreate included: a container that
// is being recreated, or will be, needs its faults cleared too.
func (r *run) namesOf(name string) []string {
	names := []string{name, name + "x"}
	for _, t := range r.world.Truths() {
		key := string(t.Key)
		t.Key = worker.Key(strings.TrimSuffix(strings.TrimSuffix(key, worker.NewSuffix), worker.BackupSuffix))
		if plannedName(t) == name && !slices.Contains(names, key) {
			names = append(names, key)
		}
	}
	return names
}

// clearFaults clears the faults of containers that no Stoker can repair.
func (r *run) clearFaults() {
	r.removeLeftovers()
	for _, s := range r.plan.Containers {
		for _, name := range r.namesOf(s.Name) {
			r.world.LetStart(name)
			r.world.Behave(name, r.healthyBehaviour(s.Name))
			r.world.SetHealthCheck(name, dockertest.Passing)
			if t, ok := r.world.Truth(name); ok && !t.Gone && t.Status == worker.StatusPaused {
				r.world.Operator().Unpause(name)
			}
		}
		r.world.FreePort(s.HostPort)
		if t, ok := r.world.Truth(s.Name); ok && !t.Gone && s.HostPort != 0 {
			r.world.Operator().Remove(s.Name+"x", true) // both have the same host port
		}
	}
}
