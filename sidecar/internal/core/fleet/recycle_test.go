package fleet_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// recyclePool returns a group of four whose restart is due at ten past noon.
func recyclePool(t *testing.T, labels ...string) *pool {
	p := newPool(t, fleet.Settings{}, append([]string{"restart-at=10 12 * * *"}, labels...)...)
	for n := 1; n <= 4; n++ {
		p.add(n, worker.StatusRunning)
	}
	return p.connect()
}

// recycled returns the workers in the order of their stops, with the minute.
func (p *pool) recycled() string {
	var all []string
	for _, e := range p.kinds(worker.EventFault) {
		all = append(all, fmt.Sprintf("%s %s", strings.TrimPrefix(string(e.Key), "w-"), e.At.Format("04:05")))
	}
	return strings.Join(all, ", ")
}

// TestRecycleOneByOne: each worker is restarted only when the previous one is back and stable, in order of names if all are due together.
func TestRecycleOneByOne(t *testing.T) {
	p := recyclePool(t)
	p.after(10*time.Minute - time.Second)
	require.Empty(t, p.recycled())
	require.Equal(t, noon.Add(10*time.Minute), p.worker("w-1").Recycle.NextAt)
	p.after(10 * time.Second)
	require.Equal(t, worker.RecycleWaitsForGroup, p.worker("w-2").Recycle.Stage)
	require.Equal(t, worker.FaultScheduled, p.worker("w-2").Recycle.Fault)
	require.Equal(t, fleet.StateRunning, p.worker("w-2").State)
	p.after(10 * time.Minute)
	at := p.kinds(worker.EventFault)
	require.Len(t, at, 4)
	for n, e := range at {
		require.Equal(t, worker.Key(fmt.Sprintf("w-%d", n+1)), e.Key)
		require.Equal(t, worker.FaultScheduled, e.Fault)
		require.Zero(t, e.Attempt)
		if n > 0 {
			require.GreaterOrEqual(t, e.At.Sub(at[n-1].At), time.Minute, "the last one is stable")
			require.Less(t, e.At.Sub(at[n-1].At), 75*time.Second)
		}
	}
	require.Len(t, p.kinds(worker.EventHealed), 4)
	require.Empty(t, p.kinds(worker.EventHealFailed, worker.EventHeld, worker.EventProblem))
	require.Equal(t, "1 2 3 4", p.running())
	p.after(23 * time.Hour)
	require.Len(t, p.kinds(worker.EventFault), 4, "once a day")
}

// TestRecycleWaitsForIdle: the restart waits for a busy worker, but not forever.
func TestRecycleWaitsForIdle(t *testing.T) {
	p := recyclePool(t, "recycle-wait=5m")
	p.busy["w-1"] = true
	p.after(13 * time.Minute)
	require.Empty(t, p.recycled(), "and the others wait for their turn")
	require.Equal(t, worker.RecycleWaitsForIdle, p.worker("w-1").Recycle.Stage)
	p.busy["w-1"] = false
	p.after(15 * time.Second)
	require.Contains(t, p.recycled(), "1 13:")
	require.NotContains(t, p.kinds(worker.EventFault)[0].Detail, "not idle")

	p.busy["w-2"] = true
	p.after(10 * time.Minute)
	require.Contains(t, p.recycled(), "2 19:", "five minutes after its turn")
	require.Contains(t, p.kinds(worker.EventFault)[1].Detail, "it was not idle for 5m0s")
}

// TestRecycleByItems: if the source reports who holds items, that counts, and not the CPU.
func TestRecycleByItems(t *testing.T) {
	p := recyclePool(t, source, "min-replicas=4", "idle-after=off")
	hold := func(address string, items float64) {
		p.queue.InHand = demand.InHand{Kind: demand.InHandCounted, Total: items, ByAddress: map[string]float64{address: items}}
	}
	hold("10.0.0.1", 1)
	p.after(14 * time.Minute)
	require.Empty(t, p.recycled(), "idle, and it holds an item")
	p.busy["w-1"] = true
	hold("10.0.0.1", 0)
	p.after(15 * time.Second)
	require.Contains(t, p.recycled(), "1 14:", "not idle, and it holds none")
}

