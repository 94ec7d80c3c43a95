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

// poolPlan is a group of workers that run only while there is work.
type poolPlan struct {
	Min, Max  int // Max 0 is all that exist
	Cooldown  time.Duration
	Budget    float64 // CPUs; below 0 is no limit
	Tells     demand.InHandKind
	ByAddress bool          // the source tells who holds what
	Item      time.Duration // what one item takes
}

// What happens to the work of a group, and to the source that tells of it.
const (
	workComes   what = "work-comes" // N items
	workGone    what = "work-gone"  // all that waits, done by somebody else
	sourceFails what = "source-fails"
	sourceHangs what = "source-hangs"
	sourceLies  what = "source-lies" // in its N-th way
	opWakeGroup what = "wake-group"
)

const (
	poolName = "pool"
	poolPoll = 2 * time.Second
)

// drawPool gives a third of the plans a group with a source. It has dice of its own.
func drawPool(d dice, p *plan) {
	if !d.oneIn(3) || len(p.Deeds) == 0 {
		return
	}
	pool := &poolPlan{
		Min: pick(d, 0, 0, 0, 1), Max: pick(d, 0, 0, 1, 2), Cooldown: pick(d, 2*time.Second, 5*time.Second, 10*time.Second),
		Budget: pick[float64](d, -1, -1, 1, 2, 4), Tells: pick(d, demand.InHandUnknown, demand.InHandIncluded, demand.InHandCounted),
		Item: pick(d, time.Second, 5*time.Second, 20*time.Second),
	}
	pool.ByAddress = pool.Tells == demand.InHandCounted && d.oneIn(2)
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
	burst := slices.DeleteFunc(slices.Clone(p.Deeds), func(e deed) bool { return e.Do == opRevive })
	for range 10 + d.IntN(50) {
		e := drawDeed(d, poolDeck().draw(d), pick(d, names...))
		e.At = pick(d, burst...).At
		p.Deeds = append(p.Deeds, drawWork(d, e))
	}
	slices.SortStableFunc(p.Deeds, func(a, b deed) int { return int(a.At - b.At) })
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

func poolDeck() deck {
	return deck{
		{12, workComes}, {4, workGone}, {3, sourceFails}, {2, sourceHangs}, {3, sourceLies}, {1, opWakeGroup},
		{4, opStop}, {1, opKill}, {4, opStart}, {2, opRestart}, {6, doCrash}, {3, doKilled}, {2, doExit}, {1, doOOM}, {3, failNext},
		{3, stokerKilled}, {3, stokerFuse}, {1, stokerEnded},
	}
}

func drawWork(d dice, e deed) deed {
	switch e.Do {
	case workComes:
		e.N = pick(d, 1, 3, 10, 1000)
	case sourceFails, sourceHangs:
		e.For = pick(d, time.Second, 10*time.Second, time.Minute)
	case sourceLies:
		e.N, e.For = d.IntN(4), pick(d, time.Second, 10*time.Second, time.Minute)
	}
	return e
}

// pool is the work of a group: what waits, who does what, and what the source says about it.
type pool struct {
	plan    poolPlan
	w       *dockertest.World
	waiting int
	items   map[string]item    // in hand, by container
	used    map[string]cpuUsed // by container
	done    int
	faults  sourceFaults
	told    map[string]float64      // by address, in the last answer that a Stoker got
	read    map[string][]cpuReading // the last ones that a Stoker got
	idleAt  time.Time               // since when nothing is to do
	wokenAt time.Time               // when an operator last woke all of the group
}

// item is one that a container holds.
type item struct {
	life time.Time // in which it was taken
	from time.Time
	till time.Time
}

type cpuUsed struct {
	life time.Time
	busy time.Duration
}

type cpuReading struct {
	life time.Time
	worker.Stats
}

// sourceFaults are until when the source does what it should not.
type sourceFaults struct {
	fails, hangs, lies time.Time
	lie                int
}

func newPool(p *poolPlan, w *dockertest.World) *pool {
	if p == nil {
		return nil
	}
	o := &pool{plan: *p, w: w, items: map[string]item{}, used: map[string]cpuUsed{}, read: map[string][]cpuReading{}}
	w.MeterBy(o.cpu)
	return o
}

// members are the containers that do the work, in the order of their creation.
func (o *pool) members() []dockertest.Truth {
	return o.w.TruthsOf("stoker.group", poolName)
}

func inPool(t dockertest.Truth) bool { return t.Labels["stoker.group"] == poolName }

// life is when the present or last life of a container began, and when it ended.
func life(t dockertest.Truth) (began, ended time.Time) {
	if len(t.Lives) == 0 {
		return time.Time{}, time.Time{}
	}
	l := t.Lives[len(t.Lives)-1]
	return l.Began, l.Ended
}

// advance lets the work go on up to now. An item whose worker has died waits again.
func (o *pool) advance() {
	now := o.w.Now()
	for id, i := range o.items {
		t, _ := o.w.TruthByID(id)
		end := endOf(t, i.life)
		switch {
		case !end.IsZero() && end.Before(i.till):
			o.release(id, i, end)
			o.waiting++
		case !i.till.After(now):
			o.release(id, i, i.till)
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
		began, ended := life(t)
		if _, busy := o.items[t.ID]; busy || o.waiting == 0 || began.IsZero() || !ended.IsZero() || t.Status != worker.StatusRunning {
			continue
		}
		o.waiting--
		o.items[t.ID] = item{life: began, from: now, till: now.Add(o.plan.Item)}
	}
}

// endOf is when the life of a container that began then ended; zero while it lasts.
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
	if !u.life.Equal(i.life) {
		u = cpuUsed{life: i.life}
	}
	u.busy += at.Sub(i.from)
	o.used[id] = u
}

// cpu is what the present life of a container has used: its quota while it holds an item.
func (o *pool) cpu(id string) (time.Duration, bool) {
	t, ok := o.w.TruthByID(id)
	if !ok || !inPool(t) {
		return 0, false
	}
	o.advance()
	began, _ := life(t)
	busy := time.Duration(0)
	if u := o.used[id]; u.life.Equal(began) {
		busy = u.busy
	}
	if i, ok := o.items[id]; ok && i.life.Equal(began) {
		busy += o.w.Now().Sub(i.from)
	}
	return time.Duration(float64(busy) * max(t.CPUs, 0.5)), true
}

// ask answers for the source.
func (o *pool) ask(worker.Action) (worker.Outcome, time.Duration) {
	o.advance()
	now := o.w.Now()
	switch {
	case o.faults.hangs.After(now):
		return worker.Outcome{}, time.Hour
	case o.faults.fails.After(now):
		return worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Err: "connection refused"}}, time.Millisecond
	}
	r := o.reading()
	if o.faults.lies.After(now) {
		r = o.lie(r)
	}
	return worker.Outcome{Result: worker.Done, Answer: worker.Answer{Work: &r}}, 2 * time.Millisecond
}

