package fleet

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/worker"
)

const (
	// maxLogReads is the maximum number of log reads in flight.
	maxLogReads = 8
	// maxLogQueue is the maximum number that wait. When all workers of a large host crash together, the first ones are enough.
	maxLogQueue = 256
	// logsDeadline is the deadline of one read. Nothing waits for it, but it may wait for a start: Docker holds the container's lock while it
	// starts it (20.10 and 28.5), which takes more than five seconds on a busy host.
	logsDeadline = 30 * time.Second
)

// logReads are the reads of last log lines, in flight and waiting. They are separate from the workers' own actions, so that they delay no start.
type logReads struct {
	waiting  []worker.Action
	underWay int
}

// wantLogs queues the read that a machine has requested.
func (f *Fleet) wantLogs(m *member, r *worker.LogsRequest) {
	if r == nil || f.set.DryRun || len(f.logs.waiting) >= maxLogQueue {
		return
	}
	f.logs.waiting = append(f.logs.waiting, worker.Action{
		Verb: worker.ReadLogs, Key: m.key(), Incarnation: r.Incarnation, Deadline: logsDeadline,
		Evidence: &worker.EvidenceRequest{HealID: r.HealID, Until: r.Until, ExitCode: r.ExitCode},
	})
}

// readLogsDue sends waiting reads while there is capacity and the engine is connected.
func (f *Fleet) readLogsDue() {
	for f.reads() && len(f.logs.waiting) > 0 && f.logs.underWay < maxLogReads {
		a := f.logs.waiting[0]
		f.logs.waiting = f.logs.waiting[1:]
		f.logs.underWay++
		f.send(inFlight{session: f.stream.session, verb: worker.ReadLogs}, a)
	}
}

// logsRead reports the last log lines of an incarnation. Its worker may be gone.
func (f *Fleet) logsRead(now time.Time, o worker.Outcome) {
	f.logs.underWay--
	if o.Evidence.Empty() {
		return
	}
	e := worker.Event{
		At: now, Kind: worker.EventEvidence, Key: o.Action.Key, ID: o.Action.Incarnation.ID, HealDetails: worker.HealDetails{HealID: o.Action.Evidence.HealID},
		Detail: o.Evidence.Summary(), Evidence: o.Evidence,
	}
	if m := f.members[e.Key]; m != nil && m.group != nil {
		e.Group = m.group.name
	}
	f.out.Events = append(f.out.Events, e)
}

// tookWorkMeanwhile reports whether a worker that is being put to sleep holds an item, as its source reports. It was idle at the decision, and
// may have taken an item while stoker.before-stop ran. Its stop then waits until the item is done. The sleep is not cancelled, because a drained
// worker takes no more work.
func (f *Fleet) tookWorkMeanwhile(m *member) bool {
	if m.class != worker.ClassStop || m.group == nil || !m.machine.DrainedForSleep() {
		return false
	}
	pending := slices.ContainsFunc(m.group.settings.Sources, func(s demand.Source) bool { return f.demands.sources[s].State == demand.SourcePending })
	return pending || f.inHand(m.group, m) > 0 // the previous Stoker asked it
}

// collected passes evidence that a step of a recreate has collected to its worker.
func (f *Fleet) collected(now time.Time, p *recreation, o worker.Outcome) {
	if p.member != nil && o.Evidence != nil {
		f.step(now, p.member, worker.RecreateCollected{Outcome: o})
	}
}
