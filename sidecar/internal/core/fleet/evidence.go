package fleet

import (
	"slices"
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/worker"
)

const (
	// maxLogReads bounds the readings of log lines under way at once.
	maxLogReads = 8
	// maxLogQueue bounds those that wait. When all workers of a large host crash together, the first ones tell enough.
	maxLogQueue = 256
	// logsDeadline bounds one reading. Nothing waits for it, and it waits for the start: Docker holds the container's lock while it
	// starts it (20.10 and 28.5), which takes a busy host more than five seconds.
	logsDeadline = 30 * time.Second
)

// logReads are the readings of last log lines, under way and waiting. They are apart from the workers' own actions, so that no start
// waits for one.
type logReads struct {
	waiting  []worker.Action
	underWay int
}

// wantLogs queues the reading that a machine has asked for.
func (f *Fleet) wantLogs(m *member, r *worker.LogsRequest) {
	if r == nil || f.set.DryRun || len(f.logs.waiting) >= maxLogQueue {
		return
	}
	f.logs.waiting = append(f.logs.waiting, worker.Action{
		Verb: worker.ReadLogs, Key: m.key(), Incarnation: r.Incarnation, Deadline: logsDeadline,
		Evidence: &worker.EvidenceRequest{HealID: r.HealID, Until: r.Until, ExitCode: r.ExitCode},
	})
}

// readLogsDue sends what waits and has room. While the engine is disconnected it waits.
func (f *Fleet) readLogsDue() {
	for f.reads() && len(f.logs.waiting) > 0 && f.logs.underWay < maxLogReads {
		a := f.logs.waiting[0]
		f.logs.waiting = f.logs.waiting[1:]
		f.logs.underWay++
		f.send(inFlight{session: f.stream.session, verb: worker.ReadLogs}, a)
	}
}

// logsRead tells what a life has printed last. The worker may be gone since.
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

// tookWorkMeanwhile reports whether a worker that is to sleep holds an item, by what its source tells: it was idle when that was decided,
// and may have taken one while stoker.before-stop ran. Its stop waits until that is done. It is not taken back, for a worker whose command
// was to drain it takes no more work.
func (f *Fleet) tookWorkMeanwhile(m *member) bool {
	if m.class != worker.ClassStop || m.group == nil || !m.machine.DrainedForSleep() {
		return false
	}
	pending := slices.ContainsFunc(m.group.settings.Sources, func(s demand.Source) bool { return f.demands.sources[s].State == demand.SourcePending })
	return pending || f.inHand(m.group, m) > 0 // it was the Stoker before this one that asked
}

// collected tells a worker what a step of its recreate has collected.
func (f *Fleet) collected(now time.Time, p *recreation, o worker.Outcome) {
	if p.member != nil && o.Evidence != nil {
		f.step(now, p.member, worker.RecreateCollected{Outcome: o})
	}
}
