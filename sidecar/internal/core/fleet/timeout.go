package fleet

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// answerTimeout is the maximum delay of an answer after the event that shows that the request was done. An engine answers within milliseconds of
// that event. Otherwise the answer is lost (a proxy, a broken connection, an engine that hangs afterwards). Without this timeout the worker would
// be unattended until the action's deadline, up to a minute and a half later.
const answerTimeout = 5 * time.Second

// seenDone records that the event of an action was observed before its answer.
//
// A Collect of an exited worker has nothing left to do, and must not delay its start.
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

// giveUpDue gives up actions whose answer is overdue. Their outcome is Unknown, and an inspect shows the state.
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
