package dockertest

import (
	"net/http"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// job is one action under way, as Stoker's Docker package runs it: same requests, same answers.
type job struct {
	s      *Sim
	action worker.Action
	over   bool
	record *Record        // of the request that changes something
	sent   bool           // that request may have reached the engine, and has no answer yet
	after  bool           // it was answered with yes
	no     worker.Failure // it was answered with no, for this reason
	limit  *due
}

// Do begins an action. Its outcome comes out later, at its deadline or, for a transaction on its way back, soon after it.
func (s *Sim) Do(a worker.Action) {
	s.actions.count++
	switch a.Verb {
	case worker.Inspect:
		j := s.job(a)
		j.inspect(j.finish)
	case worker.Start:
		s.job(a).change(Request{Op: OpStart})
	case worker.Stop:
		j := s.job(a)
		if a.Inspected {
			j.stop()
			return
		}
		j.inspect(j.judge)
	case worker.Kill:
		j := s.job(a)
		j.inspect(j.judge)
	case worker.RecreateStep:
		s.run(a, (*actionRunner).recreateStep)
	case worker.ListDependents:
		s.run(a, (*actionRunner).listDependents)
	case worker.RestartDependent:
		s.run(a, (*actionRunner).restartDependent)
	case worker.ReadStats:
		s.run(a, (*actionRunner).sample)
	case worker.RunProbe:
		s.run(a, (*actionRunner).outsideProbe)
	case worker.AskSource:
		s.run(a, (*actionRunner).askSource)
	case worker.Update:
		s.run(a, (*actionRunner).update)
	case worker.Connect:
		s.run(a, (*actionRunner).connect)
	case worker.Collect:
		s.run(a, (*actionRunner).collect)
	case worker.ReadLogs:
		s.run(a, (*actionRunner).readLogs)
	}
}

func (s *Sim) job(a worker.Action) *job {
	j := &job{s: s, action: a}
	s.actions.waiting[a.ID] = j
	if a.Deadline > 0 {
		j.limit = s.w.after(a.Deadline, j.giveUp)
	}
	return j
}

// Busy is how many actions have no outcome yet.
func (s *Sim) Busy() int { return s.actions.count }

func (j *job) inspect(then func(worker.Outcome)) {
	j.s.w.Call(Request{By: ByStoker, Op: OpInspect, Ref: j.action.Incarnation.ID}, func(r Reply) {
		if j.over {
			return
		}
		out := worker.Outcome{Action: j.action, Result: worker.Done}
		if r.Err != nil {
			out.Result, out.Err = worker.Failed, r.Err.Message
			out.Missing, out.Unreachable = r.Err.Status == http.StatusNotFound, r.Err.Status == 0
		} else {
			snapshot := r.Details.Snapshot()
			out.Snapshot = &snapshot
		}
		then(out)
	})
}

// judge stops only what the stop was decided on.
func (j *job) judge(out worker.Outcome) {
	if out.Result != worker.Done {
		j.finish(out)
		return
	}
	if why := refusal(j.action, *out.Snapshot); why != "" {
		out.Result, out.Err = worker.Refused, why
		j.finish(out)
		return
	}
	if j.action.Verb == worker.Kill {
		j.change(Request{Op: OpKill})
		return
	}
	j.stop()
}

func (j *job) stop() {
	grace := j.action.Grace
	if grace < 0 {
		grace = OwnGrace
	} else {
		grace = (grace + time.Second - 1).Truncate(time.Second) // the API takes whole seconds
	}
	j.change(Request{Op: OpStop, Grace: grace})
}

func refusal(a worker.Action, s worker.Snapshot) string {
	switch {
	case s.ID != a.Incarnation.ID || !s.StartedAt.Equal(a.Incarnation.StartedAt):
		return "it has been restarted since"
	case s.Status != worker.StatusRunning:
		return "it is " + string(s.Status)
	case a.OnlyIfUnhealthy && s.Health != worker.HealthUnhealthy:
		return "its health is " + string(s.Health)
	}
	return ""
}

// change sends the request that changes something, and looks at what came of it.
func (j *job) change(req Request) {
	req.By, req.Ref, req.Action = ByStoker, j.action.Incarnation.ID, j.action
	req.onRecord = func(r *Record) { j.record = r }
	j.sent = true
	j.s.w.Call(req, func(r Reply) {
		if j.over {
			return
		}
		j.sent = false
		switch {
		case r.Err == nil || r.Err.Status == http.StatusNotModified:
			j.after = true
			if j.action.Verb == worker.Stop || j.action.Verb == worker.Kill { // the exit event has the rest
				j.finish(worker.Outcome{Action: j.action, Result: worker.Done})
				return
			}
			j.inspect(j.conclude)
		case r.Err.Status == 0 && !r.Err.Unsent:
			j.finish(worker.Outcome{Action: j.action, Result: worker.Unknown, Failure: worker.Failure{Err: r.Err.Message}})
		case r.Err.Status == 0:
			j.finish(worker.Outcome{Action: j.action, Result: worker.Failed, Failure: worker.Failure{Err: r.Err.Message, Unreachable: true}})
		default:
			j.no = worker.Failure{Err: r.Err.Message, NetworkFailed: aboutNetworks(r.Err.Message)}
			j.inspect(func(after worker.Outcome) {
				out := worker.Outcome{Action: j.action, Result: worker.Failed, Failure: j.no, Answer: worker.Answer{Snapshot: after.Snapshot}}
				out.Missing = after.Missing
				j.finish(out)
			})
		}
	})
}

// conclude is the end after a yes. An inspect that fails then leaves open what holds now.
func (j *job) conclude(out worker.Outcome) {
	if out.Result == worker.Failed && !out.Missing {
		out.Result, out.Unreachable, out.Accepted = worker.Unknown, false, true
	}
	j.finish(out)
}

// GiveUp ends an action whose answer is not waited for any longer, as the end of its context does.
func (s *Sim) GiveUp(action uint64) {
	if j := s.actions.waiting[action]; j != nil {
		j.giveUp()
	}
}

// giveUp is the deadline. Before anything was sent nothing was done; after that it is unknown, unless the engine has refused.
func (j *job) giveUp() {
	out := worker.Outcome{Action: j.action, Result: worker.Failed, Failure: worker.Failure{Err: "context deadline exceeded", Unreachable: true}}
	switch {
	case j.sent, j.after:
		out.Result, out.Unreachable, out.Accepted = worker.Unknown, false, j.after
	case j.no.Err != "":
		out.Failure = j.no
	}
	j.finish(out)
}

func (j *job) finish(out worker.Outcome) {
	if j.over {
		return
	}
	j.over = true
	delete(j.s.actions.waiting, j.action.ID)
	j.limit.off()
	if j.record != nil && j.record.Answered.IsZero() {
		j.record.Answered = j.s.w.now
	}
	if !j.s.closed {
		j.s.actions.count--
		j.s.out = append(j.s.out, Output{At: j.s.w.now, Outcome: &out})
	}
}
