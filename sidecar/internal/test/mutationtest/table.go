package main

import "slices"

// mutant is one way to break Stoker.
type mutant struct {
	name   string
	breaks string // in the words of docs/how-it-works.md
	file   string // below sidecar/internal
	old    string // there exactly once
	new    string
	suites []suite // one of them must fail
}

// suite is the tests of a package, or those that run picks.
type suite struct{ pkg, run string }

func (s suite) String() string {
	if s.run == "" {
		return s.pkg
	}
	return s.pkg + " -run " + s.run
}

// in are the tests of packages; of those whose tests take minutes, the ones that are about what the mutants break.
func in(pkgs ...string) []suite {
	long := map[string]string{
		"engine/docker":          "^(TestDo|TestStop.*)$",
		"engine/docker/recreate": "^(TestDo|TestRemovesGently|TestTurnsBack|TestNextFromEveryPicture|TestUnproven.*|TestLate.*|TestNever.*)$",
		"test/simulation":        "^TestSim$",
	}
	var suites []suite
	for _, pkg := range pkgs {
		suites = append(suites, suite{pkg: pkg, run: long[pkg]})
	}
	return suites
}

// byProperty are the tests that draw what happens, and know nothing of the rule but itself.
func byProperty(pkg, run string) []suite { return []suite{{pkg: pkg, run: run}} }

// table is all mutants, in the order of the rules that they break.
func table() []mutant {
	return slices.Concat(seeing(), meaning(), leaving(), healing(), counting(), judging(), remaking(), keeping())
}

// seeing are rules 1 to 4.
func seeing() []mutant {
	return []mutant{
		{
			name: "no look before a stop", breaks: "rule 1: a stop goes out without a look at what it is about to stop",
			file: "engine/docker/act.go", suites: in("engine/docker"),
			old: `if why := refusal(out.Action, *out.Snapshot); why != "" {`,
			new: `if why := refusal(out.Action, *out.Snapshot); why == "never" {`,
		},
		{
			name: "another life is as good", breaks: "I2: the look before a stop does not compare the start time",
			file: "engine/docker/act.go", suites: in("engine/docker"),
			old: `case s.ID != a.Incarnation.ID || !s.StartedAt.Equal(a.Incarnation.StartedAt):`,
			new: `case s.ID != a.Incarnation.ID:`,
		},
		{
			name: "an error is an empty list", breaks: "rule 3: a list that failed counts as one without workers",
			file: "engine/watch/session.go", suites: in("engine/watch"),
			old: "	if p.err != nil {\n		return fmt.Errorf(\"list what there is",
			new: "	if p.err != nil && p.at.IsZero() {\n		return fmt.Errorf(\"list what there is",
		},
		{
			name: "health of a pause", breaks: "rule 4: the unhealthy that a pause sets is believed",
			file: "core/worker/absorb.go", suites: in("core/worker"),
			old: `if s.Health == HealthUnhealthy && !m.resumedAt.IsZero() &&`,
			new: `if s.Health == HealthNone && !m.resumedAt.IsZero() &&`,
		},
	}
}

// meaning are rules 5 and 6.
func meaning() []mutant {
	return []mutant{
		{
			name: "intent ignored", breaks: "rule 5: a stop signal of someone else is not noted",
			file: "core/worker/end.go", suites: in("core/worker"),
			old: "	m.intend(now, StopIntent{ID: o.ID, At: o.At, Signal: int(o.Signal)})\n",
			new: "",
		},
		{
			name: "rule 5 taken out", breaks: "rule 5: no stop of someone else explains an end",
			file: "core/worker/end.go", suites: byProperty("core/fleet", "^TestInvariants$"),
			old: `return i.Complete || at.Sub(i.At) <= m.stopWindow() || !now.After(m.yieldUntil)`,
			new: `return false`,
		},
		{
			name: "stop forgotten", breaks: "rule 5: an operator's stop does not outlive a restart of Stoker",
			file: "core/worker/machine.go", suites: in("core/worker", "core/fleet"),
			old: `if mem.Held == HeldDryRun {`,
			new: `if mem.Held == HeldDryRun || mem.Held == HeldOperator {`,
		},
		{
			name: "shutdown is an operator", breaks: "rule 6: the stops of an engine's shutdown are people's",
			file: "core/fleet/link.go", suites: in("core/fleet"),
			old: `	return last.Add(-shutdownSpread)`,
			new: `	return time.Time{}`,
		},
		{
			name: "operator is a shutdown", breaks: "rule 6: any stop before an engine's end is its shutdown's",
			file: "core/fleet/link.go", suites: in("core/fleet"),
			old: `	return last.Add(-shutdownSpread)`,
			new: `	return last.Add(-24 * time.Hour)`,
		},
	}
}

