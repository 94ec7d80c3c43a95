package policy

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The labels of other healers. Both tools match key and value exactly. Stoker accepts any word for yes, because a user who writes autoheal=True
// means it (willfarrell/docker-autoheal#153).
const (
	autohealLabel       = "autoheal"
	autohealStopTimeout = "autoheal.stop.timeout" // whole seconds
	deunhealthLabel     = "deunhealth.restart.on.unhealthy"
)

// Rules decide about a container from its labels.
type Rules struct {
	Selector
	Defaults
}

// Reading is the result of reading the labels of a container.
type Reading struct {
	Verdict // with all problems; those of an unmanaged container are advice
	Policy  Policy
}

// Read returns the verdict, policy and problems of a container. There is no other way to get them.
//
// A container managed for another healer's label is healed as by that healer: both handle only unhealthy containers, so its exits are not faults,
// and autoheal's stop timeout applies. These settings override the environment's defaults, and a stoker label on the container overrides them. On
// a container with stoker.enable=true, other healers' labels are ignored.
func (r Rules) Read(c Candidate) Reading {
	verdict := r.decide(c)
	defaults, foreign := r.as(verdict.Why, c.Labels)
	policy, problems := defaults.Parse(c.Labels)
	problems = append(problems, foreign...)
	problems = append(problems, r.colonProblems(c.Labels)...)
	slices.SortFunc(problems, byLabel)
	verdict.Problems = verdict.relevant(problems)
	return Reading{Verdict: verdict, Policy: policy}
}

// MayManage reports whether a container with these labels may be a worker: Read manages it, or needs its quota to decide. It reads only the
// selecting labels, so that it is cheap enough for each event of each container.
func (r Rules) MayManage(labels map[string]string) bool {
	v := r.decide(Candidate{Labels: labels})
	return v.Take || v.Undecided
}

// colonProblems reports labels of the healers in s.Compat that were written with a colon in Compose's list form.
func (s Selector) colonProblems(labels map[string]string) []Problem {
	if len(s.Compat) == 0 {
		return nil
	}
	var names []string
	if slices.Contains(s.Compat, CompatAutoheal) {
		names = append(names, autohealLabel, autohealStopTimeout)
	}
	if slices.Contains(s.Compat, CompatDeunhealth) {
		names = append(names, deunhealthLabel)
	}
	var problems []Problem
	for key, value := range labels {
		if name := beforeColon(key, names...); name != "" {
			problems = append(problems, Problem{Label: key, Value: value, Message: colonMessage(key, name), Nearest: name})
		}
	}
	return problems
}

// otherHealer returns the verdict of the labels of the healers in s.Compat: a reason to manage the container, WhyDisabled for autoheal's opt-out,
// WhyEnableUnclear for an invalid label, or empty.
func (s Selector) otherHealer(labels map[string]string) Why {
	refused := false
	if slices.Contains(s.Compat, CompatAutoheal) {
		on, err := ParseBool(labels[autohealLabel])
		if err == nil && on {
			return WhyCompatAutoheal
		}
		refused = err == nil
	}
	if slices.Contains(s.Compat, CompatDeunhealth) {
		if on, err := ParseBool(labels[deunhealthLabel]); err == nil && on {
			return WhyCompatDeunhealth
		}
	}
	if refused {
		return WhyDisabled
	}
	if slices.ContainsFunc(s.colonProblems(labels), func(p Problem) bool { return p.Nearest != autohealStopTimeout }) {
		return WhyEnableUnclear
	}
	return ""
}

// as returns the defaults for containers that are managed for another healer's label.
func (d Defaults) as(why Why, labels map[string]string) (Defaults, []Problem) {
	if why != WhyCompatAutoheal && why != WhyCompatDeunhealth {
		return d, nil
	}
	d.Policy.OnExit = OnExitNever
	value, ok := labels[autohealStopTimeout]
	if why != WhyCompatAutoheal || !ok {
		return d, nil
	}
	grace, err := parseSeconds(value)
	if err != nil {
		return d, []Problem{{Label: autohealStopTimeout, Value: value, Message: Explain(value, err)}}
	}
	d.Policy.StopTimeout = grace
	return d, nil
}

func parseSeconds(value string) (time.Duration, error) {
	n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
	if err != nil {
		return 0, errors.New("not a whole number of seconds, as autoheal has it")
	}
	return time.Duration(n) * time.Second, nil
}
