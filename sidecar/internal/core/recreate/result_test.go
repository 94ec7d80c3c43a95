package recreate

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// The result of a transaction as the outcome of an action.
func TestOutcome(t *testing.T) {
	const old = "old"
	no := errors.New("no")
	changed := fmt.Errorf("inspect: %w", refusal{why: "it is paused", changed: true})
	for name, c := range map[string]struct {
		r        Result
		want     worker.Outcome
		snapshot bool
	}{
		"done": {Result{Ending: Done}, worker.Outcome{Result: worker.Done}, true},
		"done, with a note": {
			Result{Ending: Done, Err: no, Leftover: "abc", Notes: []string{"Config.Image: by ID"}},
			worker.Outcome{Result: worker.Done, Failure: worker.Failure{Err: "no; the old container abc still exists; Config.Image: by ID"}}, true,
		},
		"unproven": {Result{Ending: Unproven, Err: no}, worker.Outcome{Result: worker.Done, Failure: worker.Failure{Err: "no"}}, true},
		"unfit":    {Result{Ending: Refused, Err: refusal{why: "gone"}}, worker.Outcome{Result: worker.Failed, Failure: worker.Failure{CannotRecreate: true, Err: "gone"}}, true},
		"gone before anything was done": {
			Result{Ending: Refused, Err: refusal{why: "gone"}, Gone: true, Untouched: true}, worker.Outcome{Result: worker.Refused, Failure: worker.Failure{Missing: true, Err: "gone"}}, false,
		},
		"gone and forgotten": {
			Result{Ending: Refused, Err: refusal{why: "gone"}, Gone: true}, worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Missing: true, Err: "gone"}}, false,
		},
		"changed":           {Result{Ending: Refused, Err: changed}, worker.Outcome{Result: worker.Refused, Failure: worker.Failure{Err: "inspect: it is paused"}}, true},
		"another container": {Result{Ending: Refused, Err: changed, ID: "other"}, worker.Outcome{Result: worker.Refused, Failure: worker.Failure{Err: "inspect: it is paused"}}, false},
		"busy":              {Result{Ending: Busy, Err: no}, worker.Outcome{Result: worker.Refused, Failure: worker.Failure{Err: "no"}}, false},
		"undone":            {Result{Ending: Undone, Err: no}, worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Err: "no"}}, true},
		"stopped":           {Result{Ending: Undone, Err: no, OperatorStopped: true}, worker.Outcome{Result: worker.Failed, Failure: worker.Failure{OperatorStopped: true, Err: "no"}}, true},
		"lost":              {Result{Ending: Lost, Err: no, ID: "none"}, worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Missing: true, Err: "no"}}, false},
		"unknown":           {Result{Ending: Unknown, Err: no, ID: "none"}, worker.Outcome{Result: worker.Unknown, Failure: worker.Failure{Err: "no"}}, false},
		"no engine": {
			Result{Ending: Unknown, Err: no, ID: "none", Untouched: true, obstacle: obstacle{unreachable: true}},
			worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Unreachable: true, Err: "no"}}, false,
		},
		"a proxy's no": {
			Result{Ending: Undone, Err: no, Untouched: true, obstacle: obstacle{forbidden: true}},
			worker.Outcome{Result: worker.Failed, Failure: worker.Failure{CannotRecreate: true, Err: "no"}}, true,
		},
		"a proxy's no, after something was sent": {
			Result{Ending: Undone, Err: no, obstacle: obstacle{forbidden: true}},
			worker.Outcome{Result: worker.Failed, Failure: worker.Failure{CannotRecreate: true, Err: "no"}}, true,
		},
		"lost, and a proxy refused": {
			Result{Ending: Lost, Err: no, ID: "none", obstacle: obstacle{forbidden: true}},
			worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Missing: true, Err: "no"}}, false,
		},
		"unproven, with a note": {
			Result{Ending: Unproven, Notes: []string{"Config.Image: by ID"}}, worker.Outcome{Result: worker.Done, Failure: worker.Failure{Err: "Config.Image: by ID"}}, true,
		},
		"nothing to do": {Result{Ending: Nothing}, worker.Outcome{Result: worker.Done}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c.r.OldID, c.r.Holder = old, &worker.Snapshot{}
			if c.r.ID == "" {
				c.r.ID = old
			}
			out := c.r.Outcome(worker.Action{})
			require.Equal(t, c.snapshot, out.Snapshot != nil)
			out.Snapshot = nil
			require.Equal(t, c.want, out)
		})
	}
}
