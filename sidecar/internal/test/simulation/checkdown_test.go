package simulation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

// unexplainedDown checks a worker that is down although an operator wants it to run. It returns what is wrong, or "" if the worker may be down.
func (r *run) unexplainedDown(t dockertest.Truth, w fleet.WorkerView) string {
	// A renamed container, or one that an interrupted docker-compose left behind, may have the port.
	if port := r.specs[plannedName(t)].HostPort; r.parentUnavailable(t) || (port != 0 && strings.Contains(t.StartError, "address already in use")) {
		return ""
	}
	p := r.policyOf(t)
	switch w.Held {
	case worker.HeldAsleep:
		if inPool(t) {
			return "" // checkWork checks whether a worker is needed
		}
		return "it has no demand"
	case worker.HeldExhausted:
		if p.MaxAttempts > 0 && w.Attempts >= p.MaxAttempts && p.WhenExhausted == policy.WhenExhaustedHold {
			return ""
		}
		return fmt.Sprintf("%d attempts of %d", w.Attempts, p.MaxAttempts)
	case worker.HeldFinished:
		if r.finished(t, p) || r.restartFailed(t) || r.ranUnseen(t) {
			return ""
		}
		return "its work is not done"
	case worker.HeldExitNotObserved:
		if !r.checks.timeline.journalLost.IsZero() || !r.journal.expected[t.ID] || !r.startObserved(t.ID) {
			return ""
		}
		if r.journal.asleep[t.ID] { // it was started since, and Stoker stopped before its first list was complete
			return ""
		}
		return "its exit was observed, or it was expected to run"
	case worker.HeldNeverStarted:
		if _, _, ok := worker.ReplacementOf(t.Labels); ok && r.renamed(r.root(t)) {
			return "" // an operator renamed it during the recreate that created it
		}
		return "its start was tried, or is due"
	case worker.HeldReplaced:
		if strings.Contains(string(t.Key), "_") {
			return ""
		}
		return "it has no replacement"
	case worker.HeldOperator:
		if r.restartFailed(t) || r.shutdownUnclear() || r.lateStop(t.ID) || r.clockSteppedDuringStop(t.ID) ||
			len(r.checks.timeline.eventsDropped) > 0 || !r.checks.timeline.journalLost.IsZero() {
			return ""
		}
		return "no operator stopped it"
	}
	return "it should run"
}

// finished reports whether a worker is to stay down after its exit.
func (r *run) finished(t dockertest.Truth, p policy.Policy) bool {
	clean := t.ExitCode == 0 && !t.OOMKilled && t.StartError == "" || r.startRefused(t)
	return p.OnExit == policy.OnExitNever || clean && p.OnExit == policy.OnExitFailure ||
		clean && t.RestartPolicy.Name == "on-failure" && !p.OnExitExplicit
}

// startRefused reports whether the engine refused an operator's start of a finished container. It sends no event of that, and the operator
// received the error.
func (r *run) startRefused(t dockertest.Truth) bool {
	last := dockertest.Record{}
	for _, a := range r.world.Audit() {
		if a.Incarnation.ID == t.ID && a.Op == dockertest.OpStart {
			last = a
		}
	}
	done := len(t.Lives) > 0 && t.Lives[len(t.Lives)-1].ExitCode == 0
	return done && last.By == dockertest.ByOperator && !last.Effect
}

// startObserved reports whether Stoker observed the last start of a container.
func (r *run) startObserved(id string) bool {
	observed := false
	for _, e := range r.world.Events() {
		if e.ID == id && e.Action == "start" {
			_, observed = r.journal.observed[eventKey{id, worker.Started, e.At.UnixNano()}]
		}
	}
	return observed
}

// ranUnseen reports whether the engine dropped the start event of a container's last incarnation, and every event since, and no Stoker was started
// since. Between two lists the container seems to have stayed down, and a list shows neither when it started nor its exit code.
func (r *run) ranUnseen(t dockertest.Truth) bool {
	began, _ := lastIncarnation(t)
	since := slices.ContainsFunc(r.checks.timeline.started, func(at time.Time) bool { return at.After(began) })
	seen := slices.ContainsFunc(r.world.History(t.ID), func(e dockertest.Event) bool { return !e.TrueAt.Before(began) && !e.SeenAt.IsZero() })
	return len(r.checks.timeline.eventsDropped) > 0 && !since && !seen
}

// restartFailed reports whether the last restart or start of an operator was a restart whose start failed, of the container or of one that
// replaced it in a recreate that was rolled back.
func (r *run) restartFailed(t dockertest.Truth) bool {
	failed := false
	for _, a := range r.world.Audit() {
		other, _ := r.world.TruthByID(a.Incarnation.ID)
		if a.By != dockertest.ByOperator || r.root(other) != r.root(t) {
			continue
		}
		switch {
		case a.Op == dockertest.OpRestart:
			failed = !a.Effect
		case a.Op == dockertest.OpStart && a.Effect:
			failed = false
		}
	}
	return failed
}

// shutdownUnclear reports whether Stoker could not recognize a shutdown of the engine: Stoker had no list yet or was killed during the
// shutdown, events were dropped, the clock stepped, or a container was started during the shutdown, which an engine that shuts down does not
// do.
func (r *run) shutdownUnclear() bool {
	timeline := r.checks.timeline
	if timeline.downBeforeSync {
		return true
	}
	const longest = 40 * time.Second
	within := func(at, down time.Time) bool { return !at.Before(down) && at.Sub(down) < longest }
	for _, down := range timeline.engineDown {
		for _, at := range timeline.killed {
			if within(at, down) {
				return true
			}
		}
		for _, at := range slices.Concat(timeline.eventsDropped, timeline.clockSteps) {
			if within(at, down.Add(-longest)) || within(at, down) {
				return true
			}
		}
		for _, e := range r.world.Events() {
			if e.Action == "start" && e.By != dockertest.ByEngine && within(e.TrueAt, down) {
				return true
			}
		}
	}
	return false
}

// lateStop reports whether a stop of Stoker's own arrived so late that it stopped a later incarnation than it was meant for.
func (r *run) lateStop(id string) bool {
	return slices.ContainsFunc(r.world.Audit(), func(a dockertest.Record) bool {
		return a.By == dockertest.ByStoker && a.Op == dockertest.OpStop && a.Incarnation.ID == id &&
			!a.Incarnation.StartedAt.Equal(a.Action.Incarnation.StartedAt)
	})
}
