package dockertest

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// Stoker is a Stoker at work, as a scenario sees it.
type Stoker interface {
	View() fleet.View
	// Addr is where it serves its API.
	Addr() string
	// Stop ends it in good order and returns when it has ended. A second time it does nothing.
	Stop()
	// Kill ends it by SIGKILL. Only a Stoker in a process of its own can be killed.
	Kill()
}

// Launcher starts Stokers with an environment in the form of os.Environ. Each ends with the test at the latest, in good order.
type Launcher struct {
	Start func(t testing.TB, environ []string) Stoker // in the process of the test
	Spawn func(t testing.TB, environ []string) Stoker // in a process of its own
}

// scenario is one story of the contract: what happens to workers, and what the engine shows of it afterwards.
type scenario struct {
	name   string
	fake   bool   // only on the fake engine: it needs one, or adds nothing to what other stories show on a real one
	real   bool   // only on a real engine: it is about CPUs
	podman string // why it cannot go like this on a Podman, where it is skipped
	play   func(s *fixture)
}

// Contract plays every scenario on a host of its own, in parallel. What it holds Stoker to is the engine's state, events and
// times, and Stoker's own View; never what is logged. It is skipped as a whole, in one line, where host skips.
func Contract(t *testing.T, host func(testing.TB) Host, launcher Launcher) {
	onReal := host(t).Real()
	for _, c := range slices.Concat(
		endings(), operators(), policies(), answers(), budgets(), selections(), deaths(), outages(), recreates(), quotas(), networkLosses(), recycles(),
		evidences(), outsideProbes(),
	) {
		if (c.fake && onReal) || (c.real && !onReal) {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := &fixture{t: t, Host: host(t), launcher: launcher, dir: t.TempDir()}
			if c.podman != "" && onPodman(s.Host) {
				t.Skipf("not on a Podman: %s", c.podman)
			}
			t.Cleanup(s.explain)
			c.play(s)
		})
	}
}

// fixture is where a scenario plays.
type fixture struct {
	Host
	t        testing.TB
	launcher Launcher
	dir      string // the journal's, of all Stokers of the scenario one after the other
	stoker   Stoker
	workers  []Worker
	bird     Worker // the canary; of the scope of the environment
	wanted   string // what is waited for
	played   bool
}

// patience is for what must happen. It is far more than a busy machine needs: a test that fails has waited, one that
// passes has not.
const patience = 2 * time.Minute

// startStoker starts a Stoker in this process and waits until it has the whole picture.
func (s *fixture) startStoker(environ ...string) {
	s.t.Helper()
	s.stoker = s.launcher.Start(s.t, s.environ(environ))
	s.synced()
}

// spawn does the same with a process of its own, which can be killed.
func (s *fixture) spawn(environ ...string) {
	s.t.Helper()
	s.stoker = s.launcher.Spawn(s.t, s.environ(environ))
	s.synced()
}

// environ leaves STOKER_RESYNC at its minute, so that what happens sooner comes of events.
func (s *fixture) environ(more []string) []string {
	return append([]string{
		"DOCKER_HOST=" + s.DockerHost(), "STOKER_SCOPE=" + s.Scope(), "STOKER_STATE_DIR=" + s.dir, "STOKER_LISTEN=127.0.0.1:0",
	}, more...)
}

func (s *fixture) synced() {
	s.t.Helper()
	s.await("a complete picture", func() bool { return s.stoker.View().Engine.Connected })
}

// work runs a worker and waits until Stoker looks after it.
func (s *fixture) work(spec WorkerSpec) Worker {
	s.t.Helper()
	w := s.run(spec)
	s.running(w)
	return w
}

// run runs a worker.
func (s *fixture) run(spec WorkerSpec) Worker {
	s.t.Helper()
	w := s.Run(spec)
	s.workers = append(s.workers, w)
	return w
}

// labels are Stoker's labels, written without their prefix.
func labels(pairs ...string) map[string]string {
	all := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		all["stoker."+pairs[i]] = pairs[i+1]
	}
	return all
}

