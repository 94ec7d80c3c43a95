package policy

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"stoker/sidecar/internal/core/demand"
)

// LabelGroup names the group of a worker. LabelCloneOf marks a clone.
const (
	LabelGroup   = "stoker.group"
	LabelCloneOf = "stoker.clone-of"

	labelDemand = "stoker.demand"
	labelHours  = "stoker.hours"
)

// Demand is the part of a worker's policy that sets the number of workers in its group. It is comparable: all workers of a group must have the
// same.
type Demand struct {
	Source        string // URLs and names as written, separated by spaces; empty is none
	Target        float64
	Activation    float64
	Min           int
	Max           int // demand.All means all existing workers
	Poll          time.Duration
	Cooldown      time.Duration
	Fallback      int    // demand.Keep
	Hours         string // as written; empty means any time
	HoursReplicas int    // demand.Default
	ScaleDown     ScaleDown
	CloneUpTo     int // 0 is none
}

// ScaleDown selects which workers may be put to sleep.
type ScaleDown string

// The values of stoker.scale-down.
const (
	ScaleDownIdle  ScaleDown = "idle"
	ScaleDownNever ScaleDown = "never"
)

// Set reports whether a source or hours decide how many workers run.
func (d Demand) Set() bool { return d.Source != "" || d.Hours != "" }

// Settings returns the resolved settings. The zone is the default zone of hours.
func (d Demand) Settings(named map[string][]demand.Source, local *time.Location) (demand.Settings, error) {
	s := demand.Settings{
		Target: d.Target, Activation: d.Activation, Min: d.Min, Max: d.Max, Poll: d.Poll, Cooldown: d.Cooldown, Fallback: d.Fallback,
		HoursReplicas: d.HoursReplicas, KeepAwake: d.ScaleDown == ScaleDownNever, CloneUpTo: d.CloneUpTo,
	}
	var err error
	if d.Source != "" {
		if s.Sources, err = demand.Resolve(d.Source, named); err != nil {
			return demand.Settings{}, err
		}
	}
	if d.Hours != "" {
		if s.Hours, err = demand.ParseHours(d.Hours, local); err != nil {
			return demand.Settings{}, err
		}
	}
	return s, nil
}

func defaultDemand() Demand {
	return Demand{
		Target: 1, Max: demand.All, Poll: 5 * time.Second, Cooldown: 5 * time.Minute, Fallback: demand.Keep, HoursReplicas: demand.Default,
		ScaleDown: ScaleDownIdle,
	}
}

// idleWithDemand is the default of stoker.idle-after for a worker with a source of work: a worker that idles so long while work waits hangs.
const idleWithDemand = 2 * time.Minute

func demandLabels() []Label {
	return []Label{
		{LabelGroup, "", "compose project and service", "the workers of one group share a demand, and are recycled one at a time", ignore},
		{labelDemand, "STOKER_DEMAND", NoDefault,
			"where the work of the group is: URLs, or names of `STOKER_DEMAND_<NAME>`, separated by spaces", setSource},
		{"stoker.demand-target", "STOKER_DEMAND_TARGET", "1", "items of work for each worker",
			number(func(p *Policy) *float64 { return &p.Demand.Target }, least)},
		{"stoker.demand-activation", "STOKER_DEMAND_ACTIVATION", "0", "more items than this wake the group from its minimum",
			number(func(p *Policy) *float64 { return &p.Demand.Activation }, 0)},
		{"stoker.min-replicas", "STOKER_MIN_REPLICAS", "0", "never fewer workers, within the hours",
			count(func(p *Policy) *int { return &p.Demand.Min })},
		{"stoker.max-replicas", "STOKER_MAX_REPLICAS", "all", "never more workers than this, of those that exist; nor more than `STOKER_CPU_BUDGET` allows",
			countOr("all", demand.All, func(p *Policy) *int { return &p.Demand.Max })},
		{"stoker.demand-poll", "STOKER_DEMAND_POLL", "5s", "how often the source is asked",
			atLeast(100*time.Millisecond, func(p *Policy) *time.Duration { return &p.Demand.Poll })},
		{"stoker.cooldown", "STOKER_COOLDOWN", "5m", "no worker is put to sleep before so long without need, nor sooner after the last one",
			duration(func(p *Policy) *time.Duration { return &p.Demand.Cooldown })},
		{"stoker.demand-fallback", "STOKER_DEMAND_FALLBACK", "keep", "workers once the source has failed three times: a number, or `keep` those that run",
			countOr("keep", demand.Keep, func(p *Policy) *int { return &p.Demand.Fallback })},
		{labelHours, "STOKER_HOURS", NoDefault, "when the group runs: `Mon-Fri 08:00-19:00 Europe/Rome`; several, separated by `;`", setHours},
		{"stoker.hours-replicas", "STOKER_HOURS_REPLICAS", "1 with `stoker.demand`, else all", "workers that run within the hours in any case",
			count(func(p *Policy) *int { return &p.Demand.HoursReplicas })},
		{"stoker.scale-down", "STOKER_SCALE_DOWN", "idle",
			"`idle`: only a worker that used less than `stoker.idle-below` since the last poll, and holds no item if the source reports it; `never`",
			choice(func(p *Policy) *ScaleDown { return &p.Demand.ScaleDown }, ScaleDownIdle, ScaleDownNever)},
		{"stoker.clone-up-to", "STOKER_CLONE_UP_TO", "0",
			"when all workers of the group run and more are wanted, make further ones like the last, up to so many in all; `0` makes none",
			count(func(p *Policy) *int { return &p.Demand.CloneUpTo })},
		{LabelCloneOf, "", NoDefault, "written by Stoker: the worker that this one was made from. Only such workers are removed again", ignore},
	}
}

