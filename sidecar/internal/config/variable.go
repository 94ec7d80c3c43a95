package config

import (
	"reflect"
	"strings"
	"time"

	"stoker/sidecar/internal/core/policy"
)

// variables has every variable that is not the default of a label, in the order of the documentation. The env package reads it. The README's
// table is generated from the tags of its fields and of their fields: envDefault is the value of an absent or empty variable, default
// describes it where that is clearer, doc is its meaning. A secret one is never shown, and may be given in a file instead.
type variables struct {
	Docker    dockerVariables
	Selection selectionVariables
	Limits    limitVariables
	Watch     watchVariables
	DryRun    bool   `env:"STOKER_DRY_RUN" envDefault:"false" doc:"decide and report, touch nothing"`
	StateDir  folder `env:"STOKER_STATE_DIR" envDefault:"/var/lib/stoker" doc:"the journal; not writable means: reported once, kept in memory"`
	Cluster   clusterVariables
	Ping      pingVariables
	Listen    address `env:"STOKER_LISTEN" envDefault:":8080" doc:"status page, API, metrics; empty turns it off"`
	Notify    notifyVariables
	Log       logVariables
}

type dockerVariables struct {
	Host       dockerHost `env:"DOCKER_HOST" default:"as the Docker CLI" doc:"the engine: a unix socket or a tcp address"`
	TLSVerify  string     `env:"DOCKER_TLS_VERIFY" default:"as the Docker CLI" doc:"any value: use TLS, and verify the engine's certificate"`
	CertPath   string     `env:"DOCKER_CERT_PATH" default:"as the Docker CLI" doc:"folder of $ca.pem$, $cert.pem$ and $key.pem$"`
	APIVersion apiVersion `env:"DOCKER_API_VERSION" default:"as the Docker CLI" doc:"fixes the API version instead of negotiating it"`
}

type selectionVariables struct {
	Mode   policy.Mode     `env:"STOKER_SELECT" envDefault:"label" doc:"$label$: only $stoker.enable=true$; $quota$: every container with a CPU quota; $all$"`
	Scope  string          `env:"STOKER_SCOPE" doc:"only containers whose $stoker.scope$ is equal; without it, only containers without one: two Stokers on one engine"`
	Compat []policy.Compat `env:"STOKER_COMPAT" doc:"$autoheal$, $deunhealth$ (comma list): manage containers that carry those tools' labels, with their meaning"`
}

type limitVariables struct {
	RequireQuota  RequireQuota  `env:"STOKER_REQUIRE_QUOTA" envDefault:"warn" doc:"a worker without CPU quota: $warn$, $apply$ (gives it $STOKER_CPUS$), $off$"`
	Parallel      int           `env:"STOKER_PARALLEL" envDefault:"8" doc:"heals under way at once"`
	OverloadShare overloadShare `env:"STOKER_OVERLOAD_SHARE" envDefault:"50%" doc:"the host is overloaded when this share of the workers with a health check times out together, or one does and the host is out of CPU; $0%$ is never"`
	OverloadHold  overloadHold  `env:"STOKER_OVERLOAD_HOLD" envDefault:"5m" doc:"how long restarts of running workers wait then, before they trickle"`
	CPUBudget     cpuBudget     `env:"STOKER_CPU_BUDGET" default:"the host's CPUs" doc:"demand wakes no worker beyond this sum of the quotas of all managed workers that run, in CPUs; $off$ is no limit. A worker without a quota counts as one CPU"`
}

type watchVariables struct {
	Stats  Stats         `env:"STOKER_STATS" envDefault:"watched" doc:"reading what the workers use: $watched$ (while somebody looks at the page, the API or the metrics), $off$ (only where a decision needs it)"`
	Resync time.Duration `env:"STOKER_RESYNC" envDefault:"1m" doc:"full comparison with the engine; at least $5s$"`
}

type clusterVariables struct {
	Host  hostName `env:"STOKER_HOST" default:"the engine's host name" doc:"what this host is called on the page, in the API and in messages"`
	Peers peerList `env:"STOKER_PEERS" doc:"other Stokers whose workers the page, $stoker status --all$ and $/api/v1/hosts$ show, too: a DNS name with a port that stands for all of them ($tasks.stoker:8080$), or URLs, separated by commas or spaces; see [swarm.md](swarm.md)"`
	Scale bool     `env:"STOKER_SWARM_SCALE" envDefault:"false" doc:"on a manager of a Swarm: the leader's Stoker sets the replicas of services whose own labels have $stoker.demand$ or $stoker.hours$, and brings back tasks that Swarm lost; see [swarm.md](swarm.md#services-on-demand)"`
}

