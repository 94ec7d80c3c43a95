package fleet_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
)

// pool is a fleet whose workers carry out each action at once, and a queue.
type pool struct {
	*harness
	poolWorkers
	poolQueue
	poolClones
	common []string // labels of all workers
	saved  map[worker.Key]worker.Saved
	events []worker.Event
	gone   bool                // the engine does not answer a start request
	before func(worker.Action) // called before an action is carried out
}

// poolWorkers is the workers of a pool.
type poolWorkers struct {
	labels map[worker.Key]map[string]string
	state  map[worker.Key]worker.Snapshot
	busy   map[worker.Key]bool
	spent  map[worker.Key]time.Duration // CPU time
	memory map[worker.Key]uint64
	stuck  map[worker.Key]bool // its starts and inspects fail
}

// poolQueue is the source of work of a pool.
type poolQueue struct {
	queue  demand.Reading
	inHand demand.InHandKind // kind of items in hand that it reports
	broken string            // error that it returns
	asked  int
}

// poolClones is how a pool clones workers.
type poolClones struct {
	cloned  int
	refuses string       // why no worker can be cloned
	late    bool         // clones are observed late
	unseen  []worker.Key // clones not observed yet
}

func newPool(t *testing.T, set fleet.Settings, labels ...string) *pool {
	p := &pool{
		poolWorkers: poolWorkers{
			labels: map[worker.Key]map[string]string{}, state: map[worker.Key]worker.Snapshot{}, busy: map[worker.Key]bool{},
			spent: map[worker.Key]time.Duration{}, memory: map[worker.Key]uint64{}, stuck: map[worker.Key]bool{},
		},
		saved: map[worker.Key]worker.Saved{},
	}
	set.Zone = time.UTC
	p.harness = newHarness(t, set)
	p.common = labels
	return p
}

// add adds container number n of the group, with the labels of the pool and its own.
func (p *pool) add(n int, status worker.Status, labels ...string) worker.Key {
	key := worker.Key(fmt.Sprintf("w-%d", n))
	all := map[string]string{
		"stoker.enable": "true", "com.docker.compose.project": "p", "com.docker.compose.service": "w", "com.docker.compose.container-number": fmt.Sprint(n),
	}
	for _, l := range append(slices.Clone(p.common), labels...) {
		name, value, _ := strings.Cut(l, "=")
		all["stoker."+name] = value
	}
	p.labels[key] = all
	s := worker.Snapshot{
		Incarnation:  worker.Incarnation{ID: "id-" + string(key)},
		Key:          key,
		Labels:       all,
		ProcessState: worker.ProcessState{Status: status},
		HealthState:  worker.HealthState{Health: worker.HealthNone},
		EndRules:     worker.EndRules{StopSignal: syscall.SIGTERM},
		Resources:    worker.Resources{CPUs: 1},
		Definition:   []byte("{}"),
		NetworkState: worker.NetworkState{Addresses: []string{"10.0.0." + fmt.Sprint(n)}},
	}
	if status == worker.StatusRunning {
		s.StartedAt = p.now.Add(-time.Hour)
	}
	p.state[key] = s
	return key
}

// connect opens a session and lists the containers.
func (p *pool) connect() *pool {
	p.see(worker.Observation{Kind: worker.Connecting, Engine: worker.Engine{Now: p.now, BootedAt: noon.Add(-24 * time.Hour), CPUs: 4}})
	p.list()
	return p
}

func (p *pool) list() {
	p.see(worker.Observation{Kind: worker.ListBegin})
	for _, key := range slices.Sorted(maps.Keys(p.state)) {
		p.see(worker.Observation{Kind: worker.Listed, ID: p.state[key].ID, Key: key, ListState: worker.ListState{Status: p.state[key].Status, Health: worker.HealthNone}, Labels: p.labels[key]})
	}
	p.see(worker.Observation{Kind: worker.ListEnd})
}

func (p *pool) see(o worker.Observation) {
	o.At = p.now
	p.take(p.f.Observe(p.now, o))
	p.collect()
	p.work()
}

func (p *pool) take(t fleet.Effects) {
	for _, s := range t.Save {
		p.saved[s.Key] = s
	}
	p.harness.take(t)
}

func (p *pool) collect() { p.events = append(p.events, p.turn.Events...); p.turn.Events = nil }

func (p *pool) event(kind worker.Kind, key worker.Key, code int, signal syscall.Signal) {
	p.see(worker.Observation{Kind: kind, ID: p.state[key].ID, Key: key, Labels: p.labels[key], Exit: worker.Exit{ExitCode: code}, Signal: signal})
}

