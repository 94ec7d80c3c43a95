package config

import (
	"slices"

	"stoker/sidecar/internal/core/policy"
)

// Variable is one variable that Stoker knows.
type Variable struct {
	Name    string
	Default string // as documented
	Meaning string // one line for people
	// Secret values are never shown, and may be given in a file instead (fileSuffix).
	Secret bool
	value  string // what an absent variable counts as; Default may be words
}

// fileSuffix makes the name of the variable that holds the path of a file with a secret in it, for engines that
// mount secrets as files. Only STOKER_NOTIFY is one: DOCKER_CERT_PATH names a folder, and DOCKER_HOST may not hold a
// password.
const fileSuffix = "_FILE"

// variableListen is the one variable for which empty is a value of its own.
const variableListen = "STOKER_LISTEN"

// Variables is every variable that Stoker knows, in the order in which they are documented: the defaults of labels,
// then those that exist in the environment only, each secret followed by its _FILE form.
func Variables() []Variable {
	var all []Variable
	for _, label := range policy.Labels() {
		if label.Env != "" {
			all = append(all, Variable{Name: label.Env, Default: label.Default, Meaning: "default of `" + label.Name + "`"})
		}
	}
	return append(all, environmentOnly()...)
}

func environmentOnly() []Variable {
	const cli = "as the Docker CLI"
	return slices.Concat([]Variable{
		optional("DOCKER_HOST", cli, "the engine: a unix socket or a tcp address"),
		optional("DOCKER_TLS_VERIFY", cli, "any value: use TLS, and verify the engine's certificate"),
		optional("DOCKER_CERT_PATH", cli, "folder of `ca.pem`, `cert.pem` and `key.pem`"),
		optional("DOCKER_API_VERSION", cli, "fixes the API version instead of negotiating it"),
		plain("STOKER_SELECT", "label",
			"`label`: only `stoker.enable=true`; `quota`: every container with a CPU quota; `all`"),
		optional("STOKER_SCOPE", policy.NoDefault,
			"only containers whose `stoker.scope` is equal; without it, only containers without one: two Stokers on one engine"),
		optional("STOKER_COMPAT", policy.NoDefault,
			"`autoheal`, `deunhealth` (comma list): take in containers that carry those tools' labels, with their meaning"),
		plain("STOKER_REQUIRE_QUOTA", "warn",
			"a worker without CPU quota: `warn`, `apply` (gives it `STOKER_CPUS`), `off`"),
		plain("STOKER_PARALLEL", "8", "heals under way at once"),
		plain("STOKER_OVERLOAD_SHARE", "50%", "the host is ill, not the workers, when this share of those with a health check times out together, or one does and the host is out of CPU; `0%` is never"),
		plain("STOKER_OVERLOAD_HOLD", "5m", "how long restarts of running workers wait then, before they trickle"),
		plain("STOKER_STATS", "watched",
			"reading what the workers use: `watched` (while somebody looks at the page, the API or the metrics), `off` (only where a decision needs it)"),
		plain("STOKER_RESYNC", "1m", "full comparison with the engine; at least `5s`"),
		plain("STOKER_DRY_RUN", "false", "decide and report, touch nothing"),
		plain("STOKER_STATE_DIR", "/var/lib/stoker", "the journal; not writable means: say so once, keep it in memory"),
		plain(variableListen, ":8080", "status page, API, metrics; empty turns it off"),
	}, secret("STOKER_NOTIFY", "notification URLs, separated by spaces, line ends or commas"), []Variable{
		optional("STOKER_NOTIFY_ON", "gave-up,recreate,refused,engine-disconnected,host-overloaded",
			"the events to send (comma list), `all` or `none`; see [notifications](docs/notifications.md)"),
		plain("STOKER_LOG_LEVEL", "info", "`trace`, `debug`, `info`, `warn`, `error`"),
		plain("STOKER_LOG_FORMAT", "text", "`text`, `json`"),
	})
}

func plain(name, value, meaning string) Variable {
	return Variable{Name: name, Default: value, Meaning: meaning, value: value}
}

// inWords is a variable that counts as empty when it is absent.
func optional(name, words, meaning string) Variable {
	return Variable{Name: name, Default: words, Meaning: meaning}
}

func secret(name, meaning string) []Variable {
	return []Variable{
		{Name: name, Default: policy.NoDefault, Meaning: meaning, Secret: true},
		optional(name+fileSuffix, policy.NoDefault, "path of a file that holds `"+name+"`"),
	}
}
