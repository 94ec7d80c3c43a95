package worker

// Fault is why a worker needs healing.
type Fault string

// The faults of the contract.
const (
	FaultNone        Fault = ""
	FaultExited      Fault = "exited"
	FaultOOM         Fault = "oom"
	FaultUnhealthy   Fault = "unhealthy"
	FaultIdle        Fault = "idle"
	FaultMissing     Fault = "missing"
	FaultStartFailed Fault = "start-failed"
	FaultOrphaned    Fault = "orphaned" // in the namespaces of a past incarnation of its parent
	// The worker has no fault. It is restarted as maintenance, which counts as no attempt.
	FaultOld       Fault = "old"       // it has run for stoker.max-age
	FaultScheduled Fault = "scheduled" // stoker.restart-at
	FaultMemory    Fault = "memory"    // it uses more than stoker.max-memory
)

// Intent is who intended an exit.
type Intent string

// The intents of the contract.
const (
	IntentOperator Intent = "operator" // an operator stopped it through the API
	IntentEngine   Intent = "engine"   // the engine shut down
	IntentSelf     Intent = "self"     // Stoker stopped it
	IntentNone     Intent = "none"     // a crash
	IntentUnknown  Intent = "unknown"  // observed only afterwards
)

// HealAction is one way to cure a fault.
type HealAction string

// The heals of the contract, in the order of the ladder.
const (
	HealNone     HealAction = ""
	HealStart    HealAction = "start"
	HealRestart  HealAction = "restart"
	HealRecreate HealAction = "recreate"
	// HealStop permanently stops an unhealthy worker, by its label. It counts as no attempt.
	HealStop HealAction = "stop"
	// HealKill ends a task of a Swarm service by SIGKILL. Swarm replaces it.
	HealKill HealAction = "kill"
	// Actions for the demand of a group. They cure no fault, and count as no attempt.
	HealWake  HealAction = "wake"
	HealSleep HealAction = "sleep"
)

// Reason is why something was decided, as a fixed text that is the same in log, journal, API, page and metrics.
type Reason string

// Why a heal was decided on.
const (
	ReasonCrashed     Reason = "crashed"
	ReasonExitedZero  Reason = "exited-zero"
	ReasonOutOfMemory Reason = "out-of-memory"
	// ReasonLikelyOOM: killed under a memory limit without a signal that the engine recorded. On cgroup v2 with the systemd
	// driver an engine often reports no more (containerd PR 12714).
	ReasonLikelyOOM       Reason = "likely-out-of-memory"
	ReasonProbeFailed     Reason = "probe-failed"
	ReasonProbeTimedOut   Reason = "probe-timed-out"
	ReasonOutsideFailed   Reason = "outside-probe-failed"
	ReasonOutsideTimedOut Reason = "outside-probe-timed-out"
	ReasonStartFailed     Reason = "start-failed"
	ReasonDockerGaveUp    Reason = "docker-gave-up"
	ReasonEngineRestarted Reason = "engine-restarted"
	ReasonExitNotObserved Reason = "exit-not-observed"
	ReasonHealInterrupted Reason = "heal-interrupted"
	ReasonRemoved         Reason = "removed"
	ReasonParentRestarted Reason = "parent-restarted"
	ReasonStarved         Reason = "starved" // the probe timed out for lack of CPU, and its grace is over
	ReasonHung            Reason = "hung"    // the probe timed out, and the CPU was idle
	ReasonIdle            Reason = "idle"
	ReasonQuotaMismatch   Reason = "quota-mismatch"
	ReasonGraceTooShort   Reason = "grace-too-short" // the quota throttled it, so it did not end within its grace
	ReasonNetworkLost     Reason = "network-lost"    // it runs without a network that a failed start removed
)

// Why a worker without a fault is restarted.
const (
	ReasonOld       Reason = "old"
	ReasonScheduled Reason = "scheduled"
	ReasonMemory    Reason = "memory"
)

// Why a worker is woken or put to sleep.
const (
	ReasonWorkWaits     Reason = "work-waits"
	ReasonNoWork        Reason = "no-work"
	ReasonHours         Reason = "hours"          // its hours begin or end
	ReasonMinReplicas   Reason = "min-replicas"   // too few workers of its group run
	ReasonWokenByHand   Reason = "woken-by-hand"  // stoker wake
	ReasonDemandRemoved Reason = "demand-removed" // it no longer has a source of work or hours
	ReasonStartedByHand Reason = "started-by-hand"
	ReasonResumed       Reason = "resumed"       // stoker resume
	ReasonCloneRefused  Reason = "clone-refused" // no further worker of a group can be created
	ReasonSourceFailed  Reason = "source-failed" // a source of work gives no valid answer
)

// Why the replicas of a Swarm service are not changed, or its tasks replaced.
const (
	ReasonScaledByHand    Reason = "scaled-by-hand"   // another client set them
	ReasonServiceUpdating Reason = "service-updating" // an update is under way
	ReasonUpdateRefused   Reason = "update-refused"   // the engine refuses the update
	ReasonTaskLost        Reason = "task-lost"        // a task ended with 0 under on-failure
)

// Why a worker is left alone.
const (
	HeldNot             Reason = ""
	HeldOperator        Reason = "stopped-by-operator"
	HeldPaused          Reason = "paused"
	HeldFinished        Reason = "finished"
	HeldBadLabels       Reason = "bad-labels"
	HeldSwarm           Reason = "swarm-task"
	HeldOneOff          Reason = "compose-one-off"
	HeldDocker          Reason = "docker-restarting"
	HeldNeverStarted    Reason = "never-started"
	HeldExitNotObserved Reason = "exit-not-observed"
	HeldExhausted       Reason = "exhausted"
	HeldHostOverloaded  Reason = "host-overloaded"
	HeldNeedsRecreate   Reason = "needs-recreate"
	HeldRemoving        Reason = "being-removed"
	HeldReplaced        Reason = "being-replaced"
	HeldDryRun          Reason = "dry-run"
	HeldByPause         Reason = "paused-by-operator" // stoker pause
	HeldIgnored         Reason = "unhealthy-ignored"
	HeldNotified        Reason = "unhealthy-notified" // notifications were sent, and nothing is done
	HeldUnhealthy       Reason = "stopped-unhealthy"  // Stoker stopped it by its label
	HeldStarved         Reason = "starved"
	HeldAsleep          Reason = "asleep" // there is no work for it
)

// Why Stoker inspects a container, or ends a heal that it did not complete.
const (
	ReasonNew         Reason = "new"
	ReasonChanged     Reason = "changed"
	ReasonUncertain   Reason = "uncertain"
	ReasonRecovered   Reason = "recovered"
	ReasonSuperseded  Reason = "superseded"
	ReasonVerifying   Reason = "verifying"
	ReasonWaitsDocker Reason = "waits-for-docker"
	// ReasonProbeImpossible: the probe from outside is impossible.
	ReasonProbeImpossible Reason = "probe-impossible"
)
