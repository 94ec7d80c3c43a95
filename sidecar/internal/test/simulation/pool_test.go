package simulation

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// poolPlan is a group of workers that run on demand.
type poolPlan struct {
	Min, Max  int // replicas; Max 0 is no limit
	Cooldown  time.Duration
	Budget    float64 // CPUs; below 0 is no limit
	InHand    demand.InHandKind
	ByAddress bool          // the source reports the items in hand by the worker's address
	Item      time.Duration // the time for one item
}

// Changes of the group's work, and faults of its source.
const (
	workAdded   faultKind = "work-added"   // N items
	workRemoved faultKind = "work-removed" // all that waits
	sourceFails faultKind = "source-fails"
	sourceHangs faultKind = "source-hangs"
	sourceWrong faultKind = "source-wrong" // it reports the N-th kind of wrong number
	opWakeGroup faultKind = "wake-group"
)

const (
	poolName = "pool"
	poolPoll = 2 * time.Second
)

// drawPool adds a group with a source to a third of the plans. It has its own random source.
func drawPool(d random, p *plan) {
	if !d.oneIn(3) || len(p.Faults) == 0 {
		return
	}
	pool := &poolPlan{
		Min: pick(d, 0, 0, 0, 1), Max: pick(d, 0, 0, 1, 2), Cooldown: pick(d, 2*time.Second, 5*time.Second, 10*time.Second),
		Budget: pick[float64](d, -1, -1, 1, 2, 4), InHand: pick(d, demand.InHandUnknown, demand.InHandIncluded, demand.InHandCounted),
		Item: pick(d, time.Second, 5*time.Second, 20*time.Second),
	}
	pool.ByAddress = pool.InHand == demand.InHandCounted && d.oneIn(2)
	p.Pool = pool
	var names []string
	for i := range 2 + d.IntN(3) {
		s := drawWorker(d, fmt.Sprintf("p%d", i))
		s.HostPort, s.Unfit = 0, ""
		for key, value := range pool.labels() {
			s.Labels[key] = value
		}
		p.Containers = append(p.Containers, s)
		names = append(names, s.Name)
	}
	burst := slices.DeleteFunc(slices.Clone(p.Faults), func(e fault) bool { return e.Kind == opStartAll })
	for range 10 + d.IntN(50) {
		e := drawFault(d, poolKinds().draw(d), pick(d, names...))
		e.At = pick(d, burst...).At
		p.Faults = append(p.Faults, drawWork(d, e))
	}
	slices.SortStableFunc(p.Faults, func(a, b fault) int { return int(a.At - b.At) })
}

func (p poolPlan) labels() map[string]string {
	l := map[string]string{
		"stoker.group": poolName, "stoker.demand": "redis://queue:6379/0?list=tasks", "stoker.demand-poll": poolPoll.String(),
		"stoker.cooldown": p.Cooldown.String(), "stoker.min-replicas": strconv.Itoa(p.Min),
	}
	if p.Max > 0 {
		l["stoker.max-replicas"] = strconv.Itoa(p.Max)
	}
	return l
}

func poolKinds() weights {
	return weights{
		{12, workAdded}, {4, workRemoved}, {3, sourceFails}, {2, sourceHangs}, {3, sourceWrong}, {1, opWakeGroup},
		{4, opStop}, {1, opKill}, {4, opStart}, {2, opRestart}, {6, workerCrash}, {3, workerKilled}, {2, workerExit}, {1, workerOOM}, {3, startsFail},
		{3, stokerKilled}, {3, stokerKilledLater}, {1, stokerStopped},
	}
}

func drawWork(d random, e fault) fault {
	switch e.Kind {
	case workAdded:
		e.N = pick(d, 1, 3, 10, 1000)
	case sourceFails, sourceHangs:
		e.For = pick(d, time.Second, 10*time.Second, time.Minute)
	case sourceWrong:
		e.N, e.For = d.IntN(4), pick(d, time.Second, 10*time.Second, time.Minute)
	}
	return e
}

// pool is the work of a group, and its source.
type pool struct {
	plan     poolPlan
	world    *dockertest.World
	waiting  int
	items    map[string]item    // in hand, by container ID
	used     map[string]cpuUsed // by container ID
	done     int
	faults   sourceFaults
	inHand   map[string]float64      // by address, from the last answer that Stoker received
	readings map[string][]cpuReading // by container ID, the last ones that Stoker received
	idleAt   time.Time               // since when no work waits or is in hand; zero while work waits
	wokenAt  time.Time               // when an operator last woke the group
}

// item is a unit of work that a container has in hand.
type item struct {
	startedAt time.Time // of the incarnation that took it
	from      time.Time
	until     time.Time
}

type cpuUsed struct {
	startedAt time.Time // of the incarnation
	busy      time.Duration
}

type cpuReading struct {
	startedAt time.Time // of the incarnation
	worker.Stats
}

// sourceFaults has the ends of the source's faults.
type sourceFaults struct {
	fails, hangs, wrong time.Time
	variant             int // of a wrong number
}

func newPool(p *poolPlan, w *dockertest.World) *pool {
	if p == nil {
		return nil
	}
	o := &pool{plan: *p, world: w, items: map[string]item{}, used: map[string]cpuUsed{}, readings: map[string][]cpuReading{}}
	w.MeterBy(o.cpu)
	return o
}

// members returns the containers of the group in the order of their creation.
func (o *pool) members() []dockertest.Truth {
	return o.world.TruthsOf("stoker.group", poolName)
}

func inPool(t dockertest.Truth) bool { return t.Labels["stoker.group"] == poolName }