// await waits until ok.
func (s *fixture) await(what string, ok func() bool) {
	s.t.Helper()
	s.wanted = what
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(s.pace()) {
		if time.Now().After(deadline) {
			s.t.Fatalf("timed out waiting for %s", what)
		}
	}
	s.wanted = ""
}

// pace is the time between two polls, which cost a real engine something.
func (s *fixture) pace() time.Duration {
	if s.Real() {
		return 100 * time.Millisecond
	}
	return 5 * time.Millisecond
}

// seen is what Stoker shows of a worker.
func (s *fixture) seen(name string) (fleet.WorkerView, bool) {
	for _, w := range s.stoker.View().Workers {
		if string(w.Key) == name {
			return w, true
		}
	}
	return fleet.WorkerView{}, false
}

// shown waits until Stoker shows a worker as wanted, and returns what it shows then.
func (s *fixture) shown(w Worker, what string, wanted func(fleet.WorkerView) bool) fleet.WorkerView {
	s.t.Helper()
	var last fleet.WorkerView
	s.await(fmt.Sprintf("Stoker to show %s %s", w.Name, what), func() bool {
		got, ok := s.seen(w.Name)
		last = got
		return ok && wanted(got)
	})
	return last
}

// running waits until both the engine and Stoker show a worker running, in the same life, with nothing left to do.
func (s *fixture) running(w Worker) fleet.WorkerView {
	s.t.Helper()
	return s.shown(w, "running", func(got fleet.WorkerView) bool {
		if got.State != fleet.StateRunning || got.Heal != worker.HealNone {
			return false
		}
		now := s.State(w.Name)
		return now.Running() && now.StartedAt.Equal(got.StartedAt)
	})
}

// back waits until a worker runs in a later life than the one given, and works.
func (s *fixture) back(w Worker, before State) fleet.WorkerView {
	s.t.Helper()
	s.await(w.Name+" to be back", func() bool {
		now := s.State(w.Name)
		return now.Running() && now.StartedAt.After(before.StartedAt)
	})
	if r, ok := realOf(s.Host); ok {
		r.awaitReady(w.ID)
	}
	return s.running(w)
}

// crashed has a worker crash and waits until it is back.
func (s *fixture) crashed(w Worker) fleet.WorkerView {
	s.t.Helper()
	before := s.State(w.Name)
	s.Crash(w.Name, syscall.SIGKILL)
	return s.back(w, before)
}

// held waits until Stoker leaves a worker alone for a reason.
func (s *fixture) held(w Worker, why worker.Reason) {
	s.t.Helper()
	s.shown(w, "held: "+string(why), func(got fleet.WorkerView) bool { return got.Held == why })
}

// leftAlone waits until Stoker leaves a worker alone, and makes sure that it stays so. What Stoker wanted to do at once, it
// would have asked for before it healed a worker that crashed later, and a held worker without a heal waits for nothing.
func (s *fixture) leftAlone(w Worker, why worker.Reason) {
	s.t.Helper()
	s.held(w, why)
	before, story := s.State(w.Name), s.story(w)
	s.canary()
	got, _ := s.seen(w.Name)
	require.Equal(s.t, why, got.Held)
	require.Equal(s.t, worker.HealNone, got.Heal)
	now := s.State(w.Name)
	require.Equal(s.t, before.Status, now.Status)
	require.Equal(s.t, before.StartedAt, now.StartedAt)
	require.Equal(s.t, story, s.story(w))
}

// canary has a worker crash that has nothing to do with the scenario, and waits until it is healed: whatever Stoker has to
// do at once about what happened before, it has asked for by then.
func (s *fixture) canary() {
	s.t.Helper()
	if s.bird.ID == "" {
		s.bird = s.work(WorkerSpec{Name: "canary", Labels: labels("backoff-initial", "1ms", "backoff-max", "1ms")})
	}
	s.crashed(s.bird)
}

