package service_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/service"
	"stoker/sidecar/internal/core/worker"
)

var noon = time.Date(2026, 6, 3, 12, 0, 0, 0, time.UTC)

// world is a Swarm, a source and one Stoker, which polls every five seconds.
type world struct {
	t        *testing.T
	now      time.Time
	table    *service.Table
	role     service.Role
	services map[string]*service.Service
	tasks    []service.Task
	reading  demand.Reading
	readings map[string]demand.Reading // of single sources, by the scheme of their URL
	failing  bool
	pollErr  string         // why polls of the Swarm fail
	result   service.Result // of the next updates
	asked    int            // how often tasks were requested
	queried  int            // how often sources were asked
	updates  []string
	events   []string
	details  []string // of the events
}

// labels returns those of a service with a source that counts the items in hand.
func labels(more ...string) map[string]string {
	all := map[string]string{"stoker.demand": "redis://host/0?stream=s&group=g", "stoker.max-replicas": "4", "stoker.cooldown": "1m"}
	for n := 0; n < len(more); n += 2 {
		all[more[n]] = more[n+1]
	}
	return all
}

func newWorld(t *testing.T, all map[string]string) *world {
	t.Helper()
	w := &world{t: t, now: noon, role: service.RoleLeader, services: map[string]*service.Service{}}
	w.stoker(false)
	w.services["web"] = &service.Service{ID: "web", Name: "web", Version: 1, Labels: all, Replicated: true, Replicas: 1, Running: 1, Condition: "on-failure"}
	w.reading.InHand.Kind = demand.InHandCounted
	return w
}

// stoker starts another one.
func (w *world) stoker(dryRun bool) {
	w.table = service.New(service.Settings{Rules: policy.Rules{Defaults: policy.Defaults{Policy: policy.Default()}}, Zone: time.UTC, DryRun: dryRun})
}

func (w *world) web() *service.Service { return w.services["web"] }

// set changes the service as another client.
func (w *world) set(replicas int) {
	w.web().Replicas, w.web().Running = replicas, replicas
	w.web().Version++
}

// round is one poll, in the order of the scaler.
func (w *world) round() {
	poll := service.Poll{Role: w.role}
	switch {
	case w.pollErr != "":
		poll = service.Poll{Err: w.pollErr}
	case w.role == service.RoleLeader:
		for _, name := range slices.Sorted(maps.Keys(w.services)) {
			poll.Services = append(poll.Services, *w.services[name])
		}
	}
	w.table.Apply(w.now, poll)
	for _, s := range w.table.Due(w.now) {
		w.queried++
		reading, own := w.readings[s.Reveal().Scheme()]
		switch {
		case w.failing:
			w.table.Answer(w.now, s, demand.Reading{}, "does not answer")
		case own:
			w.table.Answer(w.now, s, reading, "")
		default:
			w.table.Answer(w.now, s, w.reading, "")
		}
	}
	for _, id := range w.table.Wanted(w.now) {
		w.asked++
		w.table.Tasks(w.now, id, w.tasks, "")
	}
	for _, c := range w.table.Changes(w.now) {
		w.update(c)
	}
	for _, e := range w.table.Take() {
		w.events, w.details = append(w.events, string(e.Kind)+" "+string(e.Reason)), append(w.details, e.Detail)
	}
	w.now = w.now.Add(5 * time.Second)
}

func (w *world) update(c service.Change) {
	s := w.services[c.ID]
	result := w.result
	if c.Version != s.Version {
		result = service.Conflict
	}
	entry := fmt.Sprintf("%d", c.To)
	if c.Force {
		entry = "force"
	}
	if result == service.Done {
		s.Replicas, s.Running, s.Version = c.To, c.To, s.Version+1
	} else {
		entry += fmt.Sprintf("!%d", result)
	}
	w.updates = append(w.updates, entry)
	w.table.Finish(w.now, c, result, "no")
}

// pass lets time pass.
func (w *world) pass(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.round()
	}
}

// took requires the updates and events since the last call.
func (w *world) took(updates []string, events ...string) {
	w.t.Helper()
	require.Equal(w.t, updates, w.updates)
	require.Equal(w.t, events, w.events)
	w.updates, w.events, w.details = nil, nil, nil
}

// told requires the details of the events since the last call of took.
func (w *world) told(details ...string) {
	w.t.Helper()
	require.Equal(w.t, details, w.details)
}

// view returns the only service.
func (w *world) view() fleet.GroupView {
	w.t.Helper()
	groups := w.table.View(w.now).Groups
	require.Len(w.t, groups, 1)
	return groups[0]
}

func (w *world) state() string {
	w.t.Helper()
	return w.view().Service.State
}

func (w *world) work(waiting, inHand float64) {
	w.reading.Waiting, w.reading.InHand.Total = waiting, inHand
}

const (
	scaledUp   = string(worker.EventServiceScaled) + " work-waits"
	scaledDown = string(worker.EventServiceScaled) + " no-work"
	byHand     = string(worker.EventServiceHeld) + " scaled-by-hand"
	limited    = string(worker.EventDemandLimited) + " max-replicas"
)