// The range of a number of items.
const (
	least = 1e-6
	most  = 1e15
)

func setSource(p *Policy, value string) error {
	p.Demand.Source = strings.Join(strings.Fields(value), " ") // resolved by Parse, which has the names
	return nil
}

func setHours(p *Policy, value string) error {
	if _, err := demand.ParseHours(value, time.UTC); err != nil {
		return err
	}
	p.Demand.Hours = value
	return nil
}

func number(field func(*Policy) *float64, lowest float64) setter {
	return func(p *Policy, value string) error {
		if !decimal(value) {
			return errors.New("not a number; write it such as 5 or 0.5")
		}
		n, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil || math.IsInf(n, 0) || n > most:
			return errors.New("too large a number")
		case n < lowest:
			return errors.New("must be more than 0")
		}
		*field(p) = n
		return nil
	}
}

// countOr is count with one keyword beside the numbers.
func countOr(keyword string, meaning int, field func(*Policy) *int) setter {
	return func(p *Policy, value string) error {
		if strings.EqualFold(value, keyword) {
			*field(p) = meaning
			return nil
		}
		n, err := ParseCount(value)
		if err != nil {
			return fmt.Errorf("neither %s nor a whole number of 0 or more", keyword)
		}
		*field(p) = n
		return nil
	}
}

func atLeast(lowest time.Duration, field func(*Policy) *time.Duration) setter {
	return func(p *Policy, value string) error {
		d, err := ParseDuration(value)
		switch {
		case err != nil:
			return err
		case d < lowest:
			return fmt.Errorf("less than %s", lowest)
		}
		*field(p) = d
		return nil
	}
}

// reconcileDemand reports demand labels that are invalid together, and then resets the demand.
func (d Defaults) reconcileDemand(p *Policy, set labelSet) []Problem {
	var problems []Problem
	if w, ok := set.once(labelDemand); ok || p.Demand.Source != "" {
		if _, err := demand.Resolve(p.Demand.Source, d.Named); err != nil {
			problems = append(problems, w.problem(err.Error()))
		}
	}
	if w, ok := set.either("stoker.max-replicas", "stoker.min-replicas"); ok && p.Demand.Max != demand.All && p.Demand.Max < p.Demand.Min {
		problems = append(problems, w.problem(fmt.Sprintf("min-replicas is %d and max-replicas is %d; the least cannot be more than the most",
			p.Demand.Min, p.Demand.Max)))
	}
	if len(problems) > 0 {
		p.Demand = defaultDemand()
	}
	return problems
}

// withDemand sets the defaults that depend on a source of work.
func (d Defaults) withDemand(p Policy, set labelSet) Policy {
	if p.Demand.Source != "" && p.IdleAfter == 0 && !d.idleGiven && len(set.known["stoker.idle-after"]) == 0 {
		p.IdleAfter = idleWithDemand
	}
	return p
}

// demandWithoutSource reports labels that have no effect. If the source or the hours are invalid, only that is reported.
func (d Defaults) demandWithoutSource(set labelSet) []Problem {
	source := d.Policy.Demand.Source != "" || len(set.known[labelDemand]) > 0
	hours := d.Policy.Demand.Hours != "" || len(set.known[labelHours]) > 0
	var problems []Problem
	for _, name := range []string{"stoker.demand-target", "stoker.demand-activation", "stoker.demand-fallback", "stoker.demand-poll"} {
		if w, ok := set.once(name); ok && !source {
			problems = append(problems, w.problem("has no effect without stoker.demand; name the source, or remove this label"))
		}
	}
	for _, name := range []string{"stoker.min-replicas", "stoker.max-replicas", "stoker.cooldown", "stoker.scale-down", "stoker.clone-up-to"} {
		if w, ok := set.once(name); ok && !source && !hours {
			problems = append(problems, w.problem("has no effect without stoker.demand or stoker.hours; add one, or remove this label"))
		}
	}
	if w, ok := set.once("stoker.hours-replicas"); ok && !hours {
		problems = append(problems, w.problem("has no effect without stoker.hours; add them, or remove this label"))
	}
	return problems
}

// Project returns the Compose project of a container from its labels; empty if there is none.
func Project(labels map[string]string) string { return labels["com.docker.compose.project"] }

// Group returns the group of a container, from its labels and name, and the worker's number in it.
func Group(labels map[string]string, name string) (group string, number int) {
	number, _ = strconv.Atoi(labels["com.docker.compose.container-number"])
	for key, value := range labels {
		if strings.EqualFold(strings.TrimSpace(key), LabelGroup) && strings.TrimSpace(value) != "" {
			return strings.TrimSpace(value), number
		}
	}
	project, service := Project(labels), labels["com.docker.compose.service"]
	if project != "" && service != "" {
		return project + "/" + service, number
	}
	return name, number
}

// IsClone reports whether Stoker made the container as a further worker of its group.
func IsClone(labels map[string]string) bool { return labels[LabelCloneOf] != "" }

// CloneName returns the name of a further worker with the number next, made from the worker with the given number. The error is why there is
// none.
func CloneName(name string, number, next int) (string, error) {
	base, found := strings.CutSuffix(name, strconv.Itoa(number))
	if number == 0 || !found || base == "" || !strings.ContainsAny(base[len(base)-1:], "-_") {
		return "", fmt.Errorf("its name %q does not end with its number in the service, as with container_name; a clone needs a numbered name", name)
	}
	return base + strconv.Itoa(next), nil
}
