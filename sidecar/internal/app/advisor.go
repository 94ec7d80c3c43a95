package app

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"stoker/sidecar/internal/core/candidates"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

const (
	// adviseWait is the time between a list and the count of workers: containers that are selected by their quota are inspected first, and
	// those of the same compose file may start a little later.
	adviseWait = 5 * time.Second
	// maxInspects bounds the number of containers inspected for their quota after one list, and inspectLimit the time for each.
	maxInspects  = 100
	inspectLimit = 5 * time.Second
	// maxKeys bounds the number of workers named in the first log line.
	maxKeys = 10
)

// advisor logs what Stoker manages after its first list, and gives advice while that is nothing. Its observe is called by one goroutine.
type advisor struct {
	selector policy.Selector
	self     string // the ID of this container
	engine   listing
	view     func() fleet.View
	log      *logSink

	busy  atomic.Bool
	group sync.WaitGroup

	quotas map[string]float64 // by ID; used by the goroutine of advise only
	logged bool               // used by that goroutine only, too
	advice atomic.Pointer[candidates.Advice]
}

// listing lists and inspects an engine's containers. The watch passes on only those that may be workers.
type listing interface {
	List(ctx context.Context) ([]worker.Observation, error)
	Do(ctx context.Context, a worker.Action) worker.Outcome
}

func newAdvisor(s policy.Selector, self string, engine listing, view func() fleet.View, log *logSink) *advisor {
	return &advisor{selector: s, self: self, engine: engine, view: view, log: log, quotas: map[string]float64{}}
}

// observe counts the workers some time after each list.
func (f *advisor) observe(ctx context.Context, o worker.Observation) {
	if o.Kind != worker.ListEnd || f.busy.Swap(true) {
		return
	}
	f.group.Go(func() {
		defer f.busy.Store(false)
		select {
		case <-ctx.Done():
		case <-time.After(adviseWait):
			f.advise(ctx)
		}
	})
}

func (f *advisor) wait() { f.group.Wait() }

// advise counts the workers. It queries the engine only if there are none. Only the first count is logged.
func (f *advisor) advise(ctx context.Context) {
	first := !f.logged
	workers := f.view().Workers
	if len(workers) > 0 {
		f.advice.Store(nil)
		if first {
			f.logged = true
			f.log.message(logrus.InfoLevel, "managing "+numbered(len(workers), "container"), names(workers))
		}
		return
	}
	listed, err := f.engine.List(ctx)
	if err != nil { // the watch reports it; the next list follows soon
		return
	}
	f.logged = true
	advice := candidates.Advise(f.selector, f.name(listed), f.containers(ctx, listed))
	f.advice.Store(&advice)
	if first {
		f.log.message(logrus.WarnLevel, "no container is managed", advice.String())
	}
}

// containers returns those of a list except Stoker's own, with their quotas as far as there is time to inspect them.
func (f *advisor) containers(ctx context.Context, listed []worker.Observation) []candidates.Container {
	var all []candidates.Container
	known := map[string]float64{}
	inspects := 0
	for _, o := range listed {
		if o.ID == f.self {
			continue
		}
		cpus, ok := f.quotas[o.ID]
		if !ok && inspects < maxInspects && candidates.Possible(o.Labels) {
			inspects++
			cpus, ok = f.quota(ctx, o)
		}
		if ok {
			known[o.ID] = cpus
		}
		all = append(all, candidates.Container{Name: string(o.Key), Labels: o.Labels, Running: o.Status == worker.StatusRunning, CPUs: cpus})
	}
	f.quotas = known
	return all
}

func (f *advisor) quota(ctx context.Context, o worker.Observation) (float64, bool) {
	out := f.engine.Do(ctx, worker.Action{Key: o.Key, Incarnation: worker.Incarnation{ID: o.ID}, Verb: worker.Inspect, Deadline: inspectLimit})
	if out.Snapshot == nil {
		return 0, false
	}
	return out.Snapshot.CPUs, true
}

// name returns the name of this container; empty outside a container.
func (f *advisor) name(listed []worker.Observation) string {
	for _, o := range listed {
		if f.self != "" && o.ID == f.self {
			return string(o.Key)
		}
	}
	return ""
}

// within adds the advice to a view without workers.
func (f *advisor) within(v fleet.View) fleet.View {
	if v.Candidates = f.advice.Load(); len(v.Workers) > 0 {
		v.Candidates = nil
	}
	return v
}

func names(workers []fleet.WorkerView) string {
	var keys []string
	for n, w := range workers {
		if n == maxKeys {
			keys = append(keys, fmt.Sprintf("%d more", len(workers)-maxKeys))
			break
		}
		keys = append(keys, string(w.Key))
	}
	return strings.Join(keys, ", ")
}

func numbered(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
