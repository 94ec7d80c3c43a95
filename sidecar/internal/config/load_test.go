package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caarlos0/env/v10"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/policy"
)

func standard() Config {
	return Config{
		Rules: policy.Rules{
			Selector: policy.Selector{Mode: policy.ModeLabel},
			Defaults: policy.Defaults{Policy: policy.Default()},
		},
		Limits:   Limits{RequireQuota: RequireQuotaWarn, Parallel: 8, OverloadShare: 0.5, OverloadHold: 5 * time.Minute},
		Watch:    Watch{Stats: StatsWatched, Resync: time.Minute},
		Ping:     Ping{Every: time.Minute},
		StateDir: "/var/lib/stoker",
		Listen:   ":8080",
		Log:      Log{Level: "info", Format: "text"},
	}
}

// load loads with two files: one with a secret and an empty one.
func load(environ ...string) (Config, []Problem) {
	files := map[string]string{"/run/secrets/notify": "discord://token@id\n", "/empty": " \n"}
	return Loader{ReadFile: func(path string) ([]byte, error) {
		if content, ok := files[path]; ok {
			return []byte(content), nil
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("no such file or directory")}
	}}.Load(environ)
}

func TestLoadGood(t *testing.T) {
	tests := []struct {
		environ string // separated by |
		want    func(*Config)
	}{
		{"", func(*Config) {}},
		{"PATH=/bin|DOCKER_CONTEXT=x|STOKERISH=1|nonsense", func(*Config) {}},
		{"STOKER_RESYNC=|STOKER_STOP_TIMEOUT= |STOKER_DRY_RUN=|STOKER_PARALLEL=", func(*Config) {}},
		{"STOKER_HOST=node 1|STOKER_PING=https://hc-ping.com/x|STOKER_PING_EVERY=5m", func(c *Config) {
			c.Cluster.Host, c.Ping = "node 1", Ping{URL: "https://hc-ping.com/x", Every: 5 * time.Minute}
		}},
		{"STOKER_LISTEN=", func(c *Config) { c.Listen = "" }},
		{"STOKER_LISTEN= ", func(c *Config) { c.Listen = "" }},
		{"STOKER_LISTEN=127.0.0.1:0", func(c *Config) { c.Listen = "127.0.0.1:0" }},
		{"STOKER_LISTEN=[::1]:9000", func(c *Config) { c.Listen = "[::1]:9000" }},
		{"STOKER_LISTEN=localhost:9000", func(c *Config) { c.Listen = "localhost:9000" }},
		{"DOCKER_HOST=tcp://h:2376|DOCKER_TLS_VERIFY=0|DOCKER_CERT_PATH=/certs|DOCKER_API_VERSION=v1.41", func(c *Config) {
			c.Docker = Docker{Host: "tcp://h:2376", TLSVerify: true, CertPath: "/certs", APIVersion: "1.41"}
		}},
		{"DOCKER_HOST=unix:///run/docker.sock", func(c *Config) { c.Docker.Host = "unix:///run/docker.sock" }},
		{"STOKER_SELECT=Quota|STOKER_SCOPE= night ", func(c *Config) {
			c.Rules.Mode, c.Rules.Scope = policy.ModeQuota, "night"
		}},
		{"STOKER_COMPAT=autoheal, DEUNHEALTH,autoheal", func(c *Config) {
			c.Rules.Compat = []policy.Compat{policy.CompatAutoheal, policy.CompatDeunhealth}
		}},
		{"STOKER_REQUIRE_QUOTA=false", func(c *Config) { c.Limits.RequireQuota = RequireQuotaOff }},
		{"STOKER_OVERLOAD_SHARE=75%|STOKER_OVERLOAD_HOLD=1h", func(c *Config) { c.Limits.OverloadShare, c.Limits.OverloadHold = 0.75, time.Hour }},
		{"STOKER_STATS=off", func(c *Config) { c.Watch.Stats = StatsOff }},
		{"STOKER_OVERLOAD_SHARE=0%", func(c *Config) { c.Limits.OverloadShare = 2 }},
		{"STOKER_PARALLEL=1|STOKER_RESYNC=5s|STOKER_DRY_RUN=YES", func(c *Config) {
			c.Limits.Parallel, c.Watch.Resync, c.DryRun = 1, 5*time.Second, true
		}},
		{"STOKER_PEERS=Tasks.Stoker:8080, https://b.example/stoker/ http://10.0.0.2:8080 http://10.0.0.2:8080/", func(c *Config) {
			c.Cluster.Peers = []string{"tasks.stoker:8080", "https://b.example/stoker", "http://10.0.0.2:8080"}
		}},
		{"STOKER_STATE_DIR=/data/", func(c *Config) { c.StateDir = "/data" }},
		{"STOKER_NOTIFY=a://x?to=b,c,d://y\n e://z,", func(c *Config) { c.Notify.URLs = []string{"a://x?to=b,c", "d://y", "e://z"} }},
		{"STOKER_NOTIFY_FILE=/run/secrets/notify", func(c *Config) { c.Notify.URLs = []string{"discord://token@id"} }},
		{"STOKER_NOTIFY_FILE=/run/secrets/notify|STOKER_NOTIFY=", func(c *Config) { c.Notify.URLs = []string{"discord://token@id"} }},
		{"STOKER_NOTIFY_ON=Healed, exhausted", func(c *Config) { c.Notify.On = []string{"healed", "exhausted"} }},
		{"STOKER_NOTIFY_ON=all", func(c *Config) { c.Notify.On = []string{"all"} }},
		{"STOKER_LOG_LEVEL=WARNING|STOKER_LOG_FORMAT=json", func(c *Config) { c.Log = Log{Level: "warn", Format: "json"} }},
	}
	for _, test := range tests {
		t.Run(test.environ, func(t *testing.T) {
			want := standard()
			test.want(&want)
			got, problems := load(strings.Split(test.environ, "|")...)
			require.Empty(t, problems)
			require.Equal(t, want, got)
		})
	}
}

func TestLoadFromDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	require.NoError(t, os.WriteFile(path, []byte("discord://token@id\n"), 0o600))
	got, problems := Load([]string{"STOKER_NOTIFY_FILE=" + path})
	require.Empty(t, problems)
	require.Equal(t, []string{"discord://token@id"}, got.Notify.URLs)

	_, problems = Load([]string{"STOKER_NOTIFY_FILE=" + path + "-gone"})
	require.Len(t, problems, 1)
	require.Equal(t, 1, strings.Count(problems[0].String(), path), "the path appears once")
}

func TestLoadLabelDefaults(t *testing.T) {
	got, problems := load("STOKER_ON_EXIT=failure", "STOKER_STOP_TIMEOUT=30s", "STOKER_CPUS=0.5", "STOKER_REQUIRE_QUOTA=apply", "STOKER_IDLE_BELOW=2%")
	require.Empty(t, problems)
	want := policy.Default()
	want.CPUsWhereNone = true
	want.OnExit, want.StopTimeout, want.CPUs, want.IdleBelow = policy.OnExitFailure, 30*time.Second, 0.5, 0.02
	require.Equal(t, want, got.Rules.Policy, "on-exit does not count as set")
	require.Equal(t, RequireQuotaApply, got.Limits.RequireQuota)

	for _, label := range policy.Labels() {
		if label.Env == "" {
			continue
		}
		wrong := "no such value"
		if label.Env == "STOKER_BEFORE_STOP" { // any text is valid for a shell
			wrong = "[no such value"
		}
		_, problems := load(label.Env + "=" + wrong)
		require.Len(t, problems, 1, label.Env)
		require.Equal(t, label.Env, problems[0].Variable)
	}
}

