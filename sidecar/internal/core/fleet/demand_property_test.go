package fleet_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// workload is a pool whose queue grows, drains, flaps, fails and reports wrong numbers. Its workers take items, crash, and are stopped and
// started by an operator. Stoker is killed and restarted.
type workload struct {
	*pool
	t               *rapid.T
	set             fleet.Settings
	most            int // stoker.max-replicas, or demand.All
	items           int // waiting
	lie             float64
	lying           bool
	busyUntil       map[worker.Key]time.Time
	busySince       map[worker.Key]time.Time
	operatorStopped map[worker.Key]bool // stopped by an operator, and not started since
	waitsSince      time.Time           // since when work waits, a worker could be woken, and none runs
}

const poll = 5 * time.Second

func newWorkload(t *testing.T, r *rapid.T) *workload {
	w := &workload{t: r, most: rapid.SampledFrom([]int{demand.All, 1, 2, 3}).Draw(r, "max"), busyUntil: map[worker.Key]time.Time{}, busySince: map[worker.Key]time.Time{}, operatorStopped: map[worker.Key]bool{}}
	w.set = fleet.Settings{CPUBudget: rapid.SampledFrom([]float64{-1, 1, 2.5, 4}).Draw(r, "budget")}
	w.pool = newPool(t, w.set, source, "cooldown=30s", "idle-after=off")
	if w.most != demand.All {
		w.common = append(w.common, "max-replicas="+string(rune('0'+w.most)))
	}
	w.inHand = rapid.SampledFrom([]demand.InHandKind{demand.InHandUnknown, demand.InHandCounted}).Draw(r, "in hand")
	w.before = w.check
	for n := 1; n <= 4; n++ {
		w.add(n, rapid.SampledFrom([]worker.Status{worker.StatusRunning, worker.StatusCreated}).Draw(r, "begins"))
	}
	w.answer()
	w.connect()
	return w
}

// answer sets the current answer of the queue.
func (w *workload) answer() {
	w.queue = demand.Reading{Waiting: float64(w.items), InHand: demand.InHand{Kind: w.inHand}}
	if w.inHand == demand.InHandCounted {
		for key := range w.busyUntil {
			if w.busy[key] {
				w.queue.InHand.Total++
			}
		}
	}
	if w.lying {
		w.queue.Waiting = w.lie
	}
}

// second advances by one second: workers finish and take items.
func (w *workload) second() {
	for _, key := range w.keys() {
		if w.state[key].Status != worker.StatusRunning || !w.busyUntil[key].After(w.now) {
			if w.busy[key] && w.state[key].Status != worker.StatusRunning {
				w.items++ // returned to the queue
			}
			w.busy[key] = false
		}
		if w.state[key].Status == worker.StatusRunning && !w.busy[key] && w.items > 0 {
			w.items--
			w.busySince[key] = w.now
			w.busy[key], w.busyUntil[key] = true, w.now.Add(time.Duration(rapid.IntRange(1, 12).Draw(w.t, "takes"))*time.Second)
		}
	}
	w.answer()
	w.after(time.Second)
	w.starving()
}

func (w *workload) keys() []worker.Key {
	return []worker.Key{"w-1", "w-2", "w-3", "w-4"}
}

// check checks invariant I10 for each action.
func (w *workload) check(a worker.Action) {
	switch a.Verb {
	case worker.Stop:
		if a.Reason == worker.ReasonNoWork { // the source does not report what it took since its last reading
			known := w.now.Sub(w.busySince[a.Key]) > policy.Default().Demand.Poll
			require.False(w.t, w.busy[a.Key] && known, "I10: %s is busy, and is put to sleep", a.Key)
		}
	case worker.Start:
		require.False(w.t, w.operatorStopped[a.Key], "I10: an operator has stopped %s", a.Key)
		if a.Reason == worker.ReasonWorkWaits {
			w.checkLimits(a)
		}
	}
}

