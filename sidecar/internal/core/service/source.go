package service

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/worker"
)

// source is one source of work, for all services that have it.
type source struct {
	name     string // without secrets
	every    time.Duration
	due      time.Time
	services []string // names
	demand.SourceStatus
}

// orderSources keeps the sources that a service has, and the poll interval of each.
func (t *Table) orderSources(now time.Time) {
	before := t.sources
	t.sources = map[demand.Source]*source{}
	for _, s := range t.inOrder() {
		for _, key := range s.settings.Sources {
			one := t.sources[key]
			if one == nil {
				if one = before[key]; one == nil {
					one = &source{name: key.String(), due: now, SourceStatus: demand.SourceStatus{Since: now}}
				}
				one.services, one.every = nil, s.settings.Poll
				t.sources[key] = one
			}
			one.services = append(one.services, s.seen.Name)
			one.every = min(one.every, s.settings.Poll)
		}
	}
}

// Due returns the sources to ask now. Each needs an Answer.
func (t *Table) Due(now time.Time) []demand.Source {
	if t.role != RoleLeader {
		return nil
	}
	var due []demand.Source
	for key, s := range t.sources {
		if s.due.Sub(now) > s.every { // the clock stepped back
			s.due = now
		}
		if !s.due.After(now) {
			due = append(due, key)
			s.due = now.Add(s.every)
		}
	}
	slices.SortFunc(due, func(a, b demand.Source) int { return cmp.Compare(t.sources[a].name, t.sources[b].name) })
	return due
}

// Answer records the answer of a source; err is why there is none.
func (t *Table) Answer(now time.Time, key demand.Source, r demand.Reading, err string) {
	s := t.sources[key]
	if s == nil {
		return
	}
	switch {
	case err != "":
		if s.Failed(now, err) {
			t.emit(worker.Event{At: now, Kind: worker.EventDemandLost, Group: strings.Join(s.services, ", "), Reason: worker.ReasonSourceFailed, Detail: err})
		}
	case s.Answered(now, r):
		t.emit(worker.Event{At: now, Kind: worker.EventDemandBack, Group: strings.Join(s.services, ", "), Detail: s.name})
	}
}

// inOrder returns the services by name.
func (t *Table) inOrder() []*scaled {
	return slices.SortedFunc(maps.Values(t.services), func(a, b *scaled) int { return cmp.Compare(a.seen.Name, b.seen.Name) })
}
