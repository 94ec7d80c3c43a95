// Package trend keeps how much work groups of workers had in the last day, and how many workers ran, for people to see.
package trend

import (
	"context"
	"slices"
	"sync"
	"time"

	"stoker/sidecar/internal/core/fleet"
)

const (
	// Width is the time of one Point.
	Width = 15 * time.Minute
	// Points is how many there are at most: a day.
	Points = 96
	// every is the time between two samples.
	every = 5 * time.Second
	// maxGroups bounds the memory: some 300 kB.
	maxGroups = 100
)

// Point is the most that was seen within Width.
type Point struct {
	At      time.Time // its beginning
	Work    float64   // items to do
	Running int       // workers
}

// Trend samples views. Its methods may be called at the same time.
type Trend struct {
	mu     sync.Mutex
	groups map[string][]Point // oldest first
}

// New is a trend without samples.
func New() *Trend { return &Trend{groups: map[string][]Point{}} }

// Run takes samples until ctx ends.
func (t *Trend) Run(ctx context.Context, view func() fleet.View) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		t.Add(view())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Add takes one sample. Groups that are gone lose their points when these are a day old.
func (t *Trend) Add(v fleet.View) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, g := range v.Groups {
		if points, known := t.groups[g.Name]; known || len(t.groups) < maxGroups {
			t.groups[g.Name] = add(points, v.At, g)
		}
	}
	oldest := v.At.Add(-Points * Width)
	for name, points := range t.groups {
		points = slices.DeleteFunc(points, func(p Point) bool { return p.At.Before(oldest) })
		if t.groups[name] = points; len(points) == 0 {
			delete(t.groups, name)
		}
	}
}

func add(points []Point, at time.Time, g fleet.GroupView) []Point {
	at = at.Truncate(Width)
	if len(points) == 0 || points[len(points)-1].At.Before(at) {
		points = append(points, Point{At: at})
	}
	last := &points[len(points)-1] // after a step of the clock back, too
	last.Work, last.Running = max(last.Work, g.Work), max(last.Running, g.Running)
	return points
}

// Of returns the points of a group, oldest first. Where there was no view there is no point.
func (t *Trend) Of(group string) []Point {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.groups[group])
}
