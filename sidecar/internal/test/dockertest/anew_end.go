package dockertest

import (
	"errors"

	"stoker/sidecar/internal/core/worker"
)

func isDeclined(err error) (d declined, ok bool) {
	ok = errors.As(err, &d)
	return d, ok
}

// unprepared: nothing was made.
func (t *transaction) unprepared(err error, again bool) anewResult {
	r := anewResult{holder: t.before, err: err, untouched: !again, stood: t.stood, gone: t.gone}
	d, refused := isDeclined(err)
	switch {
	case errors.Is(err, errUnderWay):
		r.ending = endBusy
	case again && d.changed: // by the undoing
		r.ending = endUndone
	case refused:
		r.ending = endRefused
	default:
		r.ending, r.unreachable = endUnknown, noAnswer(err)
	}
	return r
}

// unmade: the create came to nothing.
func (t *transaction) unmade() anewResult {
	r := anewResult{holder: t.before, err: t.why, stood: t.stood, gone: t.gone}
	switch {
	case errors.Is(t.why, errUnderWay):
		r.ending = endBusy
	case t.unsure:
		r.ending = endUnknown
	case t.before == nil:
		r.ending = endLost
	default:
		r.ending = endUndone
	}
	return r
}

// unfinished is a way back that could not be taken to its end.
func (t *transaction) unfinished(err error) anewResult {
	if t.proven { // only the removal of the old one is open
		return anewResult{ending: endDone, holder: t.last.made, err: err}
	}
	return anewResult{ending: endUnknown, err: errors.Join(t.why, err)}
}

// conclude says what the last picture means.
func (t *transaction) conclude() anewResult {
	p := t.last
	r := anewResult{ending: t.outcome(p), err: t.why}
	r.stood = t.stood && r.ending != endDone
	for _, d := range []*Details{p.made, p.old} {
		if d != nil && d.ID == p.holder {
			r.holder = d
		}
	}
	if r.err == nil && r.ending != endDone {
		r.err = errors.New("it was left unfinished, and was taken back")
	}
	return r
}

func (t *transaction) outcome(p twins) anewEnd {
	_, refused := isDeclined(t.why)
	switch {
	case p.place(p.made) == atName && t.proven:
		return endDone
	case p.place(p.made) == atName:
		return endAsItIs
	case p.place(p.made) == atTemp, t.unsure && t.passed: // what nobody answered may be done yet
		return endUnknown
	case p.taken():
		t.why = declined{"somebody else has the name now", true}
		return endRefused
	case !t.passed && refused:
		return endRefused
	case p.old.usable() && p.place(p.old) == atName:
		return endUndone
	}
	return endLost
}

// orderOf makes an order of an action.
func (e *errand) orderOf() anewOrder {
	a := e.action
	return anewOrder{
		name: string(a.Key), oldID: a.Incarnation.ID, grace: a.Grace, remembered: len(a.Definition) > 0, names: a.Names,
		stopped: func(own func(id string) bool) bool {
			for id := range e.s.stopped[a.ID] {
				if !own(id) {
					return true
				}
			}
			return false
		},
		accept: func(d Details) string {
			if len(a.Definition) > 0 {
				return "it is there after all"
			}
			s, b := d.Snapshot(), a
			if s.Status.Down() { // a down one may be recreated as well
				s.Status, b.OnlyIfUnhealthy = worker.StatusRunning, false
			}
			return refusal(b, s)
		},
	}
}

// recreate is worker.Recreate.
func (e *errand) recreate() {
	e.finish(e.outcomeOf(e.anew(e.orderOf())))
}

// resumePair is worker.Resume. Where there is nothing to resume it tells who has the name.
func (e *errand) resumePair() {
	done := e.pairOnly(e.orderOf())
	if done.ending != endNothing {
		e.finish(e.outcomeOf(done))
		return
	}
	out := worker.Outcome{Result: worker.Done}
	switch holder, err := e.see(string(e.action.Key)); {
	case err != nil:
		out.Result, out.Err, out.Unreachable = worker.Failed, err.Error(), noAnswer(err)
	case holder == nil:
		out.Missing = true
	default:
		s := holder.Snapshot()
		out.Snapshot = &s
	}
	e.finish(out)
}

// outcomeOf says in the words of an action how a transaction ended (worker.Outcome).
func (e *errand) outcomeOf(r anewResult) worker.Outcome {
	out := worker.Outcome{}
	if r.err != nil {
		out.Err = r.err.Error()
	}
	if r.holder != nil {
		s := r.holder.Snapshot()
		out.Snapshot = &s
	}
	switch d, _ := isDeclined(r.err); {
	case r.ending == endUnknown && !r.untouched:
		out.Result = worker.Unknown
	case r.stood:
		out.Result, out.OperatorStopped, out.Missing = worker.Failed, true, r.ending == endLost
	case r.ending == endDone, r.ending == endAsItIs:
		out.Result = worker.Done
	case r.ending == endBusy:
		out.Result, out.Snapshot = worker.Refused, nil
	case r.ending == endRefused && r.gone && len(e.action.Definition) == 0:
		out.Result, out.Missing, out.Snapshot = worker.Failed, true, nil
	case r.ending == endRefused && d.changed:
		out.Result = worker.Refused
	case r.ending == endRefused:
		out.Result, out.CannotRecreate = worker.Failed, true
	default: // undone, lost, or a question that was not answered
		out.Result, out.Missing, out.Unreachable = worker.Failed, r.ending == endLost, r.unreachable
	}
	return out
}
