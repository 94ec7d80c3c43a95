package fleet

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// answerTimeout is how long an answer may lag behind the event that says the request was carried out. An engine answers within
// milliseconds of that event; where it does not, the answer is lost (a proxy, a connection that died without a word, an engine that
// hangs after the deed), and the worker would have nobody to look after it until the action's deadline, up to a minute and a
// half later.
const answerTimeout = 5 * time.Second

// seenDone notes that the event of what an action asks for has come by before its answer.
//
// A Collect of a worker that is dead has nothing left to do, and must not delay its start.
func (f *Fleet) seenDone(now time.Time, o worker.Observation) {
	if o.History() || (o.Kind != worker.Started && o.Kind != worker.Exited) {
		return
	}
	for id, fl := range f.actions.inFlight {
		if fl.verb == worker.Collect && o.Kind == worker.Exited && fl.id == o.ID && fl.done.IsZero() {
			fl.done = now.Add(-answerTimeout)
			f.actions.inFlight[id] = fl
			continue
		}
		asked := (fl.verb == worker.Start && o.Kind == worker.Started) || ((fl.verb == worker.Stop || fl.verb == worker.Kill) && o.Kind == worker.Exited)
		if asked && fl.id == o.ID && fl.done.IsZero() {
			fl.done = now
			f.actions.inFlight[id] = fl
		}
	}
}

// giveUpDue says of which actions no answer is waited for any longer. Their outcome is Unknown, and an inspect tells the rest.
func (f *Fleet) giveUpDue(now time.Time) {
	for id, fl := range f.actions.inFlight {
		if !fl.done.IsZero() && !fl.givenUp && !now.Before(fl.done.Add(answerTimeout)) {
			fl.givenUp = true
			f.actions.inFlight[id] = fl
			f.out.GiveUp = append(f.out.GiveUp, id)
		}
	}
	slices.Sort(f.out.GiveUp)
}

func (f *Fleet) answerWake() time.Time {
	var wake time.Time
	for _, fl := range f.actions.inFlight {
		if end := fl.done.Add(answerTimeout); !fl.done.IsZero() && !fl.givenUp && (wake.IsZero() || end.Before(wake)) {
			wake = end
		}
	}
	return wake
}
