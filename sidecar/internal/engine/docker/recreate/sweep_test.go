package recreate

import (
	"context"
	"slices"

	"github.com/docker/docker/api/types/container"
)

// Sweep resumes every transaction on the engine that was left unfinished, as a fleet does that finds them in its list. stayDown is asked for each worker whether
// someone has stopped it since; nil is no.
func (r *Recreator) Sweep(ctx context.Context, stayDown func(name string) bool) ([]Result, error) {
	list, err := r.list(ctx)
	if err != nil {
		return nil, err
	}
	var results []Result
	for _, name := range unfinished(list) {
		req := Request{Name: name, Grace: -1}
		if stayDown != nil {
			req.StayDown = func(func(string) bool) bool { return stayDown(name) }
		}
		results = append(results, r.Resume(ctx, req))
	}
	return results, nil
}

// unfinished are the workers of which a marked container has not its name yet, or has it while the old one stands aside
// or without ever having been started.
func unfinished(list []container.Summary) []string {
	byID := map[string]string{}
	for _, one := range list {
		byID[one.ID] = ownName(one.Names)
	}
	var names []string
	for _, one := range list {
		name := one.Labels[markName]
		if name == "" {
			continue
		}
		switch byID[one.ID] {
		case name + NewSuffix:
			names = append(names, name)
		case name: // never started, it was killed before that
			if one.State == container.StateCreated || byID[one.Labels[markOf]] == name+AsideSuffix {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
