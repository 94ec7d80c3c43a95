package simulation

import (
	"slices"
	"strings"

	"stoker/sidecar/internal/test/dockertest"
)

// shrink removes from a failing plan what the failure does not need: faults in ever smaller runs, then quiet periods and containers. A plan
// fails in the same way if its first violation is of the same kind.
func shrink(p plan, violation string) plan {
	fails := func(q plan) bool {
		r := simulate(q, false)
		return r.violated() && kindOf(r.checks.violations[0]) == kindOf(violation)
	}
	for before := -1; before != len(p.Faults); {
		before = len(p.Faults)
		for size := max(len(p.Faults)/2, 1); size >= 1; size /= 2 {
			for from := 0; from+size <= len(p.Faults); {
				q := p
				q.Faults = slices.Delete(slices.Clone(p.Faults), from, from+size)
				if fails(q) {
					p = q
				} else {
					from += size
				}
			}
		}
		p = fewer(p, fails)
	}
	return p
}

// fewer removes quiet periods and containers that the failure does not need.
func fewer(p plan, fails func(plan) bool) plan {
	for i := len(p.Quiets) - 1; i >= 0; i-- {
		q := p
		q.Quiets = slices.Delete(slices.Clone(p.Quiets), i, i+1)
		if len(q.Quiets) > 0 && fails(q) {
			p = q
		}
	}
	for i := len(p.Containers) - 1; i >= 0; i-- {
		q := p
		q.Containers = slices.DeleteFunc(slices.Clone(p.Containers), func(s dockertest.Spec) bool { return s.Name == p.Containers[i].Name })
		if fails(q) {
			p = q
		}
	}
	return p
}

// kindOf returns the kind of a violation: the first word after its time.
func kindOf(violation string) string {
	words := strings.Fields(violation)
	return words[min(2, len(words)-1)]
}
