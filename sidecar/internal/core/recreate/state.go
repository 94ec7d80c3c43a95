// Package recreate decides how a container is replaced by an identical one, so that the worker is never lost.
//
// At every instant either a container has the worker's name, or the engine holds what is needed to create one. The labels of the
// new container contain the ID of the one that it replaces, and the final name. The new container is not removed before the old
// one has its name back. The old one is not removed before the new one has stayed up and was compared with it.
//
// Names, labels and states alone therefore determine how to resume after a crash between any two calls. State holds them, Next is
// the next step, and a Transaction is the series of steps with retries and time limits. docs/recreate.md has the table of steps,
// rollbacks and tests.
package recreate

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// Container is one of the two containers of a transaction, with the facts that the next step depends on.
type Container struct {
	ID         string
	Name       worker.Key
	Status     worker.Status
	Ran        bool          // it was started at least once
	Failed     bool          // its last start failed
	Life       time.Duration // duration of its last incarnation; 0 while it runs
	AutoRemove bool
	Missing    bool // created for a worker whose container was gone
	Connected  bool // to as many networks as the old container
}

// up is also true while the container is paused or waits for Docker's restart policy.
func (c *Container) up() bool {
	return c != nil && (c.Status == worker.StatusRunning || c.Status == worker.StatusPaused || c.Status == worker.StatusRestarting)
}

// usable reports whether the transaction can return to the container.
func (c *Container) usable() bool {
	return c != nil && c.Status != worker.StatusDead && c.Status != worker.StatusRemoving
}

// Observed is what the engine shows of a recreate.
type Observed struct {
	Name   worker.Key
	New    *Container // nil if there is none
	Old    *Container // nil if there is none
	Holder string     // ID of the container that has the name; empty for none
}

// State is all that the next step depends on.
type State struct {
	Observed
	Collect         bool          // evidence is to be collected before the old container is stopped
	Todo            []Step        // remaining first steps; only while the old container is untouched
	Rollback        bool          // the transaction is being rolled back
	Complete        bool          // the new container is known to be complete
	Touched         bool          // the old container may have been stopped or renamed by the transaction
	Named           bool          // the transaction has given the name to the new container
	Verified        bool          // the new container stayed up and is like the old one
	OperatorStopped bool          // an operator stopped one of the two
	OperatorRemoved bool          // an operator removed the worker, and it is not to be recreated
	GivenUp         map[Step]bool // optional steps that failed too often
}

// Step is one step of a transaction.
type Step string

// The steps. CreateNew to Compare come first and do not touch the old container; they are State.Todo.
const (
	InspectState Step = "inspect" // because the last step left the state unknown
	CreateNew    Step = "create new"
	Connect      Step = "connect"
	CopyFiles    Step = "copy files"
	Compare      Step = "compare"

	CollectOld Step = "collect evidence" // of the old container
	StopOld    Step = "stop old"
	RenameOld  Step = "rename old" // to the backup name
	RenameNew  Step = "rename new" // to the worker's name
	StartNew   Step = "start new"
	Verify     Step = "verify new" // it stays up and is like the old one
	RemoveOld  Step = "remove old"

	StopNew     Step = "stop new"
	UndoRename  Step = "undo rename" // of the new container, to its temporary name
	RestoreOld  Step = "restore old" // rename it to the worker's name
	StartOld    Step = "start old"
	RemoveNew   Step = "remove new"
	WaitRemoval Step = "wait for removal" // of the old container, which still has the name
	WaitStop    Step = "wait for stop"    // of the new container by an operator
	Finished    Step = ""
)

type place uint8

const (
	elsewhere place = iota
	atName
	atTemporary
	atBackup
)

func (s State) place(c *Container) place {
	switch {
	case c == nil:
		return elsewhere
	case c.Name == s.Name:
		return atName
	case c.Name == s.Name+worker.NewSuffix:
		return atTemporary
	case c.Name == s.Name+worker.BackupSuffix:
		return atBackup
	}
	return elsewhere
}

// taken reports whether a third container has the name.
func (s State) taken() bool {
	return s.Holder != "" && (s.New == nil || s.New.ID != s.Holder) && (s.Old == nil || s.Old.ID != s.Holder)
}

// Next is the next step from a state. It is total: every state has one, and every state reaches Finished in a few steps.
func Next(s State) Step {
	if s.OperatorRemoved {
		return s.clear()
	}
	if s.Rollback {
		return s.back()
	}
	if len(s.Todo) > 0 && (s.Todo[0] == CreateNew || s.place(s.New) == atTemporary) {
		return s.Todo[0]
	}
	switch s.place(s.New) {
	case atTemporary:
		return s.forwardFromTemporary()
	case atName:
		return s.forwardFromName()
	case elsewhere, atBackup:
		if s.newRenamed() {
			return s.forwardFromName()
		}
	}
	return s.back()
}

// newRenamed reports whether another client renamed the new container after it had become the worker.
func (s State) newRenamed() bool {
	return s.New != nil && s.place(s.New) == elsewhere && (s.New.Ran || s.Named) && s.place(s.Old) == atBackup
}

// oldRenamed reports whether another client renamed the old container. It is the worker still, under another name.
func (s State) oldRenamed() bool { return s.Old.usable() && s.place(s.Old) == elsewhere }

