package recreate

import (
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker/spec"
)

// The names that a transaction gives besides the worker's own.
const (
	NewSuffix   = worker.NewSuffix    // of the new container until the old one has made room
	AsideSuffix = worker.BackupSuffix // of the old one from then on
)

// The labels on the new container. They stay on it for good: labels cannot be changed.
const (
	markOf       = worker.MarkOf                // ID of the old one
	markName     = worker.MarkName              // the worker's
	markBy       = spec.MarkPrefix + "by"       // Options.Owner
	markAttempt  = spec.MarkPrefix + "attempt"  // different in each transaction
	markMissing  = spec.MarkPrefix + "missing"  // the old one was gone before
	markNetworks = spec.MarkPrefix + "networks" // how many it is to be connected to
)

// Seen is a container of a transaction, as far as the next step depends on it.
type Seen struct {
	ID         string
	Name       string
	Status     container.ContainerState
	Ran        bool          // it was started at least once
	Failed     bool          // its last start failed
	Life       time.Duration // of its last life, when that is over
	AutoRemove bool
	Missing    bool // made for a worker that was gone
	Connected  bool // to as many networks as it should be
}

// up also holds while it is paused or waits for Docker's policy.
func (s *Seen) up() bool {
	return s != nil && (s.Status == container.StateRunning || s.Status == container.StatePaused || s.Status == container.StateRestarting)
}

// usable reports whether there is something to go back to.
func (s *Seen) usable() bool {
	return s != nil && s.Status != container.StateDead && s.Status != container.StateRemoving
}

// Picture is all that the next step depends on. All but the last part of it is what the engine shows.
type Picture struct {
	Name   string
	New    *Seen  // nil: there is none
	Old    *Seen  // nil: there is none
	Holder string // ID of the container with the name; empty is nobody

	Back     bool // what was begun is taken back
	Whole    bool // the new one is known to be complete
	Passed   bool // the old one may have been stopped or renamed by the transaction
	Proven   bool // the new one stayed up and is like the old one
	StayDown bool
	GivenUp  map[Step]bool // steps that the engine refuses again and again, and that can be left out
}

// Step is the next thing to do.
type Step string

// The steps. The first ones come in this order and before anything else; Next gives the others.
const (
	Gather  Step = "look"          // at the old one and at what it needs
	Create  Step = "create"        // the new one, under its temporary name
	Connect Step = "connect"       // to further networks
	Carry   Step = "carry files"   // that compose copied in
	Compare Step = "compare"       // old and new, before the old one is touched
	StopOld Step = "stop old"      // with its grace
	Aside   Step = "set old aside" // rename
	Promote Step = "name new"      // rename
	Start   Step = "start new"
	Prove   Step = "prove new" // it stays up, and is like the old one
	Remove  Step = "remove old"

	StopNew  Step = "stop new"
	Demote   Step = "unname new"   // rename, to the temporary name
	Restore  Step = "name old"     // rename, to its own name
	Revive   Step = "start old"    //
	Discard  Step = "remove new"   //
	Await    Step = "wait for old" // to be gone: it holds the name
	Finished Step = ""
)

type place uint8

const (
	elsewhere place = iota
	atName
	atTemp
	aside
)

func (p Picture) place(s *Seen) place {
	switch {
	case s == nil:
		return elsewhere
	case s.Name == p.Name:
		return atName
	case s.Name == p.Name+NewSuffix:
		return atTemp
	case s.Name == p.Name+AsideSuffix:
		return aside
	}
	return elsewhere
}

// taken reports whether the name belongs to a third container.
func (p Picture) taken() bool {
	return p.Holder != "" && (p.New == nil || p.New.ID != p.Holder) && (p.Old == nil || p.Old.ID != p.Holder)
}

// Next tells how to go on, or back, from what there is.
func Next(p Picture) Step {
	if !p.Back {
		switch p.place(p.New) {
		case atTemp:
			return p.onFromTemp()
		case atName:
			return p.onFromName()
		case elsewhere, aside:
		}
	}
	return p.back()
}