func TestLoadBad(t *testing.T) {
	tests := []struct{ environ, line string }{
		{"STOKER_OVERLOAD_SHARE=half", `STOKER_OVERLOAD_SHARE="half": not a percentage; write it such as 1%`},
		{"STOKER_OVERLOAD_HOLD=5", `STOKER_OVERLOAD_HOLD="5": missing unit; write 5s`},
		{"STOKER_RESYNC=5", `STOKER_RESYNC="5": missing unit; write 5s`},
		{"STOKER_RESYNC=4s", `STOKER_RESYNC="4s": too often; at least 5s`},
		{`STOKER_RESYNC="1m"`, `STOKER_RESYNC="\"1m\"": not a duration; write it such as 90s, 5m or 1h30m; the quotes are part of the value, leave them out`},
		{"STOKER_STOP_TIMEOUT=90", `STOKER_STOP_TIMEOUT="90": missing unit; write 90s`},
		{"STOKER_ON_EXIT=allways", `STOKER_ON_EXIT="allways": not one of always, failure, never; did you mean always?`},
		{"STOKER_BACKOFF_MAX=10ms", `STOKER_BACKOFF_MAX="10ms": backoff-initial is 1s and backoff-max is 10ms; the first wait cannot be longer than the longest`},
		{"STOKER_PARALLEL=0", `STOKER_PARALLEL="0": not a whole number from 1 to 1024`},
		{"STOKER_PARALLEL=many", `STOKER_PARALLEL="many": not a whole number from 1 to 1024`},
		{"STOKER_DRY_RUN=ja", `STOKER_DRY_RUN="ja": neither true nor false; write true or false`},
		{"STOKER_REQUIRE_QUOTA=apply", `STOKER_REQUIRE_QUOTA="apply": STOKER_CPUS is not set; set it to the quota to apply`},
		{"STOKER_SELECT=labels", `STOKER_SELECT="labels": not one of label, quota, all; did you mean label?`},
		{"STOKER_COMPAT=autoheal,watchtower", `STOKER_COMPAT="autoheal,watchtower": "watchtower" is not one of autoheal, deunhealth`},
		{"STOKER_PEERS=a:1,tasks.stoker", `STOKER_PEERS="a:1,tasks.stoker": entry 2 of 2 is not a peer; write a name and a port such as tasks.stoker:8080, or a URL such as http://10.0.0.2:8080`},
		{"STOKER_PEERS=ftp://host", `STOKER_PEERS="ftp://host": entry 1 of 1 is not a URL of a Stoker; write http://host:8080`},
		{"STOKER_PEERS=http://u:p@host", `STOKER_PEERS: entry 1 of 1 is a URL with a user, but a Stoker has no users; protect the network instead`},
		{"STOKER_PEERS=http://host/?q=1", `STOKER_PEERS="http://host/?q=1": entry 1 of 1 is a URL with a query; write where the page is, such as http://host:8080`},
		{"STOKER_STATE_DIR=data", `STOKER_STATE_DIR="data": not an absolute path; begin it with /`},
		{"STOKER_LISTEN=8080", `STOKER_LISTEN="8080": missing colon; write :8080`},
		{"STOKER_LISTEN=off", `STOKER_LISTEN="off": not an address; write :8080 or 127.0.0.1:8080, or set it to nothing to turn it off`},
		{"STOKER_LISTEN=http://:80", `STOKER_LISTEN="http://:80": not an address; write :8080 or 127.0.0.1:8080, or set it to nothing to turn it off`},
		{"STOKER_LISTEN=:http", `STOKER_LISTEN=":http": the port is not a number from 0 to 65535`},
		{"STOKER_LISTEN=:70000", `STOKER_LISTEN=":70000": the port is not a number from 0 to 65535`},
		{"STOKER_LISTEN=[x:y]:80", `STOKER_LISTEN="[x:y]:80": the host is not an address; write :8080 or 127.0.0.1:8080`},
		{"STOKER_LOG_LEVEL=loud", `STOKER_LOG_LEVEL="loud": not one of trace, debug, info, warn, error`},
		{"STOKER_LOG_FORMAT=xml", `STOKER_LOG_FORMAT="xml": not one of text, json`},
		{"STOKER_NOTIFY_ON=a b!", `STOKER_NOTIFY_ON="a b!": "b!" is not a name; write a comma list such as healed,exhausted`},
		{"DOCKER_HOST=/var/run/docker.sock", `DOCKER_HOST="/var/run/docker.sock": missing unix://; write unix:// and the path`},
		{"DOCKER_HOST=host:2375", `DOCKER_HOST="host:2375": missing tcp://; write unix:// and a path, or tcp:// and host:port`},
		{"DOCKER_HOST=unix://var/run/docker.sock", `DOCKER_HOST="unix://var/run/docker.sock": not an absolute path, a slash is missing; write unix:///var/run/docker.sock`},
		{"DOCKER_HOST=ssh://user@host", `DOCKER_HOST: ssh is not supported; use a socket, or tcp with TLS`},
		{`STOKER_SCOPE="prod"`, `STOKER_SCOPE="\"prod\"": the quotes are part of the value, leave them out`},
		{`DOCKER_CERT_PATH='/certs'`, `DOCKER_CERT_PATH="'/certs'": the quotes are part of the value, leave them out`},
		{"DOCKER_HOST=ssh://host", `DOCKER_HOST="ssh://host": ssh is not supported; use a socket, or tcp with TLS`},
		{"DOCKER_HOST=udp://host", `DOCKER_HOST="udp://host": unknown scheme; write unix:// and a path, or tcp:// and host:port`},
		{"DOCKER_HOST=tcp://", `DOCKER_HOST="tcp://": nothing after ://; write unix:// and a path, or tcp:// and host:port`},
		{"DOCKER_API_VERSION=latest", `DOCKER_API_VERSION="latest": not an API version; write it such as 1.41`},
		{"DOCKER_API_VERSION=1.4", `DOCKER_API_VERSION="1.4": older than 1.24; in YAML a version has to be in quotes`},
		{"DOCKER_TLS_VERIFY=1", `DOCKER_TLS_VERIFY: DOCKER_CERT_PATH is not set; set it to the folder of ca.pem, cert.pem and key.pem`},
		{"STOKER_RESINC=1m", `STOKER_RESINC: not a variable of Stoker; did you mean STOKER_RESYNC?`},
		{"stoker_resync=1m", `stoker_resync: not a variable of Stoker; did you mean STOKER_RESYNC?`},
		{"STOKER_STOPTIMEOUT=9s", `STOKER_STOPTIMEOUT: not a variable of Stoker; did you mean STOKER_STOP_TIMEOUT?`},
		{"STOKER_ENABLE=true", `STOKER_ENABLE: not a variable of Stoker`},
		{"STOKER_=1", `STOKER_: not a variable of Stoker`},
		{"STOKER_SCOPE_FILE=/x", `STOKER_SCOPE_FILE: only a secret can be given in a file; write STOKER_SCOPE`},
		{"STOKER_NOTIFY_FILE=/nowhere", `STOKER_NOTIFY_FILE="/nowhere": cannot be read: no such file or directory`},
		{"STOKER_NOTIFY_FILE=/empty", `STOKER_NOTIFY_FILE="/empty": the file is empty`},
	}
	for _, test := range tests {
		t.Run(test.environ, func(t *testing.T) {
			_, problems := load(test.environ)
			require.Equal(t, []string{test.line}, lines(problems))
		})
	}
}

