package recreate

import (
	"errors"
	"fmt"
)

var errLeft = errors.New("it was left unfinished, and was taken back")

// unfinished is a way back that could not be taken to its end.
func (t *transaction) unfinished(err error) {
	t.result.Outcome = Unknown
	t.result.Err = err
	if t.why != nil {
		t.result.Err = fmt.Errorf("%w; and on the way back: %w", t.why, err)
	}
	if t.proven { // only the removal of the old one is open
		t.result.Outcome, t.result.ID, t.result.Inspect = Done, t.newID, t.raws[t.newID]
		t.result.Leftover = t.oldID
	}
}

// conclude says what the last picture means.
func (t *transaction) conclude() {
	p := t.last
	t.result.ID, t.result.Inspect = p.Holder, t.raws[p.Holder]
	if t.result.Outcome = t.outcome(p); t.result.Outcome != Done && t.why == nil {
		t.why = errMeddled
		if t.resumed {
			t.why = errLeft
		}
	}
	t.result.Err, t.result.StoodDown = t.why, t.stood && t.result.Outcome != Done
	if p.place(p.Old) == aside {
		t.result.Leftover = p.Old.ID
	}
}

func (t *transaction) outcome(p Picture) Outcome {
	untouched := !t.passed && isRefusal(t.why)
	switch {
	case p.place(p.New) == atName && t.proven:
		return Done
	case p.place(p.New) == atName:
		return Unproven
	case p.place(p.New) == atTemp, t.unsure && t.passed: // what nobody answered may be done yet
		return Unknown
	case p.taken():
		t.why = declineChanged("container %s has the name %s now", p.Holder, p.Name)
		return Refused
	case untouched:
		return Refused
	case p.Old.usable() && p.place(p.Old) == atName:
		return Undone
	}
	return Lost
}
