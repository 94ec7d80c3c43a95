package docker

import (
	"context"
	"time"

	"stoker/sidecar/internal/core/recreate"
	"stoker/sidecar/internal/core/worker"
)

// TimedStep is a step that was taken, and how long it took.
type TimedStep struct {
	Step string
	Took time.Duration
}

// RunTransaction carries out a whole transaction, one step after the other as the fleet does. Stopped returns the IDs of the containers that an
// operator is known to have stopped; nil means none.
func RunTransaction(ctx context.Context, c *Client, req recreate.Request, stopped func() []string) (recreate.Result, []TimedStep) {
	tx := recreate.New(time.Now(), req)
	var steps []TimedStep
	for !tx.Over() {
		if due, _ := tx.Due(); time.Until(due) > 0 {
			time.Sleep(min(time.Until(due), 10*time.Millisecond))
		}
		if stopped != nil {
			for _, one := range stopped() {
				tx.OperatorStopped(time.Now(), one)
			}
		}
		a := tx.Next(time.Now())
		if a == nil {
			continue
		}
		began := time.Now()
		bounded, cancel := context.WithTimeout(ctx, a.Deadline)
		out := c.Do(bounded, *a)
		cancel()
		steps = append(steps, TimedStep{a.Call.Step, time.Since(began)})
		tx.Finish(time.Now(), out)
	}
	return tx.Result(), steps
}

// recreateWith carries out the Recreate of a worker's state machine.
func recreateWith(ctx context.Context, c *Client, a worker.Action, stopped func() []string) worker.Outcome {
	r, _ := RunTransaction(ctx, c, recreate.Request{
		Action: a, OldID: a.Incarnation.ID, Definition: a.Definition, Owner: "bench",
		Expect: &recreate.Expectation{Gone: len(a.Definition) > 0, StartedAt: a.Incarnation.StartedAt, OnlyIfUnhealthy: a.OnlyIfUnhealthy},
	}, stopped)
	return r.Outcome(a)
}

// resumeWith finishes an earlier transaction.
func resumeWith(ctx context.Context, c *Client, a worker.Action) worker.Outcome {
	r, _ := RunTransaction(ctx, c, recreate.Request{Action: a, OldID: a.Incarnation.ID, Owner: "bench", ResumeOnly: true}, nil)
	return r.Outcome(a)
}
