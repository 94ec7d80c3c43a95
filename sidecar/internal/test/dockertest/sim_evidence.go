package dockertest

import (
	"time"

	"stoker/sidecar/internal/core/worker"
)

// What stoker.before-stop does in a simulation, by the last argument of the command. Any other one ends at once.
const (
	CommandDrains = "drain" // takes three seconds
	CommandHangs  = "hang"
	CommandEnds   = "end" // the worker, as a signal from the inside does
)

// collect is worker.Collect: the processes and the use are read while the command runs or before, which takes no time here.
func (e *actionRunner) collect() {
	a := e.action
	d, err := e.see(a.Incarnation.ID)
	out := worker.Outcome{Result: worker.Done}
	switch {
	case err != nil:
		out.Result, out.Err, out.Unreachable = worker.Failed, err.Error(), noAnswer(err)
	case d == nil:
		out.Result, out.Missing = worker.Failed, true
	default:
		s := d.Snapshot()
		if why := refusal(a, s); why != "" {
			out.Result, out.Err, out.Snapshot = worker.Refused, why, &s
			break
		}
		out.Evidence = e.gather(d)
	}
	e.finish(out)
}

func (e *actionRunner) gather(d *Details) *worker.HealEvidence {
	r := *e.action.Evidence
	found := &worker.HealEvidence{}
	if r.Keep {
		found.Usage = &worker.UsageEvidence{Quota: d.Spec.CPUs}
	}
	if len(r.Command) == 0 {
		return found
	}
	found.Command = &worker.CommandEvidence{}
	code := 0
	switch r.Command[len(r.Command)-1] {
	case CommandDrains:
		found.Command.TimedOut = !e.runWhile(d, min(3*time.Second, r.Limit)) && r.Limit < 3*time.Second
	case CommandHangs:
		found.Command.TimedOut = e.runWhile(d, r.Limit)
	case CommandEnds:
		e.s.w.strike(d.ID, func(p *process) {
			p.exit.by = ByStoker
			p.endAfter(0, 2, false)
		})
	}
	if !found.Command.TimedOut {
		found.Command.ExitCode = &code
	}
	return found
}

// runWhile lets a command run as long as its container does, and reports whether the time was over first.
func (e *actionRunner) runWhile(d *Details, limit time.Duration) bool {
	const step = 500 * time.Millisecond
	for left := limit; left > 0; left -= step {
		if !e.sleep(min(step, left)) {
			return false
		}
		if c := e.s.w.find(d.ID); c == nil || !c.Running || !c.StartedAt.Equal(d.StartedAt) {
			return false
		}
	}
	return true
}

// readLogs is worker.ReadLogs.
func (e *actionRunner) readLogs() {
	code := e.action.Evidence.ExitCode
	e.finish(worker.Outcome{Result: worker.Done, Answer: worker.Answer{Evidence: &worker.HealEvidence{ExitCode: &code, Logs: "the end"}}})
}
