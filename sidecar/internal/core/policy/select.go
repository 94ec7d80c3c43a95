package policy

import (
	"slices"
	"strings"
)

// Mode selects which containers are managed if their labels do not decide it.
type Mode string

// The values of STOKER_SELECT.
const (
	ModeLabel Mode = "label" // only those with stoker.enable=true
	ModeQuota Mode = "quota" // every one with a CPU quota
	ModeAll   Mode = "all"
)

// Compat is another healer whose labels Stoker supports.
type Compat string

// The values of STOKER_COMPAT.
const (
	CompatAutoheal   Compat = "autoheal"
	CompatDeunhealth Compat = "deunhealth"
)

// Why is the reason of a Verdict, as a fixed string.
type Why string

// Why a container is managed.
const (
	WhyEnabled          Why = "enabled"
	WhyHasQuota         Why = "has-quota"
	WhyAll              Why = "all"
	WhyCompatAutoheal   Why = "compat-autoheal"
	WhyCompatDeunhealth Why = "compat-deunhealth"
	// WhyEnableUnclear: stoker.enable, or the label of another healer, is invalid. The container is managed, so that it is held and shown with
	// its problem. If it were ignored, the mistake would be found only when the worker is not restarted.
	WhyEnableUnclear Why = "enable-unclear"
)

// Why a container is ignored.
const (
	WhyNoLabels     Why = "no-labels"   // no label of Stoker
	WhyNotEnabled   Why = "not-enabled" // stoker labels, but no stoker.enable
	WhyDisabled     Why = "disabled"
	WhyOtherScope   Why = "other-scope"
	WhyNoQuota      Why = "no-quota"
	WhyQuotaUnknown Why = "quota-unknown" // undecided: the container must be inspected first
)

// Selector decides which containers are workers.
type Selector struct {
	Mode   Mode // the zero value is ModeLabel
	Scope  string
	Compat []Compat
}

// Candidate is a container to select.
type Candidate struct {
	Labels     map[string]string
	CPUs       float64 // quota in CPUs; 0 is none
	QuotaKnown bool    // false before the first inspect: lists and events do not have the quota
}

// Verdict is whether a container is a worker.
type Verdict struct {
	Take      bool
	Undecided bool // select again when the quota is known
	Why       Why
	Problems  []Problem
}

// Select decides on one container. Its problems are only those of stoker.enable and stoker.scope; Rules.Read returns all.
//
// A container belongs to the Stoker whose scope equals its stoker.scope. A missing or empty label equals an empty scope. So two Stokers on one
// engine never both manage a container, whichever of them has a scope, and a Stoker without a scope ignores containers with one. The order is:
// scope, the container's own stoker.enable, another healer's label, the mode. The labels of another Stoker's container are not checked.
func (s Selector) Select(c Candidate) Verdict {
	verdict := s.decide(c)
	_, problems := Defaults{Policy: Default()}.Parse(c.Labels)
	verdict.Problems = verdict.relevant(slices.DeleteFunc(problems, func(p Problem) bool {
		name := strings.ToLower(strings.TrimSpace(p.Label))
		return name != LabelEnable && name != LabelScope && p.Nearest != LabelEnable && p.Nearest != LabelScope
	}))
	return verdict
}

func (s Selector) decide(c Candidate) Verdict {
	set := collect(c.Labels)
	other := s.otherHealer(c.Labels)
	scoped := s.inScope(set)
	switch {
	case set.nothing() && other == "" && s.byLabel():
		return Verdict{Why: WhyNoLabels}
	case !scoped:
		return Verdict{Why: WhyOtherScope}
	}
	switch set.enable() {
	case enableYes:
		return Verdict{Take: true, Why: WhyEnabled}
	case enableNo:
		return Verdict{Why: WhyDisabled}
	case enableUnclear:
		return Verdict{Take: true, Why: WhyEnableUnclear}
	case enableUnsaid:
	}
	if other != "" {
		return Verdict{Take: other != WhyDisabled, Why: other}
	}
	return s.byMode(c)
}

func (s Selector) byLabel() bool { return s.Mode != ModeQuota && s.Mode != ModeAll }

func (s Selector) byMode(c Candidate) Verdict {
	switch s.Mode {
	case ModeAll:
		return Verdict{Take: true, Why: WhyAll}
	case ModeQuota:
		switch {
		case !c.QuotaKnown:
			return Verdict{Undecided: true, Why: WhyQuotaUnknown}
		case c.CPUs > 0:
			return Verdict{Take: true, Why: WhyHasQuota}
		}
		return Verdict{Why: WhyNoQuota}
	case ModeLabel:
	}
	return Verdict{Why: WhyNotEnabled}
}

// inScope reports whether any spelling of stoker.scope matches: a duplicate label is a problem to show, but the container still belongs to a
// Stoker.
func (s Selector) inScope(set labelSet) bool {
	all := set.known[LabelScope]
	if len(all) == 0 {
		return s.Scope == ""
	}
	return slices.ContainsFunc(all, func(w label) bool { return strings.TrimSpace(w.value) == s.Scope })
}

// relevant drops the problems of a container that its labels or scope exclude.
func (v Verdict) relevant(problems []Problem) []Problem {
	if v.Why == WhyDisabled || v.Why == WhyOtherScope || len(problems) == 0 {
		return nil
	}
	return problems
}

type enable uint8

const (
	enableUnsaid enable = iota
	enableYes
	enableNo
	enableUnclear
)

// enable returns unclear if the label is misspelt, has an invalid value, or is set twice.
func (s labelSet) enable() enable {
	all := s.known[LabelEnable]
	if len(all) == 0 {
		if slices.ContainsFunc(s.unknown, func(w label) bool { return suggestLabel(w.key) == LabelEnable }) {
			return enableUnclear
		}
		return enableUnsaid
	}
	on, err := ParseBool(all[0].value)
	switch {
	case len(all) > 1 || err != nil:
		return enableUnclear
	case on:
		return enableYes
	}
	return enableNo
}

// SwarmTask reports whether a container is a task of a Swarm service, which Swarm itself replaces.
func SwarmTask(labels map[string]string) bool {
	_, ok := labels["com.docker.swarm.task.id"]
	return ok
}

// OneOff reports whether a container was made by compose run: it is meant to exit.
func OneOff(labels map[string]string) bool {
	once, err := ParseBool(labels["com.docker.compose.oneoff"])
	return err == nil && once
}