func (o *pool) reading() demand.Reading {
	r := demand.Reading{Waiting: float64(o.waiting), InHand: demand.InHand{Kind: o.plan.Tells}}
	switch o.plan.Tells {
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

// lie is what a broken source makes of the truth.
func (o *pool) lie(r demand.Reading) demand.Reading {
	switch o.faults.lie {
	case 0:
		r.Waiting = -5
	case 1:
		r.Waiting = 1e12
	case 2: // flapping
		r.Waiting = float64(o.w.Now().Second()/2%2) * 50
	default:
		r = demand.Reading{Waiting: math.MaxFloat64, InHand: r.InHand}
	}
	return r
}

// next is when the work is to be looked at again.
func (o *pool) next() time.Time {
	if o.waiting > 0 || len(o.items) > 0 {
		return o.w.Now().Add(2 * time.Second)
	}
	return time.Time{}
}

// do carries a deed out, if it is about the work.
func (o *pool) do(r *run, d deed) bool {
	until := o.w.Now().Add(d.For)
	switch d.Do {
	case workComes:
		o.waiting += d.N
	case workGone:
		o.waiting = 0
	case sourceFails:
		o.faults.fails = until
	case sourceHangs:
		o.faults.hangs = until
	case sourceLies:
		o.faults.lies, o.faults.lie = until, d.N
	case opWakeGroup:
		if r.stoker != nil && r.stoker.ending.IsZero() {
			o.wokenAt = r.w.Now()
			t, _ := r.stoker.f.WakeGroup(r.clock(), poolName)
			r.apply(t)
		}
	default:
		return false
	}
	o.advance()
	return true
}

// hear keeps what a Stoker was told about its workers.
func (o *pool) hear(out worker.Outcome) {
	switch {
	case out.Action.Verb == worker.AskSource && out.Work != nil:
		o.told = out.Work.InHand.ByAddress
	case out.Action.Verb == worker.ReadStats && out.Usage != nil && !out.Action.Span:
		id := out.Action.Incarnation.ID
		t, ok := o.w.TruthByID(id)
		if !ok || !inPool(t) {
			return
		}
		began, _ := life(t)
		o.read[id] = append(o.read[id], cpuReading{began, out.Usage.Now})
		o.read[id] = o.read[id][max(len(o.read[id])-3, 0):]
	}
}
