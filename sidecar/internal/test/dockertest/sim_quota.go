package dockertest

import (
	"fmt"
	"net/http"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// sample is worker.Sample.
func (e *actionRunner) sample() {
	out := worker.Outcome{Result: worker.Failed}
	defer func() {
		if e.action.Host {
			out.Host = e.s.w.hostLoad()
		}
		e.finish(out)
	}()
	first, err := e.meter()
	if err == nil && e.action.Span {
		e.sleep(time.Second)
		var now worker.Stats
		if now, err = e.meter(); err == nil {
			out.Usage = &worker.Usage{Before: first, Now: now}
		}
	} else if err == nil {
		out.Usage = &worker.Usage{Now: first}
	}
	if out.Usage != nil {
		out.Result = worker.Done
	} else {
		out.Err, out.Unreachable = err.Error(), noAnswer(err)
	}
}

// hostLoad is what /proc shows of a host whose CPUs are busy and no more, or that is overloaded.
func (w *World) hostLoad() *worker.HostLoad {
	l := &worker.HostLoad{Busy: 1, Runnable: float64(w.config.CPUs), CPUs: w.config.CPUs}
	if w.machine.overloaded {
		l.Runnable *= 8
	}
	return l
}

// Overload makes the host short of CPU, or lets it recover. That alone makes no probe time out: see SetHealthCheck.
func (w *World) Overload(on bool) { w.machine.overloaded = on }

// askSource is worker.AskSource.
func (e *actionRunner) askSource() {
	out, took := worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Err: "there is no source"}}, time.Duration(0)
	if e.s.config.Ask != nil {
		out, took = e.s.config.Ask(e.action)
	}
	if !e.sleep(took) {
		out = worker.Outcome{Result: worker.Failed, Failure: worker.Failure{Err: "no answer within the time limit"}}
	}
	e.finish(out)
}

// MeterBy has f return how much CPU time the present life of a container has used. Where f has no value, the container is busy for half
// of its quota all the time.
func (w *World) MeterBy(f func(id string) (time.Duration, bool)) { w.machine.meter = f }

// meter is what a worker has used. One that f does not cover is neither starved nor hung nor idle.
func (e *actionRunner) meter() (worker.Stats, error) {
	d, err := e.see(e.action.Incarnation.ID)
	switch {
	case err != nil:
		return worker.Stats{}, err
	case d == nil || d.Status() != worker.StatusRunning:
		return worker.Stats{}, refuse(http.StatusConflict, "it is not running")
	}
	now, quota := e.s.w.EngineNow(), d.Spec.CPUs
	if quota == 0 {
		quota = 1
	}
	age := e.s.w.age(d.ID)
	periods := uint64(age / (100 * time.Millisecond))
	used := time.Duration(float64(age) * quota / 2)
	if e.s.w.machine.meter != nil {
		if own, ok := e.s.w.machine.meter(d.ID); ok {
			used = own
		}
	}
	return worker.Stats{At: now, CPU: used, Periods: periods, Throttled: periods / 10}, nil
}

// age is how long the present life of a container lasts. The kernel counts it whatever the wall clock does meanwhile.
func (w *World) age(id string) time.Duration {
	c := w.find(id)
	if c == nil || len(c.lives) == 0 {
		return 0
	}
	return w.Now().Sub(c.lives[len(c.lives)-1].Began)
}

// update is worker.Update.
func (e *actionRunner) update() {
	a := e.action
	before, err := e.see(a.Incarnation.ID)
	out := worker.Outcome{Result: worker.Failed}
	switch {
	case err != nil:
		out.Err, out.Unreachable = err.Error(), noAnswer(err)
	case before == nil:
		out.Missing = true
	case nanoCPUs(before.Spec.CPUs) != nanoCPUs(a.From):
		s := before.Snapshot()
		out.Result, out.Err, out.Snapshot = worker.Refused, fmt.Sprintf("its quota is %g", before.Spec.CPUs), &s
	default:
		out = e.setQuota()
	}
	e.finish(out)
}

func (e *actionRunner) setQuota() worker.Outcome {
	out := worker.Outcome{Result: worker.Done}
	r := e.ask(Request{Op: OpUpdate, Ref: e.action.Incarnation.ID, UpdateArgs: UpdateArgs{CPUs: e.action.CPUs}}, simCall)
	switch {
	case r.Err == nil:
	case r.Err.Status == 0 && !r.Err.Unsent:
		return worker.Outcome{Result: worker.Unknown, Failure: worker.Failure{Err: r.Err.Message}}
	default:
		out.Result, out.Err, out.Unreachable = worker.Failed, r.Err.Message, r.Err.Status == 0
	}
	after, err := e.see(e.action.Incarnation.ID)
	switch {
	case err != nil && out.Result == worker.Done:
		return worker.Outcome{Result: worker.Unknown, Failure: worker.Failure{Err: err.Error()}}
	case err == nil && after == nil:
		out.Result, out.Missing = worker.Failed, true
	case err == nil:
		s := after.Snapshot()
		out.Snapshot = &s
	}
	return out
}
