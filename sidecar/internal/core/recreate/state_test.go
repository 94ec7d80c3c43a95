package recreate

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// everyState yields every state that the engine can show. The worker's name is free, or held by one of the two containers or by
// another one.
func everyState(yield func(State)) {
	const name = "w"
	states := []worker.Status{"created", "running", "exited", "dead", "removing"}
	var all []*Container
	for _, place := range []worker.Key{name, name + worker.NewSuffix, name + worker.BackupSuffix, "other"} {
		for _, state := range states {
			for flags := range 8 {
				s := Container{Name: place, Status: state, Ran: state != "created", Failed: flags&1 != 0 && state == "created",
					AutoRemove: flags&2 != 0, Missing: flags&4 != 0, Connected: true}
				all = append(all, &s)
			}
		}
	}
	skipped := 0
	for _, made := range append(all, nil) {
		for _, old := range append(all, nil) {
			if made != nil && old != nil && made.Name == old.Name && made.Name != "other" {
				continue
			}
			for flags := range 64 {
				if skipped++; testing.Short() && skipped%17 != 0 {
					continue // mutation runs test hundreds of them
				}
				p := State{Observed: Observed{Name: name}, Rollback: flags&1 != 0, Complete: flags&2 != 0, Touched: flags&4 != 0, OperatorStopped: flags&8 != 0}
				p.New, p.Old = numbered(made, "new"), numbered(old, "old")
				p.Holder = holder(p, flags&16 != 0)
				switch {
				case flags&32 == 0:
				case flags&3 == 0: // the removal of a worker ignores both flags
					p.OperatorRemoved = true
				case flags&7 == 3 && made != nil && made.Name == name+worker.NewSuffix && made.Status == "created":
					p.Rollback, p.Complete, p.Todo = false, false, []Step{Connect, CopyFiles, Compare}
				default:
					continue
				}
				yield(p)
			}
		}
	}
}

func numbered(s *Container, id string) *Container {
	if s == nil {
		return nil
	}
	copied := *s
	copied.ID = id
	return &copied
}

func holder(p State, other bool) string {
	switch {
	case p.New != nil && p.New.Name == p.Name:
		return p.New.ID
	case p.Old != nil && p.Old.Name == p.Name:
		return p.Old.ID
	case other:
		return "other"
	}
	return ""
}

// do applies a step on an engine where every step succeeds.
func (p State) do(step Step) State {
	p.New, p.Old = numbered(p.New, "new"), numbered(p.Old, "old")
	switch step {
	case StopOld:
		p.Old.Status, p.Touched = "exited", true
	case RenameOld:
		p.Old.Name, p.Touched = p.Name+worker.BackupSuffix, true
	case RenameNew:
		p.New.Name, p.Touched = p.Name, true
	case StartNew:
		p.New.Status, p.New.Ran = "running", true
	case Verify:
		p.Verified = true
	case RemoveOld, WaitRemoval:
		p.Old = nil
	case WaitStop:
		p.New.Status = "exited"
	case Connect, CopyFiles, Compare:
		p.Todo = p.Todo[1:]
		p.Complete = len(p.Todo) == 0
	case StopNew:
		p.New.Status = "exited"
	case UndoRename:
		p.New.Name = p.Name + worker.NewSuffix
	case RestoreOld:
		p.Old.Name = p.Name
	case StartOld:
		p.Old.Status = "running"
	case RemoveNew:
		p.New = nil
	}
	p.Holder = holder(p, p.Holder == "other")
	return p
}

// lastOfTheWorker reports whether the removal of a container removes the last one of the worker.
func lastOfTheWorker(other *Container) bool { return !other.usable() }

// Every state reaches the end in a few steps, and no step removes a container that it must not.
func TestNextFromEveryState(t *testing.T) {
	states := 0
	everyState(func(p State) {
		states++
		first, steps := p, []Step{}
		for step := Next(p); step != Finished; step = Next(p) {
			steps = append(steps, step)
			story := func() string { return fmt.Sprintf("new %+v, old %+v, %+v: %v", first.New, first.Old, first, steps) }
			if len(steps) > 12 {
				require.Fail(t, "no end", story())
			}
			if bad := judge(p, step); bad != "" {
				require.Fail(t, bad, story())
			}
			p = p.do(step)
		}
		if bad := judgeEnd(first, p); bad != "" {
			require.Fail(t, bad, fmt.Sprintf("new %+v, old %+v, %+v: %v", first.New, first.Old, first, steps))
		}
	})
	t.Log(states, "states")
	if !testing.Short() {
		require.Greater(t, states, 100_000)
	}
}