// TestRecycleWaitsForOthers: dead workers of the group come first, and the next restart waits until the last one is stable.
func TestRecycleWaitsForOthers(t *testing.T) {
	p := recyclePool(t)
	p.after(9*time.Minute + 50*time.Second)
	p.crash("w-4")
	p.after(40 * time.Second)
	require.Len(t, p.kinds(worker.EventFault), 1, "w-4 is not stable")
	p.after(time.Minute)
	require.Contains(t, p.recycled(), "1 1")
	before := len(p.kinds(worker.EventFault))
	p.crash("w-1")
	p.after(50 * time.Second)
	require.Len(t, p.kinds(worker.EventFault), before+1, "w-1 crashed, and is not stable")
	p.after(15 * time.Minute)
	require.Len(t, p.kinds(worker.EventFault), before+4, "w-2, w-3 and w-4 too")
}

// TestRecycleWaitsForWorkersThatAreDown: a worker that has its turn is not stopped while another one is down, even after its wait.
func TestRecycleWaitsForWorkersThatAreDown(t *testing.T) {
	p := recyclePool(t, "recycle-wait=1m", "recreate-after=0")
	p.busy["w-1"] = true
	p.after(10*time.Minute + 30*time.Second)
	p.stuck["w-3"] = true
	p.crash("w-3")
	p.after(5 * time.Minute)
	require.NotContains(t, p.recycled(), "1 1")
	require.Equal(t, worker.RecycleWaitsForIdle, p.worker("w-1").Recycle.Stage)
	p.stuck["w-3"] = false
	p.after(3 * time.Minute)
	require.Contains(t, p.recycled(), "1 1")
}

// TestRecycleHeldAndAsleep: a worker that an operator has stopped, or that sleeps, is never restarted and not waited for.
func TestRecycleHeldAndAsleep(t *testing.T) {
	p := newPool(t, fleet.Settings{}, "max-age=2h", source, "cooldown=1m", "idle-after=off")
	for n := 1; n <= 3; n++ {
		p.add(n, worker.StatusRunning)
	}
	p.connect()
	p.queue.Waiting = 2
	p.after(5 * time.Minute) // w-3 is asleep
	p.operatorStops("w-2")
	p.queue.Waiting = 1
	p.after(3 * time.Hour)
	require.Contains(t, p.recycled(), "1 ")
	require.NotContains(t, p.recycled(), "2 ")
	require.NotContains(t, p.recycled(), "3 ")
	require.Equal(t, "1", p.running())
}

// TestRecycleGroups: workers of several groups do not wait for each other.
func TestRecycleGroups(t *testing.T) {
	p := newPool(t, fleet.Settings{}, "restart-at=10 12 * * *", "recycle-wait=0s")
	for n := 1; n <= 3; n++ {
		p.add(n, worker.StatusRunning, fmt.Sprintf("group=g%d", n))
	}
	p.connect().after(10*time.Minute + time.Second)
	require.Equal(t, "1 10:00, 2 10:00, 3 10:00", p.recycled())
}

// TestRecycleOrder: the worker that became due first comes first.
func TestRecycleOrder(t *testing.T) {
	p := newPool(t, fleet.Settings{}, "recycle-wait=0s")
	p.add(1, worker.StatusRunning, "restart-at=10 12 * * *")
	p.add(2, worker.StatusRunning, "restart-at=9 12 * * *")
	p.add(3, worker.StatusRunning, "restart-at=8 12 * * *", "stable-after=3m")
	p.connect().after(20 * time.Minute)
	require.Equal(t, "3 08:00, 2 11:00, 1 12:00", p.recycled())
}

func TestRecycleMemory(t *testing.T) {
	p := newPool(t, fleet.Settings{}, "max-memory=100MiB", "recycle-wait=0s")
	p.add(1, worker.StatusRunning)
	p.add(2, worker.StatusRunning)
	p.connect()
	p.memory["w-1"], p.memory["w-2"] = 99<<20, 101<<20
	p.after(2 * time.Minute)
	require.Len(t, p.kinds(worker.EventFault), 1)
	e := p.kinds(worker.EventFault)[0]
	require.Equal(t, worker.Key("w-2"), e.Key)
	require.Equal(t, worker.FaultMemory, e.Fault)
	require.Equal(t, "it uses 101MiB, and may use 100MiB", e.Detail)
}

