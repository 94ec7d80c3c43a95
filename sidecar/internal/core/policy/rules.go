package policy

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The labels of other healers. Both tools match them exactly, key and value; Stoker takes any word for yes, because who
// writes autoheal=True means it (willfarrell/docker-autoheal#153).
const (
	autohealLabel       = "autoheal"
	autohealStopTimeout = "autoheal.stop.timeout" // whole seconds
	deunhealthLabel     = "deunhealth.restart.on.unhealthy"
)

// Rules is everything that decides about a container from its labels.
type Rules struct {
	Selector
	Defaults
}

// Reading is the result of reading the labels of a container.
type Reading struct {
	Verdict // with all problems; those of a container that is not managed are advice
	Policy  Policy
}

// Read is the one way from a container to its verdict, policy and problems.
//
// A container managed for another healer's label is healed as that healer would: both know unhealthy containers
// only, so its ends are not faults, and autoheal's own stop timeout holds. Such a meaning outranks the environment's
// defaults; a stoker label on the container outranks it in turn. A container with stoker.enable=true is Stoker's,
// whatever other healer's label is left on it.
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

// MayManage reports whether a container with these labels may be a worker: whether Read takes it, or cannot decide without its
// quota. It reads only the labels that select, so that it can be asked about each event of each container.
func (r Rules) MayManage(labels map[string]string) bool {
	v := r.decide(Candidate{Labels: labels})
	return v.Take || v.Undecided
}

// colonProblems finds labels of the healers in s.Compat that were written with a colon in Compose's list form.
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

// otherHealer is the verdict of the labels of the healers in s.Compat: a reason to take the container in, WhyDisabled
// for autoheal's opt-out, WhyEnableUnclear for a label that was meant and got wrong, or empty.
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

// as turns the defaults into those of the healer whose label took a container in.
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
