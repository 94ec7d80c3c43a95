package policy

import (
	"time"
)

// NoDefault is the Default of a label or variable that has no default.
const NoDefault = "–"

// The labels that decide whether a container is managed. All other labels decide how.
const (
	LabelEnable = "stoker.enable"
	LabelScope  = "stoker.scope"
)

const prefix = "stoker."

// Label is one label that Stoker reads.
type Label struct {
	Name    string // as documented; matched case-insensitively
	Env     string // the variable that sets the default for all workers; empty if there is none
	Default string // as documented
	Meaning string // one-line description
	set     setter
}

// setter parses one trimmed value into a policy. It leaves the policy unchanged when it returns an error.
type setter func(p *Policy, value string) error

// Labels returns every label that Stoker reads, in documentation order. It is the only such list: parsing, the environment's defaults and the
// README's table all use it.
func Labels() []Label {
	labels := []Label{
		{LabelEnable, "", NoDefault, "`true`: Stoker manages the container; `false`: it does not, whatever the selection mode", readBool},
		{LabelScope, "", NoDefault, "the Stoker that this container belongs to: the one whose `STOKER_SCOPE` is equal", ignore},
	}
	labels = append(labels, faultLabels()...)
	labels = append(labels, quotaLabels()...)
	labels = append(labels, budgetLabels()...)
	labels = append(labels, recycleLabels()...)
	labels = append(labels, evidenceLabels()...)
	labels = append(labels, probeLabels()...)
	labels = append(labels, swarmLabels()...)
	return append(labels, demandLabels()...)
}

func faultLabels() []Label {
	return []Label{
		{"stoker.on-exit", "STOKER_ON_EXIT", "always",
			"which ends are faults: `always`, `failure` (exit code other than 0, or OOM), `never`", setOnExit},
		{"stoker.final-codes", "STOKER_FINAL_CODES", NoDefault,
			"exit codes after which the worker is finished, for any `stoker.on-exit`: `2,64-78`", setFinalCodes},
		{"stoker.on-unhealthy", "STOKER_ON_UNHEALTHY", "restart",
			"`restart`; `recreate`; `stop` it, and leave it down until an operator starts it; `notify` people, and do nothing; `ignore`",
			choice(func(p *Policy) *OnUnhealthy { return &p.OnUnhealthy },
				OnUnhealthyRestart, OnUnhealthyRecreate, OnUnhealthyStop, OnUnhealthyNotify, OnUnhealthyIgnore)},
		{"stoker.on-missing", "STOKER_ON_MISSING", "ignore",
			"`recreate` brings back a worker that was removed without stopping it first; `ignore`. " +
				"A `--rm` worker that crashed is always brought back",
			choice(func(p *Policy) *OnMissing { return &p.OnMissing }, OnMissingIgnore, OnMissingRecreate)},
		{"stoker.on-starved", "STOKER_ON_STARVED", "wait",
			"what to do when unhealthy because the quota throttles the probe: `wait`, `boost`, `restart`",
			choice(func(p *Policy) *OnStarved { return &p.OnStarved }, OnStarvedWait, OnStarvedBoost, OnStarvedRestart)},
		{"stoker.starved-grace", "STOKER_STARVED_GRACE", "2m", "how long `wait` or `boost` may last before the normal heal",
			duration(func(p *Policy) *time.Duration { return &p.StarvedGrace })},
	}
}

func quotaLabels() []Label {
	return []Label{
		{"stoker.boost-cpus", "STOKER_BOOST_CPUS", "2x the quota", "quota during a boost, never above the host's CPUs",
			cpus(func(p *Policy) *float64 { return &p.BoostCPUs })},
		{"stoker.idle-after", "STOKER_IDLE_AFTER", "off",
			"heal a running worker whose CPU use stayed below `stoker.idle-below` for this long", setIdleAfter},
		{"stoker.idle-below", "STOKER_IDLE_BELOW", "1%", "share of the worker's own quota", setIdleBelow},
		{"stoker.cpus", "STOKER_CPUS", NoDefault,
			"the quota that this worker must have; applied to a worker that has none, restored if it drifted",
			setCPUs},
	}
}

func budgetLabels() []Label {
	return []Label{
		{"stoker.unhealthy-for", "STOKER_UNHEALTHY_FOR", "0s", "act only when unhealthy for this long",
			duration(func(p *Policy) *time.Duration { return &p.UnhealthyFor })},
		{"stoker.stop-timeout", "STOKER_STOP_TIMEOUT", "the container's own, else the engine's (10s)", "grace before SIGKILL",
			duration(func(p *Policy) *time.Duration { return &p.StopTimeout })},
		{"stoker.recreate-after", "STOKER_RECREATE_AFTER", "3",
			"after so many failed restarts in a row the next heal is a recreate; `0` never",
			count(func(p *Policy) *int { return &p.RecreateAfter })},
		{"stoker.max-attempts", "STOKER_MAX_ATTEMPTS", "0", "attempts before the worker is exhausted; `0` is no limit",
			count(func(p *Policy) *int { return &p.MaxAttempts })},
		{"stoker.attempts-window", "STOKER_ATTEMPTS_WINDOW", NoDefault,
			"`stoker.max-attempts` counts the attempts of this long, rolling; without it all since the worker was last stable",
			positive(func(p *Policy) *time.Duration { return &p.AttemptsWindow })},
		{"stoker.when-exhausted", "STOKER_WHEN_EXHAUSTED", "hold", "`hold`, or `retry` every `stoker.retry-every`",
			choice(func(p *Policy) *WhenExhausted { return &p.WhenExhausted }, WhenExhaustedHold, WhenExhaustedRetry)},
		{"stoker.retry-every", "STOKER_RETRY_EVERY", "10m", "wait between attempts once exhausted, with `retry`",
			positive(func(p *Policy) *time.Duration { return &p.RetryEvery })},
		{"stoker.backoff-initial", "STOKER_BACKOFF_INITIAL", "1s",
			"wait before the second attempt; the first heal is at once. Doubles, jittered",
			positive(func(p *Policy) *time.Duration { return &p.BackoffInitial })},
		{"stoker.backoff-max", "STOKER_BACKOFF_MAX", "1m", "cap of that wait",
			positive(func(p *Policy) *time.Duration { return &p.BackoffMax })},
		{"stoker.stable-after", "STOKER_STABLE_AFTER", "1m", "stable for so long: attempts go back to 0",
			positive(func(p *Policy) *time.Duration { return &p.StableAfter })},
		{"stoker.dependents", "STOKER_DEPENDENTS", "auto",
			"`auto`: after a heal also heal the containers that share this one's network, pid or ipc namespace, " +
				"and compose's `depends_on` with `restart: true`; `none`",
			choice(func(p *Policy) *Dependents { return &p.Dependents }, DependentsAuto, DependentsNone)},
	}
}
