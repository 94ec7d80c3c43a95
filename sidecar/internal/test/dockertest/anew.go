package dockertest

import (
	"errors"
	"maps"
	"net/http"
	"strings"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// Bounds of a transaction, as in the Docker package.
const (
	anewCall  = 30 * time.Second // one call, a stop on top of its grace
	anewUndo  = time.Minute      // the way back, on top of the grace
	anewLease = 10 * time.Minute // another Stoker's unfinished transaction is left alone for so long
)

// anewOrder says which container to make anew.
type anewOrder struct {
	name       string
	oldID      string
	grace      time.Duration
	remembered bool                                // what the world remembers of oldID will do
	names      map[string]worker.Key               // of containers by the IDs that they have or had
	accept     func(Details) string                // what speaks against the old one as it is found
	stopped    func(own func(id string) bool) bool // someone has stopped the worker
}

// declined is a refusal for what was found.
type declined struct {
	why     string
	changed bool // it is not, or no longer, as it was decided on
}

func (d declined) Error() string { return d.why }

var (
	errUnderWay = errors.New("another transaction for this worker is under way")
	errStopped  = declined{"somebody stopped the worker meanwhile", true}
)

// anewEnd says how things stand after a transaction.
type anewEnd string

const (
	endDone    anewEnd = "done"
	endRefused anewEnd = "refused"
	endBusy    anewEnd = "busy"
	endUndone  anewEnd = "undone"
	endAsItIs  anewEnd = "unproven" // nothing to go back to
	endLost    anewEnd = "lost"
	endUnknown anewEnd = "unknown"
	endNothing anewEnd = "nothing"
)

// anewResult is what became of a transaction.
type anewResult struct {
	ending      anewEnd
	holder      *Details // who has the worker's name
	err         error
	unreachable bool
	untouched   bool
	stood       bool // someone has stopped the worker, and nothing was started
	gone        bool // the old one was, before
}

// transaction is one way from the old container to the new one, or back. What it knows of the engine it has from its last
// look alone.
type transaction struct {
	*errand
	anewOrder

	made       string // ID of the new one
	before     *Details
	back       bool
	whole      bool
	passed     bool
	proven     bool
	resumed    bool
	started    bool // the new one, with success
	stoppedNew bool // so that a stop of it may be the transaction's own
	stood      bool
	unsure     bool // a call was not answered, and what it did was not seen
	gone       bool // the old one was, at the first look
	why        error
	givenUp    map[twinStep]bool
	tries      map[twinStep]int
	last       twins
}

func (e *errand) begin(o anewOrder) *transaction {
	return &transaction{errand: e, anewOrder: o, givenUp: map[twinStep]bool{}, tries: map[twinStep]int{}}
}

// anew makes a container anew, after it has finished or undone what an earlier try left behind.
func (e *errand) anew(o anewOrder) anewResult {
	if e.s.busy[o.name] {
		return anewResult{ending: endBusy, err: errUnderWay, untouched: true}
	}
	e.s.busy[o.name] = true
	defer delete(e.s.busy, o.name)
	left, err := e.leftover(o)
	if err != nil {
		return anewResult{ending: endUnknown, err: err, untouched: true, unreachable: noAnswer(err)}
	}
	if left != nil {
		done := left.finishLeft()
		back := done.ending == endUndone || done.ending == endDone
		if !back || done.holder == nil || done.holder.ID != o.oldID {
			return done
		}
	}
	t := e.begin(o)
	if again, err := t.prepare(); again != nil {
		return anewResult{ending: endDone, holder: again}
	} else if err != nil {
		return t.unprepared(err, left != nil)
	}
	if err := t.create(); err != nil {
		t.turn(err)
	}
	t.whole = t.why == nil
	if t.made == "" {
		return t.unmade()
	}
	return t.drive()
}

// pairOnly finishes or undoes what a transaction left behind.
func (e *errand) pairOnly(o anewOrder) anewResult {
	if e.s.busy[o.name] {
		return anewResult{ending: endBusy, err: errUnderWay, untouched: true}
	}
	e.s.busy[o.name] = true
	defer delete(e.s.busy, o.name)
	done := anewResult{ending: endNothing}
	for range 2 {
		left, err := e.leftover(o)
		switch {
		case err != nil:
			return anewResult{ending: endUnknown, err: err, untouched: done.ending == endNothing, unreachable: noAnswer(err)}
		case left == nil:
			return done
		}
		if done = left.finishLeft(); done.ending == endUnknown || done.ending == endBusy {
			return done
		}
	}
	return done
}

// see inspects a container by name or ID; nil when there is none.
func (e *errand) see(ref string) (*Details, error) {
	if ref == "" {
		return nil, nil
	}
	r := e.ask(Request{Op: OpInspect, Ref: ref}, anewCall)
	switch {
	case r.Err == nil:
		return &r.Details, nil
	case r.Err.Status == http.StatusNotFound:
		return nil, nil
	}
	return nil, r.Err
}

// noAnswer reports whether the engine said nothing at all.
func noAnswer(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == 0
}

// answered reports whether the engine itself said no.
func answered(err error) bool { return !noAnswer(err) }

// leftover finds an unfinished transaction; nil is none. Whoever lacks the labels of one is not touched, whatever its name.
func (e *errand) leftover(o anewOrder) (*transaction, error) {
	for _, name := range []string{o.name + worker.NewSuffix, o.name} {
		d, err := e.see(name)
		if err != nil {
			return nil, err
		}
		if d == nil || d.Name != name {
			continue
		}
		if key, of, ok := worker.ReplacementOf(d.Spec.Labels); !ok || string(key) != o.name {
			continue
		} else if t, err := e.adoptPair(o, *d, of); t != nil || err != nil {
			return t, err
		}
	}
	old, err := e.see(o.oldID)
	if err != nil || old == nil || old.Name != o.name+worker.BackupSuffix {
		return nil, err
	}
	t := e.begin(o)
	t.passed, t.resumed = true, true
	return t, nil
}

func (e *errand) adoptPair(o anewOrder, made Details, of string) (*transaction, error) {
	old, err := e.see(of)
	if err != nil {
		return nil, err
	}
	if !(twins{name: o.name, made: &made, old: old}).leftUnfinished() {
		return nil, nil
	}
	t := e.begin(o)
	t.made, t.oldID, t.passed, t.resumed = made.ID, of, true, true
	age := e.s.w.EngineNow().Sub(made.Created)
	if by := made.Spec.Labels[markBy]; by != e.s.config.Owner && age < anewLease {
		t.why = errUnderWay
	}
	return t, nil
}

// finishLeft goes on or back with a transaction that was found.
func (t *transaction) finishLeft() anewResult {
	if t.why != nil {
		return anewResult{ending: endBusy, err: t.why, untouched: true}
	}
	p, err := t.look()
	if err != nil {
		return anewResult{ending: endUnknown, err: err, untouched: true, unreachable: noAnswer(err)}
	}
	t.back = p.turnsBack()
	return t.drive()
}

// prepare finds the old one as it should be, and the names free. Somebody may have done it all before.
func (t *transaction) prepare() (again *Details, err error) {
	old, err := t.see(t.oldID)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{t.name + worker.NewSuffix, t.name + worker.BackupSuffix} {
		third, err := t.see(name)
		switch {
		case err != nil:
			return nil, err
		case third == nil:
		case name == t.name+worker.NewSuffix && third.Spec.Labels[markBy] != "":
			return nil, errUnderWay
		default:
			return nil, declined{why: "the name " + name + " is needed, and another container has it"}
		}
	}
	if old == nil {
		return t.prepareMissing()
	}
	t.before = old
	switch {
	case old.Name != t.name:
		return nil, declined{"it is called " + old.Name + " now", true}
	case old.Paused:
		return nil, declined{"it is paused", true}
	case t.stayDown():
		return nil, errStopped
	case t.accept != nil:
		if why := t.accept(*old); why != "" {
			return nil, declined{why, true}
		}
	}
	return nil, t.fit(*old)
}

func (t *transaction) prepareMissing() (again *Details, err error) {
	t.gone = true
	holder, err := t.see(t.name)
	switch {
	case err != nil:
		return nil, err
	case holder != nil && holder.Spec.Labels[worker.MarkOf] == t.oldID:
		return holder, nil
	case holder != nil:
		return nil, declined{"somebody else made the worker anew", true}
	case !t.remembered:
		return nil, declined{why: "it is gone, and nobody remembers how it was made"}
	}
	for _, c := range t.s.w.graves {
		if c.ID == t.oldID {
			was := c.details()
			was.Dead = false
			return nil, t.fit(was)
		}
	}
	return nil, declined{why: "there was never such a container"}
}

// fit refuses what cannot be recreated faithfully.
func (t *transaction) fit(old Details) error {
	if old.Spec.Unfit != "" || old.Dead || old.Removing {
		return declined{why: "it cannot be recreated: " + old.Spec.Unfit}
	}
	for _, ref := range old.Spec.parents() {
		name, err := t.nameOf(ref)
		if err != nil {
			return err
		}
		if parent, err := t.see(name); err != nil || parent == nil {
			return errors.Join(declined{why: "container " + ref + ", in whose namespaces it lives, is gone"}, err)
		}
	}
	return nil
}

// nameOf is the name of a container by an ID that it has or had.
func (t *transaction) nameOf(ref string) (string, error) {
	if name, ok := t.names[ref]; ok {
		return string(name), nil
	}
	d, err := t.see(ref)
	if err != nil || d == nil {
		return "", err
	}
	return d.Name, nil
}

// spec is what the new one is made from: the old one's, with other containers by name, and with marks.
func (t *transaction) spec(old Spec) (Spec, error) {
	old.Name = t.name + worker.NewSuffix
	old.Labels = maps.Clone(old.Labels)
	maps.DeleteFunc(old.Labels, func(key, _ string) bool { return strings.HasPrefix(key, worker.MarkPrefix) })
	old.Labels[worker.MarkOf], old.Labels[worker.MarkName], old.Labels[markBy] = t.oldID, t.name, t.s.config.Owner
	if t.before == nil {
		old.Labels[markMissing] = "true"
	}
	for _, mode := range old.modes() {
		if ref, ok := strings.CutPrefix(*mode, containerMode); ok {
			name, err := t.nameOf(ref)
			if err != nil {
				return old, err
			}
			*mode = containerMode + name
		}
	}
	return old, nil
}

// create makes the new one. Without an answer it looks for a while whether the engine did it.
func (t *transaction) create() error {
	var was Spec
	if t.before != nil {
		was = t.before.Spec
	} else {
		for _, c := range t.s.w.graves {
			if c.ID == t.oldID {
				was = c.details().Spec
			}
		}
	}
	spec, err := t.spec(was)
	if err != nil {
		return err
	}
	r := t.ask(Request{Op: OpCreate, Spec: spec}, anewCall)
	switch {
	case r.Err == nil:
		t.made = r.ID
		return nil
	case r.Err.Status == http.StatusConflict:
		return errUnderWay
	case answered(r.Err), r.Err.Unsent:
		return r.Err
	}
	for range 4 {
		found, err := t.see(spec.Name)
		if err == nil && found != nil && found.Spec.Labels[worker.MarkOf] == t.oldID {
			t.made = found.ID
			return nil
		}
		if !t.sleep(time.Second) {
			break
		}
	}
	t.unsure = true
	return r.Err
}
