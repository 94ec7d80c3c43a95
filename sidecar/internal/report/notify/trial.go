package notify

import (
	"context"
	"sync"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// Result is what became of a test message to one target. Nothing of it holds a secret.
type Result struct {
	Target  string        // the URL, masked
	OK      bool          // the service took the message
	Problem string        // what happened, if not
	Advice  string        // and what to do about it
	Took    time.Duration // of the one try
}

// Test sends a test message to every target at once, in one try of some twenty seconds at most, and tells what happened, in the
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
	m := t.writer.message(Digest{At: began, Events: []Event{{Kind: kindTest, Note: worker.Event{At: began, Kind: kindTest}}}}, 0)
	m.seq = t.seq
	err := t.try(ctx, m)
	r := Result{Target: t.mask.name, OK: err == nil, Took: time.Since(began)}
	if err != nil {
		c := explain(err, t.mask)
		r.Problem, r.Advice = c.what, c.todo
	}
	return r
}