// leaving are rules 7 to 10: whom to leave alone.
func leaving() []mutant {
	return []mutant{
		{
			name: "own stop is an operator's", breaks: "rule 7: Stoker takes its own stop signal for someone else's",
			file: "core/worker/end.go", suites: in("core/worker"),
			old: "	if !m.stopSent() {\n		return false\n	}\n	if m.ownSignals == 0",
			new: "	if !m.stopSent() || m.looked {\n		return false\n	}\n	if m.ownSignals == 0",
		},
		{
			name: "unseen ends are faults", breaks: "rule 8: with no memory, 0, 137 and 143 are healed too",
			file: "core/worker/absorb.go", suites: in("core/worker"),
			old: `case s.OOMKilled || !deliberateCode(s.ExitCode):`,
			new: `case s.OOMKilled || deliberateCode(s.ExitCode) || s.ExitCode > 0:`,
		},
		{
			name: "Swarm is healed", breaks: "rule 9: a task of a Swarm is a worker like any other",
			file: "core/fleet/route.go", suites: in("core/fleet"),
			old: `case policy.SwarmTask(labels):`,
			new: `case policy.SwarmTask(nil):`,
		},
		{
			name: "one-offs are healed", breaks: "rule 9: a container of compose run is a worker like any other",
			file: "core/fleet/route.go", suites: in("core/fleet"),
			old: `case policy.OneOff(labels):`,
			new: `case policy.OneOff(nil):`,
		},
		{
			name: "before Docker", breaks: "rule 10: Docker's restart policy is not waited for",
			file: "core/worker/end.go", suites: in("core/worker"),
			old: `case m.traits.restart.Active():`,
			new: `case m.traits.restart.Active() && m.over:`,
		},
	}
}

// healing is rule 11.
func healing() []mutant {
	return []mutant{
		{
			name: "start behind a look", breaks: "rule 11: a start that is due waits for a look",
			file: "core/worker/plan.go", suites: in("core/worker", "core/fleet", "test/simulation"),
			old: "	if lane == LaneStart && !due.After(now) {\n		return lane, due",
			new: "	if lane == LaneStart && due.IsZero() {\n		return lane, due",
		},
		{
			name: "one start too many", breaks: "rule 11: STOKER_PARALLEL is off by one",
			file: "core/fleet/fleet.go", suites: in("core/fleet"),
			old: `f.inLane[m.lane] < f.set.Parallel`,
			new: `f.inLane[m.lane] <= f.set.Parallel`,
		},
		{
			name: "two heals at once", breaks: "I1: a worker is acted on while an action on it is under way",
			file: "core/worker/plan.go", suites: in("core/worker", "core/fleet"),
			old: `if m.over || m.busy != nil || (m.barred`,
			new: `if m.over || (m.barred`,
		},
	}
}

