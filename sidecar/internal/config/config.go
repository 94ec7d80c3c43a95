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

// RequireQuota is what to do about a worker without a CPU quota.
type RequireQuota string

// The values of STOKER_REQUIRE_QUOTA.
const (
	RequireQuotaWarn  RequireQuota = "warn"
	RequireQuotaApply RequireQuota = "apply" // give it STOKER_CPUS, which is then set
	RequireQuotaOff   RequireQuota = "off"
)

// Stats selects when the stats of workers are read, apart from what decisions need.
type Stats string

// The values of STOKER_STATS.
const (
	StatsWatched Stats = "watched" // while somebody looks at the page, the API or the metrics
	StatsOff     Stats = "off"
)

// Config is what the environment asks for. It is to be used only when Load found no problems.
type Config struct {
	Rules         policy.Rules
	Docker        Docker
	RequireQuota  RequireQuota
	Parallel      int           // heals under way at once, 1 and more
	OverloadShare float64       // of the workers, at which probes that time out together mean an overloaded host; above 1 is never
	OverloadHold  time.Duration // how long restarts of running workers wait then, before they trickle
	CPUBudget     float64       // CPUs that demand may fill with workers; 0 is the host's, below 0 is no limit
	Stats         Stats
	Resync        time.Duration // 5 s and more
	DryRun        bool
	SwarmScale    bool     // the leader's Stoker sets the replicas of services
	StateDir      string   // absolute
	Listen        string   // host:port; empty is off
	Host          string   // what this host is called; empty is what the engine says
	Peers         []string // other Stokers: base URLs, and names with a port whose addresses are all meant
	Ping          string   // a URL, and a secret; empty is none
	PingEvery     time.Duration
	Notify        []string                   // URLs; they hold secrets
	Sources       map[string][]demand.Source // of work, by demand.SourceName; nil is none
	NotifyOn      []string                   // names of events, lower case; nil is the default ones
	LogLevel      string                     // trace, debug, info, warn, error
	LogFormat     string                     // text, json

	given []string // defaults of labels that were set, for Summary
}

// Docker is the engine to use, as the Docker CLI reads the variables of these names.
type Docker struct {
	Host       string // empty is the client's default, the local socket
	TLSVerify  bool
	CertPath   string // folder of ca.pem, cert.pem and key.pem; empty is none
	APIVersion string // such as 1.41; empty negotiates
}
