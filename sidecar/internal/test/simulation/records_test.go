package simulation

import (
	"fmt"
	"slices"
	"time"

	"stoker/sidecar/internal/core/worker"
)

// checks holds what the checkers found, and what they need from the run so far.
type checks struct {
	violations []string
	timeline   timeline
	records    records
}

// timeline has the times at which something happened that may excuse a deviation.
type timeline struct {
	engineDown     []time.Time // the engine stopped or crashed
	downBeforeSync bool        // one of them came before a Stoker had its first list
	clockSteps     []time.Time // of the engine's host
	eventsDropped  []time.Time
	started        []time.Time // a Stoker started
	killed         []time.Time // a Stoker was killed
	journalLost    time.Time   // the last time; zero if never
}

// records has what was recorded about containers.
type records struct {
	stops             []decidedStop
	unsaved           map[string]int              // by worker: how often a Stoker was killed before the journal had the worker's last state
	disconnectUnclear map[string]bool             // by worker: disconnected while Stoker took its networks for lost, or did not run
	networkMissing    map[string]bool             // by the first container of a worker: its first inspect lacked a network
	signalled         map[string]time.Time        // by container: the start of the incarnation that was signalled last
	commandSent       map[worker.Incarnation]bool // the command before the stop was sent
	resumed           map[string][]time.Time      // by container: when an operator's resume reset the attempts
}

func newRecords() records {
	return records{
		unsaved: map[string]int{}, disconnectUnclear: map[string]bool{}, networkMissing: map[string]bool{},
		signalled: map[string]time.Time{}, commandSent: map[worker.Incarnation]bool{},
		resumed: map[string][]time.Time{},
	}
}

// decidedStop is a stop that a Stoker decided on. If that Stoker was killed, the next one cannot find out whether the stop was sent.
type decidedStop struct {
	id      string
	at      time.Time
	stoker  int // which Stoker, counted from 1
	timeout time.Duration
}

// violate records that the run broke a rule, which ends the run.
func (r *run) violate(format string, args ...any) {
	line := fmt.Sprintf("at %.3f: ", r.world.Now().Sub(r.start).Seconds()) + fmt.Sprintf(format, args...)
	r.checks.violations = append(r.checks.violations, line)
	r.tracef("#### %s", line)
}

// recordObservation records what the checkers need of an observation that Stoker received.
func (r *run) recordObservation(o worker.Observation) {
	r.tally.observations++
	timedOut := r.stoker.overload.timedOut
	switch o.Kind {
	case worker.Unhealthy:
		t, _ := r.world.TruthByID(o.ID)
		if p, ok := t.LastProbe(); ok && p.ExitCode == worker.ProbeTimedOut {
			timedOut[o.ID] = r.world.Now()
		}
	case worker.Healthy, worker.Started, worker.Exited, worker.Paused, worker.Resumed:
		delete(timedOut, o.ID)
	case worker.Signalled, worker.Stopped:
		t, _ := r.world.TruthByID(o.ID)
		r.checks.records.signalled[o.ID] = t.StartedAt
	}
}

// recordEvent records what the checkers need of an event that Stoker emitted.
func (r *run) recordEvent(e worker.Event) {
	r.tally.workerEvents[e.Kind]++
	now := r.world.Now()
	switch e.Kind {
	case worker.EventHostOverloaded:
		r.stoker.overload.since, r.stoker.overload.lastTrickle = now, now
	case worker.EventHostRecovered:
		r.stoker.overload.since = time.Time{}
	}
}

// recordFirstInspect records whether the first inspect of a worker lacks a network that the container was given.
func (r *run) recordFirstInspect(o worker.Outcome) {
	if o.Snapshot == nil {
		return
	}
	t, _ := r.world.TruthByID(o.Snapshot.ID)
	missing := r.checks.records.networkMissing
	if _, recorded := missing[r.root(t)]; !recorded {
		missing[r.root(t)] = slices.ContainsFunc(t.Given, func(name string) bool { return !slices.Contains(o.Snapshot.Networks, name) })
	}
}
