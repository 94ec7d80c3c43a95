package web

import (
	"net/http"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/fleet"
)

// groupJSON is a group of workers whose number depends on their work or on the hours.
type groupJSON struct {
	Name    string       `json:"name"`
	Sources []sourceJSON `json:"sources"`
	Work    float64      `json:"work"` // items to do, waiting or in hand
	countJSON
	boundsJSON
	hoursJSON
	Awake   *time.Time   `json:"awake_until"` // all are awake until then, because an operator asked for it
	Service *serviceJSON `json:"service"`     // null where it is no service of a Swarm
}

// countJSON is how many workers a group has.
type countJSON struct {
	Wanted  int `json:"wanted"`  // that should run
	Running int `json:"running"` // that run
	Asleep  int `json:"asleep"`
	Workers int `json:"workers"`
}

// boundsJSON is how many may run.
type boundsJSON struct {
	Min   int    `json:"min_replicas"`
	Max   *int   `json:"max_replicas"` // null is all that exist
	Limit string `json:"limit"`        // why fewer run than the work asks for: none, max-replicas, cpu-budget, workers
}

// hoursJSON is when they may run.
type hoursJSON struct {
	Hours   string     `json:"hours"` // as written; empty is at any time
	Open    bool       `json:"open"`  // within the hours
	Changes *time.Time `json:"open_changes_at"`
}

// serviceJSON is what is done about the replicas of a Swarm service.
type serviceJSON struct {
	State    string `json:"state"`
	Replicas int    `json:"replicas"`
	Problem  string `json:"problem"` // empty when there is none
}

// sourceJSON is where the work of a group is.
type sourceJSON struct {
	Name    string     `json:"name"` // without user, password and token
	State   string     `json:"state"`
	Since   *time.Time `json:"since"`
	Waiting float64    `json:"waiting"`
	InHand  *float64   `json:"in_hand"` // null where the source does not report it
	Error   string     `json:"error"`
}

func groupOf(g fleet.GroupView) groupJSON {
	shown := groupJSON{
		Name: clip(g.Name), Sources: make([]sourceJSON, len(g.Sources)), Work: g.Work, Awake: moment(g.AwakeUntil),
		countJSON:  countJSON{Wanted: g.Wanted, Running: g.Running, Asleep: g.Asleep, Workers: g.Workers},
		boundsJSON: boundsJSON{Min: g.Min, Limit: g.Limit.String()},
		hoursJSON:  hoursJSON{Hours: clip(g.Hours.Text), Open: g.Hours.Open, Changes: moment(g.Hours.ChangesAt)},
	}
	if g.Max != demand.All {
		shown.Max = &g.Max
	}
	if s := g.Service; s != nil {
		shown.Service = &serviceJSON{State: clip(s.State), Replicas: s.Replicas, Problem: clip(s.Problem)}
	}
	for n, s := range g.Sources {
		shown.Sources[n] = sourceJSON{Name: clip(s.Name), State: s.State.String(), Since: moment(s.Since), Waiting: s.Waiting, Error: clip(s.Err)}
		if s.InHandKnown {
			shown.Sources[n].InHand = &s.InHand
		}
	}
	return shown
}

// swarmJSON is what this engine is in its Swarm.
type swarmJSON struct {
	Role    string `json:"role"`
	Problem string `json:"problem"` // why the role is unknown
}

func swarmOf(s fleet.SwarmView) *swarmJSON {
	if s.Role == "" {
		return nil
	}
	return &swarmJSON{Role: s.Role, Problem: clip(s.Problem)}
}

// groups answers with all groups.
func (s *site) groups(w http.ResponseWriter, _ *http.Request) {
	all := fleetOf(s.opts.View())
	write(w, http.StatusOK, struct {
		At     *time.Time  `json:"at"`
		Groups []groupJSON `json:"groups"`
		Swarm  *swarmJSON  `json:"swarm"` // null without STOKER_SWARM_SCALE
	}{all.At, all.Groups, all.Swarm})
}
