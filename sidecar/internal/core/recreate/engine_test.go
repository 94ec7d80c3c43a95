package recreate

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

const (
	oldID   = "0ld0000000000000000000000000000000000000000000000000000000000000"
	grace   = 10 * time.Second
	mine    = "stoker-a"
	network = "1"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// fault is a failure of one call.
type fault uint8

const (
	works       fault = iota
	unanswered        // the call has no effect, and no answer
	lostAnswer        // the call takes effect, and its answer and the inspects after it are lost
	late              // the call takes effect, and only the inspects after it are answered
	denied            // the engine refuses
	unreachable       // the engine cannot be reached
	ignored           // the engine reports success, and nothing changes
)

// engine carries out the steps of transactions on its containers.
type engine struct {
	t       *testing.T
	now     time.Time
	has     map[string]*worker.Snapshot
	steps   []string
	faults  func(step Step, nth int) fault
	before  func(tx *Transaction, step Step) // what another client does before a step reaches the engine
	plan    worker.Plan
	endNew  int                    // exit code with which the new container exits at once; 0 for none
	lag     time.Duration          // of each call
	actions map[Step]worker.Action // the last one of each step
	stream  []streamed             // events on their way, oldest first
	behind  time.Duration          // delay of the stream, which carries exits
}

// streamed is an event that the stream delivers later.
type streamed struct {
	at       time.Time // when it is delivered
	id       string
	operator bool      // an operator's signal, not an exit
	ended    time.Time // of an exit
}

func newEngine(t *testing.T) *engine {
	e := &engine{t: t, now: noon, has: map[string]*worker.Snapshot{}, lag: 10 * time.Millisecond, actions: map[Step]worker.Action{}}
	e.plan = worker.Plan{Connect: true, Copy: true}
	e.faults = func(Step, int) fault { return works }
	e.before = func(*Transaction, Step) {}
	e.add(oldID, "w").Definition = []byte("old")
	return e
}

func (e *engine) add(id string, name worker.Key) *worker.Snapshot {
	e.has[id] = &worker.Snapshot{
		Incarnation:  worker.Incarnation{ID: id, StartedAt: noon.Add(-time.Hour)},
		Key:          name,
		ProcessState: worker.ProcessState{Status: worker.StatusRunning},
		Labels:       map[string]string{worker.MarkNetworks: network},
		NetworkState: worker.NetworkState{Networks: []string{"bridge"}},
		Created:      noon.Add(-time.Hour),
	}
	return e.has[id]
}

func request() Request {
	return Request{Action: worker.Action{ID: 1, Key: "w", StopArgs: worker.StopArgs{Grace: grace}}, OldID: oldID, Owner: mine}
}

// find returns the container with an ID or a name.
func (e *engine) find(ref string) *worker.Snapshot {
	for id, c := range e.has {
		if id == ref || string(c.Key) == ref {
			return c
		}
	}
	return nil
}

// run runs a transaction to its end.
func (e *engine) run(req Request) Result {
	tx := New(e.now, req)
	return e.resume(tx, 1_000)
}

// resume runs a transaction by at most that many calls, as if Stoker crashed after them.
func (e *engine) resume(tx *Transaction, calls int) Result {
	for turns := 0; !tx.Over() && calls > 0; turns++ {
		require.Less(e.t, turns, 5_000, "the transaction does not end: %v", e.steps)
		if due, ok := tx.Due(); ok && due.After(e.now) {
			require.Nil(e.t, tx.Next(e.now), "nothing is sent before it is due")
			if len(e.stream) > 0 && e.stream[0].at.Before(due) {
				due = e.stream[0].at
			}
			e.now = later(e.now, due)
		}
		e.deliver(tx)
		a := tx.Next(e.now)
		if a == nil {
			continue
		}
		require.Nil(e.t, tx.Next(e.now), "one step at a time")
		calls--
		e.before(tx, Step(a.Call.Step))
		tx.Finish(e.now, e.do(*a))
	}
	return tx.Result()
}

func (e *engine) do(a worker.Action) worker.Outcome {
	step := Step(a.Call.Step)
	f := e.faults(step, len(e.steps))
	e.steps = append(e.steps, a.Call.Step)
	e.actions[step] = a
	e.now = e.now.Add(e.lag)
	out := worker.Outcome{Action: a, Result: worker.Done, Answer: worker.Answer{Report: &worker.StepReport{Sent: a.Call.Do != worker.CallInspect}}}
	if f == works || f == lostAnswer || f == late {
		if why := e.call(a.Call, out.Report); why != "" {
			out.Result, out.Err = worker.Failed, why
		}
	}
	switch f {
	case works, ignored:
	case unanswered, lostAnswer, late:
		out.Result, out.Err = worker.Unknown, "no answer"
	case denied:
		out.Result, out.Err = worker.Failed, "no"
	case unreachable:
		out.Result, out.Err, out.Unreachable, out.Report.Sent = worker.Failed, "no connection", true, false
	}
	if f == unanswered || f == lostAnswer || f == unreachable {
		out.Report.NewID = ""
		return out
	}
	out.Report.Seen = map[string]worker.Snapshot{}
	for _, ref := range a.Call.Observe {
		if c := e.find(ref); c != nil {
			out.Report.Seen[ref] = *c
		}
	}
	return out
}

// call applies a call, or returns why not.
func (e *engine) call(c *worker.RecreateCall, report *worker.StepReport) string {
	one := e.has[c.ID]
	switch c.Do {
	case worker.CallInspect, worker.CallCopy, worker.CallCompare:
		return ""
	case worker.CallCreate:
		return e.create(c, report)
	}
	if one == nil {
		return "no such container"
	}
	switch c.Do {
	case worker.CallConnect:
		one.Networks = []string{"bridge"}
	case worker.CallStop:
		e.stop(c.ID)
	case worker.CallStart:
		one.Status, one.StartedAt = worker.StatusRunning, e.now
		if e.endNew != 0 && c.ID != oldID {
			one.Status, one.ExitCode, one.FinishedAt = worker.StatusExited, e.endNew, e.now
		}
	case worker.CallRename:
		if e.find(string(c.Name)) != nil {
			return "the name is taken"
		}
		one.Key = c.Name
	case worker.CallRemove:
		if containerOf(*one).up() {
			return "it runs"
		}
		delete(e.has, c.ID)
	}
	return ""
}

func (e *engine) create(c *worker.RecreateCall, report *worker.StepReport) string {
	if e.find(string(c.Name)) != nil {
		report.NameTaken = true
		return "the name is taken"
	}
	report.NewID = strings.Repeat("f", 63) + string(rune('0'+len(e.steps)%10))
	plan := e.plan
	report.Plan = &plan
	one := e.add(report.NewID, c.Name)
	one.Status, one.StartedAt, one.Created, one.Networks = worker.StatusCreated, time.Time{}, e.now, nil
	if !plan.Connect {
		one.Networks = []string{"bridge"}
	}
	maps.Copy(one.Labels, c.Marks)
	if old := e.has[c.OldID]; old != nil {
		one.AutoRemove = old.AutoRemove
	}
	return ""
}

// deliver delivers the due events to a transaction.
func (e *engine) deliver(tx *Transaction) {
	for len(e.stream) > 0 && !e.stream[0].at.After(e.now) {
		next := e.stream[0]
		e.stream = e.stream[1:]
		if next.operator {
			tx.OperatorStopped(e.now, next.id)
		} else {
			tx.Exited(e.now, next.id, next.ended)
		}
	}
}

// operatorStop stops a container; the event follows later.
func (e *engine) operatorStop(id string) {
	e.stream = append(e.stream, streamed{at: e.now.Add(e.behind), id: id, operator: true})
	e.stop(id)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (e *engine) stop(id string) {
	one := e.has[id]
	if one == nil || !containerOf(*one).up() {
		return
	}
	one.Status, one.ExitCode, one.FinishedAt = worker.StatusExited, 143, e.now
	if e.behind > 0 {
		e.stream = append(e.stream, streamed{at: e.now.Add(e.behind), id: id, ended: e.now})
	}
	if one.AutoRemove {
		delete(e.has, id)
	}
}

// running returns the names of the running containers, sorted.
func (e *engine) running() []string {
	var names []string
	for _, c := range e.has {
		if c.Status == worker.StatusRunning {
			names = append(names, string(c.Key))
		}
	}
	slices.Sort(names)
	return names
}

// names returns the names of all containers, sorted.
func (e *engine) names() []string {
	names := []string{}
	for _, c := range e.has {
		names = append(names, string(c.Key))
	}
	slices.Sort(names)
	return names
}