func judge(p State, step Step) string {
	made, old := p.place(p.New), p.place(p.Old)
	ours := func(at place) bool { return at == atName || at == atTemporary }
	switch step {
	case RemoveOld:
		switch {
		case old != atBackup || p.Old.up():
			return "an old container is removed that the transaction did not rename, or that runs"
		case !p.OperatorRemoved && (!p.Verified || made != atName && !p.newRenamed() || !p.New.up()):
			return "the old container is removed before the new one is verified"
		}
	case RemoveNew:
		switch {
		case p.New.up(), made != atTemporary && (!p.OperatorRemoved || made != atName):
			return "a new container is removed that is not where the transaction put it, or that runs"
		case p.OperatorRemoved:
		case lastOfTheWorker(p.Old) && !p.taken() && p.succeeds():
			return "the last container of the worker is removed"
		case old == atBackup && !p.taken():
			return "the only record of what the old container is goes before that one is back"
		}
	case StartNew, RenameNew:
		switch {
		case p.Old.up() && (old == atName || old == atBackup):
			return "both would run"
		case step == StartNew && (p.OperatorStopped || p.OperatorRemoved):
			return "an operator stopped it"
		}
	case StartOld:
		if p.OperatorStopped || p.OperatorRemoved || p.New.up() && ours(made) {
			return "both would run, or an operator stopped it"
		}
	case StopOld:
		if p.Rollback && !p.OperatorRemoved || old != atName && old != atBackup {
			return "the old container is stopped although it is to run, or is not the transaction's"
		}
	case RenameOld, RestoreOld, UndoRename, StopNew, Verify, WaitRemoval, WaitStop, InspectState, CreateNew, Connect, CopyFiles, Compare, Finished:
	}
	return ""
}

// judgeEnd: if there was a container of the worker, there is one in the end, under a name that identifies it. If an operator
// removed the worker, no container that the transaction created or renamed is left.
func judgeEnd(first, last State) string {
	made, old := last.place(last.New), last.place(last.Old)
	kept := last.Old != nil || last.New != nil && (made == atName || first.newRenamed())
	switch {
	case first.OperatorRemoved:
		if last.New != nil && (made == atTemporary || made == atName) || old == atBackup && last.Old.usable() {
			return "something is left of a worker that was removed"
		}
	case first.Old.usable() && !kept && !last.taken():
		return "the worker is lost"
	case first.OperatorStopped && (last.Old.up() && !first.Old.up() || last.New.up() && !first.New.up()):
		return "an operator's stop is undone"
	case last.New.up() && last.Old.up() && made == atName && old == atBackup && !last.taken():
		return "both run"
	}
	return ""
}

func TestRollsBack(t *testing.T) {
	see := func(name worker.Key, state worker.Status) *Container {
		return &Container{Name: name, Status: state, Ran: state != "created"}
	}
	fresh, up := see("w.stoker-new", "created"), see("w", "running")
	atBackup, old := see("w.stoker-old", "exited"), see("w", "running")
	ended := see("w", "exited")
	proven := *ended
	proven.Life = time.Minute
	failed := see("w", "created")
	failed.Failed = true
	for name, c := range map[string]struct {
		p    State
		back bool
	}{
		"nothing was done to the old one":  {State{Observed: Observed{New: fresh, Old: old}}, true},
		"the old one is stopped":           {State{Observed: Observed{New: fresh, Old: see("w", "exited")}}, true},
		"the old one has made room":        {State{Observed: Observed{New: fresh, Old: atBackup}}, false},
		"it runs again":                    {State{Observed: Observed{New: fresh, Old: see("w.stoker-old", "running")}}, true},
		"the new one has the name":         {State{Observed: Observed{New: see("w", "created"), Old: atBackup}}, false},
		"it runs":                          {State{Observed: Observed{New: up, Old: atBackup}}, false},
		"its start failed":                 {State{Observed: Observed{New: failed, Old: atBackup}}, true},
		"it exited before it was verified": {State{Observed: Observed{New: ended, Old: atBackup}}, true},
		"it exited after it was verified":  {State{Observed: Observed{New: &proven, Old: atBackup}}, false},
		"it has lost the name again":       {State{Observed: Observed{New: see("w.stoker-new", "exited"), Old: atBackup}}, true},
		"the new one is gone":              {State{Observed: Observed{Old: atBackup}}, true},
		"the old one is gone":              {State{Observed: Observed{New: fresh}}, false},
		"the old one is no longer usable":  {State{Observed: Observed{New: fresh, Old: see("w.stoker-old", "dead")}}, false},
		"an operator stopped the worker":   {State{Observed: Observed{New: up, Old: atBackup}, OperatorStopped: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c.p.Name = "w"
			require.Equal(t, c.back, rollsBack(c.p, 2*time.Second))
		})
	}
}
