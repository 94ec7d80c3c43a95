package simulation

import (
	"slices"
	"strings"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// checkRecreates checks I6: no recreate is left unfinished, and no worker has two containers or none.
func (r *run) checkRecreates() {
	existing, lost := map[string]int{}, map[string]bool{}
	for _, t := range r.world.Truths() {
		root := r.root(t)
		if t.Gone {
			byStoker := r.removedBy(t.ID) == dockertest.ByStoker
			if before, known := lost[root]; !known || before {
				lost[root] = byStoker
			}
			continue
		}
		name := string(t.Key)
		temporary := strings.HasSuffix(name, worker.NewSuffix) || strings.HasSuffix(name, worker.BackupSuffix)
		if temporary && !r.transactionOpen() && !r.lateRename(t.ID) && !r.replacementChanged(t.ID) {
			r.violate("I6: %s is left behind", name)
		}
		if existing[root]++; existing[root] > 1 && !r.transactionOpen() && !r.renamed(root) {
			r.violate("I6: there are two containers of %s", name)
		}
	}
	for _, t := range r.world.Truths() {
		if lost[t.ID] && existing[t.ID] == 0 {
			r.violate("I6: Stoker has lost %s", t.Key)
		}
	}
}

// lateRename reports whether a rename reached the engine after the Stoker that had sent it was killed. The next Stoker may have undone the
// other steps by then.
func (r *run) lateRename(id string) bool {
	return slices.ContainsFunc(r.world.Audit(), func(a dockertest.Record) bool {
		killed := r.killedBetween(a.Sent, a.Arrived)
		return killed && a.By == dockertest.ByStoker && a.Op == dockertest.OpRename && a.Incarnation.ID == id
	})
}

// replacementChanged reports whether an operator renamed or stopped the replacement of a container, and Stoker lost its journal. After a
// rename nothing connects the two containers; after a stop nothing shows whether the replacement works.
func (r *run) replacementChanged(id string) bool {
	return !r.checks.timeline.journalLost.IsZero() && slices.ContainsFunc(r.world.Audit(), func(a dockertest.Record) bool {
		_, of, _ := worker.ReplacementOf(a.Labels)
		return a.By == dockertest.ByOperator && (a.Op == dockertest.OpRename || a.Op == dockertest.OpStop || a.Op == dockertest.OpKill) && of == id
	})
}
