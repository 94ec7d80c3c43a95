package app

import (
	"context"
	"errors"
	"strings"
	"sync"

	"stoker/sidecar/internal/control"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/engine/supervisor"
)

// operator carries out the requests to the control socket.
type operator struct {
	sup      *supervisor.Supervisor
	stateDir string
	saving   sync.Mutex // so that the pauses on disk are the last ones in force
}

// Wake wakes all workers of a group.
func (o *operator) Wake(ctx context.Context, group string) error { return o.sup.WakeGroup(ctx, group) }

// Pause stops healing workers for a while. If one of several cannot be paused, the others are still paused, and the error reports that.
func (o *operator) Pause(ctx context.Context, p control.Pause) error {
	return o.each(p.Selection, func(s fleet.Pause) ([]fleet.Pause, error) {
		s.Reason = p.Reason
		return o.sup.Pause(ctx, s, p.For)
	})
}

// Resume ends a pause, and gives exhausted workers new attempts.
func (o *operator) Resume(ctx context.Context, of control.Selection) error {
	return o.each(of, func(s fleet.Pause) ([]fleet.Pause, error) { return o.sup.Resume(ctx, s) })
}

func (o *operator) each(of control.Selection, do func(fleet.Pause) ([]fleet.Pause, error)) error {
	var selected []fleet.Pause
	for _, name := range of.Workers {
		selected = append(selected, fleet.Pause{Scope: fleet.PauseWorker, Name: name})
	}
	if of.Project != "" {
		selected = append(selected, fleet.Pause{Scope: fleet.PauseProject, Name: of.Project})
	}
	if of.All {
		selected = append(selected, fleet.Pause{Scope: fleet.PauseAll})
	}
	if len(selected) == 0 {
		return errors.New("name workers, or give --project or --all")
	}
	o.saving.Lock()
	defer o.saving.Unlock()
	var done []string
	var problems []error
	for _, s := range selected {
		in, err := do(s)
		if err == nil {
			done = append(done, s.String())
			err = control.SavePauses(o.stateDir, in)
		}
		if err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 && len(done) > 0 && len(selected) > 1 {
		problems = append(problems, errors.New("done for "+strings.Join(done, ", ")))
	}
	return errors.Join(problems...)
}