func (w *workload) checkLimits(a worker.Action) {
	running := 1.0 // each has one CPU
	for _, key := range w.keys() {
		if key != a.Key && w.state[key].Status == worker.StatusRunning {
			running++
		}
	}
	if w.most != demand.All {
		require.LessOrEqual(w.t, int(running), w.most, "I10: %s is one more than stoker.max-replicas", a.Key)
	}
	if w.set.CPUBudget > 0 {
		require.LessOrEqual(w.t, running, w.set.CPUBudget, "I10: %s is more than the CPU budget", a.Key)
	}
}

// starving checks invariant I11: while work waits and a worker that may run sleeps, work never waits longer than a poll.
func (w *workload) starving() {
	honest := w.broken == "" && !w.lying && w.items > 0 && w.set.CPUBudget != 0
	running, asleep := false, false
	for _, v := range w.f.View(w.now).Workers {
		running = running || v.Status == worker.StatusRunning
		asleep = asleep || v.State == fleet.StateAsleep
	}
	if !honest || running || !asleep {
		w.waitsSince = time.Time{}
		return
	}
	if w.waitsSince.IsZero() {
		w.waitsSince = w.now
	}
	require.LessOrEqual(w.t, w.now.Sub(w.waitsSince), poll+2*time.Second, "I11: work waits, and none runs")
}

func (w *workload) crash(key worker.Key) {
	s := w.state[key]
	if s.Status != worker.StatusRunning {
		return
	}
	s.Status, s.ExitCode, s.FinishedAt = worker.StatusExited, 1, w.now
	w.state[key] = s
	w.event(worker.Exited, key, 1, 0)
}

func (w *workload) operate(key worker.Key) {
	s := w.state[key]
	if s.Status == worker.StatusRunning {
		w.operatorStopped[key] = true
		w.operatorStops(key)
		return
	}
	delete(w.operatorStopped, key)
	s.Status, s.StartedAt = worker.StatusRunning, w.now
	w.state[key], w.spent[key] = s, 0
	w.event(worker.Started, key, 0, 0)
}

// restartStoker starts another Stoker from the journal.
func (w *workload) restartStoker() {
	w.set.Saved = nil
	for _, key := range w.keys() {
		if s, ok := w.saved[key]; ok {
			w.set.Saved = append(w.set.Saved, s)
		}
	}
	w.set.Bookmark = w.f.Bookmark()
	now := w.now
	d := newHarness(w.harness.t, withZone(w.set))
	d.now = now
	w.harness = d
	w.connect()
}

func withZone(set fleet.Settings) fleet.Settings {
	set.Zone = time.UTC
	return set
}

// TestDemandInvariants simulates minutes of a group.
func TestDemandInvariants(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		w := newWorkload(t, r)
		for range rapid.IntRange(3, 15).Draw(r, "action") {
			key := rapid.SampledFrom(w.keys()).Draw(r, "worker")
			switch rapid.SampledFrom([]string{"push", "push", "pass", "pass", "pass", "break", "repair", "lie", "truth", "crash", "operate", "restart", "drain"}).Draw(r, "action") {
			case "push":
				w.items += rapid.IntRange(1, 8).Draw(r, "items")
			case "drain":
				w.items = 0
			case "break":
				w.broken = "connection refused"
			case "repair":
				w.broken = ""
			case "lie":
				w.lying, w.lie = true, rapid.SampledFrom([]float64{-5, 0, 1e12, 3}).Draw(r, "lie")
			case "truth":
				w.lying = false
			case "crash":
				w.crash(key)
			case "operate":
				w.operate(key)
			case "restart":
				w.restartStoker()
			}
			for range rapid.IntRange(1, 40).Draw(r, "seconds") {
				w.second()
			}
		}
		w.ceased()
	})
}

// ceased: after the last fault the work is done, and then all workers sleep except those that an operator holds.
func (w *workload) ceased() {
	w.broken, w.lying = "", false
	for end := w.now.Add(20 * time.Minute); w.now.Before(end) && (w.items > 0 || w.running() != ""); {
		w.second()
	}
	runnable := slices.ContainsFunc(w.keys(), func(key worker.Key) bool { return !w.operatorStopped[key] })
	if !runnable || w.set.CPUBudget == 1 {
		return // a budget of one CPU may be taken by a worker that an operator has started
	}
	require.Zero(w.t, w.items, "the work is done")
	require.Empty(w.t, w.running(), "and all sleep")
}
