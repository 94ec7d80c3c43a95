package fleet_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// restartedParent returns a fleet whose worker p was restarted, and its request for the list of dependents.
func restartedParent(t *testing.T) (*harness, worker.Action) {
	d := newHarness(t, fleet.Settings{})
	d.up("p")
	d.pass(time.Second)
	d.observe(worker.Observation{Kind: worker.Exited, ID: "id-p", Key: "p", Exit: worker.Exit{ExitCode: 1}})
	d.pass(0)
	starts := d.verb(worker.Start)
	require.Len(t, starts, 1)
	s := d.running(starts[0])
	s.StartedAt = d.now
	d.answer(starts[0], s)
	d.pass(time.Second)
	return d, d.only(worker.ListDependents)
}

// only returns the single action of a verb since the last call.
func (d *harness) only(v worker.Verb) worker.Action {
	d.t.Helper()
	found := d.verb(v)
	require.Len(d.t, found, 1)
	d.do, d.details = nil, nil
	return found[0]
}

func (d *harness) finish(o worker.Outcome) { d.take(d.f.Finish(d.now, o)) }

// Rule 18: the result for a dependent is reported, and a failure that may be temporary is retried.
func TestDependentsOutcomes(t *testing.T) {
	at := func(status worker.Status, code int) *worker.Snapshot {
		return &worker.Snapshot{Incarnation: worker.Incarnation{ID: "id-net", StartedAt: noon}, Key: "net", ProcessState: worker.ProcessState{Status: status, ExitCode: code}}
	}
	for name, c := range map[string]struct {
		list    worker.Outcome // of the list; the zero value is one dependent
		inspect worker.Outcome // of the dependent; the zero value is that it runs
		restart worker.Outcome
		detail  string // empty: nothing is reported
		again   bool
	}{
		"it runs":                      {restart: worker.Outcome{Result: worker.Done, Answer: worker.Answer{Snapshot: at(worker.StatusRunning, 0)}}, detail: "net: restart"},
		"it ended again":               {restart: worker.Outcome{Result: worker.Done, Answer: worker.Answer{Snapshot: at(worker.StatusExited, 3)}}, detail: "net: restart failed: it is exited after the restart, exit code 3"},
		"it ended at once (--rm)":      {restart: worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Missing: true}}, detail: "net: restart failed: it ended at once, and is gone"},
		"the engine refuses":           {restart: worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Err: "no"}}, detail: "net: restart failed: no", again: true},
		"a proxy refuses":              {restart: worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Err: "403", Forbidden: true}}, detail: "net: restart failed: 403"},
		"the list fails":               {list: worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Err: "no list"}}, detail: "no list", again: true},
		"it cannot be inspected":       {inspect: worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Err: "no"}}, detail: "net: no", again: true},
		"it is gone":                   {inspect: worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Missing: true}}},
		"it began later than p anyway": {inspect: worker.Outcome{Result: worker.Done, Answer: worker.Answer{Snapshot: &worker.Snapshot{Incarnation: worker.Incarnation{ID: "id-net", StartedAt: noon.Add(time.Hour)}, Key: "net", ProcessState: worker.ProcessState{Status: worker.StatusRunning}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			d, list := restartedParent(t)
			if c.list.Result == 0 {
				c.list = worker.Outcome{Result: worker.Done, Answer: worker.Answer{Dependents: []worker.Dependent{{Key: "net", ID: "id-net", Parents: []string{"id-p"}}}}}
			}
			c.list.Action = list
			d.finish(c.list)
			if c.list.Result == worker.Done {
				if c.inspect.Result == 0 {
					c.inspect = worker.Outcome{Result: worker.Done, Answer: worker.Answer{Snapshot: d.pointer(d.running(worker.Action{Key: "net", Incarnation: worker.Incarnation{ID: "id-net"}}))}}
				}
				c.inspect.Action = d.only(worker.Inspect)
				d.finish(c.inspect)
			}
			if c.restart.Result != 0 {
				c.restart.Action = d.only(worker.RestartDependent)
				d.finish(c.restart)
			}
			if c.detail == "" {
				require.Empty(t, d.details)
			} else {
				require.Equal(t, []string{c.detail}, d.details)
			}
			d.do = nil
			d.pass(time.Second)
			require.Equal(t, c.again, len(d.verb(worker.ListDependents)) == 1)
		})
	}
}

// TestUndecidedDependent: whether a dependent is a worker is known only after its first inspect, which the engine answers late. It is healed then.
func TestUndecidedDependent(t *testing.T) {
	d := newHarness(t, fleet.Settings{Rules: quotaRules()})
	d.open()
	d.observe(worker.Observation{Kind: worker.ListBegin})
	d.listed("p", worker.StatusRunning)
	d.observe(worker.Observation{Kind: worker.Listed, ID: "id-net", Key: "net", Labels: map[string]string{}, ListState: worker.ListState{Status: worker.StatusRunning}})
	d.observe(worker.Observation{Kind: worker.ListEnd})
	var late worker.Action
	for _, a := range d.verb(worker.Inspect) {
		if a.Key == "net" {
			late = a
			continue
		}
		d.answer(a, d.running(a))
	}
	require.NotZero(t, late)
	d.observe(worker.Observation{Kind: worker.Exited, ID: "id-p", Key: "p", Exit: worker.Exit{ExitCode: 1}})
	d.pass(0)
	start := d.only(worker.Start)
	s := d.running(start)
	s.StartedAt = d.now
	d.answer(start, s)
	list := func() {
		d.pass(time.Second)
		d.finish(worker.Outcome{Action: d.only(worker.ListDependents), Result: worker.Done, Answer: worker.Answer{
			Dependents: []worker.Dependent{{Key: "net", ID: "id-net", Parents: []string{"id-p"}}},
		}})
	}
	list()
	require.Empty(t, d.details, "nothing is reported as done")
	no := d.running(late)
	no.Labels = map[string]string{}
	d.answer(late, no)
	list()
	inspect := d.only(worker.Inspect)
	require.Equal(t, worker.Key("net"), inspect.Key)
	d.answer(inspect, d.running(inspect))
	require.Equal(t, worker.Key("net"), d.only(worker.RestartDependent).Key)
}

func (d *harness) pointer(s worker.Snapshot) *worker.Snapshot { return &s }

// inNetworkOf is a container that shares the network namespace of a parent.
func inNetworkOf(parent, name string) dockertest.Spec {
	return dockertest.Spec{Name: name, Namespaces: dockertest.Namespaces{NetworkMode: "container:" + parent}}
}
