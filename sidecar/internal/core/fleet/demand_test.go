package fleet_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

const source = "demand=redis://queue:6379/0?list=tasks"

func fourOf(t *testing.T, status worker.Status, labels ...string) *pool {
	p := newPool(t, fleet.Settings{}, append([]string{source}, labels...)...)
	for n := 1; n <= 4; n++ {
		p.add(n, status)
	}
	return p.connect()
}

// TestDemand: compose up starts all, those without work sleep one by one, and work wakes them at once.
func TestDemand(t *testing.T) {
	p := fourOf(t, worker.StatusRunning, "cooldown=1m")
	require.Equal(t, "1 2 3 4", p.after(59*time.Second).running())
	require.Equal(t, "1 2 3", p.after(10*time.Second).running())
	require.Empty(t, p.after(4*time.Minute).running())
	require.Equal(t, fleet.StateAsleep, p.worker("w-2").State)
	require.Len(t, p.kinds(worker.EventAsleep), 4)
	require.Equal(t, "p/w", p.kinds(worker.EventAsleep)[0].Group)

	p.queue.Waiting = 2
	require.Equal(t, "1 2", p.after(5*time.Second).running())
	require.Len(t, p.kinds(worker.EventWoken), 2)
	require.Equal(t, "2 items to do, 2 of 4 workers wanted", p.kinds(worker.EventWoken)[0].Detail)
	require.Empty(t, p.kinds(worker.EventFault, worker.EventHealed, worker.EventHeld))

	p.busy["w-1"] = true
	p.queue.Waiting = 0
	require.Equal(t, "1", p.after(3*time.Minute).running(), "the idle one sleeps, the busy one does not")
	p.busy["w-1"] = false
	require.Empty(t, p.after(2*time.Minute).running())
	g := p.group()
	require.Equal(t, []int{0, 0, 4, 4}, []int{g.Wanted, g.Running, g.Asleep, g.Workers})
}

// TestBusyWorkersCountAsWork: while each worker is busy with an item, the next item wakes another worker.
func TestBusyWorkersCountAsWork(t *testing.T) {
	p := fourOf(t, worker.StatusCreated)
	p.queue.Waiting = 1
	require.Equal(t, "1", p.after(5*time.Second).running())
	p.busy["w-1"] = true
	require.Equal(t, "1 2", p.after(10*time.Second).running(), "an item waits, and the first one is busy")
}

// TestDeadWhileWorkWaits: I11; a dead worker is started, and one that cannot be started is replaced by another.
func TestDeadWhileWorkWaits(t *testing.T) {
	p := fourOf(t, worker.StatusCreated, "backoff-initial=30s")
	p.queue.Waiting = 1
	require.Equal(t, "1", p.after(5*time.Second).running())
	s := p.state["w-1"]
	s.Status, s.ExitCode, s.FinishedAt = worker.StatusExited, 1, p.now
	p.state["w-1"], p.stuck["w-1"] = s, true
	p.event(worker.Exited, "w-1", 1, 0)
	require.Equal(t, "2", p.after(5*time.Second).running())
}

// TestOperatorAndDemand: I10; an operator's stop takes a worker out, and its start brings it back for a cooldown.
func TestOperatorAndDemand(t *testing.T) {
	p := fourOf(t, worker.StatusCreated, "cooldown=1m")
	p.queue.Waiting = 1
	require.Equal(t, "1", p.after(5*time.Second).running())
	p.operatorStops("w-1")
	require.Equal(t, "2", p.after(5*time.Second).running(), "another one does its work")
	p.queue.Waiting = 4
	require.Equal(t, "2 3 4", p.after(10*time.Second).running())
	require.Equal(t, worker.HeldOperator, p.worker("w-1").Held)
	p.queue.Waiting = 0
	p.after(6 * time.Minute)
	require.Empty(t, p.running())

	s := p.state["w-3"]
	s.Status, s.StartedAt = worker.StatusRunning, p.now
	p.state["w-3"] = s
	p.event(worker.Started, "w-3", 0, 0)
	require.Equal(t, "3", p.after(55*time.Second).running())
	require.Empty(t, p.after(20*time.Second).running())
}

