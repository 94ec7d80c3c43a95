package main

import "slices"

// table returns the named mutants, in the order of the rules of docs/how-it-works.md that they break.
func table() []named {
	return slices.Concat(perception(), action(), onDemand(), recycling(), evidence(), probes())
}

// perception returns the mutants of how Stoker interprets events, lists and inspects.
func perception() []named {
	return []named{
		{
			name: "rule 1: a stop goes out without the inspect before it", file: "engine/docker/act.go", pkg: "engine/docker", run: "^TestDo$",
			old: `if why := refusal(out.Action, *out.Snapshot); why != "" {`, new: `if why := refusal(out.Action, *out.Snapshot); why == "never" {`,
		},
		{
			name: "rule 3: a list that failed counts as a list without workers", file: "engine/watch/session.go", pkg: "engine/watch",
			old: "	if p.err != nil {\n		return fmt.Errorf(\"list", new: "	if p.err != nil && p.at.IsZero() {\n		return fmt.Errorf(\"list",
		},
		{
			name: "rule 5: an operator's stop signal is ignored", file: "core/worker/exit.go", pkg: "core/worker",
			old: "	m.operatorStop(now, StopIntent{ID: o.ID, At: o.At, Signal: int(o.Signal)})\n", new: "",
		},
		{
			name: "rule 5: no stop explains an exit", file: "core/worker/cause.go", pkg: "core/fleet", run: "^TestInvariants$",
			old: `return i.Complete || at.Sub(i.At) <= m.stopWindow() || !now.After(m.foreign.window)`, new: `return false`,
		},
		{
			name: "rule 5: an operator's stop is lost when Stoker restarts", file: "core/worker/machine.go", pkg: "core/worker",
			old: `s.Phase == "" || s.Hold.Reason == HeldDryRun {`, new: `s.Phase == "" || s.Hold.Reason == HeldDryRun || s.Hold.Reason == HeldOperator {`,
		},
		{
			name: "rule 6: the stops of a daemon's shutdown are an operator's", file: "core/fleet/link.go", pkg: "core/fleet", run: "^TestEngine",
			old: `	return last.Add(-shutdownSpread)`, new: `	return time.Time{}`,
		},
		{
			name: "rule 6: an operator's stop before a daemon's shutdown is the daemon's", file: "core/fleet/link.go", pkg: "core/fleet", run: "Shutdown",
			old: `	return last.Add(-shutdownSpread)`, new: `	return last.Add(-24 * time.Hour)`,
		},
		{
			name: "rule 7: Stoker takes its own stop for an operator's", file: "core/worker/exit.go", pkg: "core/worker",
			old: "	if m.own.signals == 0 && m.firstSignal(o.Signal) {", new: "	if false {",
		},
		{
			name: "rule 9: a Swarm task is healed", file: "core/fleet/route.go", pkg: "core/fleet", run: "^TestSelection$",
			old: `case policy.SwarmTask(labels):`, new: `case policy.SwarmTask(nil):`,
		},
		{
			name: "rule 10: Docker's restart policy is not waited for", file: "core/worker/exit.go", pkg: "core/worker",
			old: `case m.container.config.restart.Active():`, new: `case false:`,
		},
		{
			name: "rule 13: a heal ends before the worker is healthy", file: "core/worker/unhealthy.go", pkg: "core/worker",
			old: "		m.checks.healthySince, m.checks.unhealthyAt = time.Time{}, time.Time{}\n	}\n}", new: "		m.markHealthy(now)\n	}\n}",
		},
	}
}