// story is what happened to a worker since it was first started, apart from its probes. The engine emits die and stop in
// either order; here stop comes last.
func (s *fixture) story(w Worker) []string {
	s.t.Helper()
	story := []string{}
	for _, one := range s.History(w.ID) {
		if !strings.HasPrefix(one.Action, "health_status") {
			story = append(story, one.Action)
		}
	}
	story = sharedEvents(s.Host, story)
	for i := 0; i+1 < len(story); i++ {
		if story[i] == "stop" && strings.HasPrefix(story[i+1], "die ") {
			story[i], story[i+1] = story[i+1], story[i]
		}
	}
	return slices.Clone(story[min(len(story), 2):]) // after create and start
}

// stopping waits until a worker has received a signal.
func (s *fixture) stopping(w Worker) {
	s.t.Helper()
	s.await("a stop of "+w.Name, func() bool {
		if r, ok := realOf(s.Host); ok && r.podman {
			return r.stopping(w.Name)
		}
		return slices.Contains(s.story(w), "kill 15")
	})
}

// requireEvents waits until the engine has emitted these events of a worker, and requires that there are no others. "die *" is an end
// with any code but 0.
func (s *fixture) requireEvents(w Worker, want ...string) {
	s.t.Helper()
	var got []string
	want = sharedEvents(s.Host, want)
	s.wanted = fmt.Sprintf("the story of %s to be %q", w.Name, want)
	for deadline := time.Now().Add(patience); ; time.Sleep(s.pace()) {
		if got = oncePaused(onceOOM(s.story(w))); len(got) >= len(want) || time.Now().After(deadline) {
			break
		}
	}
	got = asWanted(want, got)
	require.Equal(s.t, append([]string{}, want...), got, w.Name)
	s.wanted = ""
}

// oncePaused folds a pause that the kernel could not carry out on a busy machine, and that was asked for again: the engine
// emits events of both, and of the unpause in between (realHost.pause).
func oncePaused(story []string) []string {
	folded := []string{}
	for _, one := range story {
		if n := len(folded); one == "pause" && n >= 2 && folded[n-1] == "unpause" && folded[n-2] == "pause" {
			folded = folded[:n-2]
		}
		folded = append(folded, one)
	}
	return folded
}

// onceOOM folds the reports of one end: the kernel may kill more than one task of it, and the engine emits an event for each, before
// the end or a little after it.
func onceOOM(story []string) []string {
	folded := []string{}
	for _, one := range story {
		last := len(folded) - 1
		switch {
		case one != "oom" || last < 0:
			folded = append(folded, one)
		case folded[last] == "oom":
		case strings.HasPrefix(folded[last], "die ") && last > 0 && folded[last-1] == "oom":
		case strings.HasPrefix(folded[last], "die "):
			folded = slices.Insert(folded, last, one)
		default:
			folded = append(folded, one)
		}
	}
	return folded
}

// starts is how often a worker was started.
func (s *fixture) starts(w Worker) int {
	s.t.Helper()
	n := 0
	for _, one := range s.History(w.ID) {
		if one.Action == "start" {
			n++
		}
	}
	return n
}

func count(all []string, one string) int {
	n := 0
	for _, got := range all {
		if got == one {
			n++
		}
	}
	return n
}

// explain logs the state of both sides after a failure.
func (s *fixture) explain() {
	if !s.t.Failed() || s.played {
		return
	}
	s.played = true
	s.t.Logf("waiting for: %s", s.wanted)
	if s.stoker != nil {
		v := s.stoker.View()
		s.t.Logf("Stoker: link %+v, host ill %v", v.Engine, v.HostOverloaded)
		for _, w := range v.Workers {
			s.t.Logf("Stoker: %s %s/%s %s held=%q attempts=%d heal=%s fault=%s reason=%s next=%v problems=%v", w.Key, w.Status, w.Health,
				w.State, w.Held, w.Attempts, w.Heal, w.Fault, w.Reason, w.NextAt, w.Problems)
		}
	}
	for _, w := range s.workers {
		s.t.Logf("engine: %s %+v", w.Name, s.State(w.Name))
		for _, one := range s.History(w.ID) {
			s.t.Logf("engine: %s %s %s", one.At.Format("15:04:05.000"), w.Name, one.Action)
		}
	}
}