// counting is rule 12: the budget, the back-off and the ladder.
func counting() []mutant {
	return []mutant{
		{
			name: "attempts not counted", breaks: "I7: a heal is not charged to the budget",
			file: "core/worker/plan.go", suites: in("core/worker"),
			old: "		m.mem.Attempts = heal.Attempt\n",
			new: "",
		},
		{
			name: "one attempt too many", breaks: "I7: the budget is off by one",
			file: "core/worker/heal.go", suites: in("core/worker"),
			old: `m.mem.Attempts >= m.policy.MaxAttempts`,
			new: `m.mem.Attempts > m.policy.MaxAttempts`,
		},
		{
			name: "stable resets nothing", breaks: "rule 12: a stable life does not give the attempts back",
			file: "core/worker/heal.go", suites: in("core/worker"),
			old: "	m.mem.Attempts, m.mem.RestartsInARow = 0, 0\n	if m.mem.Alone",
			new: "	if m.mem.Alone",
		},
		{
			name: "no back-off", breaks: "rule 12: each attempt is at once",
			file: "core/worker/heal.go", suites: in("core/worker"),
			old: `m.begin(now, c, now.Add(delay))`,
			new: `m.begin(now, c, now.Add(min(delay, 0)))`,
		},
		{
			name: "first attempt waits", breaks: "rule 12: the first attempt is not at once",
			file: "core/policy/delay.go", suites: in("core/policy"),
			old: "	if attempt <= 1 {\n		return 0",
			new: "	if attempt <= 0 {\n		return 0",
		},
		{
			name: "no cap", breaks: "rule 12: the back-off grows beyond backoff-max",
			file: "core/policy/delay.go", suites: in("core/policy"),
			old: "		if delay > p.BackoffMax/2 {\n			return p.BackoffMax\n		}\n",
			new: "",
		},
		{
			name: "no jitter", breaks: "rule 12: workers that fell together get up together",
			file: "core/policy/delay.go", suites: in("core/policy"),
			old: `return nominal - time.Duration(less)`,
			new: `return nominal - time.Duration(less&0)`,
		},
		{
			name: "ladder off by one", breaks: "rule 12: a recreate comes one restart late",
			file: "core/worker/heal.go", suites: in("core/worker"),
			old: `m.mem.RestartsInARow >= m.policy.RecreateAfter`,
			new: `m.mem.RestartsInARow > m.policy.RecreateAfter`,
		},
	}
}

// judging are rules 13 to 15, and labels that say when to act.
func judging() []mutant {
	return []mutant{
		{
			name: "yes is done", breaks: "rule 13: a heal is over before the worker is healthy",
			file: "core/worker/absorb.go", suites: in("core/worker"),
			old: "	case HealthStarting, HealthUntold: // only ever at the beginning of a life\n		m.wellSince, m.unhealthyAt = time.Time{}, time.Time{}",
			new: "	case HealthStarting, HealthUntold: // only ever at the beginning of a life\n		m.well(now)",
		},
		{
			name: "no answer is a no", breaks: "rule 14: a start without an answer counts as failed, and is sent again without a look",
			file: "core/worker/outcome.go", suites: in("core/worker"),
			old: "	case Unknown:\n		m.unanswered = true\n		m.wishLook(now.Add(firstLook), ReasonUncertain)\n	case Failed, Refused:\n		m.awaitStart",
			new: "	case Unknown, Failed, Refused:\n		m.awaitStart",
		},
		{
			name: "brake ignored", breaks: "rule 15: restarts go on while most probes time out together",
			file: "core/fleet/fleet.go", suites: in("core/fleet"),
			old: `f.inLane[m.lane] < maxStops && f.brake.allows(now, m)`,
			new: `f.inLane[m.lane] < maxStops`,
		},
		{
			name: "rule 15 taken out", breaks: "rule 15: the host is never ill",
			file: "core/fleet/fleet.go", suites: byProperty("test/simulation", "^TestSim$"),
			old: "	f.judgeHost(now)\n	for f.grantDue(now) {\n		f.judgeHost(now)\n	}\n",
			new: "	for f.grantDue(now) { //nolint:revive // nothing else is to be done\n	}\n",
		},
		{
			name: "unhealthy-for ignored", breaks: "a worker is restarted before it was unhealthy for so long",
			file: "core/worker/heal.go", suites: in("core/worker"),
			old: `heal.Due = latest(due, m.unhealthyAt.Add(m.policy.UnhealthyFor))`,
			new: `heal.Due = due`,
		},
		{
			name: "dry run acts", breaks: "STOKER_DRY_RUN touches workers",
			file: "core/fleet/fleet.go", suites: in("core/fleet"),
			old: `if f.set.DryRun && do.Verb != worker.Look {`,
			new: `if f.set.DryRun && do.Verb == worker.Look {`,
		},
	}
}

