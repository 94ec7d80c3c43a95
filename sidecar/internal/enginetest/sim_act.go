package enginetest

import (
	"net/http"
	"time"

	"stoker/sidecar/internal/lifecycle"
)

// job is one action under way, as Stoker's Docker package runs it: same requests, same answers.
type job struct {
	s      *Sim
	action lifecycle.Action
	over   bool
	record *Record // of the request that changes something
	sent   bool    // that request may have reached the engine, and has no answer yet
	after  bool    // it was answered with yes
	limit  *due
}

// Do begins an action. Its outcome comes out later, at its deadline or, for a transaction on its way back, soon after it.
func (s *Sim) Do(a lifecycle.Action) {
	s.jobs++
	switch a.Verb {
	case lifecycle.Look:
		j := s.job(a)
		j.look(j.finish)
	case lifecycle.Start:
		s.job(a).change(Request{Op: OpStart})
	case lifecycle.Stop:
		j := s.job(a)
		j.look(j.judge)
	case lifecycle.Recreate:
		s.errand(a, (*errand).recreate)
	case lifecycle.Resume:
		s.errand(a, (*errand).resumePair)
	case lifecycle.Follow:
		s.errand(a, (*errand).follow)
	case lifecycle.Sample:
		s.errand(a, (*errand).sample)
	case lifecycle.Update:
		s.errand(a, (*errand).update)
	}
}

func (s *Sim) job(a lifecycle.Action) *job {
	j := &job{s: s, action: a}
	s.waiting[a.ID] = j
	if a.Deadline > 0 {
		j.limit = s.w.after(a.Deadline, j.giveUp)
	}
	return j
}

// Busy is how many actions have no outcome yet.
func (s *Sim) Busy() int { return s.jobs }

func (j *job) look(then func(lifecycle.Outcome)) {
	j.s.w.Call(Request{By: ByStoker, Op: OpInspect, Ref: j.action.Incarnation.ID}, func(r Reply) {
		if j.over {
			return
		}
		out := lifecycle.Outcome{Action: j.action, Result: lifecycle.Done}
		if r.Err != nil {
			out.Result, out.Err = lifecycle.Failed, r.Err.Message
			out.Missing, out.Unreachable = r.Err.Status == http.StatusNotFound, r.Err.Status == 0
		} else {
			snapshot := r.Details.Snapshot()
			out.Snapshot = &snapshot
		}
		then(out)
	})
}

// judge stops only what the stop was decided on.
func (j *job) judge(out lifecycle.Outcome) {
	if out.Result != lifecycle.Done {
		j.finish(out)
		return
	}
	if why := refusal(j.action, *out.Snapshot); why != "" {
		out.Result, out.Err = lifecycle.Refused, why
		j.finish(out)
		return
	}
	grace := j.action.Grace
	if grace < 0 {
		grace = OwnGrace
	} else {
		grace = (grace + time.Second - 1).Truncate(time.Second) // the API takes whole seconds
	}
	j.change(Request{Op: OpStop, Grace: grace})
}

func refusal(a lifecycle.Action, s lifecycle.Snapshot) string {
	switch {
	case s.ID != a.Incarnation.ID || !s.StartedAt.Equal(a.Incarnation.StartedAt):
		return "it has been restarted since"
	case s.Status != lifecycle.StatusRunning:
		return "it is " + string(s.Status)
	case a.OnlyIfUnhealthy && s.Health != lifecycle.HealthUnhealthy:
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
			j.look(j.conclude)
		case r.Err.Status == 0 && !r.Err.Unsent:
			j.finish(lifecycle.Outcome{Action: j.action, Result: lifecycle.Unknown, Err: r.Err.Message})
		case r.Err.Status == 0:
			j.finish(lifecycle.Outcome{Action: j.action, Result: lifecycle.Failed, Err: r.Err.Message, Unreachable: true})
		default:
			j.look(func(after lifecycle.Outcome) {
				j.finish(lifecycle.Outcome{
					Action: j.action, Result: lifecycle.Failed, Err: r.Err.Message, Snapshot: after.Snapshot, Missing: after.Missing,
				})
			})
		}
	})
}

// conclude is the end after a yes. A look that fails then leaves open what holds now; with --rm the end of a stop is the
// removal.
func (j *job) conclude(out lifecycle.Outcome) {
	if out.Result == lifecycle.Failed && !out.Missing {
		out.Result, out.Unreachable = lifecycle.Unknown, false
	}
	if out.Missing && j.action.Verb == lifecycle.Stop {
		out.Result, out.Err = lifecycle.Done, ""
	}
	j.finish(out)
}

// GiveUp ends an action whose answer is not waited for any longer, as the end of its context does.
func (s *Sim) GiveUp(action uint64) {
	if j := s.waiting[action]; j != nil {
		j.giveUp()
	}
}

// giveUp is the deadline. Before anything was sent nothing was done; after that nobody knows.
func (j *job) giveUp() {
	out := lifecycle.Outcome{Action: j.action, Result: lifecycle.Failed, Err: "context deadline exceeded", Unreachable: true}
	if j.sent || j.after {
		out.Result, out.Unreachable = lifecycle.Unknown, false
	}
	j.finish(out)
}

func (j *job) finish(out lifecycle.Outcome) {
	if j.over {
		return
	}
	j.over = true
	delete(j.s.waiting, j.action.ID)
	j.limit.off()
	if j.record != nil && j.record.Answered.IsZero() {
		j.record.Answered = j.s.w.now
	}
	if !j.s.closed {
		j.s.jobs--
		j.s.out = append(j.s.out, Output{At: j.s.w.now, Outcome: &out})
	}
}
