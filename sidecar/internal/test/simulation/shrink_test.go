package simulation

import (
	"slices"
	"strings"

	"stoker/sidecar/internal/test/dockertest"
)

// shrink takes away from a failing plan what the failure does not need: deeds in ever smaller runs, then containers, then
// quiets. A plan fails in the same way when what is wrong first begins with the same word.
func shrink(p plan, wrong string) plan {
	fails := func(q plan) bool {
		r := simulate(q, false)
		return len(r.wrong) > 0 && sort(r.wrong[0]) == sort(wrong)
	}
	for before := -1; before != len(p.Deeds); {
		before = len(p.Deeds)
		for size := max(len(p.Deeds)/2, 1); size >= 1; size /= 2 {
			for from := 0; from+size <= len(p.Deeds); {
				q := p
				q.Deeds = slices.Delete(slices.Clone(p.Deeds), from, from+size)
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

// fewer drops containers and quiets that the failure does not need.
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

// sort is the kind of a failure: what stands between its time and the next word.
func sort(wrong string) string {
	words := strings.Fields(wrong)
	return words[min(2, len(words)-1)]
}
