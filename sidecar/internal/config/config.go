// Package config turns Stoker's environment into its configuration.
//
// The variables are listed in two places, each the only one for its part: policy.Labels has those that are defaults of labels, type
// variables has the rest. Function Variables puts them together.
package config

import (
	"time"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/core/policy"
)

// RequireQuota is the handling of a worker without a CPU quota.
type RequireQuota string

// The values of STOKER_REQUIRE_QUOTA.
const (
	RequireQuotaWarn  RequireQuota = "warn"
	RequireQuotaApply RequireQuota = "apply" // give it STOKER_CPUS, which must be set
	RequireQuotaOff   RequireQuota = "off"
)

// Stats selects when the stats of workers are read, apart from what decisions need.
type Stats string

// The values of STOKER_STATS.
const (
	StatsWatched Stats = "watched" // while the page, the API or the metrics are read
	StatsOff     Stats = "off"
)

// Config is the configuration from the environment. It must be used only if Load found no problems.
type Config struct {
	Rules    policy.Rules
	Docker   Docker
	Limits   Limits
	Watch    Watch
	DryRun   bool
	StateDir string // absolute
	Cluster  Cluster
	Ping     Ping
	Listen   string // host:port; empty is off
	Notify   Notify
	Log      Log
	Sources  map[string][]demand.Source // of work, by demand.SourceName; nil is none

	given []string // defaults of labels that were set, for Summary
}

// Docker is the engine to use. The variables have the same meaning as in the Docker CLI.
type Docker struct {
	Host       string // empty is the client's default, the local socket
	TLSVerify  bool
	CertPath   string // folder of ca.pem, cert.pem and key.pem; empty is none
	APIVersion string // such as 1.41; empty negotiates
}

// Limits bound what workers and their heals take from the host.
type Limits struct {
	RequireQuota  RequireQuota
	Parallel      int           // concurrent heals, 1 and more
	OverloadShare float64       // of the workers, at which probes that time out together mean an overloaded host; above 1 is never
	OverloadHold  time.Duration // the time that restarts of running workers wait then, before they continue one by one
	CPUBudget     float64       // the CPUs that workers started on demand may use; 0 is the host's, below 0 is no limit
}

// Watch is what Stoker reads of the engine beside the events.
type Watch struct {
	Stats  Stats
	Resync time.Duration // 5 s and more
}

// Cluster is this host among others.
type Cluster struct {
	Host  string   // the name of this host; empty is the one that the engine reports
	Peers []string // other Stokers: base URLs, and names with a port, of which all addresses are used
	Scale bool     // the leader's Stoker sets the replicas of a Swarm's services
}

// Ping is the URL that is fetched while all is well.
type Ping struct {
	URL   string // a secret; empty is none
	Every time.Duration
}

// Notify is who is told of which events.
type Notify struct {
	URLs []string // they hold secrets
	On   []string // names of events, lower case; nil is the default ones
}

// Log is what the log looks like.
type Log struct {
	Level  string // trace, debug, info, warn, error
	Format string // text, json
}
