package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// harness drives a fleet with single observations.
type harness struct {
	t      *testing.T
	f      *fleet.Fleet
	now    time.Time
	turn   fleet.Effects
	do     []worker.Action // since the test last read them
	drop   []worker.Key
	events []worker.EventKind

	details []string // of dependents-restarted events, since the last checked action
}

var (
	noon    = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	enabled = map[string]string{"stoker.enable": "true"}
)

func newHarness(t *testing.T, set fleet.Settings) *harness {
	if set.Rules.Policy.BackoffMax == 0 {
		set.Rules.Defaults = withoutEvidence()
	}
	if set.Parallel == 0 {
		set.Parallel = 2
	}
	d := &harness{t: t, now: noon, f: fleet.New(noon, set)}
	d.take(d.f.Tick(noon))
	return d
}

func (d *harness) take(t fleet.Effects) {
	d.turn = t
	d.do = append(d.do, t.Do...)
	d.drop = append(d.drop, t.Drop...)
	for _, n := range t.Events {
		d.events = append(d.events, n.Kind)
		if n.Kind == worker.EventDependentsRestarted {
			d.details = append(d.details, n.Detail)
		}
	}
}

func (d *harness) observe(o worker.Observation) {
	if o.At.IsZero() {
		o.At = d.now
	}
	if o.ID != "" && o.Labels == nil {
		o.Labels = enabled
	}
	d.take(d.f.Observe(d.now, o))
}

func (d *harness) event(kind worker.Kind, name string) {
	d.observe(worker.Observation{Kind: kind, ID: "id-" + name, Key: worker.Key(name)})
}

func (d *harness) listed(name string, s worker.Status) {
	d.observe(worker.Observation{Kind: worker.Listed, ID: "id-" + name, Key: worker.Key(name), ListState: worker.ListState{Status: s, Health: worker.HealthNone}})
}

// open opens a session, up to its list.
func (d *harness) open() {
	d.observe(worker.Observation{Kind: worker.Connecting, Engine: worker.Engine{Now: d.now, BootedAt: noon.Add(-24 * time.Hour)}})
}

// list sends a full list of running containers.
func (d *harness) list(names ...string) {
	d.observe(worker.Observation{Kind: worker.ListBegin})
	for _, name := range names {
		d.listed(name, worker.StatusRunning)
	}
	d.observe(worker.Observation{Kind: worker.ListEnd})
}

// up opens a session with running, inspected workers.
func (d *harness) up(names ...string) {
	d.open()
	d.list(names...)
	d.answerInspects()
}

// answerInspects answers all inspects as for a running container.
func (d *harness) answerInspects() {
	for len(d.verb(worker.Inspect)) > 0 {
		inspects := d.verb(worker.Inspect)
		d.do = nil
		for _, a := range inspects {
			d.answer(a, d.running(a))
		}
	}
}

func (d *harness) running(a worker.Action) worker.Snapshot {
	return worker.Snapshot{
		Incarnation:  worker.Incarnation{ID: a.Incarnation.ID, StartedAt: noon.Add(-time.Hour)},
		Key:          a.Key,
		Labels:       enabled,
		ProcessState: worker.ProcessState{Status: worker.StatusRunning},
		HealthState:  worker.HealthState{Health: worker.HealthNone},
	}
}

func (d *harness) answer(a worker.Action, s worker.Snapshot) {
	d.take(d.f.Finish(d.now, worker.Outcome{Action: a, Result: worker.Done, Answer: worker.Answer{Snapshot: &s}}))
}

func (d *harness) pass(by time.Duration) {
	d.now = d.now.Add(by)
	d.take(d.f.Tick(d.now))
}

func (d *harness) verb(v worker.Verb) []worker.Action {
	var out []worker.Action
	for _, a := range d.do {
		if a.Verb == v {
			out = append(out, a)
		}
	}
	return out
}

func keys(actions []worker.Action) []worker.Key {
	out := []worker.Key{}
	for _, a := range actions {
		out = append(out, a.Key)
	}
	return out
}

func (d *harness) newWorker(key worker.Key) fleet.WorkerView {
	d.t.Helper()
	for _, w := range d.f.View(d.now).Workers {
		if w.Key == key {
			return w
		}
	}
	require.Fail(d.t, "not in view", string(key))
	return fleet.WorkerView{}
}

func (d *harness) inView() []worker.Key {
	out := []worker.Key{}
	for _, w := range d.f.View(d.now).Workers {
		out = append(out, w.Key)
	}
	return out
}

func quotaRules() policy.Rules {
	return policy.Rules{Selector: policy.Selector{Mode: policy.ModeQuota}, Defaults: withoutEvidence()}
}

// withoutEvidence returns the defaults of a harness: nothing is collected before a stop unless a label requests it.
func withoutEvidence() policy.Defaults {
	d := workers.Defaults
	d.Policy.Evidence.Level = policy.EvidenceOff
	return d
}
