package fleet_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// interfere calls do at the given time after a worker's recreate was decided, and runs until nothing changes.
func interfere(after time.Duration, slow bool, do func(h *simHost)) *simHost {
	s := recreatedOnFailure("w")
	if slow {
		s.Behaviour.TermDelay = 400 * time.Millisecond
	}
	h := simHostWith(s)
	h.w.SetHealthCheck("w", dockertest.Failing)
	for h.f.Transactions() == 0 {
		h.live(time.Millisecond)
	}
	h.w.SetHealthCheck("w", dockertest.Passing)
	h.live(after)
	do(h)
	h.live(2 * time.Minute)
	return h
}

// existing returns the existing containers of all workers.
func (h *simHost) existing() []dockertest.Truth {
	var list []dockertest.Truth
	for _, truth := range h.w.Truths() {
		if !truth.Gone {
			list = append(list, truth)
		}
	}
	return list
}

// atEveryMoment runs a test at each moment of a recreate.
func atEveryMoment(t *testing.T, test func(t *testing.T, after time.Duration, slow bool)) {
	for _, slow := range []bool{false, true} {
		for after := time.Duration(0); after < 3500*time.Millisecond; after += 13 * time.Millisecond {
			t.Run(fmt.Sprintf("%v after %v", slow, after), func(t *testing.T) {
				t.Parallel()
				test(t, after, slow)
			})
		}
	}
}

// An operator removes a worker at any moment of its recreate: the worker and all containers of the transaction are gone.
func TestRemovedByForceDuringRecreate(t *testing.T) {
	t.Parallel()
	atEveryMoment(t, func(t *testing.T, after time.Duration, slow bool) {
		removed := true
		h := interfere(after, slow, func(h *simHost) {
			_, removed = h.named("w")
			h.w.Operator().Remove("w", true)
		})
		if !removed { // between the two renames no container has the name
			h.whole(t, "w")
			return
		}
		require.Empty(t, h.existing(), "%v", h.log)
		require.Empty(t, h.f.View(h.w.Now()).Workers, "%v", h.log)
		require.Empty(t, h.memories)
	})
}

func (h *simHost) named(name string) (dockertest.Truth, bool) {
	truth, ok := h.w.Truth(name)
	return truth, ok && !truth.Gone
}

// docker rm without -f is refused for a running container.
func TestRemovedDuringRecreate(t *testing.T) {
	t.Parallel()
	atEveryMoment(t, func(t *testing.T, after time.Duration, slow bool) {
		id := ""
		h := interfere(after, slow, func(h *simHost) {
			if truth, ok := h.named("w"); ok {
				id = truth.ID
			}
			h.w.Operator().Remove("w", false)
		})
		byOperator := false
		for _, e := range h.w.Events() {
			byOperator = byOperator || e.ID == id && e.Action == "destroy" && e.By == dockertest.ByOperator
		}
		if byOperator {
			require.Empty(t, h.existing(), "%v", h.log)
			require.Empty(t, h.memories)
			return
		}
		h.whole(t, "w")
	})
}

// docker compose down stops and removes all containers of the project that exist when it starts.
func TestComposeDownDuringRecreate(t *testing.T) {
	t.Parallel()
	atEveryMoment(t, func(t *testing.T, after time.Duration, slow bool) {
		h := interfere(after, slow, func(h *simHost) {
			ids := []string{}
			for _, truth := range h.existing() {
				ids = append(ids, truth.ID)
				h.w.Operator().Stop(truth.ID, dockertest.OwnGrace)
			}
			h.live(500 * time.Millisecond)
			for _, id := range ids {
				h.w.Operator().Remove(id, true) // as Compose v2 does
			}
		})
		require.Empty(t, h.existing(), "%v", h.log)
		require.Empty(t, h.memories, "%v", h.log)
	})
}

// renamesCross reports whether an operator's rename was carried out while one of Stoker's was in flight: the later one holds.
func (h *simHost) renamesCross() bool {
	return slices.ContainsFunc(h.w.Events(), func(e dockertest.Event) bool {
		return e.Action == "rename" && e.By == dockertest.ByOperator && slices.ContainsFunc(h.w.Audit(), func(r dockertest.Record) bool {
			crossed := !e.TrueAt.Before(r.Sent) && !e.TrueAt.After(r.Answered)
			return r.Op == dockertest.OpRename && r.By == dockertest.ByStoker && crossed
		})
	})
}

// An operator renames the worker at any moment: it is one running container, and nothing else is left.
func TestRenamedDuringRecreate(t *testing.T) {
	t.Parallel()
	atEveryMoment(t, func(t *testing.T, after time.Duration, slow bool) {
		renamed := false
		h := interfere(after, slow, func(h *simHost) {
			_, renamed = h.named("w")
			h.w.Operator().Rename("w", "x")
		})
		left := h.existing()
		require.Len(t, left, 1, "%v", h.log)
		require.Equal(t, worker.StatusRunning, left[0].Status, "%v", h.log)
		if renamed && !h.renamesCross() {
			require.Equal(t, worker.Key("x"), left[0].Key, "%v", h.log)
		}
		view := h.f.View(h.w.Now())
		require.Len(t, view.Workers, 1, "%v", h.log)
		require.Equal(t, left[0].Key, view.Workers[0].Key, "%v", h.log)
	})
}
