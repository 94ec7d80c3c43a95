package dockertest

import (
	"time"

	"stoker/sidecar/internal/core/worker"
)

// The labels of a transaction that only the Docker package knows.
const (
	markBy      = worker.MarkPrefix + "by"
	markMissing = worker.MarkPrefix + "missing" // the old one was gone before
)

// twins are the up to two containers of a worker that is recreated, as inspects show them, and what is known besides. They
// are all that the next step depends on, as in sidecar/internal/engine/docker/recreate.
type twins struct {
	name   string
	made   *Details // the new one; nil when there is none
	old    *Details // nil when there is none
	holder string   // ID of who has the name; empty is nobody

	back     bool // what was begun is taken back
	whole    bool // the new one is known to be complete
	passed   bool // the old one may have been stopped or renamed by the transaction
	proven   bool // the new one stayed up
	stayDown bool // someone has stopped the worker
	givenUp  map[twinStep]bool
}

// twinStep is the next thing to do to them.
type twinStep string

const (
	stepStopOld twinStep = "stop old"
	stepAside   twinStep = "set old aside"
	stepPromote twinStep = "name new"
	stepStart   twinStep = "start new"
	stepProve   twinStep = "prove new"
	stepRemove  twinStep = "remove old"

	stepStopNew  twinStep = "stop new"
	stepDemote   twinStep = "unname new"
	stepRestore  twinStep = "name old"
	stepRevive   twinStep = "start old"
	stepDiscard  twinStep = "remove new"
	stepAwait    twinStep = "wait for old" // to be gone: it holds the name
	stepFinished twinStep = ""
)

type twinPlace uint8

const (
	elsewhere twinPlace = iota
	atName
	atTemp
	aside
)

func (t twins) place(d *Details) twinPlace {
	switch {
	case d == nil:
		return elsewhere
	case d.Name == t.name:
		return atName
	case d.Name == t.name+worker.NewSuffix:
		return atTemp
	case d.Name == t.name+worker.BackupSuffix:
		return aside
	}
	return elsewhere
}

// up also holds while it is paused or waits for Docker's policy.
func (d *Details) up() bool { return d != nil && d.Running }

// usable reports whether there is something to go back to.
func (d *Details) usable() bool { return d != nil && !d.Dead && !d.Removing }

func (d *Details) ran() bool    { return !d.StartedAt.IsZero() }
func (d *Details) failed() bool { return d.Error != "" && !d.Running }

// taken reports whether the name belongs to a third container.
func (t twins) taken() bool {
	return t.holder != "" && (t.made == nil || t.made.ID != t.holder) && (t.old == nil || t.old.ID != t.holder)
}

// next tells how to go on, or back, from what there is.
func (t twins) next() twinStep {
	switch made := t.place(t.made); {
	case t.back:
	case made == atTemp:
		return t.onFromTemp()
	case made == atName:
		return t.onFromName()
	}
	return t.takeBack()
}

// onFromTemp: the old one makes room. One that removes itself when it stops is renamed first.
func (t twins) onFromTemp() twinStep {
	old := t.place(t.old)
	switch {
	case t.taken():
		return t.takeBack()
	case !t.old.usable():
		return t.alone()
	case old == atName && t.old.up() && !t.old.Spec.AutoRemove, old == aside && t.old.up():
		return stepStopOld
	case old == atName:
		return stepAside
	case old == aside:
		return stepPromote
	}
	return t.takeBack()
}

// onFromName: an engine that came back may have started the old one again.
func (t twins) onFromName() twinStep {
	old := t.place(t.old)
	switch {
	case old == aside && t.old.usable() && t.old.up():
		return stepStopOld
	case t.proven && old == aside && !t.givenUp[stepRemove]:
		return stepRemove
	}
	return t.bringUp()
}

func (t twins) bringUp() twinStep {
	switch {
	case t.proven, t.givenUp[stepProve], t.givenUp[stepStart]:
	case t.made.up():
		return stepProve
	case !t.stayDown:
		return stepStart
	}
	return stepFinished
}

// takeBack gives the old one its name before the new one, whose labels are the only record, is removed.
func (t twins) takeBack() twinStep {
	if !t.old.usable() {
		return t.alone()
	}
	switch t.place(t.old) {
	case atName:
		return t.backAtName()
	case aside:
		return t.backAside()
	case elsewhere, atTemp: // somebody renamed it, and so it is somebody's
	}
	if t.place(t.made) == atName {
		return stepFinished
	}
	return t.discard()
}

func (t twins) backAside() twinStep {
	switch {
	case t.place(t.made) == atName && t.made.up():
		return stepStopNew
	case t.place(t.made) == atName:
		return stepDemote
	case t.taken():
		return t.discard()
	}
	return stepRestore
}

// backAtName starts the old one before it removes the new one.
func (t twins) backAtName() twinStep {
	switch {
	case t.place(t.made) == atTemp && t.made.up():
		return stepStopNew
	case t.passed && !t.old.up() && !t.stayDown && !t.givenUp[stepRevive]:
		return stepRevive
	}
	return t.discard()
}

// discard removes the new one if it is still where the transaction put it.
func (t twins) discard() twinStep {
	switch {
	case t.place(t.made) != atTemp, t.givenUp[stepDiscard]:
		return stepFinished
	case t.made.up():
		return stepStopNew
	}
	return stepDiscard
}

// alone is the new one without an old one to go back to. It takes the name if it is the heir.
func (t twins) alone() twinStep {
	switch t.place(t.made) {
	case atName:
		return t.bringUp()
	case elsewhere, aside:
		return stepFinished
	case atTemp:
	}
	switch {
	case t.taken() || !t.inherits():
		return t.discard()
	case t.holder != "":
		return stepAwait
	}
	return stepPromote
}

// inherits reports whether the new one is all that is left of the worker, and not what remains of one that somebody removed.
func (t twins) inherits() bool {
	d := t.made
	missing := d.Spec.Labels[markMissing] != ""
	return d.ran() || d.failed() || t.place(t.old) == aside || missing || (t.passed && (t.whole || d.Spec.AutoRemove))
}

// turnsBack decides for a transaction that was left unfinished: it goes on once the old one has made room, if nothing speaks
// against the new one.
func (t twins) turnsBack() bool {
	switch {
	case t.made == nil:
		return true
	case !t.old.usable():
		return false
	case t.stayDown:
		return true
	case t.place(t.made) == atTemp:
		return t.made.ran() || t.made.failed() || t.place(t.old) != aside || t.old.up()
	case t.made.up():
		return false
	}
	return t.made.failed() || (t.made.ran() && t.made.FinishedAt.Sub(t.made.StartedAt) < proveFor)
}

// leftUnfinished reports whether a marked container says that its transaction is not over.
func (t twins) leftUnfinished() bool {
	switch t.place(t.made) {
	case atTemp:
		return true
	case atName:
		return t.place(t.old) == aside || (!t.made.ran() && !t.made.failed())
	case elsewhere, aside:
	}
	return false
}

// proveFor is how long the new one must stay up before the old one goes.
const proveFor = 2 * time.Second
