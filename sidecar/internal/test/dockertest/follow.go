package dockertest

import (
	"maps"
	"net/http"
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// newLife is what became of a container in whose namespaces others live.
type newLife struct {
	key worker.Key
	worker.Incarnation
}

// follow is worker.Follow. Two at once would heal the same container twice, so that one waits for the other. What compose
// says about dependencies is not looked at.
func (e *errand) follow() {
	for e.s.following {
		if !e.sleep(50 * time.Millisecond) {
			e.finish(worker.Outcome{Result: worker.Failed, Err: "context deadline exceeded"})
			return
		}
	}
	e.s.following = true
	out := e.followAll()
	e.s.following = false
	e.finish(out)
}

func (e *errand) followAll() worker.Outcome {
	r := e.ask(Request{Op: OpList}, anewCall)
	if r.Err != nil {
		return worker.Outcome{Result: worker.Failed, Err: r.Err.Message, Unreachable: r.Err.Status == 0}
	}
	out := worker.Outcome{Result: worker.Done}
	lives, names := e.livesOf(r.List)
	slices.Reverse(r.List) // parents are older than what lives in their namespaces
	for _, d := range r.List {
		key := worker.Key(d.Name)
		if key.IsTemporaryName(d.Spec.Labels) || key.IsBackupName() || (!e.follows(d) && !e.s.halted[d.ID]) {
			continue
		}
		if heal, _ := strandedIn(d, lives); heal != worker.HealNone {
			e.heal(&out, d.ID, lives, names)
		}
	}
	return out
}

// follows reports whether a container has a life to go on with in its parent's. Of one that is paused only its own machine can see to
// that, when somebody thaws it.
func (e *errand) follows(d Details) bool {
	return d.Status() == worker.StatusRunning || (d.Status() == worker.StatusPaused && e.action.Managed[d.ID])
}

// livesOf are the lives that the parents have begun, by all IDs that they have or had. One that has ended since is followed
// in its turn.
func (e *errand) livesOf(list []Details) (map[string]newLife, map[string]worker.Key) {
	lives, names := map[string]newLife{}, maps.Clone(e.action.Names)
	if names == nil {
		names = map[string]worker.Key{}
	}
	for _, p := range e.action.Parents {
		for _, id := range append(slices.Clone(p.PreviousIDs), p.ID) {
			names[id] = p.Key
		}
		up := func(d Details) bool { return d.ID == p.ID && d.Status() == worker.StatusRunning }
		if !slices.ContainsFunc(list, up) {
			continue
		}
		for _, ref := range append(slices.Clone(p.PreviousIDs), p.ID, string(p.Key)) {
			lives[ref] = newLife{key: p.Key, Incarnation: p.Incarnation}
		}
	}
	return lives, names
}

// strandedIn tells what a container needs, and for whose sake; nothing when it is not orphaned. A name means whoever has it.
func strandedIn(d Details, lives map[string]newLife) (worker.HealAction, worker.Key) {
	heal, parent := worker.HealNone, worker.Key("")
	for _, ref := range d.Spec.parents() {
		l, begun := lives[ref]
		switch {
		case !begun:
		case ref != l.ID && ref != string(l.key):
			return worker.HealRecreate, l.key
		case heal == worker.HealNone && d.StartedAt.Before(l.StartedAt):
			heal, parent = worker.HealRestart, l.key
		}
	}
	return heal, parent
}

// heal looks at a container once more and gives it what it needs.
func (e *errand) heal(out *worker.Outcome, id string, lives map[string]newLife, names map[string]worker.Key) {
	d, err := e.see(id)
	if err != nil {
		out.Result, out.Err = worker.Failed, err.Error()
		return
	}
	if d == nil {
		return
	}
	heal, parent := strandedIn(*d, lives)
	down := d.Status().Down() && e.s.halted[id]
	if heal == worker.HealNone || (!e.follows(*d) && !down) {
		return
	}
	dep := worker.Dependent{Key: worker.Key(d.Name), ID: id, Parent: parent, Heal: heal, Managed: e.action.Managed[id]}
	result := worker.Done
	if !dep.Managed {
		var begun worker.Incarnation
		if heal == worker.HealRecreate {
			begun, result = e.moveOver(&dep, *d, names)
		} else {
			begun, result = e.bounce(&dep, down)
		}
		if begun.ID != "" {
			lives[id] = newLife{key: dep.Key, Incarnation: begun}
			names[id], names[begun.ID] = dep.Key, dep.Key
		}
	}
	out.Dependents = append(out.Dependents, dep)
	if result != worker.Done && out.Result != worker.Unknown {
		out.Result = result
	}
}

// bounce restarts a dependent with one request, or starts one that an earlier try has left down.
func (e *errand) bounce(dep *worker.Dependent, down bool) (worker.Incarnation, worker.Result) {
	req := Request{Op: OpRestart, Ref: dep.ID, Grace: OwnGrace}
	if down {
		req.Op = OpStart
	}
	r := e.ask(req, followPatience)
	if r.Err != nil && r.Err.Status == http.StatusNotModified { // somebody else was quicker
		r.Err = nil
	}
	refused := r.Err != nil && r.Err.Status != 0
	if r.Err != nil && !refused && !r.Err.Unsent {
		dep.Err = r.Err.Message
		return worker.Incarnation{}, worker.Unknown
	}
	d, err := e.see(dep.ID)
	switch {
	case err != nil:
		dep.Err = err.Error()
		return worker.Incarnation{}, worker.Unknown
	case d == nil:
		dep.Err = "it is gone"
		return worker.Incarnation{}, worker.Done
	case r.Err == nil && d.Status() == worker.StatusRunning:
		delete(e.s.halted, dep.ID)
		return d.Snapshot().Incarnation, worker.Done
	case r.Err == nil:
		dep.Err = "it is " + string(d.Status()) + " after the restart"
		return worker.Incarnation{}, worker.Done
	}
	dep.Err = r.Err.Message
	e.s.halted[dep.ID] = d.Status().Down()
	return worker.Incarnation{}, worker.Failed
}

// followPatience is longer than any container's grace here.
const followPatience = 2 * time.Minute

// moveOver makes a dependent anew, so that it names its parent as it is now.
func (e *errand) moveOver(dep *worker.Dependent, was Details, names map[string]worker.Key) (worker.Incarnation, worker.Result) {
	r := e.anew(anewOrder{name: was.Name, oldID: was.ID, grace: -1, names: names, accept: func(d Details) string {
		if d.Status() != was.Status() || !d.StartedAt.Equal(was.StartedAt) {
			return "it has changed since"
		}
		return ""
	}})
	if r.err != nil {
		dep.Err = r.err.Error()
	}
	begun := worker.Incarnation{}
	if r.holder != nil {
		e.s.halted[r.holder.ID] = r.holder.ID == was.ID && r.holder.Status().Down()
	}
	switch r.ending {
	case endDone, endAsItIs:
		if r.holder != nil {
			begun = r.holder.Snapshot().Incarnation
		}
		return begun, worker.Done
	case endRefused:
		return begun, worker.Done // again would be refused again
	case endUnknown:
		if !r.untouched {
			return begun, worker.Unknown
		}
	case endBusy, endUndone, endLost, endNothing:
	}
	return begun, worker.Failed
}
