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

// Reading is what the labels of a container come to.
type Reading struct {
	Verdict // with all problems; those of a container that is not taken in are advice
	Policy  Policy
}

// Read is the one way from a container to its verdict, policy and problems.
//
// A container taken in for another healer's label is healed as that healer would: both know unhealthy containers
// only, so its ends are not faults, and autoheal's own stop timeout holds. Such a meaning outranks the environment's
// defaults; a stoker label on the container outranks it in turn. A container with stoker.enable=true is Stoker's,
// whatever other healer's label is left on it.
func (r Rules) Read(c Candidate) Reading {
	verdict := r.decide(c)
	defaults, foreign := r.as(verdict.Why, c.Labels)
	policy, problems := defaults.Parse(c.Labels)
	problems = append(problems, foreign...)
	slices.SortFunc(problems, byLabel)
	verdict.Problems = verdict.relevant(problems)
	return Reading{Verdict: verdict, Policy: policy}
}

// otherHealer is the verdict of the labels of the healers in s.Compat: a reason to take the container in, WhyDisabled
// for autoheal's opt-out, or empty.
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