// TestSourceFails: nothing changes; the failure and its end are each reported once.
func TestSourceFails(t *testing.T) {
	p := fourOf(t, worker.StatusCreated, "cooldown=30s")
	p.queue.Waiting = 2
	require.Equal(t, "1 2", p.after(5*time.Second).running())
	p.broken = "connection refused"
	p.after(10 * time.Minute)
	require.Equal(t, "1 2", p.running())
	require.Len(t, p.kinds(worker.EventDemandLost), 1)
	require.Contains(t, p.kinds(worker.EventDemandLost)[0].Detail, "connection refused")
	require.Equal(t, demand.SourceLost, p.group().Sources[0].State)
	p.broken = ""
	p.after(5 * time.Second)
	require.Len(t, p.kinds(worker.EventDemandBack), 1)
	require.Equal(t, demand.SourceAnswered, p.group().Sources[0].State)
}

func TestFallback(t *testing.T) {
	p := newPool(t, fleet.Settings{}, source, "demand-fallback=2")
	p.broken = "no"
	for n := 1; n <= 4; n++ {
		p.add(n, worker.StatusCreated)
	}
	p.connect()
	require.Empty(t, p.after(5*time.Second).running())
	require.Equal(t, "1 2", p.after(6*time.Second).running())
}

// TestCPUBudget: demand never makes the quotas of running workers exceed the budget, and the limit is reported.
func TestCPUBudget(t *testing.T) {
	for budget, want := range map[float64]string{0: "1 2 3 4", 2: "1 2", -1: "1 2 3 4 5 6", 0.5: ""} {
		p := newPool(t, fleet.Settings{CPUBudget: budget}, source)
		for n := 1; n <= 6; n++ {
			p.add(n, worker.StatusCreated)
		}
		p.queue.Waiting = 99
		require.Equal(t, want, p.connect().after(30*time.Second).running(), budget)
		if budget >= 0 {
			limited := p.kinds(worker.EventDemandLimited)
			require.Len(t, limited, 1, budget)
			require.Equal(t, worker.Reason("cpu-budget"), limited[0].Reason)
		}
	}
}

// TestBudgetWithUnknownQuotas: no worker wakes before all quotas are known. A worker whose inspect keeps failing does not block it.
func TestBudgetWithUnknownQuotas(t *testing.T) {
	p := newPool(t, fleet.Settings{CPUBudget: 4}, source)
	p.add(1, worker.StatusCreated)
	big := p.add(2, worker.StatusRunning)
	s := p.state[big]
	s.CPUs = 4
	p.state[big], p.stuck[big] = s, true
	p.queue.Waiting = 99
	require.Equal(t, "2", p.connect().after(5*time.Second).running())
	delete(p.stuck, big)
	require.Equal(t, "2", p.after(time.Minute).running())
	p.stuck[big] = true
	p.see(worker.Observation{Kind: worker.Disconnected})
	require.Equal(t, "2", p.connect().after(time.Minute).running(), "its quota is remembered")

	q := newPool(t, fleet.Settings{CPUBudget: 4}, source)
	q.add(1, worker.StatusCreated)
	q.stuck[q.add(2, worker.StatusRunning)] = true
	q.queue.Waiting = 99
	require.Equal(t, "1 2", q.connect().after(time.Minute).running())
}

// TestRecalled: a wake is decided and the engine disconnects; meanwhile an operator has started another worker instead.
func TestRecalled(t *testing.T) {
	p := newPool(t, fleet.Settings{}, source, "max-replicas=1")
	first := p.add(1, worker.StatusCreated)
	second := p.add(2, worker.StatusCreated)
	p.connect().after(10 * time.Second)
	p.queue.Waiting, p.gone = 1, true
	p.after(5 * time.Second)
	require.Empty(t, p.running())
	p.see(worker.Observation{Kind: worker.Disconnected})
	s := p.state[second]
	s.Status, s.StartedAt = worker.StatusRunning, p.now
	p.state[second] = s
	p.gone = false
	p.see(worker.Observation{Kind: worker.Connecting, Engine: worker.Engine{Now: p.now, BootedAt: noon.Add(-24 * time.Hour), CPUs: 4}})
	p.event(worker.Started, second, 0, 0)
	p.list()
	require.Equal(t, "2", p.after(20*time.Second).running())
	require.Equal(t, worker.HeldAsleep, p.worker(first).Held)
}