// forwardFromTemporary frees the name. An old container with --rm is renamed first, so that the name does not wait for the
// engine's removal.
func (s State) forwardFromTemporary() Step {
	old := s.place(s.Old)
	switch {
	case s.taken():
		return s.back()
	case !s.Old.usable():
		return s.newAlone()
	case s.Old.up() && s.Collect && (old == atName || old == atBackup): // it may take long; the worker keeps its name meanwhile
		return CollectOld
	case old == atName && s.Old.up() && !s.Old.AutoRemove, old == atBackup && s.Old.up():
		return StopOld
	case old == atName:
		return RenameOld
	case old == atBackup:
		return RenameNew
	}
	return s.back()
}

// forwardFromName handles a restarted daemon: it may have started the old container again, which then holds its ports and
// addresses.
func (s State) forwardFromName() Step {
	old := s.place(s.Old)
	switch {
	case old == atBackup && s.Old.usable() && s.Old.up():
		return StopOld
	case s.Verified && old == atBackup && !s.GivenUp[RemoveOld]:
		return RemoveOld
	}
	return s.bringUp()
}

// bringUp starts and verifies the new container, which has the name.
func (s State) bringUp() Step {
	switch {
	case s.Verified, s.GivenUp[Verify], s.GivenUp[StartNew]:
		return Finished
	case s.OperatorStopped && s.New.up() && !s.GivenUp[WaitStop]:
		return WaitStop
	case s.OperatorStopped:
		return Finished
	case s.New.up():
		return Verify
	}
	return StartNew
}

// back gives the old container its name before it removes the new one, because the labels of the new one are the only record.
func (s State) back() Step {
	if !s.Old.usable() {
		return s.newAlone()
	}
	switch s.place(s.Old) {
	case atName:
		return s.backAtName()
	case atBackup:
		return s.backAtBackup()
	case elsewhere, atTemporary: // another client renamed it, so it is left alone
	}
	if s.place(s.New) == atName {
		return Finished
	}
	return s.removeNew()
}

func (s State) backAtBackup() Step {
	switch {
	case s.place(s.New) == atName && s.New.up():
		return StopNew
	case s.place(s.New) == atName:
		return UndoRename
	case s.taken():
		return s.removeNew()
	}
	return RestoreOld
}

// backAtName starts the old container before it removes the new one, to keep the downtime short.
func (s State) backAtName() Step {
	switch {
	case s.place(s.New) == atTemporary && s.New.up():
		return StopNew
	case s.Touched && !s.Old.up() && !s.OperatorStopped && !s.GivenUp[StartOld]:
		return StartOld
	}
	return s.removeNew()
}

// removeNew removes the new container if it is still where the transaction put it.
func (s State) removeNew() Step {
	switch {
	case s.place(s.New) != atTemporary, s.GivenUp[RemoveNew]:
		return Finished
	case s.New.up():
		return StopNew
	}
	return RemoveNew
}

// newAlone handles a state without an old container to return to. The new one takes the name if it is all that is left of the
// worker.
func (s State) newAlone() Step {
	switch s.place(s.New) {
	case atName:
		return s.bringUp()
	case atTemporary:
	case elsewhere, atBackup:
		return Finished
	}
	switch {
	case s.taken() || !s.succeeds():
		return s.removeNew()
	case s.Holder != "":
		return WaitRemoval
	}
	return RenameNew
}

// succeeds reports whether the new container is all that is left of the worker: the old one was already gone, or removed itself
// when it was stopped, or had given up its name. Otherwise an operator removed the worker, and a new container that never ran or
// is incomplete is not kept.
func (s State) succeeds() bool {
	n := s.New
	switch {
	case n.Ran, n.Failed, s.place(s.Old) == atBackup:
		return true
	case n.Missing:
		return (s.Complete || s.Touched) && n.Connected
	}
	return s.Touched && (s.Complete || (n.AutoRemove && n.Connected))
}

// clear removes what the transaction created or renamed of a worker that an operator removed.
func (s State) clear() Step {
	made, old := s.place(s.New), s.place(s.Old)
	switch {
	case (made == atTemporary || made == atName) && s.New.up() && !s.GivenUp[StopNew]:
		return StopNew
	case (made == atTemporary || made == atName) && !s.GivenUp[RemoveNew]:
		return RemoveNew
	case old == atBackup && s.Old.usable() && s.Old.up() && !s.GivenUp[StopOld]:
		return StopOld
	case old == atBackup && s.Old.usable() && !s.GivenUp[RemoveOld]:
		return RemoveOld
	}
	return Finished
}

// rollsBack decides for an unfinished transaction. It is completed once the old container has freed the name, unless the new one
// failed to start, exited before it could be verified, or lost the name again.
func rollsBack(s State, verify time.Duration) bool {
	switch {
	case s.New == nil:
		return true
	case !s.Old.usable():
		return false
	case s.OperatorStopped:
		return true
	case s.place(s.New) == atTemporary:
		return s.New.Ran || s.New.Failed || s.place(s.Old) != atBackup || s.Old.up()
	case s.New.up():
		return false
	}
	return s.New.Failed || (s.New.Ran && s.New.Life < verify)
}

// first reports whether a step is one of those before the old container is touched.
func first(step Step) bool {
	return slices.Contains([]Step{CreateNew, Connect, CopyFiles, Compare}, step)
}
