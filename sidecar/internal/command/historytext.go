package command

import (
	"fmt"
	"strings"
	"time"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
)

// eventTable returns a table of events. On a terminal the time is relative; in a file, which is read later, it is absolute.
func (e Env) eventTable(events []history.Entry, now time.Time) printTable {
	t := e.table(column{"WHEN", 8}, column{"WORKER", 10}, column{"EVENT", 8}, column{"WHAT", 8})
	for _, event := range events {
		t.rows = append(t.rows, row{cells: []cell{
			{e.when(event.At, now), faint}, {orDash(string(event.Key)), plain}, {string(event.Kind), kindColour(event.Kind)}, {what(event), plain},
		}})
	}
	return t
}

func (e Env) when(at, now time.Time) string {
	switch {
	case at.IsZero():
		return "-"
	case e.Width == 0:
		return at.UTC().Format(time.RFC3339)
	case now.Sub(at) < time.Second:
		return "now"
	}
	return short(now.Sub(at)) + " ago"
}

// what returns an event in a few words, the fixed ones of the contract first.
func what(e history.Entry) string {
	var parts []string
	add := func(when bool, format string, args ...any) {
		if when {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	switch e.Fault {
	case worker.FaultExited, worker.FaultOOM:
		add(true, "%s (%d)", e.Fault, e.ExitCode)
	default:
		add(e.Fault != "", "%s", e.Fault)
	}
	add(e.Reason != "" && string(e.Reason) != string(e.Fault), "%s", e.Reason)
	add(e.Intent != "" && e.Intent != worker.IntentNone, "by %s", e.Intent)
	add(e.Heal != "" && e.Attempt > 0, "%s %d", e.Heal, e.Attempt)
	add(e.Heal != "" && e.Attempt == 0, "%s", e.Heal)
	add(e.Delay > 0, "in %s", short(e.Delay))
	add(e.Duration > 0, "took %s", short(e.Duration))
	add(e.CPUs > 0 || e.From > 0, "%s to %s CPUs", cpus(e.From), cpus(e.CPUs))
	add(e.Detail != "", "%s", e.Detail)
	add(e.Output != "", "output: %s", strings.TrimSpace(e.Output))
	return orDash(strings.Join(parts, ", "))
}

func kindColour(kind worker.EventKind) colour {
	switch kind {
	case worker.EventProblem, worker.EventExhausted, worker.EventHealFailed, worker.EventEngineDisconnected, worker.EventHostOverloaded,
		worker.EventQuotaFailed, worker.EventNetworkLost, worker.EventDemandLost, worker.EventUnhealthy, worker.EventStopped,
		worker.EventTaskLost:
		return red
	case worker.EventFault, worker.EventRefused, worker.EventHung, worker.EventOutOfMemory, worker.EventGraceTooShort, worker.EventStatsUnavailable, worker.EventUnprobed,
		worker.EventDemandLimited, worker.EventServiceHeld, worker.EventServiceForced:
		return yellow
	case worker.EventHealed, worker.EventRecovered, worker.EventStable, worker.EventEngineConnected, worker.EventHostRecovered,
		worker.EventNetworkRestored, worker.EventWoken, worker.EventDemandBack:
		return green
	case worker.EventManaged, worker.EventUnmanaged, worker.EventHeld, worker.EventQuota, worker.EventDependentsRestarted, worker.EventAsleep,
		worker.EventPaused, worker.EventResumed, worker.EventEvidence, worker.EventServiceScaled:
		return plain
	}
	return plain
}
