package dockertest

import (
	"strings"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

func budgets() []scenario {
	return []scenario{
		{name: "budget/back-off of a crash loop", play: crashLoop},
		{name: "budget/stable resets", fake: true, play: stableResets},
		{name: "budget/exhausted", play: exhausted},
		{name: "budget/exhausted and retried", fake: true, play: exhaustedRetry},
		{name: "budget/one for all faults", fake: true, play: oneBudget},
	}
}

// loop is a worker that crashes soon after each start.
func loop(pairs ...string) WorkerSpec {
	return WorkerSpec{Behaviour: WorkerBehaviour{RunFor: 200 * time.Millisecond, ExitCode: 1}, Labels: labels(pairs...)}
}

// gaps are the times from each end of a worker to its next start, on the engine's clock.
func (s *fixture) gaps(w Worker) []time.Duration {
	s.t.Helper()
	gaps := []time.Duration{}
	var died time.Time
	for _, one := range s.History(w.ID) {
		switch {
		case strings.HasPrefix(one.Action, "die "):
			died = one.At
		case one.Action == "start" && !died.IsZero():
			gaps = append(gaps, one.At.Sub(died))
		}
	}
	return gaps
}

// crashLoop: the engine's own times show the back-off of the policy, jitter included, for that depends on name and
// attempt only.
func crashLoop(s *fixture) {
	const first, most, starts = 300 * time.Millisecond, 1200 * time.Millisecond, 6
	s.startStoker()
	w := s.run(loop("backoff-initial", first.String(), "backoff-max", most.String(), "recreate-after", "0"))
	s.await("six starts", func() bool { return s.starts(w) >= starts })
	p := policy.Default()
	p.BackoffInitial, p.BackoffMax = first, most
	slack := 5 * time.Second // for the engine's own start
	if s.Real() {
		slack = patience // a machine that is busy with other tests takes many times as long as an idle one
	}
	gaps := s.gaps(w)
	require.GreaterOrEqual(s.t, len(gaps), starts-1)
	for n, gap := range gaps[:starts-1] {
		want := p.Delay(n+1, policy.Seed(w.Name, n+1))
		require.GreaterOrEqual(s.t, gap, want, "before attempt %d", n+1)
		require.Less(s.t, gap, want+slack, "before attempt %d", n+1)
	}
	got, _ := s.seen(w.Name)
	require.GreaterOrEqual(s.t, got.Attempts, starts-1)
}

// stableResets: without that, the second heal would wait for eight minutes at least.
func stableResets(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Labels: labels("stable-after", "500ms", "backoff-initial", "10m", "backoff-max", "10m")})
	s.crashed(w)
	s.shown(w, "stable", func(got fleet.WorkerView) bool { return got.Attempts == 0 })
	got := s.crashed(w)
	require.Equal(s.t, 1, got.Attempts)
}

func (s *fixture) exhausted(w Worker) {
	s.t.Helper()
	s.shown(w, "exhausted", func(got fleet.WorkerView) bool { return got.State == fleet.StateExhausted })
}

// exhausted: two attempts and no more; an operator's start gives it two new ones.
func exhausted(s *fixture) {
	s.startStoker()
	w := s.run(loop("max-attempts", "2", "backoff-initial", "50ms"))
	s.exhausted(w)
	s.leftAlone(w, worker.HeldExhausted)
	once := []string{"die 1", "start", "die 1", "start", "die 1"}
	s.requireEvents(w, once...)
	s.Operate(OpStart, w.Name)
	s.await("two more attempts", func() bool { return len(s.story(w)) >= 11 })
	s.exhausted(w)
	s.requireEvents(w, append(append(once, "start"), once...)...)
}

// exhaustedRetry: past the budget it goes on at its own pace, and the attempts stay what they were.
func exhaustedRetry(s *fixture) {
	s.startStoker()
	w := s.run(loop("max-attempts", "1", "when-exhausted", "retry", "retry-every", "1s", "backoff-initial", "50ms"))
	s.await("two retries", func() bool { return s.starts(w) >= 4 })
	got, _ := s.seen(w.Name)
	require.Equal(s.t, 1, got.Attempts)
	for n, gap := range s.gaps(w)[1:] {
		require.GreaterOrEqual(s.t, gap, time.Second, "before retry %d", n+1)
	}
}

// oneBudget: a crash and an illness count together.
func oneBudget(s *fixture) {
	s.startStoker()
	w := s.work(WorkerSpec{Health: true, Labels: labels("max-attempts", "2", "backoff-initial", "50ms")})
	s.crashed(w)
	before := s.State(w.Name)
	s.SetHealthCheck(w.Name, Failing)
	got := s.back(w, before)
	require.Equal(s.t, 2, got.Attempts)
	s.Crash(w.Name, syscall.SIGKILL)
	s.leftAlone(w, worker.HeldExhausted)
	s.requireEvents(w, "die 137", "start", "kill 15", "die 0", "stop", "start", "die 137")
}
