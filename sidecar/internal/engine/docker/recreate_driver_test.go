package docker_test

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"stoker/sidecar/internal/core/recreate"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker"
)

// recreator carries out whole transactions with the steps of a docker.Client, one step after the other as the fleet does.
type recreator struct {
	engine *docker.Client
	list   *client.Client
	owner  string
	verify time.Duration
}

// request selects the worker to recreate.
type request struct {
	Name       string
	OldID      string
	Definition []byte
	Grace      time.Duration
	Expect     *recreate.Expectation
	Stopped    func() []string // the IDs of the containers that an operator is known to have stopped
}

// result is the outcome, and the duration of each step.
type result struct {
	recreate.Result
	Steps []docker.TimedStep
}

// lastID is the ID of the test's latest transaction.
var lastID atomic.Uint64

func (r *recreator) Do(ctx context.Context, req request) result { return r.run(ctx, req, false) }

// Resume finishes an earlier transaction, and begins none.
func (r *recreator) Resume(ctx context.Context, req request) result { return r.run(ctx, req, true) }

func (r *recreator) run(ctx context.Context, req request, resume bool) result {
	done, steps := docker.RunTransaction(ctx, r.engine, recreate.Request{
		Action: worker.Action{ID: lastID.Add(1), Key: worker.Key(req.Name), StopArgs: worker.StopArgs{Grace: req.Grace}}, OldID: req.OldID, Definition: req.Definition,
		Expect: req.Expect, Owner: r.owner, ResumeOnly: resume, Timing: recreate.Timing{Verify: r.verify},
	}, req.Stopped)
	return result{done, steps}
}

// Sweep resumes every transaction on the engine that was left unfinished, as a fleet does with those in its list.
func (r *recreator) Sweep(ctx context.Context) ([]result, error) {
	list, err := r.list.ContainerList(ctx, container.ListOptions{All: true})
	if err != nil {
		return nil, err
	}
	var results []result
	for _, name := range unfinished(list) {
		results = append(results, r.Resume(ctx, request{Name: name, Grace: -1}))
	}
	return results, nil
}