// TestClockStepsBack: a worker with a start time one hour ahead of the clock still goes to sleep.
func TestClockStepsBack(t *testing.T) {
	p := newPool(t, fleet.Settings{}, source, "cooldown=1m")
	key := p.add(1, worker.StatusRunning)
	s := p.state[key]
	s.StartedAt = p.now.Add(time.Hour)
	p.state[key] = s
	require.Empty(t, p.connect().after(3*time.Minute).running())
}

// TestSharedSource: groups with the same source share one request.
func TestSharedSource(t *testing.T) {
	p := newPool(t, fleet.Settings{}, source)
	for n := 1; n <= 10; n++ {
		p.add(n, worker.StatusCreated, fmt.Sprintf("group=g%d", n))
	}
	p.connect()
	before := p.asked
	p.after(50 * time.Second)
	require.Equal(t, 10, p.asked-before)
	require.Len(t, p.f.View(p.now).Groups, 10)
}

// TestHeldByAddress: the source reports which consumer holds an item.
func TestHeldByAddress(t *testing.T) {
	p := fourOf(t, worker.StatusRunning, "cooldown=10s")
	p.queue.InHand = demand.InHand{Kind: demand.InHandCounted, Total: 1, ByAddress: map[string]float64{"10.0.0.4": 1}}
	require.Equal(t, "4", p.after(5*time.Minute).running(), "idle as it is, it has something in hand")
}

// TestContradiction: of two workers of a group with different demands, the second one is held until the first one is gone.
func TestContradiction(t *testing.T) {
	p := newPool(t, fleet.Settings{}, source)
	p.add(1, worker.StatusRunning)
	p.add(2, worker.StatusRunning, "demand-target=5")
	p.connect()
	require.Equal(t, worker.HeldBadLabels, p.worker("w-2").Held)
	require.Len(t, p.worker("w-2").Problems, 1)
	require.Equal(t, 1, p.group().Workers)
	gone := p.state["w-1"]
	delete(p.state, "w-1")
	p.see(worker.Observation{Kind: worker.Gone, ID: gone.ID, Key: "w-1", Labels: gone.Labels})
	require.Equal(t, worker.HeldNot, p.worker("w-2").Held)
	require.Equal(t, 1, p.group().Workers)
}

func TestHours(t *testing.T) {
	p := newPool(t, fleet.Settings{}, "hours=12:10-13:00", "cooldown=1m")
	for n := 1; n <= 2; n++ {
		p.add(n, worker.StatusRunning)
	}
	p.connect()
	p.busy["w-1"] = true
	require.Empty(t, p.after(time.Minute).running(), "noon is outside its hours")
	require.Equal(t, noon.Add(10*time.Minute), p.group().Hours.ChangesAt)
	require.Equal(t, "1 2", p.after(9*time.Minute+time.Second).running())
	require.Empty(t, p.after(50*time.Minute).running())
}

// TestWakeGroup: an operator wakes all workers of a group for a cooldown.
func TestWakeGroup(t *testing.T) {
	p := fourOf(t, worker.StatusCreated, "cooldown=2m", "max-replicas=1")
	p.after(10 * time.Second)
	_, err := p.f.WakeGroup(p.now, "missing")
	require.ErrorContains(t, err, "missing")
	turn, err := p.f.WakeGroup(p.now, "p/w")
	require.NoError(t, err)
	p.take(turn)
	p.work()
	require.Equal(t, "1 2 3 4", p.running())
	require.Equal(t, "1 2 3 4", p.after(2*time.Minute).running())
	require.Empty(t, p.after(20*time.Minute).running())
}