// remaking is rule 16.
func remaking() []mutant {
	return []mutant{
		{
			name: "removed before its proof", breaks: "rule 16: a recreate removes the old container before the new one has stayed up",
			file: "engine/docker/recreate/picture.go", suites: in("engine/docker/recreate"),
			old: `case p.Proven && old == aside && !p.GivenUp[Remove]:`,
			new: `case p.New.up() && old == aside && !p.GivenUp[Remove]:`,
		},
		{
			name: "no way back", breaks: "rule 16: a recreate that failed does not start the old container again",
			file: "engine/docker/recreate/picture.go", suites: in("engine/docker/recreate"),
			old: `case p.Passed && !p.Old.up() && !p.StayDown && !p.GivenUp[Revive]:`,
			new: `case p.Passed && p.Old.up() && !p.StayDown && !p.GivenUp[Revive]:`,
		},
		{
			name: "volumes removed", breaks: "rule 16: the old container goes with its anonymous volumes",
			file: "engine/docker/recreate/drive.go", suites: in("engine/docker/recreate", "engine/docker"),
			old: `container.RemoveOptions{})`,
			new: `container.RemoveOptions{RemoveVolumes: true})`,
		},
		{
			name: "stop of the heir forgotten", breaks: "rule 16: who stopped the new container while no Stoker was there is overruled",
			file: "core/fleet/pair.go", suites: in("core/fleet"),
			old: "	if stop != nil {\n		f.step(now, m, *stop)",
			new: "	if stop != nil && p == nil {\n		f.step(now, m, *stop)",
		},
		{
			name: "journal not flushed", breaks: "rule 16: a stop goes out before the decision is on disk",
			file: "engine/supervisor/supervisor.go", suites: in("engine/supervisor"),
			old: `if a.Verb == worker.Stop || a.Verb == worker.Recreate || a.Verb == worker.Update {`,
			new: `if a.Verb == worker.Resume {`,
		},
	}
}

// keeping is about missing workers, quotas and dependents.
func keeping() []mutant {
	return []mutant{
		{
			name: "missing healed unasked", breaks: "docker rm -f brings a worker back that does not ask for it",
			file: "core/worker/missing.go", suites: in("core/worker"),
			old: `return c, killed && m.policy.OnMissing == policyRecreate && at.Sub`,
			new: `return c, killed && at.Sub`,
		},
		{
			name: "--rm healed when stopped", breaks: "a --rm worker that an operator stopped comes back",
			file: "core/worker/missing.go", suites: in("core/worker"),
			old: `case m.mem.AutoRemove && heal != nil && heal.Step == StepRecreate:`,
			new: `case m.mem.AutoRemove || (heal != nil && heal.Step == StepRecreate):`,
		},
		{
			name: "boost kept", breaks: "I8: a boost is not given back",
			file: "core/worker/quota.go", suites: in("core/worker"),
			old: `		return b.From, true`,
			new: `		return b.To, true`,
		},
		{
			name: "dependents left", breaks: "rule 18: what lives in a healed worker's namespaces is not healed",
			file: "core/fleet/fleet.go", suites: in("core/fleet"),
			old: "	f.followDue(now)\n",
			new: "",
		},
		{
			name: "orphaned for ever", breaks: "rule 18: a guest with no attempt left stays orphaned when it has some again",
			file: "core/worker/heal.go", suites: []suite{{pkg: "test/simulation", run: "^TestKnown$"}},
			old: `m.mem.Alone = c.fault == FaultStranded`,
			new: `m.mem.Alone = false`,
		},
	}
}