func TestLoadReportsAllAtOnce(t *testing.T) {
	_, problems := load("STOKER_RESYNC=5", "STOKER_CPUS=x", "STOKER_REQUIRE_QUOTA=apply", "STOKER_ZZZ=1", "DOCKER_HOST=x",
		"STOKER_LISTEN=1:2:3", "STOKER_NOTIFY=nothing", "STOKER_ON_EXIT=x", "STOKER_BOOST_CPUS=-1")
	var about []string
	for _, p := range problems {
		about = append(about, p.Variable)
	}
	require.Equal(t, []string{"DOCKER_HOST", "STOKER_BOOST_CPUS", "STOKER_CPUS", "STOKER_LISTEN", "STOKER_NOTIFY",
		"STOKER_ON_EXIT", "STOKER_RESYNC", "STOKER_ZZZ"}, about, "by name; the lack of a quota follows from STOKER_CPUS and is not blamed")
}

func TestSecretsStaySecret(t *testing.T) {
	const secret = "hunter2"
	tests := []struct {
		name    string
		environ []string
		bad     bool
	}{
		{"good", []string{"STOKER_NOTIFY=discord://" + secret + "@id smtp://u:" + secret + "@host/"}, false},
		{"bad", []string{"STOKER_NOTIFY=smtp://u:" + secret + "@host/ " + secret}, true},
		{"quoted", []string{`STOKER_NOTIFY="` + secret + `"`}, true},
		{"misspelt", []string{"STOKER_NOTIFI=discord://" + secret}, true},
		{"two ways", []string{"STOKER_NOTIFY=discord://" + secret, "STOKER_NOTIFY_FILE=/run/secrets/notify"}, true},
		{"password in the engine's address", []string{"DOCKER_HOST=tcp://user:" + secret + "@host:2375"}, true},
		{"password and no scheme", []string{"DOCKER_HOST=user:" + secret + "@host:2375"}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			config, problems := load(test.environ...)
			require.Equal(t, test.bad, len(problems) > 0)
			printed := []string{fmt.Sprint(config), fmt.Sprintf("%+v %#v", config, &config), strings.Join(config.Summary(), "\n")}
			for _, text := range append(printed, lines(problems)...) {
				require.NotContains(t, text, secret)
			}
			require.NotContains(t, fmt.Sprintf("%+v", problems), secret)
		})
	}
}

