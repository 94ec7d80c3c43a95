package notify

import (
	"context"
	"sync"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// Result is the outcome of a test message to one target. It contains no secret.
type Result struct {
	Target  string        // the URL, redacted
	OK      bool          // the service took the message
	Problem string        // what happened, if not
	Advice  string        // and what to do about it
	Took    time.Duration // of the one try
}

// Test sends a test message to every target at once, in one try of some twenty seconds at most, and returns the results in the
// order of the URLs. It is for a Notifier that does not run.
func (n *Notifier) Test(ctx context.Context) []Result {
	results := make([]Result, len(n.targets))
	var sending sync.WaitGroup
	for i, t := range n.targets {
		sending.Go(func() { results[i] = t.test(ctx) })
	}
	sending.Wait()
	return results
}

func (t *target) test(ctx context.Context) Result {
	began := time.Now()
	t.seq++
	m := t.renderer.message(Digest{At: began, Items: []Item{{Kind: kindTest, Event: worker.Event{At: began, Kind: kindTest}}}}, 0)
	m.seq = t.seq
	err := t.try(ctx, m)
	r := Result{Target: t.redactor.name, OK: err == nil, Took: time.Since(began)}
	if err != nil {
		c := explain(err, t.redactor)
		r.Problem, r.Advice = c.problem, c.advice
	}
	return r
}
