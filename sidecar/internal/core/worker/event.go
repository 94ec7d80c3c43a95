package worker

import "time"

// EventKind says what a Note tells.
type EventKind string

// The notes. Machines never log: one sink turns notes into log lines, journal records, metrics and messages.
const (
	EventManaged             EventKind = "managed"              // a worker is looked after from now on
	EventUnmanaged           EventKind = "unmanaged"            // a worker is gone or no longer selected
	EventProblem             EventKind = "problem"              // its labels are wrong; it is held
	EventHeld                EventKind = "held"                 // left alone on purpose
	EventFault               EventKind = "fault"                // something is wrong and a heal was decided on
	EventHealFailed          EventKind = "heal-failed"          // one attempt did not cure it
	EventHealed              EventKind = "healed"               // running, and healthy if it has a health check
	EventRecovered           EventKind = "recovered"            // cured by itself or by someone else
	EventStable              EventKind = "stable"               // the attempts went back to 0
	EventExhausted           EventKind = "exhausted"            // the budget is used up
	EventRefused             EventKind = "refused"              // it cannot be recreated faithfully, and is restarted instead
	EventUnhealthy           EventKind = "unhealthy"            // it is left so, for its label asks to tell people and no more
	EventStopped             EventKind = "stopped"              // it was unhealthy, and its label asks to leave it down
	EventHung                EventKind = "hung"                 // its probe timed out with an idle CPU: it is healed at once
	EventOutOfMemory         EventKind = "out-of-memory"        // the kernel killed a process in it, and it goes on
	EventGraceTooShort       EventKind = "grace-too-short"      // its quota throttled it so that Stoker's stop ended with SIGKILL
	EventEvidence            EventKind = "evidence"             // what was kept of a life around its end
	EventStatsUnavailable    EventKind = "stats-unavailable"    // decided without the CPU readings that were asked for
	EventUnprobed            EventKind = "unprobed"             // its probe from outside cannot be made; the rest goes on
	EventQuota               EventKind = "quota"                // its CPU quota was set, from From to CPUs
	EventQuotaFailed         EventKind = "quota-failed"         // it could not be; that is tried again
	EventNetworkLost         EventKind = "network-lost"         // it runs without a network that a failed start has removed; that is tried again
	EventNetworkRestored     EventKind = "network-restored"     // it was connected again
	EventDependentsRestarted EventKind = "dependents-restarted" // its dependents were restarted with it, or could not be
	EventEngineDisconnected  EventKind = "engine-disconnected"  // the engine does not answer
	EventEngineConnected     EventKind = "engine-connected"     // it does, and the picture is complete
	EventHostOverloaded      EventKind = "host-overloaded"      // restarts of running workers wait
	EventHostRecovered       EventKind = "host-recovered"       // they do not any more
	EventPaused              EventKind = "paused"               // an operator has Stoker leave workers alone for a while
	EventResumed             EventKind = "resumed"              // that is over
	EventWoken               EventKind = "woken"                // it slept, and runs again, healthy if it has a health check
	EventAsleep              EventKind = "asleep"               // stopped, for there is no work for it
	EventDemandLost          EventKind = "demand-lost"          // a source of work does not answer, or not with a number
	EventDemandBack          EventKind = "demand-back"          // it does again
	EventDemandLimited       EventKind = "demand-limited"       // a group has more work than workers that may run
	EventServiceScaled       EventKind = "service-scaled"       // a Swarm service was given another number of replicas
	EventServiceHeld         EventKind = "service-held"         // it is not, for a reason
	EventServiceForced       EventKind = "service-forced"       // it was updated by force, which brings lost tasks back
	EventTaskLost            EventKind = "task-lost"            // a task was unhealthy and ended with 0, which Swarm may not replace
)

// Event is one fact for people. Strings that come from a container (Output, Detail) are as hostile as the container.
type Event struct {
	At     time.Time
	Kind   EventKind
	Key    Key
	ID     string // container ID
	Group  string // that the worker belongs to, or that the event is about; empty where there is no demand
	Reason Reason
	HealDetails
	QuotaChange
	Detail   string        // the engine's error, the label problem
	Evidence *HealEvidence // EventEvidence; must not be changed
}

// HealDetails are of the heal that an event is about, with the fault that it is for.
type HealDetails struct {
	HealID   uint64 // 0 when the event is about none
	Fault    Fault
	Intent   Intent
	Heal     HealAction
	Attempt  int
	Delay    time.Duration // EventFault, EventHealFailed: wait before the next attempt
	Duration time.Duration // EventHealed, EventHealFailed: since the fault was seen
	ExitCode int           // meaningful for FaultExited and FaultOOM
	Output   string        // the last health output
}

// QuotaChange is what an EventQuota or an EventQuotaFailed is about.
type QuotaChange struct {
	From float64 // CPUs before; 0 is none
	CPUs float64 // and after
}