// advance moves the work forward to now. An item whose worker exited waits again.
func (o *pool) advance() {
	now := o.world.Now()
	for id, i := range o.items {
		t, _ := o.world.TruthByID(id)
		end := endOf(t, i.startedAt)
		switch {
		case !end.IsZero() && end.Before(i.until):
			o.release(id, i, end)
			o.waiting++
		case !i.until.After(now):
			o.release(id, i, i.until)
			o.done++
		}
	}
	if o.waiting == 0 && len(o.items) > 0 || o.waiting == 0 && o.idleAt.IsZero() {
		o.idleAt = now
	}
	if o.waiting == 0 {
		return
	}
	o.idleAt = time.Time{}
	for _, t := range o.members() {
		began, ended := lastIncarnation(t)
		if _, busy := o.items[t.ID]; busy || o.waiting == 0 || began.IsZero() || !ended.IsZero() || t.Status != worker.StatusRunning {
			continue
		}
		o.waiting--
		o.items[t.ID] = item{startedAt: began, from: now, until: now.Add(o.plan.Item)}
	}
}

// endOf returns when the incarnation of a container that began at a time ended; zero while it runs.
func endOf(t dockertest.Truth, began time.Time) time.Time {
	for _, l := range t.Lives {
		if l.Began.Equal(began) {
			return l.Ended
		}
	}
	return time.Time{}
}

func (o *pool) release(id string, i item, at time.Time) {
	delete(o.items, id)
	u := o.used[id]
	if !u.startedAt.Equal(i.startedAt) {
		u = cpuUsed{startedAt: i.startedAt}
	}
	u.busy += at.Sub(i.from)
	o.used[id] = u
}

// cpu returns the CPU time of a container's current incarnation: it uses its whole quota while it has an item.
func (o *pool) cpu(id string) (time.Duration, bool) {
	t, ok := o.world.TruthByID(id)
	if !ok || !inPool(t) {
		return 0, false
	}
	o.advance()
	began, _ := lastIncarnation(t)
	busy := time.Duration(0)
	if u := o.used[id]; u.startedAt.Equal(began) {
		busy = u.busy
	}
	if i, ok := o.items[id]; ok && i.startedAt.Equal(began) {
		busy += o.world.Now().Sub(i.from)
	}
	return time.Duration(float64(busy) * max(t.CPUs, 0.5)), true
}

// ask returns the answer of the source.
func (o *pool) ask(worker.Action) (worker.Outcome, time.Duration) {
	o.advance()
	now := o.world.Now()
	switch {
	case o.faults.hangs.After(now):
		return worker.Outcome{}, time.Hour
	case o.faults.fails.After(now):
		return worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Err: "connection refused"}}, time.Millisecond
	}
	r := o.reading()
	if o.faults.wrong.After(now) {
		r = o.distort(r)
	}
	return worker.Outcome{Result: worker.Done, Answer: worker.Answer{Work: &r}}, 2 * time.Millisecond
}

func (o *pool) reading() demand.Reading {
	r := demand.Reading{Waiting: float64(o.waiting), InHand: demand.InHand{Kind: o.plan.InHand}}
	switch o.plan.InHand {
	case demand.InHandUnknown:
	case demand.InHandIncluded:
		r.Waiting += float64(len(o.items))
	case demand.InHandCounted:
		r.InHand.Total = float64(len(o.items))
	}
	if o.plan.ByAddress {
		r.InHand.ByAddress = map[string]float64{}
		for id := range o.items {
			r.InHand.ByAddress[dockertest.Address(id)] = 1
		}
	}
	return r
}

// distort returns a wrong number instead of a reading.
func (o *pool) distort(r demand.Reading) demand.Reading {
	switch o.faults.variant {
	case 0:
		r.Waiting = -5
	case 1:
		r.Waiting = 1e12
	case 2: // flapping
		r.Waiting = float64(o.world.Now().Second()/2%2) * 50
	default:
		r = demand.Reading{Waiting: math.MaxFloat64, InHand: r.InHand}
	}
	return r
}

// next returns when the work must advance again; zero if there is none.
func (o *pool) next() time.Time {
	if o.waiting > 0 || len(o.items) > 0 {
		return o.world.Now().Add(2 * time.Second)
	}
	return time.Time{}
}

// inject carries out a fault that concerns the work, and reports whether it does.
func (o *pool) inject(r *run, f fault) bool {
	until := o.world.Now().Add(f.For)
	switch f.Kind {
	case workAdded:
		o.waiting += f.N
	case workRemoved:
		o.waiting = 0
	case sourceFails:
		o.faults.fails = until
	case sourceHangs:
		o.faults.hangs = until
	case sourceWrong:
		o.faults.wrong, o.faults.variant = until, f.N
	case opWakeGroup:
		if r.stoker != nil && r.stoker.deadline.IsZero() {
			o.wokenAt = r.world.Now()
			t, _ := r.stoker.fleet.WakeGroup(r.clock(), poolName)
			r.apply(t)
		}
	default:
		return false
	}
	o.advance()
	return true
}

// receive records what Stoker received about the work of its workers.
func (o *pool) receive(out worker.Outcome) {
	switch {
	case out.Action.Verb == worker.AskSource && out.Work != nil:
		o.inHand = out.Work.InHand.ByAddress
	case out.Action.Verb == worker.ReadStats && out.Usage != nil && !out.Action.Span:
		id := out.Action.Incarnation.ID
		t, ok := o.world.TruthByID(id)
		if !ok || !inPool(t) {
			return
		}
		began, _ := lastIncarnation(t)
		o.readings[id] = append(o.readings[id], cpuReading{began, out.Usage.Now})
		o.readings[id] = o.readings[id][max(len(o.readings[id])-3, 0):]
	}
}
