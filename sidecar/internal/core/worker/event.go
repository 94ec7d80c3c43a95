package worker

import "time"

// EventKind is the kind of an Event.
type EventKind string

// The kinds of events. Machines never log: one sink turns events into log lines, journal records, metrics and messages.
const (
	EventManaged             EventKind = "managed"              // a worker is managed from now on
	EventUnmanaged           EventKind = "unmanaged"            // a worker is gone or no longer selected
	EventProblem             EventKind = "problem"              // its labels are wrong; it is held
	EventHeld                EventKind = "held"                 // left alone on purpose
	EventFault               EventKind = "fault"                // something is wrong and a heal was decided on
	EventHealFailed          EventKind = "heal-failed"          // an attempt failed
	EventHealed              EventKind = "healed"               // running, and healthy if it has a health check
	EventRecovered           EventKind = "recovered"            // healthy again without Stoker
	EventStable              EventKind = "stable"               // the attempts were reset to 0
	EventExhausted           EventKind = "exhausted"            // the retry limit was reached
	EventRefused             EventKind = "refused"              // it cannot be recreated unchanged, and is restarted instead
	EventUnhealthy           EventKind = "unhealthy"            // it is left so; its label only asks for a notification
	EventStopped             EventKind = "stopped"              // it was unhealthy, and its label asks for a stop
	EventHung                EventKind = "hung"                 // its probe timed out with an idle CPU: it is healed at once
	EventOutOfMemory         EventKind = "out-of-memory"        // the kernel killed a process in it, but not the main one
	EventGraceTooShort       EventKind = "grace-too-short"      // its quota throttled it, so Stoker's stop ended with SIGKILL
	EventEvidence            EventKind = "evidence"             // what was collected around the end of an incarnation
	EventStatsUnavailable    EventKind = "stats-unavailable"    // decided without the CPU readings that were requested
	EventUnprobed            EventKind = "unprobed"             // its probe from outside is impossible; the rest continues
	EventQuota               EventKind = "quota"                // its CPU quota was set, from From to CPUs
	EventQuotaFailed         EventKind = "quota-failed"         // the quota could not be set; it is retried
	EventNetworkLost         EventKind = "network-lost"         // it runs without a network that a failed start removed; connecting is retried
	EventNetworkRestored     EventKind = "network-restored"     // it was connected again
	EventDependentsRestarted EventKind = "dependents-restarted" // its dependents were restarted with it, or could not be
	EventEngineDisconnected  EventKind = "engine-disconnected"  // the engine does not answer
	EventEngineConnected     EventKind = "engine-connected"     // it answers, and the snapshot is complete
	EventHostOverloaded      EventKind = "host-overloaded"      // restarts of running workers wait
	EventHostRecovered       EventKind = "host-recovered"       // the host is no longer overloaded
	EventPaused              EventKind = "paused"               // an operator paused Stoker's actions on workers
	EventResumed             EventKind = "resumed"              // the pause is over
	EventWoken               EventKind = "woken"                // it slept, and runs again; healthy if it has a health check
	EventAsleep              EventKind = "asleep"               // stopped for lack of work
	EventDemandLost          EventKind = "demand-lost"          // a source of work does not answer with a number
	EventDemandBack          EventKind = "demand-back"          // the source answers again
	EventDemandLimited       EventKind = "demand-limited"       // a group has more work than workers that may run
	EventServiceScaled       EventKind = "service-scaled"       // a Swarm service was given another number of replicas
	EventServiceHeld         EventKind = "service-held"         // the number is left unchanged, for a reason
	EventServiceForced       EventKind = "service-forced"       // it was updated by force, which brings lost tasks back
	EventTaskLost            EventKind = "task-lost"            // a task was unhealthy and exited with 0; Swarm may not replace it
)

// Event is one fact for people. Strings from a container (Output, Detail) are untrusted.
type Event struct {
	At     time.Time
	Kind   EventKind
	Key    Key
	ID     string // container ID
	Group  string // the worker's group, or the one that the event is about; empty without demand
	Reason Reason
	HealDetails
	QuotaChange
	Detail   string        // the engine's error, the label problem
	Evidence *HealEvidence // EventEvidence; must not be changed
}

// HealDetails describe the heal of an event, and its fault.
type HealDetails struct {
	HealID   uint64 // 0 if the event is about none
	Fault    Fault
	Intent   Intent
	Heal     HealAction
	Attempt  int
	Delay    time.Duration // EventFault, EventHealFailed: delay before the next attempt
	Duration time.Duration // EventHealed, EventHealFailed: since the fault was detected
	ExitCode int           // meaningful for FaultExited and FaultOOM
	Output   string        // the last health output
}

// QuotaChange is the change of an EventQuota or EventQuotaFailed.
type QuotaChange struct {
	From float64 // CPUs before; 0 is none
	CPUs float64 // and after
}
