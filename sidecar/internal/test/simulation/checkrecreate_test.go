package simulation

import (
	"slices"
	"strings"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// checkRecreates checks I6: no recreate is left unfinished, and no worker has two containers or none.
func (r *run) checkRecreates() {
	existing, lost, unclear := map[string]int{}, map[string]bool{}, map[string]bool{}
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
		unclear[root] = unclear[root] || r.replacementChanged(t.ID)
		temporary := strings.HasSuffix(name, worker.NewSuffix) || strings.HasSuffix(name, worker.BackupSuffix)
		if temporary && !r.transactionOpen() && !r.lateRename(t.ID) && !r.replacementChanged(t.ID) {
			r.violate("I6: %s is left behind", name)
		}
		existing[root]++
	}
	for root, n := range existing {
		if n > 1 && !r.transactionOpen() && !r.renamed(root) && !unclear[root] {
			r.violate("I6: there are %d containers of %s", n, root)
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

// replacementChanged reports whether the replacement of a container was renamed or stopped by an operator, or stopped by Stoker itself, and
// Stoker lost its journal. After a rename nothing connects the two containers; after a stop nothing shows whose stop it was, or whether the
// replacement works.
func (r *run) replacementChanged(id string) bool {
	lost := r.checks.timeline.journalLost
	return !lost.IsZero() && slices.ContainsFunc(r.world.Audit(), func(a dockertest.Record) bool {
		_, of, _ := worker.ReplacementOf(a.Labels)
		switch {
		case of != id:
			return false
		case a.By == dockertest.ByOperator:
			return a.Op == dockertest.OpRename || a.Op == dockertest.OpStop || a.Op == dockertest.OpKill
		}
		return a.By == dockertest.ByStoker && a.Op == dockertest.OpStop && !lost.Before(a.Sent)
	})
}