// action returns the mutants of Stoker's actions and their times.
func action() []named {
	return []named{
		{
			name: "rule 11: a start that is due waits for an inspect", file: "core/worker/plan.go", pkg: "core/worker",
			old: "	if lane == ClassStart && !due.After(now) {\n		return lane, due // a start", new: "	if false {\n		return lane, due // a start",
		},
		{
			name: "I1: a worker is acted on while an action on it is in flight", file: "core/worker/plan.go", pkg: "core/worker",
			old: `if m.container.removed || m.inFlight != nil ||`, new: `if m.container.removed ||`,
		},
		{
			name: "rule 12: there is no back-off", file: "core/worker/heal.go", pkg: "core/worker",
			old: `m.begin(now, c, now.Add(delay))`, new: `m.begin(now, c, now.Add(min(delay, 0)))`,
		},
		{
			name: "rule 12: the back-off has no jitter", file: "core/policy/delay.go", pkg: "core/policy",
			old: `return nominal - time.Duration(less)`, new: `return nominal - time.Duration(less&0)`,
		},
		{
			name: "rule 14: a start without an answer counts as failed", file: "core/worker/outcome.go", pkg: "core/worker",
			old: "		m.startWorked(now, o.Snapshot)\n		m.applyOrInspect(now, o)\n	case Unknown:\n		m.inspects.outcomeUnknown, m.networks.unseenStart = true, m.networks.unseenStart || !o.Accepted\n		m.requestInspect(now.Add(firstRetry), ReasonUncertain)\n	case Failed, Refused:",
			new: "		m.startWorked(now, o.Snapshot)\n		m.applyOrInspect(now, o)\n	case Unknown, Failed, Refused:",
		},
		{
			name: "rule 15: restarts go on while the host is overloaded", file: "core/fleet/schedule.go", pkg: "core/fleet", run: "Overload|Brake|Host",
			old: `case f.guarded(class) && !s.m.passedGuard() && !f.overload.allows(now, s.m):`, new: `case false:`,
		},
		{
			name: "rule 16: the old container is removed before the new one is verified", file: "core/recreate/state.go", pkg: "core/recreate",
			old: `case s.Verified && old == atBackup && !s.GivenUp[RemoveOld]:`, new: `case s.New.up() && old == atBackup && !s.GivenUp[RemoveOld]:`,
		},
		{
			name: "rule 16: the old container is not started again", file: "core/recreate/state.go", pkg: "core/recreate",
			old: `		return StartOld`, new: `		return s.removeNew()`,
		},
		{
			name: "rule 16: the old container goes with its anonymous volumes", file: "engine/docker/recreate.go", pkg: "engine/docker", run: "Recreate|Removes|Transaction",
			old: `container.RemoveOptions{})`, new: `container.RemoveOptions{RemoveVolumes: true})`,
		},
		{
			name: "rule 16: a stop goes out before the journal has it", file: "engine/supervisor/supervisor.go", pkg: "engine/supervisor",
			old: `if a.Verb == worker.Stop || a.Verb == worker.Kill || a.Verb == worker.RecreateStep || a.Verb == worker.Update || a.Verb == worker.Collect && len(a.Evidence.Command) > 0 {`, new: `if a.Verb == worker.Update {`,
		},
		{
			name: "a worker is recreated after docker rm -f although its policy does not ask for it", file: "core/worker/missing.go", pkg: "core/worker",
			old: `killed && m.id.Policy.OnMissing == policyRecreate && after`, new: `killed && after`,
		},
		{
			name: "I8: a boost is not reverted", file: "core/worker/quota.go", pkg: "core/worker",
			old: `		return b.From, true`, new: `		return b.To, true`,
		},
		{
			name: "rule 18: orphaned dependents are not restarted", file: "core/fleet/dependents.go", pkg: "core/fleet", run: "Dependents|Parent",
			old: `if !ok || due.After(now) || !f.bound(m) || f.heldByPause(m) {`, new: `if ok || !due.After(now) || !f.bound(m) {`,
		},
		{
			name: "a dry run acts", file: "core/fleet/fleet.go", pkg: "core/fleet", run: "DryRun",
			old: `if f.set.DryRun && do.Verb != worker.Inspect {`, new: `if false {`,
		},
	}
}

// onDemand returns the mutants of demand: how many workers of a group run.
func onDemand() []named {
	return []named{
		{
			name: "I10: a busy worker is put to sleep", file: "core/demand/sleep.go", pkg: "core/demand",
			old: `w.Use == UseIdle && w.InHand <= 0`, new: `w.Use != UseUnknown && w.InHand <= 0`,
		},
		{
			name: "I10: a worker with an item in hand is put to sleep", file: "core/demand/sleep.go", pkg: "core/demand",
			old: `w.Use == UseIdle && w.InHand <= 0`, new: `w.Use == UseIdle`,
		},
		{
			name: "I10: the CPU budget has no limit", file: "core/demand/decide.go", pkg: "core/demand",
			old: "		in.Budget -= w.CPUs\n		d.Wake", new: "		d.Wake",
		},
		{
			name: "I11: a worker that fails for long counts as capacity", file: "core/demand/decide.go", pkg: "core/demand",
			old: `w.State == Waking || w.State == Unseen`, new: `w.State == Waking || w.State == Unseen || w.State == Failing`,
		},
	}
}