// TestAsleepAfterDemandIsGone: the label is removed from the defaults, so that no demand would wake the workers.
func TestAsleepAfterDemandIsGone(t *testing.T) {
	p := fourOf(t, worker.StatusRunning, "cooldown=1s")
	p.after(time.Minute)
	require.Empty(t, p.running())
	var saved []worker.Saved
	for _, key := range slices.Sorted(maps.Keys(p.state)) {
		s := p.saved[key]
		s.Labels = enabled
		saved = append(saved, s)
	}
	next := newPool(t, fleet.Settings{Saved: saved})
	next.now = p.now
	for n := 1; n <= 4; n++ {
		key := next.add(n, worker.StatusExited)
		s := p.state[key]
		s.Labels = next.labels[key]
		next.state[key] = s
	}
	require.Equal(t, "1 2 3 4", next.connect().after(5*time.Second).running())
}

// TestStokerRestarts: sleeping workers stay asleep, and work wakes them.
func TestStokerRestarts(t *testing.T) {
	p := fourOf(t, worker.StatusRunning, "cooldown=1s")
	p.after(time.Minute)
	var saved []worker.Saved
	for _, key := range slices.Sorted(maps.Keys(p.state)) {
		saved = append(saved, p.saved[key])
	}
	next := newPool(t, fleet.Settings{Saved: saved})
	next.now, next.state, next.labels = p.now, p.state, p.labels
	next.connect().after(20 * time.Second)
	require.Empty(t, next.running())
	require.Equal(t, 4, next.group().Asleep)
	next.queue.Waiting = 1
	require.Equal(t, "1", next.after(5*time.Second).running())
}

// TestHungWhileWorkWaits: work waits and no worker takes it.
func TestHungWhileWorkWaits(t *testing.T) {
	p := fourOf(t, worker.StatusCreated)
	p.queue.Waiting = 1
	p.after(3 * time.Minute)
	faults := p.kinds(worker.EventFault)
	require.NotEmpty(t, faults)
	require.Equal(t, worker.FaultIdle, faults[0].Fault)
}

// TestConsumedWhileAllLookIdle: work is taken while all workers look idle: one of them does it, with hardly any CPU.
func TestConsumedWhileAllLookIdle(t *testing.T) {
	p := fourOf(t, worker.StatusCreated, "max-replicas=1")
	for n := range 60 {
		p.queue.Waiting = 10 + math.Mod(float64(n), 2)
		p.after(5 * time.Second)
	}
	require.Empty(t, p.kinds(worker.EventFault))
}

// TestClones: when all run and more are wanted, further ones are made, one at a time, and removed once they have slept for a cooldown.
func TestClones(t *testing.T) {
	p := newPool(t, fleet.Settings{}, source, "clone-up-to=3", "cooldown=10s")
	p.add(1, worker.StatusCreated)
	p.late = true // the event of a new clone comes after the answer
	p.queue.Waiting = 9
	require.Equal(t, "1 2 3", p.connect().after(30*time.Second).running())
	require.Equal(t, 2, p.cloned, "none is made twice")
	require.Equal(t, demand.LimitWorkers, p.group().Limit)

	p.queue.Waiting = 0
	p.after(3 * time.Minute)
	require.Empty(t, p.running())
	require.Len(t, p.state, 1, "only clones are removed")
}

// TestBusyWorkersAndClones: while all that exist are busy with an item each, the next item makes a clone.
func TestBusyWorkersAndClones(t *testing.T) {
	p := newPool(t, fleet.Settings{}, source, "clone-up-to=2")
	p.add(1, worker.StatusCreated)
	p.queue.Waiting = 1
	require.Equal(t, "1", p.connect().after(5*time.Second).running())
	p.busy["w-1"] = true
	require.Equal(t, "1 2", p.after(30*time.Second).running())
}

func TestCloneRefused(t *testing.T) {
	p := newPool(t, fleet.Settings{}, source, "clone-up-to=3")
	p.add(1, worker.StatusCreated)
	p.refuses = "it publishes a port"
	p.queue.Waiting = 9
	require.Equal(t, "1", p.connect().after(5*time.Minute).running())
	limited := p.kinds(worker.EventDemandLimited)
	require.Len(t, limited, 1)
	require.Contains(t, limited[0].Detail, "it publishes a port")
}