type pingVariables struct {
	URL   pingURL   `env:"STOKER_PING" secret:"true" doc:"a URL (Healthchecks.io, a push monitor of Uptime Kuma) that is fetched while Stoker is connected to the engine and its loop turns: its silence is the alarm"`
	Every pingEvery `env:"STOKER_PING_EVERY" envDefault:"1m" doc:"how often; at least $5s$"`
}

type notifyVariables struct {
	URLs urls     `env:"STOKER_NOTIFY" secret:"true" doc:"notification URLs, separated by spaces, line ends or commas"`
	On   nameList `env:"STOKER_NOTIFY_ON" default:"gave-up,recreate,refused,engine-disconnected,host-overloaded" doc:"the events to send (comma list), $all$ or $none$; see [notifications](notifications.md)"`
}

type logVariables struct {
	Level  logLevel  `env:"STOKER_LOG_LEVEL" envDefault:"info" doc:"$trace$, $debug$, $info$, $warn$, $error$"`
	Format logFormat `env:"STOKER_LOG_FORMAT" envDefault:"text" doc:"$text$, $json$"`
}

// Variable is one variable that Stoker reads.
type Variable struct {
	Name    string
	Default string // as documented
	Meaning string // one line for the documentation
	// Secret values are never shown, and may be given in a file instead (fileSuffix).
	Secret bool
}

// fileSuffix is the suffix of the variable with the path of a file that holds the secret, for engines that mount secrets as files. Only
// STOKER_NOTIFY, STOKER_PING and the sources of work have one: DOCKER_CERT_PATH names a folder, and DOCKER_HOST may not hold a password.
const fileSuffix = "_FILE"

// variableListen is the one variable for which empty has its own meaning.
const variableListen = "STOKER_LISTEN"

// variableProbe may have a password in its URL.
const variableProbe = "STOKER_PROBE"

// Variables returns every variable that Stoker reads, in the order in which they are documented: the defaults of labels,
// then those that exist in the environment only, each secret followed by its _FILE form.
func Variables() []Variable {
	var all []Variable
	for _, label := range policy.Labels() {
		if label.Env != "" {
			all = append(all, Variable{Name: label.Env, Default: label.Default, Meaning: "default of `" + label.Name + "`"})
		}
	}
	all = append(all, sourceVariables()...)
	for _, field := range leaves(reflect.TypeFor[variables]()) {
		v := Variable{
			Name: field.Tag.Get("env"), Default: documentedDefault(field.Tag), Secret: field.Tag.Get("secret") != "",
			Meaning: strings.ReplaceAll(field.Tag.Get("doc"), "$", "`"),
		}
		all = append(all, v)
		if v.Secret {
			all = append(all, Variable{Name: v.Name + fileSuffix, Default: policy.NoDefault, Meaning: "path of a file that holds `" + v.Name + "`"})
		}
	}
	return all
}

func documentedDefault(tag reflect.StructTag) string {
	for _, key := range []string{"default", "envDefault"} {
		if value := tag.Get(key); value != "" {
			return value
		}
	}
	return policy.NoDefault
}

// leaves returns the fields of a struct, and those of the structs in it, that have a variable.
func leaves(of reflect.Type) []reflect.StructField {
	var all []reflect.StructField
	for field := range of.Fields() {
		if field.Tag.Get("env") != "" {
			all = append(all, field)
			continue
		}
		all = append(all, leaves(field.Type)...)
	}
	return all
}

func (v variables) config(defaults policy.Defaults) Config {
	limits := v.Limits.config()
	defaults.Policy.CPUsWhereNone = limits.RequireQuota == RequireQuotaApply
	return Config{
		Rules:    policy.Rules{Selector: policy.Selector(v.Selection), Defaults: defaults},
		Docker:   v.Docker.config(),
		Limits:   limits,
		Watch:    Watch(v.Watch),
		DryRun:   v.DryRun,
		StateDir: string(v.StateDir),
		Cluster:  Cluster{Host: string(v.Cluster.Host), Peers: v.Cluster.Peers, Scale: v.Cluster.Scale},
		Ping:     Ping{URL: string(v.Ping.URL), Every: time.Duration(v.Ping.Every)},
		Listen:   string(v.Listen),
		Notify:   Notify{URLs: v.Notify.URLs, On: v.Notify.On},
		Log:      Log{Level: string(v.Log.Level), Format: string(v.Log.Format)},
	}
}

func (v dockerVariables) config() Docker {
	return Docker{Host: string(v.Host), TLSVerify: v.TLSVerify != "", CertPath: v.CertPath, APIVersion: string(v.APIVersion)}
}

func (v limitVariables) config() Limits {
	return Limits{
		RequireQuota:  v.RequireQuota,
		Parallel:      v.Parallel,
		OverloadShare: float64(v.OverloadShare),
		OverloadHold:  time.Duration(v.OverloadHold),
		CPUBudget:     float64(v.CPUBudget),
	}
}
