package dockertest

import (
	"strings"

	"stoker/sidecar/internal/core/worker"
)

// containerSet are the containers of an engine, and those that it had.
type containerSet struct {
	containers []*container // in the order of their creation
	removed    []*container // in the order of their removal
	made       uint64       // how many there ever were
}

// find is the container of a name, an ID or the beginning of an ID.
func (s *containerSet) find(ref string) *container {
	for _, c := range s.containers {
		if c.Name == ref || c.ID == ref {
			return c
		}
	}
	for _, c := range s.containers {
		if len(ref) >= 12 && len(ref) < len(c.ID) && c.ID[:len(ref)] == ref {
			return c
		}
	}
	return nil
}

func (s *containerSet) named(name string) *container {
	for _, c := range s.containers {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// everFind is the container of an ID, also when it is gone.
func (s *containerSet) everFind(id string) *container {
	for _, all := range [][]*container{s.containers, s.removed} {
		for _, c := range all {
			if c.ID == id {
				return c
			}
		}
	}
	return nil
}

// lastOf is the container of that name, or the last one that had it: another one may be made like it.
func (s *containerSet) lastOf(name string) *container {
	if c := s.find(name); c != nil {
		return c
	}
	if removed := s.removedOf(name); len(removed) > 0 {
		return removed[len(removed)-1]
	}
	return nil
}

// removedOf are the containers of that name that are gone, in the order of their removals. One with --rm is set aside before it is
// stopped to be recreated, and so has another name when it goes; what is made from it later is the worker all the same.
func (s *containerSet) removedOf(name string) []*container {
	var removed []*container
	for _, old := range s.removed {
		if strings.TrimSuffix(old.Name, worker.BackupSuffix) == name {
			removed = append(removed, old)
		}
	}
	return removed
}
