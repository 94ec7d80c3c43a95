package fleet_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// drawRecreate gives a worker labels that lead to a recreate sooner or later.
func drawRecreate(t *rapid.T, s *dockertest.Spec) {
	some := func(label string, values ...string) {
		if v := rapid.SampledFrom(append([]string{""}, values...)).Draw(t, label); v != "" {
			s.Labels["stoker."+label] = v
		}
	}
	some("recreate-after", "0", "1", "1")
	some("on-unhealthy", "recreate")
	some("on-missing", "recreate")
	some("dependents", "none")
	s.AutoRemove = s.RestartPolicy.Name == "no" && rapid.IntRange(0, 5).Draw(t, "rm") == 0
	if rapid.IntRange(0, 9).Draw(t, "unfit") == 0 {
		s.Unfit = "it has a network that is gone"
	}
}

// addDependents starts containers in the first worker's network: perhaps a worker, perhaps an unmanaged container. It returns the worker.
func (h *simHost) addDependents(t *rapid.T) []string {
	var names []string
	if rapid.Bool().Draw(t, "unmanaged container in its network") {
		h.w.Operator().Run(dockertest.Spec{Name: "tail", Namespaces: dockertest.Namespaces{NetworkMode: "container:a"}, EndRules: worker.EndRules{StopTimeout: time.Second}})
	}
	if rapid.Bool().Draw(t, "worker in its network") {
		s := drawSpec(t, "dep")
		s.NetworkMode = "container:a"
		h.w.Operator().Run(s)
		names = append(names, "dep")
	}
	h.live(time.Second)
	return names
}

func recreateActions() []actionKind {
	return []actionKind{
		{"journal lost", func(_ *rapid.T, h *simHost, _ string) {
			if h.linked() {
				h.loseJournal()
			}
		}},
		{"Stoker killed in the midst of it", func(t *rapid.T, h *simHost, n string) {
			if !h.linked() {
				return
			}
			h.w.SetHealthCheck(n, dockertest.Failing)
			h.crash(n, 11)
			h.live(time.Duration(rapid.IntRange(0, 6000).Draw(t, "after")) * time.Millisecond)
			if h.f != nil {
				h.killStoker()
			}
		}},
		{"docker stop, docker rm", func(t *rapid.T, h *simHost, n string) {
			h.w.Operator().Stop(n, 0)
			h.live(time.Duration(rapid.IntRange(100, 3000).Draw(t, "between")) * time.Millisecond)
			h.w.Operator().Remove(n, false)
		}},
	}
}

// loseJournal kills the current Stoker, deletes its journal, and starts another one.
func (h *simHost) loseJournal() {
	h.killStoker()
	h.memories, h.mark, h.forgot = map[worker.Key][]byte{}, worker.Bookmark{}, true
	h.lostAt = h.w.Now()
	h.startStoker()
}

// midwayAtLoss reports whether the journal was lost between Stoker's stop of the container and its start. Then the next Stoker cannot distinguish
// the stop from an operator's.
func (h *simHost) midwayAtLoss(truth dockertest.Truth) bool {
	if len(truth.Lives) == 0 {
		return false
	}
	began := truth.Lives[len(truth.Lives)-1].Began
	return slices.ContainsFunc(h.w.Audit(), func(r dockertest.Record) bool {
		own := r.By == dockertest.ByStoker && r.Op == dockertest.OpStop && r.Incarnation.ID == truth.ID
		return own && r.Sent.After(began) && r.Sent.Before(h.lostAt)
	})
}

// rootOf identifies the worker of a container: all containers that were recreated from each other have the same root.
func (h *simHost) rootOf(truth dockertest.Truth) string {
	for {
		_, of, ok := worker.ReplacementOf(truth.Labels)
		old, found := h.w.TruthByID(of)
		if !ok || !found {
			return truth.ID
		}
		truth = old
	}
}

// renamed reports whether operators have renamed a container of a worker: then both containers may be theirs.
func (h *simHost) renamed(root string) bool {
	return slices.ContainsFunc(h.w.Events(), func(e dockertest.Event) bool {
		truth, _ := h.w.TruthByID(e.ID)
		return e.Action == "rename" && e.By == dockertest.ByOperator && h.rootOf(truth) == root
	})
}

// checkWhole checks what holds once all transactions have ended: I6, and that no dependent is orphaned.
func (h *simHost) checkWhole() []string {
	for range 300 { // a transaction of a worker that cannot start is retried, and is not over
		if h.f != nil && h.f.Transactions() > 0 || h.flying[worker.ListDependents]+h.flying[worker.RestartDependent] > 0 {
			h.live(100 * time.Millisecond)
		}
	}
	var wrong []string
	alive, lost := map[string]int{}, map[string]bool{}
	for _, truth := range h.w.Truths() {
		root := h.rootOf(truth)
		name := string(truth.Key)
		switch {
		case truth.Gone:
			for _, e := range h.w.History(truth.ID) {
				if _, known := lost[root]; e.Action == "destroy" && (!known || lost[root]) {
					lost[root] = e.By == dockertest.ByStoker
				}
			}
			continue
		case strings.HasSuffix(name, worker.NewSuffix), strings.HasSuffix(name, worker.BackupSuffix):
			wrong = append(wrong, "I6: left behind: "+name)
		}
		if alive[root]++; alive[root] > 1 && !h.renamed(root) {
			wrong = append(wrong, "I6: two containers of "+name)
		}
	}
	for root, byStoker := range lost {
		if truth, _ := h.w.TruthByID(root); byStoker && alive[root] == 0 {
			wrong = append(wrong, fmt.Sprintf("I6: Stoker has lost %s", truth.Key))
		}
	}
	slices.Sort(wrong)
	return append(wrong, h.checkOrphaned()...)
}

// cannotStart reports whether a container cannot start: a container whose namespaces it shares does not run, or was recreated while it was down,
// and it must never be recreated itself.
func (h *simHost) cannotStart(truth dockertest.Truth) bool {
	for _, ref := range truth.Parents {
		parent, _ := h.w.TruthByID(ref)
		replaced := slices.ContainsFunc(h.w.Truths(), func(other dockertest.Truth) bool {
			return other.Status == worker.StatusRunning && !other.Gone && h.rootOf(other) == h.rootOf(parent)
		})
		never := truth.Unfit != "" || truth.Labels["stoker.recreate-after"] == "0"
		if !replaced || (parent.Gone && never) {
			return true
		}
	}
	return false
}

// checkOrphaned checks that each running container shares namespaces with a running one. Without the journal earlier incarnations are unknown,
// and after a step of the clock times do not show which one came first.
func (h *simHost) checkOrphaned() []string {
	var wrong []string
	for _, truth := range h.w.Orphaned() {
		parent, _ := h.w.Truth("a")
		same := slices.ContainsFunc(truth.Parents, func(ref string) bool { // otherwise an operator has replaced it
			of, _ := h.w.TruthByID(ref)
			return h.rootOf(of) == h.rootOf(parent)
		})
		led := same && !parent.Gone && parent.Status == worker.StatusRunning && parent.Labels["stoker.dependents"] != "none"
		if led && !h.forgot && !h.stepped && truth.Unfit == "" {
			wrong = append(wrong, fmt.Sprintf("%s is orphaned", truth.Key))
		}
	}
	return wrong
}