// TestRecycleDryRun: a dry run reports, and changes nothing.
func TestRecycleDryRun(t *testing.T) {
	p := newPool(t, fleet.Settings{DryRun: true}, "restart-at=10 12 * * *", "recycle-wait=0s")
	p.before = func(a worker.Action) { require.NotContains(t, []worker.Verb{worker.Stop, worker.Start}, a.Verb) }
	p.add(1, worker.StatusRunning)
	p.connect().after(15 * time.Minute)
	require.Equal(t, "1 10:00", p.recycled())
	require.Equal(t, worker.HeldDryRun, p.kinds(worker.EventHeld)[0].Reason)
}

// TestRecycleAndPause: a paused worker is not restarted, and does not delay the others. After the pause it is restarted.
func TestRecycleAndPause(t *testing.T) {
	p := recyclePool(t, "recycle-wait=1m")
	p.busy["w-1"] = true
	p.after(10*time.Minute + 30*time.Second)
	turn, err := p.f.Pause(p.now, fleet.Pause{Scope: fleet.PauseWorker, Name: "w-1", Until: p.now.Add(2 * time.Minute)})
	require.NoError(t, err)
	p.take(turn)
	p.work()
	p.after(100 * time.Second)
	require.NotContains(t, p.recycled(), "1 1")
	require.Contains(t, p.recycled(), "2 1")
	p.after(15 * time.Minute)
	require.Len(t, p.kinds(worker.EventFault), 4)
}

// TestRecycleWithoutParent: a worker in the namespaces of one that is down could not start again.
func TestRecycleWithoutParent(t *testing.T) {
	p := newPool(t, fleet.Settings{}, "recycle-wait=0s")
	p.add(1, worker.StatusRunning, "restart-at=10 12 * * *")
	p.add(2, worker.StatusRunning)
	s := p.state["w-1"]
	s.Parents = []string{"id-w-2"}
	p.state["w-1"] = s
	p.connect().after(9 * time.Minute)
	p.operatorStops("w-2")
	p.after(5 * time.Minute)
	require.Empty(t, p.recycled())
	require.Equal(t, worker.RecycleWaitsForGroup, p.worker("w-1").Recycle.Stage)
}

// TestRecycleWhileOverloaded: no healthy worker is restarted while the host is overloaded.
func TestRecycleWhileOverloaded(t *testing.T) {
	p := newPool(t, fleet.Settings{}, "recycle-wait=0s")
	p.add(1, worker.StatusRunning, "restart-at=10 12 * * *")
	for n := 2; n <= 5; n++ {
		key := p.add(n, worker.StatusRunning)
		p.probed(key, worker.HealthHealthy, 0)
	}
	p.connect().after(9 * time.Minute)
	for n := 2; n <= 5; n++ {
		key := worker.Key(fmt.Sprintf("w-%d", n))
		p.probed(key, worker.HealthUnhealthy, worker.ProbeTimedOut)
		p.event(worker.Unhealthy, key, 0, 0)
	}
	p.after(2 * time.Minute)
	require.True(t, p.f.View(p.now).HostOverloaded)
	require.Equal(t, worker.RecycleWaitsForGroup, p.worker("w-1").Recycle.Stage)
	for n := 2; n <= 5; n++ {
		key := worker.Key(fmt.Sprintf("w-%d", n))
		p.probed(key, worker.HealthHealthy, 0)
		p.event(worker.Healthy, key, 0, 0)
	}
	p.after(time.Second)
	require.Contains(t, p.recycled(), "1 11:")
}

func (p *pool) probed(key worker.Key, h worker.Health, code int) {
	s := p.state[key]
	s.HasHealthcheck, s.Health, s.Probes = true, h, []worker.Probe{{At: p.now, ExitCode: code}}
	p.state[key] = s
}

