package policy

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/core/demand"
)

// Defaults is the policy of a worker without labels of its own.
type Defaults struct {
	Policy Policy
	Named  map[string][]demand.Source // the sources of work that a label may name, in lower case

	idleGiven bool // idle-after was set for all workers
}

// ParseDefaults parses the environment's defaults, by the name of their label, on top of Default. The sources are those that STOKER_DEMAND may
// name. Its problems name labels; Label.Env is the corresponding variable.
func ParseDefaults(values map[string]string, named map[string][]demand.Source) (Defaults, []Problem) {
	d := Defaults{Policy: Default(), Named: named}
	policy, problems := d.parse(collect(values))
	policy.OnExitExplicit, policy.CPUsExplicit = false, false
	_, d.idleGiven = values["stoker.idle-after"]
	d.Policy = policy
	return d, problems
}

// Parse returns the policy of a container from its labels, and their problems, by label. A label with a problem counts as not set, so the policy
// is always usable. Labels of other tools are ignored.
func (d Defaults) Parse(labels map[string]string) (Policy, []Problem) {
	set := collect(labels)
	policy, problems := d.parse(set)
	problems = append(problems, d.demandWithoutSource(set)...)
	problems = append(problems, evidenceWithoutCommand(policy, set)...)
	problems = append(problems, probeWithoutTarget(policy, set)...)
	slices.SortFunc(problems, byLabel)
	return policy, problems
}

func (d Defaults) parse(set labelSet) (Policy, []Problem) {
	policy := d.Policy
	policy.OnExitExplicit, policy.CPUsExplicit = false, false
	if set.nothing() {
		return d.withDemand(policy, set), nil
	}
	problems := set.problems()
	for _, label := range Labels() {
		w, ok := set.once(label.Name)
		if !ok {
			continue
		}
		if err := apply(label, &policy, w.value); err != nil {
			problems = append(problems, w.problem(Explain(w.value, err)))
		}
	}
	problems = append(problems, d.reconcile(&policy, set)...)
	problems = append(problems, d.reconcileDemand(&policy, set)...)
	slices.SortFunc(problems, byLabel)
	return d.withDemand(policy, set), problems
}

// String returns the problem in one line of bounded length, for any label.
func (p Problem) String() string {
	label := strings.Trim(fmt.Sprintf("%.80q", p.Label), `"`)
	return fmt.Sprintf("%s=%.80q: %s", label, p.Value, p.Message)
}

func apply(label Label, policy *Policy, value string) error {
	value = strings.TrimSpace(value)
	if value == "" && label.Name != LabelScope {
		return errors.New("no value; give it one or take the label away")
	}
	return label.set(policy, value)
}

// reconcile reports labels that are valid alone and contradict each other, or a default. It then uses the defaults.
func (d Defaults) reconcile(p *Policy, set labelSet) []Problem {
	var problems []Problem
	if w, ok := set.either("stoker.backoff-initial", "stoker.backoff-max"); ok && p.BackoffInitial > p.BackoffMax {
		problems = append(problems, w.problem(fmt.Sprintf("backoff-initial is %s and backoff-max is %s; "+
			"the first wait cannot be longer than the longest", plain(p.BackoffInitial), plain(p.BackoffMax))))
		p.BackoffInitial, p.BackoffMax = d.Policy.BackoffInitial, d.Policy.BackoffMax
	}
	if w, ok := set.either("stoker.boost-cpus", "stoker.cpus"); ok && p.BoostCPUs > 0 && p.BoostCPUs < p.CPUs {
		problems = append(problems, w.problem(fmt.Sprintf("boost-cpus is %g and cpus is %g; "+
			"a boost cannot be less than the quota", p.BoostCPUs, p.CPUs)))
		p.BoostCPUs, p.CPUs, p.CPUsExplicit = d.Policy.BoostCPUs, d.Policy.CPUs, false
	}
	return problems
}

// plain formats a duration in short form: 1m, not 1m0s.
func plain(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func byLabel(a, b Problem) int {
	return cmp.Or(cmp.Compare(a.Label, b.Label), cmp.Compare(a.Message, b.Message))
}
