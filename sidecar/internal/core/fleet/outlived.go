package fleet

import (
	"time"

	"stoker/sidecar/internal/core/worker"
)

// outlived is a new container that still exists after its transaction without becoming the worker: an operator renamed it meanwhile. It becomes a
// worker of its own once it is observed under that name.
type outlived struct {
	events []worker.Observation // of the container, during the transaction
	round  uint64               // of the list that had its other name
}

// keepOutlived keeps the events of a new container that an operator has stopped, unless the transaction has removed it. Only these events show
// who stopped it. If its other name is already known it becomes a worker at once.
func (f *Fleet) keepOutlived(now time.Time, p *recreation, o worker.Outcome) {
	id := p.tx.New()
	if !o.OperatorStopped || !p.notified[id] || p.tx.Discarded() == id {
		return
	}
	var events []worker.Observation
	for _, seen := range p.buffered {
		if seen.ID == id {
			events = append(events, seen)
		}
	}
	if len(events) == 0 { // the buffer was full of another container's
		return
	}
	f.recreates.outlived[id] = outlived{events: events, round: f.stream.round}
	if last := events[len(events)-1]; last.Key != p.name && last.Kind != worker.Gone {
		f.route(now, last)
	}
}

// replayMissed passes the earlier events of a container to its new machine.
func (f *Fleet) replayMissed(now time.Time, m *member, rejected *worker.Observation) {
	if rejected != nil {
		f.step(now, m, *rejected)
	}
	for _, seen := range f.recreates.outlived[m.id].events {
		f.step(now, m, seen)
	}
	delete(f.recreates.outlived, m.id)
}
