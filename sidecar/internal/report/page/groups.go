package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/report/trend"
	"stoker/sidecar/internal/sanitize"
)

// groupRow is a line about a group of workers whose number depends on their work or on the hours.
type groupRow struct {
	Name     string
	Work     string // empty where there is no source
	Wanted   int
	Running  int
	Asleep   int
	Tone     string
	Why      []string // what else decides how many run
	Problems []string // of the sources
	Plot     plot
}

// plot is the last day of a group: the workers that ran as an area, and the work as a line, each to its own scale.
type plot struct {
	Width, Height int
	Workers, Work string // paths
	Text          string // the same in words
}

func (r request) groups() []groupRow {
	rows := make([]groupRow, 0, len(r.view.Groups))
	for _, g := range r.view.Groups {
		rows = append(rows, r.group(g))
	}
	return rows
}

func (r request) group(g fleet.GroupView) groupRow {
	line := groupRow{Name: sanitize.Line(g.Name), Wanted: g.Wanted, Running: g.Running, Asleep: g.Asleep, Tone: toneOf(g), Plot: plotOf(r.trend(g.Name), r.now)}
	if len(g.Sources) > 0 {
		line.Work = amount(g.Work)
	}
	if g.Limit != demand.LimitNone {
		line.Why = append(line.Why, "limited by "+g.Limit.String())
	}
	if !g.AwakeUntil.IsZero() {
		line.Why = append(line.Why, "woken by hand, for "+coarse(g.AwakeUntil.Sub(r.now)))
	}
	if g.Hours.Text != "" {
		line.Why = append(line.Why, hoursText(g.Hours, r.now))
	}
	if s := g.Service; s != nil {
		line.Why = append(line.Why, fmt.Sprintf("service, %s, %s", count(s.Replicas, "replica"), s.State))
		if s.Problem != "" {
			line.Problems = append(line.Problems, brief(s.Problem, 300))
		}
	}
	for _, s := range g.Sources {
		if s.State != demand.SourceAnswered {
			line.Why = append(line.Why, "source "+s.State.String())
		}
		if s.Err != "" {
			line.Problems = append(line.Problems, brief(s.Name, 100)+": "+brief(s.Err, 300))
		}
	}
	return line
}

func toneOf(g fleet.GroupView) string {
	switch {
	case g.Starving():
		return "bad"
	case g.Running > 0:
		return "ok"
	}
	return "idle"
}

func hoursText(h fleet.HoursView, now time.Time) string {
	word, next := "within hours", "end"
	if !h.Open {
		word, next = "outside hours", "begin"
	}
	if h.ChangesAt.IsZero() {
		return word
	}
	return word + ", which " + next + " in " + coarse(h.ChangesAt.Sub(now))
}

// amount is a number of items, short.
func amount(n float64) string {
	if n >= 1e6 {
		return strconv.FormatFloat(n, 'g', 3, 64)
	}
	return strings.TrimSuffix(strconv.FormatFloat(n, 'f', 1, 64), ".0")
}

func plotOf(points []trend.Point, now time.Time) plot {
	const height = 20
	p := plot{Width: trend.Points, Height: height, Text: "no data yet"}
	first := now.Truncate(trend.Width).Add(-(trend.Points - 1) * trend.Width)
	work, running := 0.0, 0
	for _, one := range points {
		work, running = max(work, one.Work), max(running, one.Running)
	}
	if len(points) > 0 {
		p.Text = fmt.Sprintf("in the last day at most %s to do and %s", count(int(min(work, math.MaxInt32)), "item"), count(running, "worker"))
	}
	var area, line strings.Builder
	for _, one := range points {
		x := int(one.At.Sub(first) / trend.Width)
		if x < 0 || x >= trend.Points {
			continue
		}
		if one.Running > 0 {
			h := height * one.Running / running
			fmt.Fprintf(&area, "M%d %dh1v%dh-1z", x, height-h, h)
		}
		if one.Work > 0 {
			fmt.Fprintf(&line, "M%d %.1fh1", x, height-1-float64(height-2)*one.Work/work)
		}
	}
	p.Workers, p.Work = area.String(), line.String()
	return p
}