// onFromTemp: the old one makes room. One that removes itself when it stops is renamed first, so that the name does not
// wait for the engine's removal.
func (p Picture) onFromTemp() Step {
	old := p.place(p.Old)
	switch {
	case p.taken():
		return p.back()
	case !p.Old.usable():
		return p.alone()
	case old == atName && p.Old.up() && !p.Old.AutoRemove, old == aside && p.Old.up():
		return StopOld
	case old == atName:
		return Aside
	case old == aside:
		return Promote
	}
	return p.back()
}

// onFromName: an engine that came back may have started the old one again, which then has its ports and addresses.
func (p Picture) onFromName() Step {
	old := p.place(p.Old)
	switch {
	case old == aside && p.Old.usable() && p.Old.up():
		return StopOld
	case p.Proven && old == aside && !p.GivenUp[Remove]:
		return Remove
	}
	return p.bringUp()
}

// bringUp starts and proves the new one, which has the name.
func (p Picture) bringUp() Step {
	switch {
	case p.Proven || p.GivenUp[Prove] || p.GivenUp[Start]:
	case p.New.up():
		return Prove
	case !p.StayDown:
		return Start
	}
	return Finished
}

// back puts the old one back to its name before the new one, whose labels are the only record, is removed.
func (p Picture) back() Step {
	if !p.Old.usable() {
		return p.alone()
	}
	switch p.place(p.Old) {
	case atName:
		return p.backAtName()
	case aside:
		return p.backAside()
	case elsewhere, atTemp: // somebody renamed it, and so it is somebody's
	}
	if p.place(p.New) == atName {
		return Finished
	}
	return p.discard()
}

func (p Picture) backAside() Step {
	switch {
	case p.place(p.New) == atName && p.New.up():
		return StopNew
	case p.place(p.New) == atName:
		return Demote
	case p.taken():
		return p.discard()
	}
	return Restore
}

// backAtName starts the old one before it removes the new one: the worker has been down for long enough.
func (p Picture) backAtName() Step {
	switch {
	case p.place(p.New) == atTemp && p.New.up():
		return StopNew
	case p.Passed && !p.Old.up() && !p.StayDown && !p.GivenUp[Revive]:
		return Revive
	}
	return p.discard()
}

// discard removes the new one if it is still where the transaction put it.
func (p Picture) discard() Step {
	switch {
	case p.place(p.New) != atTemp, p.GivenUp[Discard]:
		return Finished
	case p.New.up():
		return StopNew
	}
	return Discard
}

// alone is the new one without an old one to go back to. It takes the name if it is the heir.
func (p Picture) alone() Step {
	switch p.place(p.New) {
	case atName:
		return p.bringUp()
	case atTemp:
	case elsewhere, aside:
		return Finished
	}
	switch {
	case p.taken() || !p.heir():
		return p.discard()
	case p.Holder != "":
		return Await
	}
	return Promote
}

// heir reports whether the new one is all that is left of the worker: the old one was gone before, or removed itself when it was
// stopped, or had left its name to the new one. Otherwise somebody has removed the worker, and a new one that never ran is
// not wanted either, as is one that is not complete.
func (p Picture) heir() bool {
	s := p.New
	switch {
	case s.Ran, s.Failed, p.place(p.Old) == aside:
		return true
	case s.Missing:
		return (p.Whole || p.Passed) && s.Connected
	}
	return p.Passed && (p.Whole || (s.AutoRemove && s.Connected))
}

// TurnsBack decides for a transaction that was left unfinished. It goes on once the old one has made room, if nothing
// speaks against the new one: a start that failed, a life that was over before it could be proven, or that it has lost the name again.
func TurnsBack(p Picture, prove time.Duration) bool {
	switch {
	case p.New == nil:
		return true
	case !p.Old.usable():
		return false
	case p.StayDown:
		return true
	case p.place(p.New) == atTemp:
		return p.New.Ran || p.New.Failed || p.place(p.Old) != aside || p.Old.up()
	case p.New.up():
		return false
	}
	return p.New.Failed || (p.New.Ran && p.New.Life < prove)
}

// ownName is the container's own among those that a list gives: a linked one is also listed under its alias in the other.
func ownName(names []string) string {
	for _, name := range names {
		if own := strings.TrimPrefix(name, "/"); !strings.Contains(own, "/") {
			return own
		}
	}
	return ""
}
