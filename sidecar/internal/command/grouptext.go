package command

import (
	"strconv"
	"strings"
	"time"
)

// groupText is the table of the groups with a demand, and what is wrong with their sources; empty where there is none.
func (e Env) groupText(f fleetView, now time.Time) string {
	if len(f.Groups) == 0 {
		return e.swarmText(f.Swarm)
	}
	t := e.table(column{"GROUP", 10}, column{"WORK", 4}, column{"WANTED", 3}, column{"RUNNING", 3}, column{"ASLEEP", 3}, column{"WHY", 8})
	var problems strings.Builder
	for _, g := range f.Groups {
		t.rows = append(t.rows, row{cells: []cell{
			{g.Name, plain}, {g.work(), plain}, {strconv.Itoa(g.Wanted), plain}, {strconv.Itoa(g.Running), g.colour()}, {strconv.Itoa(g.Asleep), faint},
			{g.why(now), plain},
		}})
		if s := g.Service; s != nil && s.Problem != "" {
			problems.WriteString(e.lines(red, g.Name+": "+s.Problem))
		}
		for _, s := range g.Sources {
			if s.Error != "" {
				problems.WriteString(e.lines(red, g.Name+": "+s.Name+": "+s.Error))
			}
		}
	}
	return "\n" + t.text() + problems.String() + e.swarmText(f.Swarm)
}

// swarmText returns why this Stoker scales no services although it was asked to; empty when it does.
func (e Env) swarmText(s *swarmState) string {
	switch {
	case s == nil || s.Role == "leader":
		return ""
	case s.Problem != "":
		return "\n" + e.lines(red, "services are not scaled from here: "+s.Problem)
	}
	return "\n" + e.lines(faint, "services are not scaled from here: this engine is "+s.words()+", and the leader's Stoker does it")
}

// words is the role for people.
func (s swarmState) words() string {
	switch s.Role {
	case "follower":
		return "a manager that does not lead"
	case "no-manager":
		return "no manager"
	case "no-swarm":
		return "in no Swarm"
	}
	return "not asked yet"
}

func (g groupRow) work() string {
	if len(g.Sources) == 0 {
		return "-"
	}
	return strconv.FormatFloat(g.Work, 'f', -1, 64)
}

func (c countRow) colour() colour {
	switch {
	case c.Running == 0 && c.Wanted > 0:
		return red
	case c.Running > 0:
		return green
	}
	return faint
}

// why returns what else decides how many run.
func (g groupRow) why(now time.Time) string {
	var parts []string
	if s := g.Service; s != nil {
		parts = append(parts, "service, "+count(s.Replicas, "replica")+", "+s.State)
	}
	for _, s := range g.Sources {
		if s.State != "answered" {
			parts = append(parts, "source "+s.State)
		}
	}
	if g.Limit != "none" && g.Limit != "" {
		parts = append(parts, "limited by "+g.Limit)
	}
	if !g.Awake.IsZero() {
		parts = append(parts, "woken by hand, for "+short(g.Awake.Sub(now)))
	}
	if g.Hours != "" {
		parts = append(parts, g.hours(now))
	}
	return orDash(strings.Join(parts, ", "))
}

func (h hoursRow) hours(now time.Time) string {
	word, next := "within hours", "end"
	if !h.Open {
		word, next = "outside hours", "begin"
	}
	if h.Changes.IsZero() {
		return word
	}
	return word + ", which " + next + " in " + short(h.Changes.Sub(now))
}
