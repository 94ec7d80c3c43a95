package dockertest

import (
	"iter"
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// actionRunner is a run of requests for one action, written down one after the other as in the Docker package. It is a
// coroutine: the world's one thread goes on with it when an answer has come. It ends with its last line; when its Sim is
// closed every request and every wait of it fails at once, and nothing more is sent.
type actionRunner struct {
	s      *Sim
	action worker.Action
	limit  time.Time // no request and no wait goes on past it
	yield  func(arm) bool
	resume func()
	stop   func()
	dead   bool
}

// arm schedules the run to go on at some time.
type arm func(resume func())

// run begins one.
func (s *Sim) run(a worker.Action, do func(*actionRunner)) {
	e := &actionRunner{s: s, action: a, limit: s.w.now.Add(a.Deadline)}
	next, stop := iter.Pull(func(yield func(arm) bool) {
		e.yield = yield
		do(e)
	})
	e.stop = stop
	e.resume = func() {
		if then, more := next(); more {
			then(e.resume)
			return
		}
		s.actions.runners = slices.DeleteFunc(s.actions.runners, func(other *actionRunner) bool { return other == e })
	}
	s.actions.runners = append(s.actions.runners, e)
	e.resume()
}

// await lets the world go on until what was armed happens; false when no run is left to go on.
func (e *actionRunner) await(then arm) bool {
	if e.dead {
		return false
	}
	e.dead = !e.yield(func(resume func()) {
		resumed := false
		then(func() {
			if !resumed {
				resumed = true
				resume()
			}
		})
	})
	return !e.dead
}

// late reports whether its time is over.
func (e *actionRunner) late() bool { return e.dead || !e.s.w.now.Before(e.limit) }

// sleep is false when the time was over first.
func (e *actionRunner) sleep(d time.Duration) bool {
	if e.late() {
		return false
	}
	d = min(d, e.limit.Sub(e.s.w.now))
	return e.await(func(resume func()) { e.s.w.after(d, resume) }) && !e.late()
}

// ask sends one request and waits so long for its answer.
func (e *actionRunner) ask(req Request, patience time.Duration) Reply {
	reply := Reply{Err: &Error{Message: "context deadline exceeded"}}
	if e.late() {
		reply.Err.Unsent = true
		return reply
	}
	w := e.s.w
	var record *Record
	over := false
	req.By, req.Action = ByStoker, e.action
	req.onRecord = func(r *Record) { record = r }
	e.await(func(resume func()) {
		limit := w.after(min(patience, e.limit.Sub(w.now)), func() {
			over = true
			if record != nil && record.Answered.IsZero() {
				record.Answered = w.now
			}
			resume()
		})
		w.Call(req, func(r Reply) {
			if !over { // else it was given up
				limit.off()
				reply = r
				resume()
			}
		})
	})
	return reply
}

// finish passes the outcome on.
func (e *actionRunner) finish(out worker.Outcome) {
	out.Action = e.action
	if e.s.closed {
		return
	}
	e.s.actions.count--
	e.s.out = append(e.s.out, Output{At: e.s.w.now, Outcome: &out})
}
