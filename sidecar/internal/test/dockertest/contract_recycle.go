package dockertest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// Scenarios about restarts of workers with which nothing is wrong. Only a real kernel measures.
func recycles() []scenario {
	return []scenario{
		{name: "recycle/one of a group at a time", play: oneAtATime},
		{name: "recycle/an operator's stop wins", play: stoppedBeforeTurn},
		{name: "recycle/a fault wins", fake: true, play: crashedBeforeTurn},
		{name: "recycle/the turn outlives Stoker", play: turnSurvives},
		{name: "recycle/at a fixed time", real: true, play: restartedOnTime},
		{name: "recycle/when idle", real: true, play: recycledWhenIdle},
		{name: "recycle/busy for too long", real: true, play: recycledThoughBusy},
		{name: "recycle/before it is out of memory", real: true, play: recycledInTime},
		{name: "recycle/a share of no limit", play: shareOfNoLimit},
	}
}

// aged runs a worker that is restarted once it has run for two seconds, less a tenth.
func (s *fixture) aged(name string, pairs ...string) Worker {
	s.t.Helper()
	all := append([]string{"max-age", "2s", "recycle-wait", "0s", "stable-after", "500ms"}, pairs...)
	return s.run(WorkerSpec{Name: name, Labels: labels(all...)})
}

// oneAtATime: of four that become too old together, none is stopped before the last one has run for stable-after.
func oneAtATime(s *fixture) {
	s.startStoker()
	var pool []Worker
	for n := 1; n <= 4; n++ {
		pool = append(pool, s.aged(fmt.Sprintf("pool-%d", n), "group", s.Scope()))
	}
	other := s.work(WorkerSpec{Name: "other", Labels: labels("group", s.Scope())})
	for _, w := range pool {
		s.await(w.Name+" to be recycled", func() bool { return s.starts(w) >= 2 })
	}
	type restart struct{ ended, began time.Time }
	var all []restart
	for _, w := range pool {
		var r restart
		for _, one := range s.History(w.ID) {
			switch {
			case strings.HasPrefix(one.Action, "die "):
				r.ended = one.At
			case one.Action == "start" && !r.ended.IsZero():
				r.began = one.At
				all, r = append(all, r), restart{}
			}
		}
		got, _ := s.seen(w.Name)
		require.Zero(s.t, got.Attempts)
	}
	slices.SortFunc(all, func(a, b restart) int { return cmp.Compare(a.ended.UnixNano(), b.ended.UnixNano()) })
	for n := 1; n < len(all); n++ {
		require.GreaterOrEqual(s.t, all[n].ended.Sub(all[n-1].began), 400*time.Millisecond, "restart %d: the one before is stable", n)
	}
	require.Equal(s.t, 1, s.starts(other), "nothing asks for its restart")
}

// pending waits until the restart of a worker has its turn, and waits for the worker to be idle.
func (s *fixture) pending(w Worker) {
	s.t.Helper()
	s.shown(w, "waiting to be idle", func(got fleet.WorkerView) bool { return got.Recycle.Stage == worker.RecycleWaitsForIdle })
}

func stoppedBeforeTurn(s *fixture) {
	s.startStoker()
	w := s.run(WorkerSpec{Behaviour: WorkerBehaviour{Busy: true}, Labels: labels("max-age", "1s")})
	s.pending(w)
	s.Operate(OpStop, w.Name)
	s.leftAlone(w, worker.HeldOperator)
	got, _ := s.seen(w.Name)
	require.Equal(s.t, worker.RecycleNone, got.Recycle.Stage)
	require.Equal(s.t, 1, s.starts(w))
}

func crashedBeforeTurn(s *fixture) {
	s.startStoker()
	w := s.run(WorkerSpec{Labels: labels("max-age", "1s")})
	s.pending(w)
	got := s.crashed(w)
	require.Equal(s.t, 1, got.Attempts)
	s.requireEvents(w, "die 137", "start")
}

// turnSurvives: the next Stoker goes on with the wait of the one before, and the restart comes when it is over.
func turnSurvives(s *fixture) {
	s.startStoker()
	w := s.run(WorkerSpec{Behaviour: WorkerBehaviour{Busy: true}, Labels: labels("max-age", "1s", "recycle-wait", "5s")})
	s.pending(w)
	got, _ := s.seen(w.Name)
	s.stoker.Stop()
	s.startStoker()
	s.shown(w, "waiting as before", func(now fleet.WorkerView) bool { return now.Recycle.Since.Equal(got.Recycle.Since) })
	s.await("its restart", func() bool { return s.starts(w) == 2 })
	s.requireEvents(w, "kill 15", "die 0", "stop", "start")
}

// restartedOnTime takes up to a minute, for that is the grain of a schedule.
func restartedOnTime(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Labels: labels("restart-at", "TZ=UTC * * * * *", "recycle-wait", "0s", "stop-timeout", "5s")})
	s.await("its restart", func() bool { return s.starts(w) == 2 })
	s.requireEvents(w, "kill 15", "die 0", "stop", "start")
	began := s.State(w.Name).StartedAt
	require.Less(s.t, began.Second(), 30, "right after the full minute: %s", began)
}

// recycledWhenIdle: two readings show that it does nothing.
func recycledWhenIdle(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Labels: labels("max-age", "3s", "idle-below", "5%")}) // it stops working soon; as in idleWorker
	s.await("its restart", func() bool { return s.starts(w) == 2 })
	s.requireEvents(w, "kill 15", "die 0", "stop", "start")
}

// recycledThoughBusy: not sooner than recycle-wait after its turn.
func recycledThoughBusy(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Behaviour: WorkerBehaviour{Busy: true}, Labels: labels("max-age", "3s", "recycle-wait", "12s")})
	before := s.State(w.Name)
	s.await("its restart", func() bool { return s.starts(w) == 2 })
	require.Greater(s.t, s.State(w.Name).StartedAt.Sub(before.StartedAt), 14*time.Second)
	s.requireEvents(w, "kill 15", "die 0", "stop", "start")
}

// recycledInTime: the kernel would have killed it in the middle of a task.
func recycledInTime(s *fixture) {
	s.startStoker()
	w := s.run(WorkerSpec{
		Memory: WorkerMemory{Limit: 256 << 20, Leak: 4}, Behaviour: WorkerBehaviour{Busy: true},
		Labels: labels("max-memory", "20%", "max-memory-for", "5s", "recycle-wait", "0s"),
	})
	s.await("its restart", func() bool { return s.starts(w) == 2 })
	s.requireEvents(w, "kill 15", "die 0", "stop", "start")
}

func shareOfNoLimit(s *fixture) {
	s.startStoker()
	w := s.run(WorkerSpec{Labels: labels("max-memory", "90%")})
	s.held(w, worker.HeldBadLabels)
	got, _ := s.seen(w.Name)
	require.Len(s.t, got.Problems, 1)
	s.canary()
}