func (p *pool) crash(key worker.Key) {
	s := p.state[key]
	s.Status, s.ExitCode, s.FinishedAt = worker.StatusExited, 1, p.now
	p.state[key] = s
	p.event(worker.Exited, key, 1, 0)
}

// TestRecycleInvariants simulates a group with crashes, operators and Stoker's own crashes. Two workers of a group are never restarted at the
// same time without a fault of their own, and one that an operator has stopped never is.
func TestRecycleInvariants(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := &freshPool{r: r, last: map[worker.Key]time.Time{}, operatorStopped: map[worker.Key]bool{}}
		w.pool = newPool(t, fleet.Settings{}, "max-age=1m", "max-memory=100MiB", "max-memory-for=5s",
			"restart-at=*/2 * * * *", "recycle-wait=10s", "stable-after=10s", "max-attempts=5")
		w.before = w.check
		for n := 1; n <= 4; n++ {
			w.add(n, worker.StatusRunning)
		}
		w.connect()
		for range rapid.IntRange(3, 12).Draw(r, "action") {
			key := rapid.SampledFrom([]worker.Key{"w-1", "w-2", "w-3", "w-4"}).Draw(r, "worker")
			w.play(key, rapid.SampledFrom([]string{"pass", "pass", "busy", "leak", "crash", "operate", "stuck", "repair", "restart"}).Draw(r, "action"))
			w.after(time.Duration(rapid.IntRange(1, 20).Draw(r, "seconds")) * time.Second)
		}
		for _, key := range []worker.Key{"w-1", "w-2", "w-3", "w-4"} {
			w.busy[key], w.stuck[key] = false, false
		}
		before := len(w.kinds(worker.EventFault))
		w.after(3 * time.Minute)
		if w.running() != "" {
			require.Greater(r, len(w.kinds(worker.EventFault)), before, "they are still recycled")
		}
	})
}

type freshPool struct {
	*pool
	r               *rapid.T
	last            map[worker.Key]time.Time // start of its restart without a fault of its own
	operatorStopped map[worker.Key]bool      // stopped by an operator
}

func (w *freshPool) play(key worker.Key, what string) {
	s := w.state[key]
	running := s.Status == worker.StatusRunning
	switch what {
	case "busy":
		w.busy[key] = !w.busy[key]
	case "leak":
		w.memory[key] = 200 << 20
	case "stuck":
		w.stuck[key] = true
	case "repair":
		w.stuck[key] = false
	case "crash":
		if running {
			w.crash(key)
		}
	case "operate":
		delete(w.last, key) // no longer waited for
		if running {
			w.operatorStopped[key] = true
			w.operatorStops(key)
			return
		}
		delete(w.operatorStopped, key)
		s.Status, s.StartedAt = worker.StatusRunning, w.now
		w.state[key], w.spent[key] = s, 0
		w.event(worker.Started, key, 0, 0)
	case "restart":
		set := fleet.Settings{Zone: time.UTC, Bookmark: w.f.Bookmark()}
		for _, saved := range w.saved {
			set.Saved = append(set.Saved, saved)
		}
		now := w.now
		w.harness = newHarness(w.t, set)
		w.now = now
		w.connect()
	}
}

// check checks each action against the rules of a recycle.
func (w *freshPool) check(a worker.Action) {
	if a.Verb == worker.Start {
		require.False(w.r, w.operatorStopped[a.Key], "an operator has stopped %s", a.Key)
	}
	fresh := a.Reason == worker.ReasonOld || a.Reason == worker.ReasonScheduled || a.Reason == worker.ReasonMemory
	if a.Verb != worker.Stop || !fresh {
		return
	}
	require.Zero(w.r, a.Attempt)
	require.Zero(w.r, w.worker(a.Key).Attempts)
	for key, at := range w.last {
		given := w.operatorStopped[key] || w.worker(key).State == fleet.StateExhausted
		down := w.state[key].Status != worker.StatusRunning
		require.False(w.r, key != a.Key && !given && (down || w.now.Sub(at) < 10*time.Second), "%s is restarted, and %s was a moment ago", a.Key, key)
	}
	w.last[a.Key] = w.now
}