// work carries out the fleet's actions.
func (p *pool) work() {
	for len(p.do) > 0 {
		a := p.do[0]
		if p.before != nil {
			p.before(a)
		}
		p.do = p.do[1:]
		o := worker.Outcome{Action: a, Result: worker.Done}
		p.carryOut(a, &o)
		p.take(p.f.Finish(p.now, o))
		p.collect()
	}
}

func (p *pool) carryOut(a worker.Action, o *worker.Outcome) {
	s := p.state[a.Key]
	switch a.Verb {
	case worker.Clone, worker.RemoveClone:
		p.changeClone(a, o)
		return
	case worker.AskSource:
		p.asked++
		if r := p.queue; p.broken == "" {
			o.Work = &r
		} else {
			o.Result, o.Err = worker.Failed, p.broken
		}
		return
	case worker.Collect:
		if len(a.Evidence.Command) > 0 {
			o.Evidence = &worker.HealEvidence{Command: &worker.CommandEvidence{}}
		}
		return
	case worker.ReadStats:
		o.Usage = &worker.Usage{Now: worker.Stats{At: p.now, CPU: p.spent[a.Key], Memory: p.memory[a.Key]}}
		return
	case worker.Inspect:
		if p.stuck[a.Key] {
			o.Result, o.Err = worker.Failed, "no"
			return
		}
	case worker.Start:
		if p.gone {
			o.Result, o.Unreachable = worker.Failed, true
			return
		}
		if p.stuck[a.Key] {
			o.Result, o.Err, o.Snapshot = worker.Failed, "no", &s
			return
		}
		s.Status, s.StartedAt = worker.StatusRunning, p.now
		p.state[a.Key], p.spent[a.Key], p.memory[a.Key] = s, 0, 0
		defer p.event(worker.Started, a.Key, 0, 0)
	case worker.Stop:
		s.Status, s.ExitCode, s.FinishedAt = worker.StatusExited, 143, p.now
		p.state[a.Key] = s
		p.event(worker.Signalled, a.Key, 0, syscall.SIGTERM)
		p.event(worker.Exited, a.Key, 143, 0)
		p.event(worker.Stopped, a.Key, 0, 0)
	}
	o.Snapshot = &s
}

// changeClone makes or removes a clone.
func (p *pool) changeClone(a worker.Action, o *worker.Outcome) {
	if a.Verb == worker.RemoveClone {
		gone := p.state[a.Key]
		delete(p.state, a.Key)
		p.see(worker.Observation{Kind: worker.Gone, ID: gone.ID, Key: a.Key, Labels: gone.Labels})
		return
	}
	_, taken := p.state[a.Key]
	if taken || p.refuses != "" {
		o.Result, o.CannotRecreate, o.Err = worker.Failed, p.refuses != "", p.refuses
		return
	}
	p.cloned++
	key := p.add(a.Number, worker.StatusCreated, "clone-of=w-1")
	if p.late {
		p.unseen = append(p.unseen, key)
		return
	}
	p.event(worker.Created, key, 0, 0)
}

// after advances the time in steps of a second, in which busy workers use their CPU.
func (p *pool) after(d time.Duration) *pool {
	for end := p.now.Add(d); p.now.Before(end); {
		p.now = p.now.Add(time.Second)
		for key, s := range p.state {
			if s.Status == worker.StatusRunning && p.busy[key] {
				p.spent[key] += time.Second
			}
		}
		p.take(p.f.Tick(p.now))
		p.collect()
		p.work()
		for _, key := range p.unseen {
			p.event(worker.Created, key, 0, 0)
		}
		p.unseen = nil
	}
	return p
}

// running returns the numbers of the running workers.
func (p *pool) running() string {
	var names []string
	for _, key := range slices.Sorted(maps.Keys(p.state)) {
		if p.state[key].Status == worker.StatusRunning {
			names = append(names, strings.TrimPrefix(string(key), "w-"))
		}
	}
	return strings.Join(names, " ")
}

func (p *pool) group() fleet.GroupView {
	groups := p.f.View(p.now).Groups
	require.Len(p.t, groups, 1)
	return groups[0]
}

func (p *pool) kinds(of ...worker.EventKind) []worker.Event {
	var found []worker.Event
	for _, e := range p.events {
		if slices.Contains(of, e.Kind) {
			found = append(found, e)
		}
	}
	return found
}

func (p *pool) worker(key worker.Key) fleet.WorkerView { return p.newWorker(key) }

func (p *pool) operatorStops(key worker.Key) {
	s := p.state[key]
	s.Status, s.ExitCode, s.FinishedAt = worker.StatusExited, 143, p.now
	p.state[key] = s
	p.event(worker.Signalled, key, 0, syscall.SIGTERM)
	p.event(worker.Exited, key, 143, 0)
	p.event(worker.Stopped, key, 0, 0)
}
