package config

import (
	"fmt"
	"strings"

	"stoker/sidecar/internal/core/policy"
)

// Summary returns the configuration in lines of name=value for the start of the log. Of secrets it shows only their number and the service
// of each; sources of work print themselves without them.
func (c Config) Summary() []string {
	lines := []string{
		"engine=" + orElse(c.Docker.Host, "local socket") + tls(c.Docker),
		"select=" + string(c.Rules.Mode) + listed(", scope ", c.Rules.Scope) + listed(", compat ", join(c.Rules.Compat)),
		fmt.Sprintf("heals=%d at once, resync %s, dry run %t", c.Limits.Parallel, c.Watch.Resync, c.DryRun),
		"require_quota=" + string(c.Limits.RequireQuota) + cpus(c.Rules.Policy),
		"stats=" + string(c.Watch.Stats),
		"state=" + c.StateDir,
		"listen=" + orElse(c.Listen, "off"),
		"notify=" + services(c.Notify.URLs) + listed(", on ", strings.Join(c.Notify.On, ",")),
		"log=" + c.Log.Level + ", " + c.Log.Format,
	}
	if c.Cluster.Scale {
		lines = append(lines, "swarm=services are scaled by the leader")
	}
	if len(c.Cluster.Peers) > 0 {
		lines = append(lines, "peers="+strings.Join(c.Cluster.Peers, " "))
	}
	if c.Ping.URL != "" {
		lines = append(lines, "ping=every "+c.Ping.Every.String())
	}
	if named := namedSources(c.Sources); len(named) > 0 {
		lines = append(lines, "sources of work: "+strings.Join(named, ", "))
	}
	if len(c.given) > 0 {
		lines = append(lines, "defaults="+strings.Join(c.given, " "))
	}
	return lines
}

// String returns the summary, so that a printed Config shows no secrets.
func (c Config) String() string { return strings.Join(c.Summary(), "; ") }

// GoString returns String, for %#v.
func (c Config) GoString() string { return c.String() }

func services(urls []string) string {
	var names []string
	for _, u := range urls {
		scheme, _, _ := strings.Cut(u, "://")
		names = append(names, scheme)
	}
	if len(names) == 0 {
		return "none"
	}
	return fmt.Sprintf("%d (%s)", len(names), strings.Join(names, ","))
}

func tls(d Docker) string {
	switch {
	case d.TLSVerify:
		return ", TLS"
	case d.CertPath != "":
		return ", certificates from " + d.CertPath
	}
	return ""
}

func cpus(p policy.Policy) string {
	if p.CPUs == 0 {
		return ""
	}
	return fmt.Sprintf(", cpus %g", p.CPUs)
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func listed(name, text string) string {
	if text == "" {
		return ""
	}
	return name + text
}

func join[T ~string](all []T) string {
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = string(one)
	}
	return strings.Join(texts, ",")
}
