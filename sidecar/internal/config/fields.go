package config

import (
	"time"

	"stoker/sidecar/internal/core/policy"
)

// variables gives each variable of environmentOnly its type. Defaults are filled in before it is parsed.
type variables struct {
	DockerHost       dockerHost      `env:"DOCKER_HOST"`
	DockerTLSVerify  string          `env:"DOCKER_TLS_VERIFY"`
	DockerCertPath   string          `env:"DOCKER_CERT_PATH"`
	DockerAPIVersion apiVersion      `env:"DOCKER_API_VERSION"`
	Select           policy.Mode     `env:"STOKER_SELECT"`
	Scope            string          `env:"STOKER_SCOPE"`
	Compat           []policy.Compat `env:"STOKER_COMPAT"`
	RequireQuota     RequireQuota    `env:"STOKER_REQUIRE_QUOTA"`
	Parallel         int             `env:"STOKER_PARALLEL"`
	IllShare         illShare        `env:"STOKER_OVERLOAD_SHARE"`
	IllHold          illHold         `env:"STOKER_OVERLOAD_HOLD"`
	Readings         Readings        `env:"STOKER_STATS"`
	Resync           time.Duration   `env:"STOKER_RESYNC"`
	DryRun           bool            `env:"STOKER_DRY_RUN"`
	StateDir         folder          `env:"STOKER_STATE_DIR"`
	Listen           address         `env:"STOKER_LISTEN"`
	Notify           urls            `env:"STOKER_NOTIFY"`
	NotifyOn         words           `env:"STOKER_NOTIFY_ON"`
	LogLevel         logLevel        `env:"STOKER_LOG_LEVEL"`
	LogFormat        logFormat       `env:"STOKER_LOG_FORMAT"`
}

func (v variables) config(defaults policy.Defaults) Config {
	defaults.Policy.CPUsWhereNone = v.RequireQuota == RequireQuotaApply
	return Config{
		Rules: policy.Rules{
			Selector: policy.Selector{Mode: v.Select, Scope: v.Scope, Compat: v.Compat},
			Defaults: defaults,
		},
		Docker: Docker{
			Host:       string(v.DockerHost),
			TLSVerify:  v.DockerTLSVerify != "",
			CertPath:   v.DockerCertPath,
			APIVersion: string(v.DockerAPIVersion),
		},
		RequireQuota: v.RequireQuota,
		Parallel:     v.Parallel,
		IllShare:     float64(v.IllShare),
		IllHold:      time.Duration(v.IllHold),
		Readings:     v.Readings,
		Resync:       v.Resync,
		DryRun:       v.DryRun,
		StateDir:     string(v.StateDir),
		Listen:       string(v.Listen),
		Notify:       v.Notify,
		NotifyOn:     v.NotifyOn,
		LogLevel:     string(v.LogLevel),
		LogFormat:    string(v.LogFormat),
	}
}
