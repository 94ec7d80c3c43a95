package fleet

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// cloning is the state of a group's clones.
type cloning struct {
	action  uint64     // that makes or removes a clone; 0 for none
	refused string     // why no clone can be made, reported once
	retryAt time.Time  // no attempt before then, after a failure
	made    worker.Key // the last one, which may not have been observed yet
	madeAt  time.Time
}

// cloneRetry is the wait after a failure to make or remove a clone.
const cloneRetry = time.Minute

// cloneAsleep returns since when a clone sleeps; zero for other workers.
func (m *member) cloneAsleep(now time.Time, state demand.State) time.Time {
	if state != demand.Asleep || !policy.IsClone(m.machine.Saved().Labels) {
		m.asleepSince = time.Time{}
		return m.asleepSince
	}
	if m.asleepSince.IsZero() || m.asleepSince.After(now) {
		m.asleepSince = now
	}
	return m.asleepSince
}

// changeClones makes one more worker, or removes one that is no longer needed.
func (f *Fleet) changeClones(now time.Time, g *group, d demand.Decision, members []*member) {
	if g.clone.action != 0 || f.set.DryRun || slices.ContainsFunc(members, f.heldByPause) || g.clone.retryAt.After(now) || f.cloneUnseen(now, g) {
		return
	}
	switch {
	case d.Clone:
		f.makeClone(now, g, members[len(members)-1])
	case len(d.Remove) > 0:
		m := members[d.Remove[0]]
		f.send(inFlight{id: m.id, session: f.stream.session, verb: worker.RemoveClone}, worker.Action{
			Verb: worker.RemoveClone, Key: m.key(), Incarnation: m.machine.Saved().Incarnation, Deadline: cloneDeadline,
		})
		g.clone.action = f.actions.lastID
	}
}

// cloneUnseen reports whether a clone was made and not observed yet. If its event was lost, the next list shows it.
func (f *Fleet) cloneUnseen(now time.Time, g *group) bool {
	return g.clone.made != "" && f.members[g.clone.made] == nil && now.Sub(g.clone.madeAt).Abs() < cloneNotice
}

// cloneNotice is the maximum time until a new clone is observed.
const cloneNotice = 10 * time.Second

// cloneDeadline is the deadline of the calls that make or remove a clone.
const cloneDeadline = time.Minute

// makeClone makes a worker like the last one of the group.
func (f *Fleet) makeClone(now time.Time, g *group, last *member) {
	saved := last.machine.Saved()
	_, number := groupOf(last)
	name, err := policy.CloneName(string(last.key()), number, number+1)
	if err != nil {
		f.cloneRefused(now, g, err.Error())
		return
	}
	if len(saved.Definition) == 0 || f.members[worker.Key(name)] != nil {
		return
	}
	f.send(inFlight{session: f.stream.session, verb: worker.Clone}, worker.Action{
		Verb:         worker.Clone,
		Key:          worker.Key(name),
		Incarnation:  saved.Incarnation,
		RecreateArgs: worker.RecreateArgs{Definition: slices.Clone(saved.Definition), Number: number + 1},
		Deadline:     cloneDeadline,
		Reason:       worker.ReasonWorkWaits,
	})
	g.clone.action = f.actions.lastID
}

// cloneChanged handles the result of making or removing a clone. A new clone is then observed like any other worker.
func (f *Fleet) cloneChanged(now time.Time, o worker.Outcome) {
	for _, g := range f.demands.groups {
		if g.clone.action != o.Action.ID {
			continue
		}
		g.clone.action, g.changed = 0, true
		switch {
		case o.CannotRecreate:
			f.cloneRefused(now, g, o.Err)
		case o.Result != worker.Done:
			g.clone.retryAt = now.Add(cloneRetry)
		case o.Action.Verb == worker.Clone:
			g.clone.refused, g.clone.made, g.clone.madeAt = "", o.Action.Key, now
		}
	}
}

// cloneRefused reports once why no further worker can be made.
func (f *Fleet) cloneRefused(now time.Time, g *group, why string) {
	g.clone.retryAt = now.Add(cloneRetry)
	if g.clone.refused == why {
		return
	}
	g.clone.refused = why
	f.out.Events = append(f.out.Events, worker.Event{
		At: now, Kind: worker.EventDemandLimited, Group: g.name, Reason: worker.ReasonCloneRefused, Detail: "no further worker can be made: " + why,
	})
}
