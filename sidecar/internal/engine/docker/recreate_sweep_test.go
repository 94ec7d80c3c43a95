package docker_test

import (
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"

	"stoker/sidecar/internal/core/worker"
)

// unfinished returns the workers with a marked container that does not have its name yet, or that has it while the old one still exists as
// a backup or was never started itself.
func unfinished(list []container.Summary) []string {
	byID := map[string]string{}
	for _, one := range list {
		byID[one.ID] = ownName(one.Names)
	}
	var names []string
	for _, one := range list {
		name := one.Labels[worker.MarkName]
		if name == "" {
			continue
		}
		switch byID[one.ID] {
		case name + worker.NewSuffix:
			names = append(names, name)
		case name: // never started, it was killed before that
			if one.State == container.StateCreated || byID[one.Labels[worker.MarkOf]] == name+worker.BackupSuffix {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ownName returns the container's own name among those of a list: a linked one is also listed under its alias in the other.
func ownName(names []string) string {
	for _, name := range names {
		if own := strings.TrimPrefix(name, "/"); !strings.Contains(own, "/") {
			return own
		}
	}
	return ""
}
