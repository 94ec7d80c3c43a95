package dockertest

import (
	"time"

	"stoker/sidecar/internal/core/worker"
)

// outsideProbe is a probe of a worker over the network, which the engine has no part in.
func (e *actionRunner) outsideProbe() {
	const prompt = 20 * time.Millisecond
	answer := worker.ProbeAnswer{Verdict: worker.VerdictBad, Detail: "refuses the connection"}
	defer func() { e.finish(worker.Outcome{Result: worker.Done, Answer: worker.Answer{Probe: &answer}}) }()
	if !e.sleep(prompt) {
		return
	}
	c := e.s.w.find(e.action.Incarnation.ID)
	if c == nil || !c.Running || c.process == nil {
		return
	}
	switch check := c.process.healthCheck(e.s.w.now); {
	case check == Passing && !c.Paused:
		answer = worker.ProbeAnswer{Verdict: worker.VerdictSuccess, Address: loopbackOf(c.ID)}
	case check == Failing && !c.Paused:
		answer.Detail = "answered 503"
	default:
		e.sleep(e.action.Probe.Timeout - prompt)
		answer = worker.ProbeAnswer{Verdict: worker.VerdictNoAnswer, Detail: "no answer"}
	}
}