func TestSummary(t *testing.T) {
	config, problems := load("STOKER_NOTIFY=discord://a@b smtp://c", "STOKER_STOP_TIMEOUT=30s", "STOKER_LISTEN=",
		"STOKER_SCOPE=night", "STOKER_CPUS=0.5")
	require.Empty(t, problems)
	require.Equal(t, []string{
		"engine=local socket",
		"select=label, scope night",
		"heals=8 at once, resync 1m0s, dry run false",
		"require_quota=warn, cpus 0.5",
		"stats=watched",
		"state=/var/lib/stoker",
		"listen=off",
		"notify=2 (discord,smtp)",
		"log=info, text",
		"defaults=STOKER_CPUS=0.5 STOKER_STOP_TIMEOUT=30s",
	}, config.Summary())
}

func TestVariables(t *testing.T) {
	all := Variables()
	seen := map[string]bool{}
	for _, v := range all {
		require.False(t, seen[v.Name], "%s is listed twice", v.Name)
		seen[v.Name] = true
		require.NotEmpty(t, v.Default, v.Name)
		require.NotEmpty(t, v.Meaning, v.Name)
		require.NotContains(t, v.Meaning, "|", "breaks a Markdown table")
	}
	require.Equal(t, "STOKER_ON_EXIT", all[0].Name)
	require.True(t, seen["STOKER_NOTIFY_FILE"])
	require.True(t, slices.ContainsFunc(all, func(v Variable) bool { return v.Secret }))
}

// An error of the env package names a field and its type, no more.
func TestVariablesAreKnownByTheirFields(t *testing.T) {
	seen := map[string]string{}
	for _, field := range leaves(reflect.TypeFor[variables]()) {
		name := field.Tag.Get("env")
		require.Empty(t, seen[field.Name+" "+field.Type.String()], name)
		seen[field.Name+" "+field.Type.String()] = name
		require.Equal(t, name, variableOf(env.ParseError{Name: field.Name, Type: field.Type}))
	}
}

func lines(problems []Problem) []string {
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	return lines
}

func FuzzLoad(f *testing.F) {
	for _, v := range Variables() {
		f.Add(v.Name, v.Default, "STOKER_CPUS", "1")
		f.Add(v.Name, "\"-1\n", v.Name+"_FILE", "/run/secrets/notify")
	}
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		config, problems := load(name1+"="+value1, name2+"="+value2)
		_, again := load(name1+"="+value1, name2+"="+value2)
		require.Equal(t, problems, again)
		for _, p := range problems {
			require.NotEmpty(t, p.Variable)
			require.NotContains(t, p.String(), "\n")
		}
		if len(problems) > 0 {
			return
		}
		require.GreaterOrEqual(t, config.Limits.Parallel, 1)
		require.GreaterOrEqual(t, config.Watch.Resync, leastResync)
		require.True(t, strings.HasPrefix(config.StateDir, "/"))
		require.NotEmpty(t, config.Rules.Mode)
		require.NotEmpty(t, config.Limits.RequireQuota)
		require.NotEmpty(t, config.Log.Level)
		require.NotEmpty(t, config.Log.Format)
		for _, line := range config.Summary() {
			require.NotEmpty(t, line)
		}
	})
}