// recycling returns the mutants of the restarts of healthy workers.
func recycling() []named {
	return []named{
		{
			name: "a recycle costs an attempt", file: "core/worker/heal.go", pkg: "core/worker", run: "Recycle",
			old: `if f.Recycles() && !m.heal().Open() {`, new: `if false {`,
		},
		{
			name: "two workers of a group are recycled at once", file: "core/fleet/recycle.go", pkg: "core/fleet", run: "Recycle",
			old: `	occupied[name] = taken
	if taken ||`, new: `	occupied[name] = taken
	if`,
		},
		{
			name: "a worker is recycled while another of its group is down", file: "core/fleet/recycle.go", pkg: "core/fleet", run: "Recycle",
			old: `		if f.othersOccupy(m) {
			return false`, new: `		if false {
			return false`,
		},
		{
			name: "a busy worker is recycled at once", file: "core/fleet/recycle.go", pkg: "core/fleet", run: "Recycle",
			old: `busy && !late {`, new: `false && !late {`,
		},
		{
			name: "a schedule has no time in the hour that daylight saving skips", file: "core/policy/schedule.go", pkg: "core/policy", run: "Schedule",
			old: `			return begin
		}
		return end`, new: `			return begin.AddDate(0, 0, 1)
		}
		return end.AddDate(0, 0, 1)`,
		},
		{
			name: "a schedule has two times in the hour that daylight saving repeats", file: "core/policy/schedule.go", pkg: "core/policy", run: "Schedule",
			old: `if earlier := at.Add(time.Duration(offset-before) * time.Second); earlier.Before(begin) {
		return earlier`, new: `if earlier := at.Add(time.Duration(offset-before) * time.Second); earlier.Before(begin) {
		return at`,
		},
		{
			name: "memory that drops in between still counts as above the limit", file: "core/worker/recyclestats.go", pkg: "core/worker", run: "Memory|Recycle",
			old: `	case reading.Memory <= uint64(bound): //nolint:gosec // positive
		m.recycle.overSince = time.Time{}`, new: `	case reading.Memory <= uint64(bound): //nolint:gosec // positive
		_ = time.Time{}`,
		},
	}
}

// probes returns the mutants of probes from outside.
func probes() []named {
	const pkg = "core/worker"
	return []named{
		{
			name: "probes: a failed probe does not make the worker unhealthy", file: "core/worker/outside.go", pkg: pkg,
			old: `return WorseHealth(m.checks.status, m.outsideHealth())`, new: `return m.checks.status`,
		},
		{
			name: "probes: the engine's health status prevents the stop after a failed probe", file: "core/worker/collect.go", pkg: pkg,
			old: `&& !m.heal().BeforeStop && !m.failsOutside()`, new: `&& !m.heal().BeforeStop`,
		},
		{
			name: "probes: an answer of another incarnation counts", file: "core/worker/outside.go", pkg: pkg,
			old: `if !m.probed() || !in.Incarnation.same(m.saved.Incarnation) || !o.of.same(in.Incarnation) {`, new: `if !m.probed() {`,
		},
		{
			name: "probes: an incarnation starts with the failures of the one before", file: "core/worker/outside.go", pkg: pkg,
			old: `due: now.Add(p.Pace(0)), impossible: o.impossible}`, new: `due: now.Add(p.Pace(0)), impossible: o.impossible, failures: o.failures + 1}`,
		},
		{
			name: "probes: probes without an answer do not count for the overload", file: "core/worker/view.go", pkg: "core/fleet", run: "^TestProbes",
			old: `return watched, m.outside.last.Verdict == VerdictNoAnswer`, new: `return watched, false`,
		},
		{
			name: "probes: a network that Stoker is not connected to is probed", file: "core/worker/reach.go", pkg: "engine/probe",
			old: `if shared || other.Host {`, new: `if shared || true {`,
		},
		{
			name: "probes: a redirect is a failure", file: "engine/probe/network.go", pkg: "engine/probe",
			old: `code < 200 || code >= 400`, new: `code < 200 || code >= 300`,
		},
	}
}
