// Package policy parses a worker's labels into a policy, and reports their problems.
//
// All its functions are pure: no clock, no log, no environment.
package policy

import "time"

// OnExit selects which exits of a worker are faults.
type OnExit string

// The values of stoker.on-exit.
const (
	OnExitAlways  OnExit = "always"
	OnExitFailure OnExit = "failure"
	OnExitNever   OnExit = "never"
)

// OnUnhealthy is what to do with a worker whose health check fails.
type OnUnhealthy string

// The values of stoker.on-unhealthy.
const (
	OnUnhealthyRestart  OnUnhealthy = "restart"
	OnUnhealthyRecreate OnUnhealthy = "recreate"
	OnUnhealthyStop     OnUnhealthy = "stop"   // and leave it down until an operator starts it
	OnUnhealthyNotify   OnUnhealthy = "notify" // notify, and do nothing
	OnUnhealthyIgnore   OnUnhealthy = "ignore"
)

// OnMissing is what to do with a worker that was removed while it was running.
type OnMissing string

// The values of stoker.on-missing.
const (
	OnMissingIgnore   OnMissing = "ignore"
	OnMissingRecreate OnMissing = "recreate"
)

// OnStarved is what to do with a worker whose probe is throttled by its own quota.
type OnStarved string

// The values of stoker.on-starved.
const (
	OnStarvedWait    OnStarved = "wait"
	OnStarvedBoost   OnStarved = "boost"
	OnStarvedRestart OnStarved = "restart"
)

// WhenExhausted is what to do when the retry limit is reached.
type WhenExhausted string

// The values of stoker.when-exhausted.
const (
	WhenExhaustedHold  WhenExhausted = "hold"
	WhenExhaustedRetry WhenExhausted = "retry"
)

// Dependents selects whether the containers in a worker's namespaces are healed with it.
type Dependents string

// The values of stoker.dependents.
const (
	DependentsAuto Dependents = "auto"
	DependentsNone Dependents = "none"
)

// OwnStopTimeout as Policy.StopTimeout means the container's own stop timeout, or Docker's 10 s if it has none.
const OwnStopTimeout time.Duration = -1

// NoStopWait as a container's own stop timeout is a timeout of 0 s: SIGKILL follows the stop signal at once. The number 0 means that the
// container has none.
const NoStopWait time.Duration = -1

// Policy is the policy of one worker, with defaults filled in.
type Policy struct {
	ExitRules
	HealthRules
	IdleRules
	QuotaRules
	RetryRules
	StopTimeout time.Duration // OwnStopTimeout, or 0 and more
	Dependents  Dependents
	Demand      Demand
	Recycle     Recycle
	Evidence    Evidence
	Probe       Probe
	Swarm       Swarm
}

// ExitRules define which exits of a worker are faults.
type ExitRules struct {
	OnExit OnExit
	// OnExitExplicit is set for a label on the worker. It overrides a Docker restart policy of on-failure, for which exit 0 is success; a default
	// does not.
	OnExitExplicit bool
	FinalCodes     ExitCodes // exit codes that are never a fault, for any OnExit
	OnMissing      OnMissing
}

// HealthRules define what is done about a worker that is unhealthy or starved.
type HealthRules struct {
	OnUnhealthy  OnUnhealthy
	UnhealthyFor time.Duration
	OnStarved    OnStarved
	StarvedGrace time.Duration
	BoostCPUs    float64 // CPUs; 0 is twice the quota
}

// IdleRules define when a worker counts as hung because it uses no CPU.
type IdleRules struct {
	IdleAfter time.Duration // 0 is off
	IdleBelow float64       // share of the worker's own quota, 0..1
}

// QuotaRules define the CPU quota of a worker.
type QuotaRules struct {
	CPUs          float64 // 0 is not set
	CPUsExplicit  bool    // set by the worker's own label, and enforced; a default is only for workers without a quota
	CPUsWhereNone bool    // give CPUs to a worker without a quota
}

// RetryRules bound the attempts to heal a worker.
type RetryRules struct {
	RecreateAfter  int           // failed restarts in a row; 0 is never
	MaxAttempts    int           // 0 is no limit
	AttemptsWindow time.Duration // the period in which MaxAttempts counts; 0 counts all since the worker was last stable
	WhenExhausted  WhenExhausted
	RetryEvery     time.Duration
	BackoffInitial time.Duration
	BackoffMax     time.Duration
	StableAfter    time.Duration
}

// Default is the policy of a worker whose only label is stoker.enable=true.
func Default() Policy {
	return Policy{
		ExitRules:   ExitRules{OnExit: OnExitAlways, OnMissing: OnMissingIgnore},
		HealthRules: HealthRules{OnUnhealthy: OnUnhealthyRestart, OnStarved: OnStarvedWait, StarvedGrace: 2 * time.Minute},
		IdleRules:   IdleRules{IdleBelow: 0.01},
		StopTimeout: OwnStopTimeout,
		RetryRules: RetryRules{
			RecreateAfter:  3,
			WhenExhausted:  WhenExhaustedHold,
			RetryEvery:     10 * time.Minute,
			BackoffInitial: time.Second,
			BackoffMax:     time.Minute,
			StableAfter:    time.Minute,
		},
		Dependents: DependentsAuto,
		Demand:     defaultDemand(),
		Recycle:    defaultRecycle(),
		Evidence:   defaultEvidence(),
		Probe:      defaultProbe(),
		Swarm:      SwarmObserve,
	}
}

// Problem is an error in a worker's labels. A worker with a problem is held.
type Problem struct {
	Label   string // as written on the container
	Value   string // as written on the container
	Message string // what is wrong, and what is valid
	Nearest string // the known label that was probably meant; empty if none is similar
}
